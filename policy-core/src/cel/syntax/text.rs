//! What tokens alone tell of a text: comments, what stands in quotes, and whether it ends.

use crate::source::Span;

/// The first comment of an expression, to the end of its line.
pub(crate) fn comment(text: &str) -> Option<Span> {
    // Most have none.
    text.find("//")?;
    let mut end = 0;
    let starts = super::lexer::tokens(text).into_iter().map(|token| token.span.to_range());
    for token in starts.chain(std::iter::once(text.len()..text.len())) {
        let gap = text.get(end..token.start).unwrap_or_default();
        if let Some(at) = gap.find("//") {
            let start = end + at;
            let rest = text.get(start..).unwrap_or_default();
            let length = rest.find('\n').unwrap_or(rest.len());
            return Some(Span::from_range(start..start + length));
        }
        end = end.max(token.end);
    }
    None
}

/// True if a place in an expression lies inside of a text.
pub(crate) fn is_in_text(text: &str, at: usize) -> bool {
    use super::lexer::TokenKind;
    let mut tokens = super::lexer::tokens(text).into_iter();
    let token = tokens.find(|token| token.span.to_range().contains(&at));
    token.is_some_and(|token| matches!(token.kind, TokenKind::String | TokenKind::Bytes))
}

/// True for an expression that ends in the middle: in a text, in brackets, or after an operator. O(length).
pub(crate) fn is_unfinished(text: &str) -> bool {
    use super::lexer::{Symbol, TokenKind};
    let tokens = super::lexer::tokens(text);
    let count = |of: &[Symbol]| {
        tokens
            .iter()
            .filter(|token| matches!(token.kind, TokenKind::Symbol(symbol) if of.contains(&symbol)))
            .count()
    };
    let open = count(&[Symbol::OpenParen, Symbol::OpenBracket, Symbol::OpenBrace]);
    let closed = count(&[Symbol::CloseParen, Symbol::CloseBracket, Symbol::CloseBrace]);
    let ends = match tokens.iter().rev().find(|token| token.kind != TokenKind::End) {
        Some(last) => match last.kind {
            TokenKind::Unclosed => true,
            TokenKind::Symbol(symbol) => {
                !matches!(symbol, Symbol::CloseParen | Symbol::CloseBracket | Symbol::CloseBrace)
            }
            TokenKind::Ident => text.get(last.span.to_range()) == Some("in"),
            _ => false,
        },
        None => false,
    };
    ends || open > closed
}
