//! Characters outside of texts that only look like those of the language, and quotes that only look like the end of one.

use super::super::lexer::{Token, TokenKind, tokens};
use crate::cel::codes::CEL_SYNTAX;
use crate::diagnostic::{Diagnostic, Diagnostics, Edit, Fix, OddCharacter, plain};
use crate::source::Span;

/// Stretches of such characters that one fix replaces.
const MAX_EDITS: usize = 32;

/// One stretch.
struct Odd {
    first: OddCharacter,
    span: Span,
    replacement: String,
}

/// Says which character only looks like one of the language, or cannot be seen; true if there is one. The fix replaces
/// all of them. O(length).
pub(super) fn report(text: &str, tokens: &[Token], diagnostics: &mut Diagnostics) -> bool {
    let Some(first) = next(text, tokens, 0) else { return false };
    let help = OddCharacter::advice(&first.replacement);
    let found = Diagnostic::new(&CEL_SYNTAX, first.span, first.first.to_string()).with_help(help);
    let edits = edits(text, first);
    diagnostics.push(Diagnostic { fix: Some(Fix { safe: false, edits }), ..found });
    true
}

/// The replacements from the first on: after each the text reads otherwise.
fn edits(text: &str, first: Odd) -> Vec<Edit> {
    let (mut edits, mut fixed, mut odd) = (Vec::new(), text.to_owned(), Some(first));
    while let Some(Odd { span, replacement, .. }) = odd {
        // Behind the last replacement the texts are the same, counted from their ends.
        let from = text.len() - (fixed.len() - span.start as usize);
        let original = Span::from_range(from..from + (span.end - span.start) as usize);
        let behind = span.start as usize + replacement.len();
        fixed.replace_range(span.to_range(), &replacement);
        edits.push(Edit { span: original, replacement });
        if edits.len() >= MAX_EDITS {
            break;
        }
        odd = next(&fixed, &tokens(&fixed), behind);
    }
    edits
}

/// The first stretch from a place on.
fn next(text: &str, tokens: &[Token], from: usize) -> Option<Odd> {
    if text.is_ascii() {
        return None;
    }
    let outside = outside(text, tokens, from);
    let open = tokens.iter().find(|token| token.kind == TokenKind::Unclosed).map(|token| token.span.end);
    let quote = outside.as_ref().filter(|odd| matches!(odd.first.twin, "'" | "\"")).map(|odd| odd.span.start);
    let end = match (open, quote) {
        // Somewhere a text has not ended where it should.
        (open, quote @ Some(_)) => open.max(quote),
        (open, None) => open,
    };
    let closing = end.and_then(|end| closing_quote(text, tokens, from, end as usize));
    match (closing, outside) {
        (Some(closing), Some(outside)) if outside.span.start < closing.span.start => Some(outside),
        (closing, outside) => closing.or(outside),
    }
}

/// The first stretch outside of texts.
fn outside(text: &str, tokens: &[Token], from: usize) -> Option<Odd> {
    let odd = |token: &Token| OddCharacter::in_text(text.get(token.span.to_range())?);
    let mut unknown = tokens
        .iter()
        .filter(|token| token.kind == TokenKind::Unknown && token.span.start as usize >= from)
        .skip_while(|token| odd(token).is_none());
    let begin = unknown.next()?;
    let (first, mut end) = (odd(begin)?, begin.span.end);
    for token in unknown.take_while(|token| odd(token).is_some()) {
        if token.span.start != end {
            break;
        }
        end = token.span.end;
    }
    let span = Span::new(begin.span.start, end);
    Some(Odd { first, span, replacement: plain(text.get(span.to_range())?) })
}

