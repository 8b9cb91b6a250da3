//! A text in quotes of YAML that does not end: told where it begins.

use granit_parser::ErrorKind;

use super::lines::{MAX_WIDTH, SYNTAX, line_at};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Lines above the place at which reading stops that are looked at.
const MAX_LINES: usize = 200;

/// Says where the text begins that the reader has not found the end of.
pub(super) fn explain(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    let kinds = matches!(
        kind,
        ErrorKind::InvalidQuotedScalarIndent
            | ErrorKind::UnclosedQuotedScalar
            | ErrorKind::DocumentIndicatorInQuotedScalar
    );
    let last = line_at(text, at.min(text.len()));
    let above = text.get(..last.start).filter(|_| kinds)?;
    let lines = std::iter::once(last.text).chain(above.lines().rev().take(MAX_LINES));
    let mut short = lines.take_while(|line| line.len() <= MAX_WIDTH);
    let (line, quote, inside) =
        short.find_map(|line| opening(line).map(|(quote, inside)| (line, quote, inside)))?;
    let start = line.as_ptr().addr() - text.as_ptr().addr() + quote;
    let mark = line.get(quote..)?.chars().next()?;
    let what = if mark == '"' { "double" } else { "single" };
    let message = format!("the {what}-quoted string that starts here has no closing quote");
    let found = Diagnostic::new(&SYNTAX, Span::from_range(start..start + 1), message);
    let written = line.get(quote..)?.trim_end();
    let end = start + written.len();
    Some(match inside {
        // Where it should end is not known.
        true => found.with_help(format!("add `{mark}` at its end")),
        false => found
            .with_help(format!(
                "add `{mark}` at its end, here at the end of the line unless it continues below"
            ))
            .with_fix_at(false, Some(Span::from_range(end..end)), mark.to_string()),
    })
}

/// The quote in a line that begins a value which does not end in it; `true` if it is inside of brackets.
fn opening(line: &str) -> Option<(usize, bool)> {
    let (mut begins, mut depth) = (true, 0_usize);
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        match c {
            ' ' | '\t' => {}
            '#' if line.get(..at).is_some_and(|before| before.is_empty() || before.ends_with(' ')) => {
                return None;
            }
            '-' | '?' if begins && next.is_none_or(|next| next == ' ') => {}
            '\'' | '"' if begins => {
                if !closed(c, &mut chars) {
                    return Some((at, depth > 0));
                }
                begins = false;
            }
            '[' | '{' if begins || depth > 0 => (begins, depth) = (true, depth + 1),
            ']' | '}' => (begins, depth) = (false, depth.saturating_sub(1)),
            ',' => begins = depth > 0,
            ':' => begins = next.is_none_or(|next| next == ' '),
            _ => begins = false,
        }
    }
    None
}

/// True if the text of a quote that has been taken ends.
fn closed(quote: char, chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> bool {
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => drop(chars.next()),
            c if c == quote => {
                let doubled = quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'');
                if !doubled {
                    return true;
                }
                chars.next();
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Diagnostics;
    use crate::parse::{Limits, parse};
    use crate::source::Source;

    fn told(text: &str) -> Vec<String> {
        let source = Source::new("p.yml", text);
        let mut found = Diagnostics::default();
        let _ = parse(&source, &Limits::default(), &mut found);
        found.iter().map(|item| format!("{} {}", source.position(item.span.start), item.message)).collect()
    }

    #[test]
    fn a_quote_without_its_end_is_told_where_it_begins() {
        let double = "the double-quoted string that starts here has no closing quote";
        let single = "the single-quoted string that starts here has no closing quote";
        for (text, at, message) in [
            ("a:\n  - \"b == 'c'\n  - d\n", "2:5", double),
            ("a:\n  - 'b\n  - c\n  - d\n", "2:5", single),
            ("a:\n  b: \"c\n  d: e\n", "2:6", double),
            ("a:\n  \"b\": 'it''s\n  d: e\n", "2:8", single),
            ("a:\n  - 'b'\n  - \"c \\\" d\ne: f\n", "3:5", double),
            ("a: [\"b\", \"c]\nd: e\n", "1:10", double),
            ("a: \"b", "1:4", double),
            ("# it's\na: it's\nb: \"c\n", "3:4", double),
        ] {
            assert_eq!(told(text), [format!("{at} {message}")], "{text:?}");
        }
        assert_eq!(told("a: \"b\n  c\"\nd: 'it''s'\n"), Vec::<String>::new());
    }
}
