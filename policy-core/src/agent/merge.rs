//! Several configuration files of an agent as one.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::json;
use crate::options::CheckOptions;
use crate::parse::{self, EMPTY_DOCUMENT, Plain, PlainMap};
use crate::source::Source;

/// Several configurations as one. Later scalars and lists replace earlier ones, maps are merged by key, and a key without
/// a value changes nothing (ngrok documentation, agent configuration, 2026-08-07). What is found in the result is placed
/// in its text, which is JSON; one file alone stays as it is.
///
/// ```
/// use policy_core::{agent::merge, options::CheckOptions, source::Source};
/// let files = [
///     Source::new("a.yml", "version: 3\nagent: {authtoken: a, metadata: m}"),
///     Source::new("b.yml", "agent: {authtoken: b, metadata: null}"),
/// ];
/// let merged = merge(&files, &CheckOptions::default()).expect("both are YAML");
/// assert_eq!(merged.name(), "a.yml + b.yml");
/// let text: String = merged.text().split_whitespace().collect();
/// assert_eq!(text, r#"{"version":3,"agent":{"authtoken":"b","metadata":"m"}}"#);
/// ```
///
/// # Errors
/// The first file that cannot be parsed, with what was found in it.
pub fn merge(files: &[Source], options: &CheckOptions) -> Result<Source, (Source, Diagnostics)> {
    if let [only] = files {
        return Ok(only.clone());
    }
    let mut merged = Plain::Null;
    for source in files {
        let mut found = Diagnostics::default();
        let document = parse::parse(source, &options.limits, &mut found);
        // A file without anything in it changes nothing.
        let is_wrong = |it: &Diagnostic| it.severity == Severity::Error && *it.code != EMPTY_DOCUMENT;
        if found.iter().any(is_wrong) {
            found.sort();
            return Err((source.clone(), found));
        }
        if let Some(root) = document.root() {
            merged = merge_values(merged, Plain::from_node(root));
        }
    }
    let names: Vec<_> = files.iter().map(Source::name).collect();
    // Plain data has no key that is no text, so it can be written.
    let text = json::to_string_pretty(&merged).unwrap_or_default();
    Ok(Source::new(names.join(" + "), text))
}

/// As deep as the files, which have a bound. O(keys).
fn merge_values(earlier: Plain, later: Plain) -> Plain {
    match (earlier, later) {
        (Plain::Map(PlainMap(mut entries)), Plain::Map(PlainMap(later))) => {
            let places = entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at));
            let places: HashMap<_, _> = places.collect();
            for (key, value) in later {
                match places.get(&key).and_then(|at| entries.get_mut(*at)) {
                    Some((_, known)) => *known = merge_values(std::mem::replace(known, Plain::Null), value),
                    None => entries.push((key, value)),
                }
            }
            Plain::Map(PlainMap(entries))
        }
        (earlier, Plain::Null) => earlier,
        (_, later) => later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(files: &[&str]) -> String {
        let files: Vec<_> =
            files.iter().enumerate().map(|(at, text)| Source::new(format!("{at}.yml"), *text)).collect();
        let source = merge(&files, &CheckOptions::default()).expect("YAML");
        source.text().split_whitespace().collect()
    }

    #[test]
    fn later_files_count_before_earlier_ones() {
        assert_eq!(
            merged(&[
                "{agent: {authtoken: a, metadata: m}, endpoints: [1, 2]}",
                "{agent: {authtoken: b, log: null}, endpoints: [3]}",
                "# nothing",
            ]),
            r#"{"agent":{"authtoken":"b","metadata":"m","log":null},"endpoints":[3]}"#
        );
        assert_eq!(merged(&["a: {b: {c: 1}}", "a: 2", "a: {d: 3}"]), r#"{"a":{"d":3}}"#);
    }

    #[test]
    fn one_file_stays_as_it_is_and_a_broken_one_is_named() {
        let one = [Source::new("a.yml", "version: 3 # of the agent")];
        assert_eq!(merge(&one, &CheckOptions::default()).expect("one").text(), one[0].text());
        let files = [Source::new("a.yml", "version: 3"), Source::new("b.yml", "agent: [")];
        let (source, found) = merge(&files, &CheckOptions::default()).expect_err("broken");
        assert!(source.name() == "b.yml" && found.has_errors());
    }
}
