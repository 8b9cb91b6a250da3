//! What the YAML reader stops at, in words: what stands there, where exactly, and what to write instead.

use std::borrow::Cow;

use granit_parser::{ErrorKind, ScanError};

use super::decode::LIMIT_EXCEEDED;
use super::lines::{Line, MAX_WIDTH, QUOTE_VALUE, SYNTAX, line_at, line_end, quoted, quoted_help};
use super::{brackets, unclosed};
use crate::diagnostic::{Diagnostic, OddCharacter, codes, printable, shorten};
use crate::source::{Source, Span};

codes! {
    pub(super) static TAG = error("TP110", "yaml-tag", ERR_NGROK_2236);
    pub(super) static TAB_INDENTATION = error("TP104", "tab-indentation", ERR_NGROK_2236);
    pub(super) static JOINED_ITEM = error("TP115", "joined-item");
}

/// Says why reading stops.
pub(super) fn explain(source: &Source, error: &ScanError) -> Diagnostic {
    let text = source.text();
    let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let next = text.get(at..).and_then(|rest| rest.chars().next()).filter(|c| !matches!(c, '\n' | '\r'));
    let span = Span::from_range(at..at + next.map_or(0, char::len_utf8));
    match error.kind() {
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabAtBlockScalarStart => tab(text, span),
        ErrorKind::RecursionLimitExceeded => {
            Diagnostic::new(&LIMIT_EXCEEDED, span, "lists and maps are nested too deeply")
                .with_help("a policy never needs this; check how the file was made")
        }
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => escape(text, at).unwrap_or_else(|| other(error.kind(), span)),
        kind => odd_colon(text, at, kind)
            .or_else(|| joined_item(text, at, kind))
            .or_else(|| tab_in_front(text, at))
            .or_else(|| stray_item(text, at, kind))
            .or_else(|| cut_list(text, at, kind))
            .or_else(|| unclosed::explain(text, at, kind))
            .or_else(|| brackets::explain(text, at, kind))
            .or_else(|| by_indicator(text, at, kind))
            .unwrap_or_else(|| other(kind, span)),
    }
}

fn other(kind: &ErrorKind, span: Span) -> Diagnostic {
    let found = Diagnostic::new(&SYNTAX, span, format!("YAML syntax error: {}", kind_text(kind)));
    found.with_help(match kind {
        ErrorKind::MappingValueNotAllowed => "quote a value that contains `: `, and check the indentation",
        ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::UnclosedQuotedScalar => {
            "close it, or quote the value if the character belongs to the text"
        }
        ErrorKind::CommentInterceptedScalar => {
            "` #` begins a comment, which ends the value before it; quote the value if it belongs to it"
        }
        ErrorKind::InvalidTagTerminator | ErrorKind::InvalidTagEscape => QUOTE_HELP,
        _ => "check quotes, brackets and indentation here and on the line before",
    })
}

