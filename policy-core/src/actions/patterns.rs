//! Patterns with what takes their place: `from` and `to`.
//!
//! Source: ngrok documentation, redirect, url-rewrite and the find-replace actions (2026-08-07). `redirect` and
//! `url-rewrite` match the whole URL, with its scheme. `$1` in `to` is the first group of `from`, as Go expands it: the
//! longest word after the `$` is its name, and `$$` is a `$`.

use crate::cel::{TemplatePart, pattern_facts};
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{Context, Text};

static NEVER_MATCHES: Code = Code::warning("TP448", "pattern-never-matches");
static NO_GROUP: Code = Code::warning("TP449", "no-such-group");

/// The codes this file raises.
pub(super) static CODES: &[&Code] = &[&NEVER_MATCHES, &NO_GROUP];

/// Looks at a pattern that is matched against whole URLs, and at what takes its place.
pub(super) fn check_url(from: Option<&Text>, to: &Text, cx: &Context<'_, '_>) {
    let facts = from.and_then(|from| pattern_facts(written_begin(from)?));
    let begins = facts.and_then(|facts| facts.begins);
    // Every URL begins with `http`, and has one line.
    if let (Some(from), Some(begins)) = (from, begins)
        && begins.iter().all(|c| !matches!(c, 'h'))
    {
        let path = begins.contains(&'/') || begins.is_empty();
        let message =
            "`from` is matched against the whole URL, scheme and host included, so it never matches";
        let help = match path {
            true => "leave out the `^`, or begin with `^https?://[^/]+/`",
            false => "begin with `^https?://`, or leave out the `^`",
        };
        cx.reader.report(Diagnostic::new(&NEVER_MATCHES, from.span, message).with_help(help));
    }
    check_groups(from, to, cx);
}

/// A pattern as far as it is written before its first expression.
fn written_begin(from: &Text) -> Option<&str> {
    match from.template.parts().first()? {
        TemplatePart::Text(text) => Some(text),
        TemplatePart::Expression(_) => None,
    }
}

/// Looks for groups in `to` that `from` does not have.
pub(super) fn check_groups(from: Option<&Text>, to: &Text, cx: &Context<'_, '_>) {
    let groups = match from {
        None => 0,
        Some(from) => match from.literal().and_then(pattern_facts) {
            Some(facts) => facts.groups,
            // Known for each request only.
            None => return,
        },
    };
    let texts = to.template.parts().iter().filter_map(|part| match part {
        TemplatePart::Text(text) => Some(&**text),
        TemplatePart::Expression(_) => None,
    });
    let Some(missing) = texts.flat_map(group_numbers).find(|number| *number > groups) else { return };
    let (message, help) = match (from, groups) {
        (None, _) => (
            format!("there is no `from`, so `${missing}` is no group of it"),
            "add `from`, or write the text out",
        ),
        (_, 0) => (
            format!("`from` has no groups, so `${missing}` is empty"),
            "put parentheses around what it stands for",
        ),
        (_, 1) => (format!("`from` has one group, so `${missing}` is empty"), "add the group, or write `$1`"),
        _ => (
            format!("`from` has {groups} groups, so `${missing}` is empty"),
            "add the group, or use one that there is",
        ),
    };
    cx.reader.report(Diagnostic::new(&NO_GROUP, to.span, message).with_help(help));
}

/// The numbers of the groups that a text names.
fn group_numbers(text: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('$') {
        if let Some(behind) = behind.strip_prefix('$') {
            rest = behind;
            continue;
        }
        let end = behind.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(behind.len());
        let (name, behind) = behind.split_at_checked(end).unwrap_or((behind, ""));
        out.extend(name.parse::<usize>().ok());
        rest = behind;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_words_of_digits() {
        assert_eq!(group_numbers("/v2/$1?a=$2&b=$$3 $x $1a $10"), [1, 2, 10]);
        assert_eq!(group_numbers("$"), Vec::<usize>::new());
    }
}
