//! Expressions without quotes in a list in brackets: YAML ends them at their own commas and brackets.

use granit_parser::ErrorKind;

use super::lines::{MAX_WIDTH, SYNTAX, line_at, quoted_help};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Lists whose items are expressions.
const EXPRESSION_LISTS: &[&str] = &["expressions", "bucket_key"];

/// Lists around a place that are looked at.
const MAX_LISTS: usize = 8;

/// True for the key of a list of expressions.
pub(super) fn holds_expressions(key: &str) -> bool {
    EXPRESSION_LISTS.contains(&key)
}

/// The end of an item as its author means it: the comma or bracket that is in none of its quotes and brackets.
fn item_end(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..text.floor_char_boundary(start.saturating_add(MAX_WIDTH)))?;
    let (mut quote, mut open, mut escaped) = (None, 0_usize, false);
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            // The item may be the last one, with its bracket in another line.
            (quote, '\n' | '\r') => return Some(start + at).filter(|_| quote.is_none() && open == 0),
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => open += 1,
            (None, ',' | ']') if open == 0 => return Some(start + at),
            (None, '#') if open == 0 && rest.get(..at).is_some_and(|it| it.ends_with(' ')) => {
                return Some(start + at);
            }
            (None, ')' | ']' | '}') => open = open.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// The item, as its author means it, that a place in a line lies in.
fn item_around(text: &str, at: usize) -> Option<Span> {
    let line = line_at(text, at);
    let before = text.get(line.start..at)?;
    // An item may be the first of its line.
    let above = text.get(..line.start)?.trim_end();
    let first = Some(line.start).filter(|_| above.ends_with(['[', ',']));
    // Brackets in a value that begins with a quote are none of YAML's.
    let quoted = first.is_none() && is_quoted(before);
    let lists = before.rmatch_indices('[').take(if quoted { 0 } else { MAX_LISTS });
    let lists = lists.map(|(open, _)| line.start + open + 1);
    lists.chain(first).find_map(|open| {
        let mut start = open;
        while start <= at {
            start += text.get(start..)?.len() - text.get(start..)?.trim_start_matches(' ').len();
            let end = item_end(text, start)?;
            if (start..end).contains(&at) {
                let length = text.get(start..end)?.trim_end().len();
                return Some(Span::from_range(start..start + length)).filter(|_| start < at);
            }
            if text.as_bytes().get(end) != Some(&b',') {
                return None;
            }
            start = end + 1;
        }
        None
    })
}

/// True if the value of a line begins with a quote: `- 'a`, `key: 'a`.
fn is_quoted(line: &str) -> bool {
    let mut rest = line.trim_start();
    while let Some(item) = rest.strip_prefix("- ") {
        rest = item.trim_start();
    }
    let value = rest.split_once(": ").filter(|(key, _)| !key.contains(['[', '{', '\'', '"']));
    value.map_or(rest, |(_, value)| value.trim_start()).starts_with(['\'', '"'])
}

/// Says that YAML cannot read an item of a list in brackets that goes on at a place.
pub(super) fn explain(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    let kinds = matches!(
        kind,
        ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::InvalidTrailingSingleQuotedScalar
            | ErrorKind::InvalidTrailingDoubleQuotedScalar
    );
    let c = text.get(at..)?.chars().next().filter(|_| kinds)?;
    if let Some(found) = missing_comma(text, at, c) {
        return Some(found);
    }
    let Some(item) = item_around(text, at) else {
        let in_value = matches!(c, '[' | '{') && text.get(..at)?.ends_with(|c: char| c.is_alphanumeric());
        return in_value.then(|| {
            let here = Span::from_range(at..at + c.len_utf8());
            let message = format!("a value without quotes inside of brackets cannot hold `{c}`");
            Diagnostic::new(&SYNTAX, here, message).with_help("put the whole value in quotes")
        });
    };
    let written = text.get(item.to_range())?;
    let (place, message) = match cut_comma(text, item, at) {
        Some(comma) => (comma..comma + 1, CUT_AT_COMMA.to_owned()),
        None if matches!(c, '[' | '{') => {
            (at..at + 1, format!("an expression without quotes in a list in brackets cannot hold `{c}`"))
        }
        None if written.starts_with(['\'', '"']) => (
            at..at + c.len_utf8(),
            "YAML ends the text in quotes before this, and the expression continues".to_owned(),
        ),
        None => return None,
    };
    Some(with_help(text, Span::from_range(place), message, item))
}

/// Says that no comma stands between two texts in quotes.
fn missing_comma(text: &str, at: usize, c: char) -> Option<Diagnostic> {
    let before = text.get(line_at(text, at).start..at)?.trim_end();
    let two = matches!(c, '\'' | '"') && before.ends_with(c) && before.contains(['[', '{']);
    let end = at.checked_sub(1).filter(|_| two)?;
    let gap = text.get(..at)?.trim_end().len();
    let found = Diagnostic::new(&SYNTAX, Span::from_range(at..at + 1), "a comma is missing before this item");
    let place = Span::from_range(gap..gap);
    (end + 1 > gap)
        .then(|| found.with_help("write `,` between two items").with_fix_at(false, Some(place), ","))
}

