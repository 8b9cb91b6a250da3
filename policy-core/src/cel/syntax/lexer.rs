//! Tokens of an expression, by nom parsers; a character that begins none is a token of its own.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take, take_till, take_until, take_while, take_while1};
use nom::character::complete::{digit1, hex_digit1, one_of, satisfy};
use nom::combinator::{opt, recognize, value};
use nom::multi::{many0_count, many1_count};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

use crate::source::Span;

/// What a token is. Texts and numbers are decoded by the parser, from the token's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum TokenKind {
    Ident,
    /// A field name in backticks.
    Escaped,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    /// An operator or bracket.
    Symbol(Symbol),
    /// A quote without its end.
    Unclosed,
    /// `/* … */`: a comment in other languages, nothing here.
    ForeignComment,
    /// A character that begins no token.
    Unknown,
    End,
}

/// Operators and brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Symbol {
    Or,
    And,
    LessEqual,
    GreaterEqual,
    Equal,
    NotEqual,
    Less,
    Greater,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Not,
    Question,
    Colon,
    Comma,
    Dot,
    OpenParen,
    CloseParen,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    /// `=`, `&` or `|` alone, or signs such as `===` and `=~`: no operator of the language, but known from others.
    Foreign,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) struct Token {
    pub(in crate::cel) kind: TokenKind,
    pub(in crate::cel) span: Span,
}

/// All tokens; the last is [`TokenKind::End`]. O(length).
pub(in crate::cel) fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = skipped(rest);
        let start = text.len() - rest.len();
        let Ok((tail, kind)) = token(rest) else {
            out.push(Token { kind: TokenKind::End, span: Span::from_range(start..start) });
            return out;
        };
        out.push(Token { kind, span: Span::from_range(start..text.len() - tail.len()) });
        rest = tail;
    }
}

/// The first token of a text and what follows it; `None` at the end.
pub(in crate::cel) fn first_token(text: &str) -> Option<(&str, TokenKind)> {
    token(skipped(text)).ok()
}

/// What follows white space and comments.
fn skipped(text: &str) -> &str {
    // Most tokens follow at once.
    if !text.starts_with([' ', '\t', '\r', '\n', '\x0C', '/']) {
        return text;
    }
    let comment = value((), pair(tag("//"), take_till(|c| c == '\n')));
    let space = take_while1(|c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0C'));
    let skip = many0_count(alt((value((), space), comment)));
    let result: IResult<&str, usize> = terminated(skip, take(0_usize)).parse(text);
    result.map_or(text, |(rest, _)| rest)
}

/// The first letter says what can follow; the order among what it leaves is that of the grammar.
fn token(text: &str) -> IResult<&str, TokenKind> {
    let unknown = || value(TokenKind::Unknown, take(1_usize));
    match text.as_bytes().first() {
        Some(b'r' | b'R' | b'b' | b'B' | b'\'' | b'"') => alt((quoted, word, unknown())).parse(text),
        Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'`') => alt((word, unknown())).parse(text),
        Some(b'0'..=b'9' | b'.') => alt((number, symbol, unknown())).parse(text),
        Some(b'/') => alt((foreign, symbol, unknown())).parse(text),
        _ => alt((symbol, unknown())).parse(text),
    }
}

/// Bytes in which the end of a foreign comment is looked for: each beginning may look once.
const FOREIGN_COMMENT: usize = 1_024;

fn foreign(text: &str) -> IResult<&str, TokenKind> {
    let near = text.get(..text.floor_char_boundary(FOREIGN_COMMENT)).unwrap_or(text);
    let mut whole = recognize((tag("/*"), take_until("*/"), tag("*/")));
    let result: IResult<&str, &str> = whole.parse(near);
    let (_, comment) = result?;
    value(TokenKind::ForeignComment, take(comment.chars().count())).parse(text)
}

