//! Every diagnostic code has a page, and the examples on the page do what the page says.
//!
//! A fence ` ```yaml fail ` must raise the code of its page, ` ```yaml fixed ` must raise nothing. Further words
//! say how it is read: `cloud` as the policy of a cloud endpoint, `json` as a JSON file, `ip-policies` as a file of
//! those. Codes
//! whose fault cannot be typed (bytes, sizes, other files) show their example as ` ```text `; they are
//! named in `WITHOUT_EXAMPLE`, and their own unit tests raise them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::agent::load_agent_files;
use policy_core::catalog::{codes, page};
use policy_core::check::CheckOptions;
use policy_core::compile::{CompileOptions, compile};
use policy_core::diagnostic::Diagnostics;
use policy_core::ip_policies::load_ip_policies;
use policy_core::lint::{DocumentKind, lint};
use policy_core::named_file::NamedFile;
use policy_core::source::Source;

const WITHOUT_EXAMPLE: &[&str] = &["TP101", "TP102", "TP107", "TP439", "TP452", "TP455", "TP602", "TP603"];

#[test]
fn every_code_has_a_page_in_the_set_form() {
    for code in codes() {
        let page = page(code.id).unwrap_or_else(|| panic!("no page for {}", code.id));
        let title = format!("# {} {}\n", code.id, code.slug);
        assert!(page.starts_with(&title), "{}: the page begins with {title:?}", code.id);
        for heading in ["\n## What\n", "\n## Why\n", "\n## Example\n"] {
            assert!(page.contains(heading), "{}: no {heading:?}", code.id);
        }
        let severity = format!("\nSeverity: {}", code.severity.name());
        assert!(page.contains(&severity), "{}: no {severity:?}", code.id);
        for ngrok in code.ngrok {
            assert!(page.contains(&ngrok.to_string()), "{}: {ngrok} is not named", code.id);
        }
    }
}

#[test]
fn the_examples_fail_and_pass_as_the_pages_say() {
    for code in codes() {
        let page = page(code.id).expect("a page");
        let (fail, fixed) = (fences(page, "yaml fail"), fences(page, "yaml fixed"));
        if WITHOUT_EXAMPLE.contains(&code.id) {
            assert!(fail.is_empty(), "{}: has an example now; take it off the list", code.id);
            continue;
        }
        assert!(!fail.is_empty() && !fixed.is_empty(), "{}: needs a failing and a fixed example", code.id);
        // What this version lacks is said by the compiler.
        let runs = code.id == "TP601";
        for (text, how) in fail {
            let found = check(&text, how, runs);
            let ids: Vec<_> = found.iter().map(|d| d.code.id).collect();
            assert!(ids.contains(&code.id), "{}: the failing example gives {ids:?}", code.id);
        }
        for (text, how) in fixed {
            let found = check(&text, how, runs);
            let all: Vec<_> = found.iter().map(|d| format!("{} {}", d.code.id, d.message)).collect();
            assert!(all.is_empty(), "{}: the fixed example gives {all:?}", code.id);
        }
    }
}

#[test]
fn ids_and_slugs_are_unique() {
    let codes: Vec<_> = codes().collect();
    for (at, code) in codes.iter().enumerate() {
        let rest = &codes[at + 1..];
        assert!(rest.iter().all(|other| other.id != code.id && other.slug != code.slug), "{}", code.id);
    }
}

/// A code without a file does not compile; a file without a code is one that no stage declares, or whose stage is not in
/// the catalogue.
#[test]
fn every_page_is_that_of_a_code() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics")).expect("pages");
    let mut files: Vec<_> =
        folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    files.sort();
    let declared: Vec<_> = codes().map(|code| format!("{}.md", code.id)).collect();
    assert_eq!(files, declared);
}

/// Everything that is found in an example; `runs` if it is compiled too.
fn check(text: &str, how: &str, runs: bool) -> Diagnostics {
    let name = if how.contains("json") { "example.json" } else { "example.yml" };
    let source = Source::new(name, text);
    if how.contains("ip-policies") {
        return load_ip_policies(&source).1;
    }
    let mut options = CheckOptions::default();
    options.endpoint.cloud = how.contains("cloud");
    let linted = lint(&source, Some(DocumentKind::Policy), &options);
    let mut found = linted.diagnostics;
    if linted.kind == Some(DocumentKind::Agent) && !found.has_errors() {
        let mut read = |name: &str| NamedFile::new(name.to_owned(), Err("no file".to_owned()));
        return load_agent_files(&source, &options, &mut read).findings;
    }
    if let Some(Err(error)) =
        linted.policy.filter(|_| runs).map(|policy| compile(&policy, &CompileOptions::default()))
    {
        found.append(error);
    }
    found
}

/// The contents of the code fences that begin with this info string, and the rest of the info string.
fn fences<'p>(page: &'p str, info: &str) -> Vec<(String, &'p str)> {
    let opening = format!("```{info}");
    let after = page.split(&opening).skip(1);
    after
        .filter_map(|rest| {
            let (how, body) = rest.split_once('\n')?;
            Some((body.split("```").next()?.to_owned(), how))
        })
        .collect()
}