/// The first character before `end` that looks like the quote that a text begins with, where the text may be meant to
/// end.
fn closing_quote(text: &str, tokens: &[Token], from: usize, end: usize) -> Option<Odd> {
    let texts = tokens.iter().take_while(|token| (token.span.start as usize) < end).filter(|token| {
        matches!(token.kind, TokenKind::String | TokenKind::Bytes | TokenKind::Unclosed)
            && token.span.end as usize > from
    });
    texts.into_iter().find_map(|token| {
        let start = token.span.start as usize;
        let written = text.get(token.span.to_range())?;
        let quote = written.chars().find(|c| matches!(c, '\'' | '"'))?;
        let is_end = |odd: &OddCharacter| {
            let behind = written.get(odd.end()..).and_then(|rest| rest.chars().next());
            odd.at + start >= from && !behind.is_some_and(char::is_alphanumeric)
        };
        let same = |odd: &OddCharacter| odd.twin.starts_with(quote) && is_end(odd);
        let any = |odd: &OddCharacter| matches!(odd.twin, "'" | "\"") && is_end(odd);
        let mut found = OddCharacter::all_in(written).find(same);
        if token.kind == TokenKind::Unclosed {
            found = found.or_else(|| OddCharacter::all_in(written).find(any));
        }
        let first = found?;
        let span = Span::from_range(start + first.at..start + first.end());
        Some(Odd { first, span, replacement: quote.to_string() })
    })
}

#[cfg(test)]
mod tests {
    use crate::cel::{CelLimits, parse};
    use crate::diagnostic::Diagnostics;

    /// The message about a text, and the text with its fix.
    fn told(text: &str) -> Option<(String, String)> {
        let mut found = Diagnostics::default();
        let _ = parse(text, &CelLimits::default(), &mut found);
        let first = found
            .iter()
            .next()
            .filter(|item| item.message.contains("(U+") || item.message.starts_with("U+"))?;
        assert_eq!(found.iter().count(), 1, "{text}: {found:?}");
        let mut fixed = text.to_owned();
        for edit in first.fix.iter().flat_map(|fix| &fix.edits).rev() {
            fixed.replace_range(edit.span.to_range(), &edit.replacement);
        }
        assert!(text.get(first.span.to_range()).is_some_and(|odd| !odd.is_ascii()), "{text}");
        Some((first.message.clone(), fixed))
    }

    #[test]
    fn characters_that_look_right_are_named_and_replaced() {
        for (text, named, right) in [
            ("a == 'abc’", "`’` (U+2019)", "a == 'abc'"),
            ("a == ‘abc’ && b", "`‘` (U+2018)", "a == 'abc' && b"),
            ("a == 'abc’ && b == 'z'", "`’` (U+2019)", "a == 'abc' && b == 'z'"),
            ("a == 'abc’ && b == 'z’", "`’` (U+2019)", "a == 'abc' && b == 'z'"),
            ("a == “abc” || b", "`“` (U+201C)", "a == \"abc\" || b"),
            ("a == \"abc”", "`”` (U+201D)", "a == \"abc\""),
            ("a == \"abc’ && b", "`’` (U+2019)", "a == \"abc\" && b"),
            ("a in ['b’, 'c’, \"d\"]", "`’` (U+2019)", "a in ['b', 'c', \"d\"]"),
            ("a == 'it’s” && b", "`”` (U+201D)", "a == 'it’s' && b"),
            ("a ＝＝ １２", "`＝` (U+FF1D)", "a == 12"),
            ("a ≠ 1 && b ≤ 2", "`≠` (U+2260)", "a != 1 && b <= 2"),
            ("a > –5", "`–` (U+2013)", "a > -5"),
            ("cоnn.client_ip", "`о` (U+043E)", "conn.client_ip"),
            ("a\u{200b} == 1", "U+200B", "a == 1"),
            ("a（'b'）", "`（` (U+FF08)", "a('b')"),
            ("a ‖ b", "`‖` (U+2016)", "a || b"),
        ] {
            let (message, fixed) = told(text).unwrap_or_default();
            assert!(message.contains(named), "{text}: {message}");
            assert_eq!(fixed, right, "{text}");
        }
    }

    #[test]
    fn texts_may_have_any_character() {
        for text in [
            "a == 'it’s'",
            "a == '“b”'",
            "a == \"‘b’\" && c == 'd'",
            "a == 'Ünö – ＝'",
            "a == 'b’' // “",
            "a == 'b",
            "a == 'it’s",
            "a § b",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