/// The reader's words in our style.
fn kind_text(kind: &ErrorKind) -> String {
    let text = kind.to_string();
    let text = printable(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A tab that YAML does not take.
fn tab(text: &str, at: Span) -> Diagnostic {
    let message = "a tab indents this line, and YAML allows only spaces";
    let place = tab_before(text, at);
    let line = line_at(text, place.start as usize);
    let front = text.get(line.start..place.start as usize).unwrap_or_default();
    match front.trim_start_matches([' ', '-']).is_empty() {
        true => Diagnostic::new(&TAB_INDENTATION, place, message).with_help("replace each tab by two spaces"),
        false => Diagnostic::new(&TAB_INDENTATION, place, "tab character where YAML allows only spaces")
            .with_help("replace it by a space, or remove it"),
    }
}

/// The tab that the reader stops at: in the line up to a place in it, as the reader stops after the tab, or the first
/// one behind the place, where a value without quotes goes on over lines.
fn tab_before(text: &str, at: Span) -> Span {
    let line = line_at(text, at.end as usize);
    let before = text.get(line.start..at.end as usize).unwrap_or_default();
    let start = at.start as usize;
    let behind =
        text.get(start..text.floor_char_boundary(start.saturating_add(MAX_WIDTH))).unwrap_or_default();
    let tab = before.find('\t').map(|tab| line.start + tab).or(behind.find('\t').map(|tab| start + tab));
    tab.map_or(at, |tab| Span::from_range(tab..tab + 1))
}

/// A tab in the indentation of the line at which reading stops, whatever the reader calls it.
fn tab_in_front(text: &str, at: usize) -> Option<Diagnostic> {
    let line = line_at(text, at);
    let white = line.text.len() - line.text.trim_start_matches([' ', '\t', '-']).len();
    let tab = line.text.get(..white)?.find('\t')?;
    let at = line.start + tab;
    Some(self::tab(text, Span::from_range(at..at + 1)))
}

/// An escape that YAML does not have, in double quotes that begin before or at a place.
fn escape(text: &str, at: usize) -> Option<Diagnostic> {
    let quote = match text.as_bytes().get(at) {
        Some(b'"') => at,
        _ => return escape_at(text, text.get(..at)?.rfind('\\')?),
    };
    let mut rest = text.get(quote + 1..)?.char_indices();
    while let Some((index, c)) = rest.next() {
        match c {
            '"' => return None,
            '\\' => match rest.next()? {
                (_, kind) if is_escape(text.get(quote + 2 + index..)?, kind) => {}
                _ => return escape_at(text, quote + 1 + index),
            },
            _ => {}
        }
    }
    None
}

/// True if a text begins with an escape of YAML (1.2.2 §5.7), without its backslash.
fn is_escape(text: &str, kind: char) -> bool {
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return "0abt\tnvfre \"/\\N_LP\n\r".contains(kind),
    };
    text.get(1..=digits).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn escape_at(text: &str, at: usize) -> Option<Diagnostic> {
    let kind = text.get(at + 1..)?.chars().next()?;
    let span = Span::from_range(at..at + 1 + kind.len_utf8());
    let shown = shorten(text.get(span.to_range())?).into_owned();
    let found = Diagnostic::new(&SYNTAX, span, format!("`{shown}` is not an escape in double quotes"));
    Some(found.with_help(format!(
        "write `\\{shown}` for a backslash, or put the value in single quotes, which have no escapes"
    )))
}

/// An item of a list that begins too far to the right: YAML takes it for more of the item before.
fn joined_item(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    let kinds = [
        ErrorKind::MappingValueNotAllowed,
        ErrorKind::BlockSequenceEntryNotAllowed,
        ErrorKind::ExpectedBlockSequenceEntry,
    ];
    if !kinds.contains(kind) {
        return None;
    }
    let line = line_at(text, at);
    let (indent, _) = item(line.text)?;
    let before = text.get(..line.start)?.lines().rev();
    let before =
        before.map(|line| (line, line.trim())).find(|(_, it)| !it.is_empty() && !it.starts_with('#'))?;
    let (column, content) = item(before.0)?;
    (column < indent && !content.ends_with(':')).then(|| joined(line.start + indent, column))
}

/// An item of a list that begins in a column in which no list does.
fn stray_item(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    /// Lines above that are looked at.
    const LINES: usize = 200;
    if !matches!(kind, ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::ExpectedBlockMappingKey) {
        return None;
    }
    let line = line_at(text, at);
    let (indent, _) = item(line.text).filter(|(indent, _)| at <= line.start + indent)?;
    let above = text.get(..line.start)?.lines().rev().take(LINES).filter_map(item);
    let mut columns: Vec<usize> = Vec::new();
    for (column, _) in above {
        if columns.last().is_none_or(|last| column < *last) {
            columns.push(column);
        }
    }
    if columns.is_empty() || columns.contains(&indent) {
        return None;
    }
    let columns: Vec<_> = columns.iter().rev().map(|column| (column + 1).to_string()).collect();
    let place = line.start + indent;
    let message = format!("this `- ` is in column {}, where no list starts", indent + 1);
    let found = Diagnostic::new(&SYNTAX, Span::from_range(place..place + 1), message);
    Some(found.with_help(format!("the lists above start in column {}", columns.join(" and "))))
}

/// A character in the line or the one before that only looks like the colon that is missing.
fn odd_colon(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    if !matches!(kind, ErrorKind::MappingValueNotAllowed | ErrorKind::ExpectedBlockMappingKey) {
        return None;
    }
    let end = line_end(text, at);
    let first = text.ceil_char_boundary(end.saturating_sub(MAX_WIDTH));
    let lines = text.get(first..end)?.lines().rev().take(2);
    for line in lines {
        let Some(odd) = OddCharacter::in_text(line).filter(|odd| odd.twin == ":") else { continue };
        let at = line.as_ptr().addr() - text.as_ptr().addr() + odd.at;
        let span = Span::from_range(at..at + odd.character.len_utf8());
        let found =
            Diagnostic::new(&SYNTAX, span, odd.to_string()).with_help("write `:` and a space after it");
        return Some(found.with_fix_at(false, Some(span), ": "));
    }
    None
}

/// A comment that cuts off the end of a list or map in brackets.
fn cut_list(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    /// Lines up to the place that are looked at: reading stops after the comment.
    const LINES: usize = 4;
    let kinds = matches!(
        kind,
        ErrorKind::UnclosedFlowCollection { .. }
            | ErrorKind::InvalidColonPlacement
            | ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::InvalidFlowScalarIndent
            | ErrorKind::MappingValueNotAllowed
    );
    let end = line_end(text, at);
    let first = text.ceil_char_boundary(end.saturating_sub(MAX_WIDTH));
    let lines = text.get(first..end).filter(|_| kinds)?.lines().rev().take(LINES);
    for line in lines {
        let Some(comment) = line.find(" #").map(|at| at + 1) else { continue };
        let Some(open) = line.find(['[', '{']).filter(|open| *open < comment) else { continue };
        let (before, behind) = (line.get(open..comment)?, line.get(comment..)?);
        if !closed(before) && behind.contains([']', '}']) {
            let at = line.as_ptr().addr() - text.as_ptr().addr() + comment;
            let message = "` #` begins a comment, so the bracket before it is not closed";
            let found = Diagnostic::new(&SYNTAX, Span::from_range(at..at + 1), message);
            return Some(found.with_help("put the whole value in quotes if `#` belongs to it"));
        }
    }
    None
}

/// An item of a list without quotes, in which YAML has joined a further one.
pub(super) fn joined_items(text: &str, span: Span) -> Option<Diagnostic> {
    let written = text.get(span.to_range())?;
    let (mut start, mut lines) = (span.start as usize, written.split_inclusive('\n'));
    start += lines.next()?.len();
    for line in lines {
        if let Some((indent, _)) = item(line) {
            let first = line_at(text, span.start as usize);
            let column = first.text.len() - first.text.trim_start_matches(' ').len();
            return Some(joined(start + indent, column));
        }
        start += line.len();
    }
    None
}

/// The indentation of a line that begins an item, and the item.
fn item(line: &str) -> Option<(usize, &str)> {
    let rest = line.trim_start_matches(' ');
    let content = rest.strip_prefix("- ")?.trim();
    Some((line.len() - rest.len(), content))
}

/// Says that the item at a place is more of the one before, whose list begins in a column.
pub(super) fn joined(at: usize, column: usize) -> Diagnostic {
    let message =
        "this `- ` starts no new item: it is indented further than the previous item, so YAML joins the two";
    Diagnostic::new(&JOINED_ITEM, Span::from_range(at..at + 1), message)
        .with_help(format!("start the item in column {}, below the previous one", column + 1))
}

const QUOTE_HELP: &str = "put the expression in quotes, e.g. `\"!hasReqHeader('x')\"`";

/// True for a place right after `key: `.
fn is_value(text: &str, start: usize) -> bool {
    let line = line_at(text, start);
    line.text.get(..start - line.start).is_some_and(|front| front.trim_end().ends_with(':'))
}

/// Says that an unquoted `!` makes a tag of a value.
pub(super) fn tag(text: &str, start: usize) -> Diagnostic {
    let rest = text.get(start..line_end(text, start)).unwrap_or_default();
    let word = rest.find(' ').unwrap_or(rest.len());
    let span = Span::from_range(start..start + word);
    let found = Diagnostic::new(&TAG, span, "an unquoted `!` begins a YAML tag");
    let item = item_from(text, start).map(|item| Span::from_range(start..start + item.len()));
    let item = item.or_else(|| brackets::item_from(text, start)).and_then(|item| {
        let written = text.get(item.to_range())?;
        quoted(written).is_some().then_some((item, written))
    });
    match item {
        Some((item, written)) => quoted_help(found, item, written),
        None if is_value(text, start) => found.with_help(QUOTE_VALUE),
        _ => found.with_help(QUOTE_HELP),
    }
    .with_discreet(None, QUOTE_VALUE)
}

/// The rest of a line, if it is all of a list item.
fn item_from(text: &str, start: usize) -> Option<&str> {
    let line = line_at(text, start);
    let (front, value) = line.text.split_at_checked(start - line.start)?;
    let alone = front.trim_start().chars().all(|c| matches!(c, '-' | ' '));
    (alone && !goes_on(text, &line)).then(|| value.trim())
}

/// True if the item that begins in a line goes on in the next one.
fn goes_on(text: &str, line: &Line<'_>) -> bool {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let end = line.start + line.text.len();
    let below = text.get(end..text.floor_char_boundary(end.saturating_add(MAX_WIDTH))).unwrap_or_default();
    let mut below = below.lines().skip(1).filter(|line| !line.trim().is_empty());
    below.next().is_some_and(|next| indent(next) > indent(line.text) && !next.trim_start().starts_with('#'))
}

/// A value that begins with a character that YAML reads as its own, and goes on in a way that does not fit.
fn by_indicator(text: &str, at: usize, kind: &ErrorKind) -> Option<Diagnostic> {
    if matches!(kind, ErrorKind::UnclosedFlowCollection { .. } | ErrorKind::UnclosedQuotedScalar) {
        return None;
    }
    let line = line_at(text, at);
    let column = at - line.start;
    let start = line.start + value_start(line.text, column)?;
    let first = text.get(start..)?.chars().next()?;
    let here = Span::from_range(at..at + text.get(at..)?.chars().next().map_or(0, char::len_utf8));
    let (place, message) = match first {
        '!' => return Some(tag(text, start)),
        '\'' | '"' => {
            let ends = text.get(start + 1..at)?.contains(first);
            let quotes = if first == '"' { "double" } else { "single" };
            let message = format!("a text in {quotes} quotes ends before this, and the value continues");
            return ends.then(|| with_quotes(text, start, here, message));
        }
        '[' | '{' if closed(text.get(start..at)?) => {
            let what = if first == '[' { "list" } else { "map" };
            (
                here,
                format!(
                    "an unquoted `{first}` begins a {what}, which ends before this, and the value continues"
                ),
            )
        }
        '@' | '`' | '%' if at == start => {
            (here, format!("a value without quotes cannot begin with `{first}`"))
        }
        '|' | '>' if matches!(kind, ErrorKind::InvalidBlockScalarHeader) || at == start => {
            let message =
                format!("an unquoted `{first}` begins a block of text, which starts on the next line");
            (Span::from_range(start..start + 1), message)
        }
        '*' => (Span::from_range(start..start + 1), "an unquoted `*` begins an alias".to_owned()),
        '&' => (Span::from_range(start..start + 1), "an unquoted `&` begins an anchor".to_owned()),
        _ => return None,
    };
    Some(with_quotes(text, start, place, message))
}

/// A value without its outer quotes, if they are YAML's: the text goes on right after a quote inside of it, which
/// opens a text there. Nothing if they are and what is between them has escapes that cannot be told from its own text.
fn without_quotes<'t>(text: &str, item: &'t str, goes_on: usize) -> Option<Cow<'t, str>> {
    let whole = Some(Cow::Borrowed(item));
    let Some((front, back)) = text.split_at_checked(goes_on) else { return whole };
    let (mut before, mut behind) = (front.chars().rev(), back.chars());
    let Some(quote @ ('"' | '\'')) = before.next() else { return whole };
    let begins = before.next().is_some_and(|c| c.is_whitespace() || "([{,=!<>+-*/%?:&|".contains(c));
    let next = behind.next().filter(|c| !c.is_whitespace());
    let opens = next.is_some_and(|next| begins || next.is_ascii_alphanumeric());
    let Some(inner) = item.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote)) else {
        return whole;
    };
    match quote {
        _ if !opens => whole,
        '"' if inner.contains('\\') => {
            let plain = inner.replace("\\\"", "\"");
            (!plain.contains('\\')).then_some(Cow::Owned(plain))
        }
        '\'' if inner.contains("''") => None,
        _ => Some(Cow::Borrowed(inner)),
    }
}

