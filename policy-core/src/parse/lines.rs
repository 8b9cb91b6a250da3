//! The line around a place of a file that is no YAML, and how what stands there is put in quotes.

use crate::diagnostic::{Diagnostic, codes};
use crate::source::Span;

codes! {
    pub(super) static SYNTAX = error("TP103", "yaml-syntax", ERR_NGROK_2236);
}

/// Bytes of a line that are looked at on each side of a place: there may be many places in one line.
pub(super) const MAX_WIDTH: usize = 2_048;

/// A line and where it begins.
pub(super) struct Line<'t> {
    pub(super) start: usize,
    pub(super) text: &'t str,
}

/// The line around a place, or as much of it as is looked at.
pub(super) fn line_at(text: &str, at: usize) -> Line<'_> {
    let at = at.min(text.len());
    let first = text.ceil_char_boundary(at.saturating_sub(MAX_WIDTH));
    let before = text.get(first..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(first, |end| first + end + 1);
    Line { start, text: text.get(start..line_end(text, at)).unwrap_or_default() }
}

/// The end of the line around a place, or of as much of it as is looked at.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let last = text.floor_char_boundary(at.saturating_add(MAX_WIDTH));
    let rest = text.get(at..last).unwrap_or_default();
    at + rest.find(['\n', '\r']).unwrap_or(rest.len())
}

pub(super) const QUOTE_VALUE: &str = "put the whole value in quotes";

/// A value in quotes of YAML, as it has to be written.
pub(super) fn quoted(value: &str) -> Option<String> {
    if value.is_empty() || value.contains(" #") || value.chars().any(char::is_control) {
        return None;
    }
    Some(match value.contains(['"', '\\']) {
        false => format!("\"{value}\""),
        true => format!("'{}'", value.replace('\'', "''")),
    })
}

/// A finding with the help to put an expression in quotes, all of it or none, and the change that does it.
pub(super) fn quoted_help(found: Diagnostic, place: Span, value: &str) -> Diagnostic {
    const MAX_LENGTH: usize = 80;
    let found = match quoted(value) {
        Some(quoted) if value.len() <= MAX_LENGTH => found
            .with_help(format!("put the whole expression in quotes: `{quoted}`"))
            .with_fix_at(false, Some(place), quoted),
        Some(quoted) => {
            found.with_help("put the whole expression in quotes").with_fix_at(false, Some(place), quoted)
        }
        None => found.with_help("put the whole value or expression in quotes"),
    };
    found.with_discreet(None, QUOTE_VALUE)
}