fn word(text: &str) -> IResult<&str, TokenKind> {
    let name = pair(
        satisfy(|c| c.is_ascii_alphabetic() || c == '_'),
        take_while(|c: char| c.is_ascii_alphanumeric() || c == '_'),
    );
    let escaped = delimited(
        tag("`"),
        take_while1(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | ' ')),
        tag("`"),
    );
    alt((value(TokenKind::Ident, name), value(TokenKind::Escaped, escaped))).parse(text)
}

fn number(text: &str) -> IResult<&str, TokenKind> {
    let exponent = || (one_of("eE"), opt(one_of("+-")), digit1);
    let hex = (tag("0x"), hex_digit1);
    let fraction = alt((
        recognize((digit1, tag("."), digit1, opt(exponent()))),
        recognize((tag("."), digit1, opt(exponent()))),
        recognize((digit1, exponent())),
    ));
    let whole = alt((recognize(hex), digit1));
    alt((
        value(TokenKind::Double, fraction),
        value(TokenKind::Uint, terminated(alt((recognize((tag("0x"), hex_digit1)), digit1)), one_of("uU"))),
        value(TokenKind::Int, whole),
    ))
    .parse(text)
}

/// A text or bytes: `'…'`, `"…"`, three of either, each with `r` and `b` before it.
fn quoted(text: &str) -> IResult<&str, TokenKind> {
    let (body, prefix) =
        alt((recognize((one_of("bB"), one_of("rR"))), recognize(one_of("rRbB")), take(0_usize)))
            .parse(text)
            .and_then(|(body, prefix)| one_quote(body).map(|_| (body, prefix)))
            .or_else(|_: nom::Err<nom::error::Error<&str>>| one_quote(text).map(|_| (text, "")))?;
    let raw = prefix.contains(['r', 'R']);
    let kind = if prefix.contains(['b', 'B']) { TokenKind::Bytes } else { TokenKind::String };
    // Three quotes always begin a long text: `''` and a stray quote would be a worse guess.
    let closed = match body.get(..3) {
        Some("\"\"\"") => long(raw, "\"\"\"").parse(body),
        Some("'''") => long(raw, "'''").parse(body),
        _ => alt((short(raw, '"'), short(raw, '\''))).parse(body),
    };
    match closed {
        Ok((rest, ())) => Ok((rest, kind)),
        // To the end of the line: what follows is more likely to be meant than not.
        Err(_) => value(TokenKind::Unclosed, take_till(|c| c == '\n')).parse(body),
    }
}

fn one_quote(text: &str) -> IResult<&str, char> {
    one_of("'\"").parse(text)
}

/// A text in three quotes; an escape keeps its next character from ending it.
fn long<'a>(
    raw: bool,
    quotes: &'static str,
) -> impl Parser<&'a str, Output = (), Error = nom::error::Error<&'a str>> {
    move |text: &'a str| {
        let (mut rest, _) = tag(quotes).parse(text)?;
        loop {
            if let Some(behind) = rest.strip_prefix(quotes) {
                return Ok((behind, ()));
            }
            let step: usize = if rest.starts_with('\\') && !raw { 2 } else { 1 };
            (rest, _) = take(step).parse(rest)?;
        }
    }
}

/// A text in single or double quotes, on one line.
fn short<'a>(
    raw: bool,
    quote: char,
) -> impl Parser<&'a str, Output = (), Error = nom::error::Error<&'a str>> {
    let quotes: &'static str = if quote == '"' { "\"" } else { "'" };
    let plain: &'static str = match (raw, quote) {
        (true, '"') => "\"\r\n",
        (true, _) => "'\r\n",
        (false, '"') => "\\\"\r\n",
        (false, _) => "\\'\r\n",
    };
    move |text: &'a str| {
        let escape = preceded(tag("\\"), satisfy(|c| c != '\n' && c != '\r'));
        let part = alt((value((), is_not(plain)), value((), escape)));
        value((), delimited(tag(quotes), many0_count(part), tag(quotes))).parse(text)
    }
}

/// Operators of other languages that begin with one of the language, or hold signs that it does not have; longer ones
/// first. Nothing valid has any of them outside of texts.
const FOREIGN_OPERATORS: &[&str] = &[
    "====", "===", "!==", ">==", "<==", "&&&", "|||", "= =", "! =", "> =", "< =", "& &", "| |", "=~", "!~",
    "~=", "=>", "=<", "<>", ":=",
];