/// A finding whose help is to put the whole value in quotes.
fn with_quotes(text: &str, start: usize, place: Span, message: String) -> Diagnostic {
    let found = Diagnostic::new(&SYNTAX, place, message);
    match item_from(text, start) {
        Some(item) => match without_quotes(text, item, place.start as usize) {
            Some(value) => quoted_help(found, Span::from_range(start..start + item.len()), &value),
            None => found
                .with_help("put the whole value or expression in quotes")
                .with_discreet(None, QUOTE_VALUE),
        },
        None => {
            found.with_help("put the whole value or expression in quotes").with_discreet(None, QUOTE_VALUE)
        }
    }
}

/// True if the first bracket of a text is closed in it.
fn closed(text: &str) -> bool {
    let (mut open, mut quote) = (0_usize, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '{') => open += 1,
            (None, ']' | '}') if open <= 1 => return true,
            (None, ']' | '}') => open -= 1,
            (None, _) => {}
        }
    }
    false
}

/// Where the value begins in which, or after which, a column of a line lies.
fn value_start(line: &str, column: usize) -> Option<usize> {
    let mut at = line.len() - line.trim_start().len();
    while line.get(at..)?.starts_with("- ") {
        at += 2;
        at += line.get(at..)?.len() - line.get(at..)?.trim_start().len();
    }
    let rest = line.get(at..)?;
    let key =
        rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c)).len();
    if key > 0 && rest.get(key..)?.starts_with(": ") {
        at += key + 2;
        at += line.get(at..)?.len() - line.get(at..)?.trim_start().len();
    }
    // Inside of brackets: what follows the last comma or bracket.
    if line.get(at..)?.starts_with(['[', '{']) && !closed(line.get(at..column)?) {
        let inner = line.get(at..column)?.rfind(['[', '{', ','])?;
        at += inner + 1;
        at += line.get(at..)?.len() - line.get(at..)?.trim_start().len();
    }
    (at <= column).then_some(at)
}

#[cfg(test)]
mod tests;
