//! Edits that make an expectation what the policy does: of its names and values alone, so that comments, quotes and layout
//! stay, and a JSON file stays one.

use super::Expected;
use crate::diagnostic::Edit;
use crate::reader::Fields;
use crate::source::{Source, Span};

/// What takes the place of something that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actual {
    /// A field with its value, as JSON.
    Field(&'static str, String),
    /// A value, as JSON.
    Value(String),
}

/// A field of an expectation: where its name and its value stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    name: Span,
    value: Span,
}

/// The places of all fields of an expectation, of inner maps as well.
pub(super) fn places(fields: &Fields<'_>) -> Vec<Place> {
    let mut out = Vec::new();
    for field in &fields.entries {
        out.push(Place { name: field.span, value: field.value.span() });
        if let Some(inner) = Fields::from_node(field.value) {
            out.extend(places(&inner));
        }
    }
    out
}

impl Expected {
    /// The edit that puts what is in the place of what is expected at a span of it. `None` if that is not written out there:
    /// an alias, something with an anchor or a tag, a field without a value, a name behind a `?`, or a value with comments in it.
    /// O(fields).
    ///
    /// ```
    /// use policy_core::scenarios::{Actual, load_scenarios};
    /// use policy_core::source::Source;
    /// let text = "policy: p.yml
    /// cases: [{name: a, ip: 192.0.2.1, expect: {deny: true}}]  # one
    /// ";
    /// let source = Source::new("p.test.yml", text);
    /// let scenarios = load_scenarios(&source).0.expect("no errors");
    /// let expect = &scenarios.cases[0].steps[0].expect;
    /// let at = expect.outcome.as_ref().expect("given").span;
    /// let edit = expect.edit(&source, at, &Actual::Field("close", "true".into())).expect("written out");
    /// assert_eq!((source.slice(edit.span), &*edit.replacement), ("deny: true", "close: true"));
    /// ```
    #[must_use]
    pub fn edit(&self, source: &Source, at: Span, actual: &Actual) -> Option<Edit> {
        let has = |value: Span| value.start <= at.start && at.end <= value.end;
        let named = self.places.iter().find(|place| place.name == at);
        let around = self.places.iter().filter(|place| has(place.value));
        let Place { name, value } =
            named.or_else(|| around.min_by_key(|it| it.value.end - it.value.start))?;
        if value.start < name.end || value.start == value.end {
            return None;
        }
        let between = source.slice(Span::new(name.end, value.start));
        let before = between.trim_start_matches(['"', '\'', ' ', ':']);
        let is_block = before.starts_with(['|', '>']);
        if before.starts_with(['&', '*', '!', '?']) {
            return None;
        }
        let skipped = u32::try_from(between.len() - before.len()).ok()?;
        let start = if is_block { name.end + skipped } else { value.start };
        // What follows a block of text belongs to it, up to the next field.
        let written = source.slice(*value);
        let length = if is_block { written.trim_end().len() } else { written.len() };
        let end = value.start + u32::try_from(length).ok()?;
        if !is_block && has_comment(source.slice(Span::new(start, end))) {
            return None;
        }
        let (start, replacement) = match actual {
            Actual::Value(text) => (start, text.clone()),
            Actual::Field(field, text) => {
                let begin = start_of(source, *name);
                let written = source.slice(Span::new(begin, start));
                (begin, format!("{}{text}", renamed(written, source.slice(*name), field)?))
            }
        };
        Some(Edit { span: Span::new(start, end), replacement })
    }
}

/// The begin of a name, with its quotes.
fn start_of(source: &Source, name: Span) -> u32 {
    let before = source.text().get(..name.start as usize).unwrap_or_default();
    let is_quoted = before.ends_with(['"', '\'']) && !source.slice(name).starts_with(['"', '\'']);
    name.start - u32::from(is_quoted)
}

/// What stands before a value, with another name and everything else as it was; `None` if the name is not followed by its
/// colon, as one behind a `?`.
fn renamed(written: &str, name: &str, other: &str) -> Option<String> {
    let bare = name.trim_matches(['"', '\'']);
    let at = written.find(bare)?;
    let (before, after) = (written.get(..at)?, written.get(at + bare.len()..)?);
    let follows = after.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
    follows.starts_with(':').then(|| format!("{before}{other}{after}"))
}

/// True if comments may stand between the lines of a value.
fn has_comment(value: &str) -> bool {
    value.contains('\n')
        && value.lines().any(|line| line.starts_with('#') || line.contains(" #") || line.contains("\t#"))
}