fn foreign_operator(text: &str) -> Option<&'static str> {
    if !text.starts_with(['=', '!', '<', '>', '&', '|', '~', ':']) {
        return None;
    }
    let listed = FOREIGN_OPERATORS.iter().find(|operator| text.starts_with(**operator)).copied();
    // `a =!b` may be meant as `a == !b`.
    listed.or_else(|| text.starts_with("=! ").then_some("=!"))
}

fn symbol(text: &str) -> IResult<&str, TokenKind> {
    if let Some(operator) = foreign_operator(text) {
        return value(TokenKind::Symbol(Symbol::Foreign), tag(operator)).parse(text);
    }
    let of = |symbol: Symbol, text: &'static str| value(symbol, tag(text));
    let two = alt((
        of(Symbol::Or, "||"),
        of(Symbol::And, "&&"),
        of(Symbol::LessEqual, "<="),
        of(Symbol::GreaterEqual, ">="),
        of(Symbol::Equal, "=="),
        of(Symbol::NotEqual, "!="),
    ));
    let one = alt((
        of(Symbol::Less, "<"),
        of(Symbol::Greater, ">"),
        of(Symbol::Plus, "+"),
        of(Symbol::Minus, "-"),
        of(Symbol::Star, "*"),
        of(Symbol::Slash, "/"),
        of(Symbol::Percent, "%"),
        of(Symbol::Not, "!"),
        of(Symbol::Question, "?"),
        of(Symbol::Colon, ":"),
        of(Symbol::Comma, ","),
        of(Symbol::Dot, "."),
    ));
    let bracket = alt((
        of(Symbol::OpenParen, "("),
        of(Symbol::CloseParen, ")"),
        of(Symbol::OpenBracket, "["),
        of(Symbol::CloseBracket, "]"),
        of(Symbol::OpenBrace, "{"),
        of(Symbol::CloseBrace, "}"),
        value(Symbol::Foreign, many1_count(one_of("=&|"))),
    ));
    alt((two, one, bracket)).map(TokenKind::Symbol).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        tokens(text)
            .into_iter()
            .map(|token| (token.kind, text.get(token.span.to_range()).expect("inside")))
            .collect()
    }

    #[test]
    fn numbers_are_told_apart() {
        use TokenKind::{Double, End, Int, Symbol as S, Uint};
        let found = kinds("1 0x1F 2u 0xAU 1.5 .5 1e3 2.e");
        let expected = [
            (Int, "1"),
            (Int, "0x1F"),
            (Uint, "2u"),
            (Uint, "0xAU"),
            (Double, "1.5"),
            (Double, ".5"),
            (Double, "1e3"),
            (Int, "2"),
            (S(Symbol::Dot), "."),
            (TokenKind::Ident, "e"),
            (End, ""),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_end_where_they_should() {
        use TokenKind::{Bytes, End, Ident, String, Unclosed};
        let text = r#"'a\'b' "x" r'\' b"y" br'\' '''q'w\'''' bro"#;
        let expected = [
            (String, r"'a\'b'"),
            (String, "\"x\""),
            (String, r"r'\'"),
            (Bytes, "b\"y\""),
            (Bytes, r"br'\'"),
            (String, r"'''q'w\''''"),
            (Ident, "bro"),
            (End, ""),
        ];
        assert_eq!(kinds(text), expected);
        assert_eq!(kinds("'a\nb"), [(Unclosed, "'a"), (Ident, "b"), (End, "")]);
        assert_eq!(kinds("'''"), [(Unclosed, "'''"), (End, "")]);
    }

    #[test]
    fn comments_and_space_are_skipped() {
        assert_eq!(kinds("a // b ' c\n+ b").len(), 4);
        assert_eq!(kinds(" \t\r\n// x"), [(TokenKind::End, "")]);
        assert_eq!(kinds("§").first().map(|it| it.0), Some(TokenKind::Unknown));
    }
}