/// All of the item of a list in brackets that begins at a place, as its author means it.
pub(super) fn item_from(text: &str, start: usize) -> Option<Span> {
    let before = text.get(line_at(text, start).start..start)?.trim_end();
    let end = item_end(text, start).filter(|_| before.ends_with(['[', ',']))?;
    Some(Span::from_range(start..start + text.get(start..end)?.trim_end().len()))
}

const CUT_AT_COMMA: &str =
    "YAML ends the item of a list in brackets at this `,`, and the expression continues";

/// The last comma of an item before a place, if YAML has ended the item there.
fn cut_comma(text: &str, item: Span, at: usize) -> Option<usize> {
    let before = text.get(item.start as usize..at)?;
    let comma = before.rfind(',')?;
    // Brackets inside would have stopped the reader earlier.
    (!before.contains(['[', '{'])).then_some(item.start as usize + comma)
}

/// An item of a list of expressions that YAML has ended at a comma of its own: what to say, and how far it goes.
pub(super) fn cut_item(text: &str, span: Span) -> Option<(Diagnostic, Span)> {
    let (start, end) = (span.start as usize, span.end as usize);
    let rest = text.get(end..text.floor_char_boundary(end.saturating_add(MAX_WIDTH)))?;
    let comma = end + rest.len() - rest.trim_start_matches(' ').len();
    if text.as_bytes().get(comma) != Some(&b',') {
        return None;
    }
    let whole = item_end(text, start).filter(|whole| *whole > comma)?;
    let length = text.get(start..whole)?.trim_end().len();
    let item = Span::from_range(start..start + length);
    let found = with_help(text, Span::from_range(comma..comma + 1), CUT_AT_COMMA.to_owned(), item);
    Some((found, item))
}

fn with_help(text: &str, place: Span, message: String, item: Span) -> Diagnostic {
    let written = text.get(item.to_range()).unwrap_or_default();
    quoted_help(Diagnostic::new(&SYNTAX, place, message), item, written)
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Diagnostics;
    use crate::parse::{Limits, parse};
    use crate::source::Source;

    /// What is said of a list of expressions: `column help`, and the line with the fix.
    fn told(list: &str) -> Vec<(u32, String)> {
        let source = Source::new("p.yml", format!("expressions: {list}\nname: a\n"));
        let mut found = Diagnostics::default();
        let _ = parse(&source, &Limits::default(), &mut found);
        let told = found.iter().map(|item| {
            let mut line = source.text().lines().next().unwrap_or_default().to_owned();
            for edit in item.fix.iter().flat_map(|fix| &fix.edits).rev() {
                line.replace_range(edit.span.to_range(), &edit.replacement);
            }
            (source.position(item.span.start).column, line.trim_start_matches("expressions: ").to_owned())
        });
        told.collect()
    }

    #[test]
    fn expressions_that_brackets_cut_are_named_where_they_are_cut() {
        for (list, column, fixed) in [
            ("[a in ['b', 'c']]", 20, "[\"a in ['b', 'c']\"]"),
            ("[x, a in ['b'], c in ['d']]", 23, "[x, \"a in ['b']\", c in ['d']]"),
            ("[a && {x: 1}]", 20, "[\"a && {x: 1}\"]"),
            ("[a['b'][0] == \"c\"]", 16, "['a[''b''][0] == \"c\"']"),
            ("['a' == b]", 19, "[\"'a' == b\"]"),
            ("[f(a, 'b')]", 18, "[\"f(a, 'b')\"]"),
            ("[f(a, b), c]", 18, "[\"f(a, b)\", c]"),
            ("[a, f('b, c')]", 22, "[a, \"f('b, c')\"]"),
            ("[!f('a'), b]", 15, "[\"!f('a')\", b]"),
            ("[\"a\" \"b\"]", 19, "[\"a\", \"b\"]"),
        ] {
            assert_eq!(told(list), [(column, fixed.to_owned())], "{list}");
        }
    }

    #[test]
    fn what_brackets_do_not_cut_is_left_alone() {
        for list in [
            "[]",
            "[a, b]",
            "[f('a'), b == 1]",
            "[\"f(a, b)\", 'a in [b]']",
            "[f('a') && !g('b') || c == 'd']",
            "[a == 'b, c == 2]",
        ] {
            assert_eq!(told(list), [], "{list}");
        }
        // In lists over several lines too.
        let lines = "expressions: [\n  a in ['b', 'c'],\n  d # e\n]\n";
        let mut found = Diagnostics::default();
        let source = Source::new("p.yml", lines);
        let _ = parse(&source, &Limits::default(), &mut found);
        let told: Vec<_> = found
            .iter()
            .map(|item| {
                format!("{} {}", source.position(item.span.start), item.help.clone().unwrap_or_default())
            })
            .collect();
        assert_eq!(told, ["2:8 put the whole expression in quotes: `\"a in ['b', 'c']\"`"]);
        // Only expressions have brackets of their own.
        let mut found = Diagnostics::default();
        let _ = parse(&Source::new("p.yml", "names: [a (b, c)]"), &Limits::default(), &mut found);
        assert!(found.is_empty());
    }
}
