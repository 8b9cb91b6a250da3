//! Values that findings and excerpts never show: those of secret fields, wherever they stand, and what stands before
//! the `@` of a URL.
//!
//! A field is secret by its declaration, or by what its name says ([`FieldNames`]). It is found by its name in all of a file, since a finding about anything else
//! may show the same line: a field in the wrong place, one that is not read, or one behind a syntax error.

use std::collections::HashSet;
use std::ops::Range;

use super::FieldNames;
use crate::parse::{Document, NodeKind, NodeRef, Scalar};
use crate::source::{Span, join};

/// The places of all secrets in a file, in order. O(file).
pub(super) fn secrets(document: &Document, names: &FieldNames) -> Vec<Span> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (key, value) in document.entries() {
        let NodeKind::Scalar(key) = key.kind() else { continue };
        let text = matches!(value.kind(), NodeKind::Scalar(_));
        if names.is_secret(key.text) || text && names.is_holder(key.text) {
            add_below(value, names, &mut seen, &mut out);
            written_around(key.span, value, names, &mut out);
        }
        if names.is_headers(key.text) {
            odd_names(value, &mut out);
        }
        if let NodeKind::Scalar(url) = value.kind()
            && names.is_bare_url(key.text)
        {
            in_url(url, document, &mut out);
        }
    }
    // A text in the place of the whole may be anything.
    if let Some(NodeKind::Scalar(scalar)) = document.root().map(NodeRef::kind) {
        out.push(scalar.span);
    }
    let text = document.source().text();
    if document.is_faulty() {
        by_lines(text, 0, false, names, &mut out);
    }
    parameters(text, names, &mut out);
    users(text, &mut out);
    private_keys(text, &mut out);
    join(&mut out);
    out
}

/// Adds what belongs to the value of a secret field beside its text: its tag and anchor, and lines that were meant to
/// belong to its block of text.
fn written_around(key: Span, value: NodeRef<'_>, names: &FieldNames, out: &mut Vec<Span>) {
    let source = value.document().source();
    let line_end = source.line_end(key.end);
    let NodeKind::Scalar(scalar) = value.kind() else {
        // The anchors of items stand among them.
        let end = value.span().end;
        prefix(source.text(), key.end, value.span().start.max(key.end), out);
        let written = source.slice(value.span());
        for (at, _) in written.match_indices(['&', '!']) {
            let alone = written.get(..at).is_some_and(|before| before.ends_with([' ', '[', '{', '\n', ',']));
            let word = written.get(at..).and_then(|rest| rest.find([' ', '\n', ',', ']', '}']));
            if alone {
                push(value.span(), at, at + word.unwrap_or((end as usize).saturating_sub(at)), out);
            }
        }
        return;
    };
    let start = (scalar.span.start as usize).min(line_end);
    prefix(source.text(), key.end, u32::try_from(start).unwrap_or(key.end), out);
    if scalar.text.trim().is_empty() {
        prefix(source.text(), key.end, u32::try_from(line_end).unwrap_or(key.end), out);
    }
    let rest = source.text().get(key.end as usize..line_end).unwrap_or_default();
    if rest.trim_start_matches(['"', '\'', ':', ' ']).starts_with(['|', '>']) {
        by_lines(
            source.text(),
            source.line_start(source.position(key.start).line) as usize,
            true,
            names,
            out,
        );
    }
}

/// The places of all secrets in a text that is not read, in order. O(text).
pub(super) fn unread(text: &str, names: &FieldNames) -> Vec<Span> {
    let mut out = Vec::new();
    by_lines(text, 0, false, names, &mut out);
    parameters(text, names, &mut out);
    users(text, &mut out);
    private_keys(text, &mut out);
    join(&mut out);
    out
}

/// Adds the texts of a value and of everything below it, each once.
pub(super) fn add_below(
    value: NodeRef<'_>,
    names: &FieldNames,
    seen: &mut HashSet<Span>,
    out: &mut Vec<Span>,
) {
    let mut work = vec![value];
    while let Some(node) = work.pop() {
        match node.kind() {
            NodeKind::Scalar(scalar) => add_scalar(scalar, node.document(), names, out),
            NodeKind::Sequence(items) if seen.insert(node.span()) => work.extend(items.iter()),
            NodeKind::Mapping(entries) if seen.insert(node.span()) => {
                work.extend(entries.iter().map(|(_, value)| value));
            }
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => {}
        }
    }
}

/// Adds a text, but for its expressions: they are no secrets, unless they hold texts of their own.
fn add_scalar(scalar: Scalar<'_>, document: &Document, names: &FieldNames, out: &mut Vec<Span>) {
    let written = document.source().slice(scalar.span);
    let texts = texts_in_expressions(written, names);
    let (mut at, mut rest) = (0, written);
    while let Some(begin) = rest.find("${") {
        let Some(length) = rest.get(begin..).and_then(|rest| rest.find('}')) else { break };
        let expression = at + begin..at + begin + length + 1;
        push(scalar.span, at, expression.start, out);
        at = expression.end;
        rest = written.get(at..).unwrap_or_default();
    }
    push(scalar.span, at, written.len(), out);
    texts.into_iter().for_each(|text| push(scalar.span, text.start, text.end, out));
}

/// The texts inside of `${…}` that may be a secret. Keys, and the arguments of functions that look secrets up by their
/// names, are none.
pub(super) fn texts_in_expressions(text: &str, names: &FieldNames) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut inside, mut before, mut open) = (false, ' ', None);
    // Behind the bracket of such a function, up to its end.
    let mut named = false;
    for (at, c) in text.char_indices() {
        match open {
            Some((quote, start, free)) if c == quote => {
                if free {
                    out.push(start..at + 1);
                }
                (open, before) = (None, c);
            }
            Some(_) => {}
            None if !inside => inside = c == '{' && before == '$',
            None if c == '}' => inside = false,
            None if c == '(' => named = text.get(..at).is_some_and(|text| names.calls_for_secret(text)),
            None if c == ')' => named = false,
            None if matches!(c, '\'' | '"') => open = Some((c, at, !named && before != '[')),
            None => {}
        }
        if open.is_none() && !c.is_whitespace() {
            before = c;
        }
    }
    out.extend(open.map(|(_, start, _)| start..text.len()));
    out
}

fn push(of: Span, start: usize, end: usize, out: &mut Vec<Span>) {
    let offset = of.start as usize;
    if end > start {
        out.push(Span::from_range(offset + start..offset + end));
    }
}

/// A secret field whose lines go on.
struct Open {
    indent: usize,
    /// True if the lines below it are `name: secret`.
    named: bool,
}

/// Adds what follows the names of secret fields in a text that was not read as meant, and the lines below, up to
/// one that begins with a known field and is indented no further. With `first`, of the field in the first line alone.
fn by_lines(text: &str, start: usize, first: bool, names: &FieldNames, out: &mut Vec<Span>) {
    let mut at = start;
    let mut open: Option<Open> = None;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        let (indent, end) = (line.len() - line.trim_start().len(), line.trim_end().len());
        let ends = |open: &Open| indent <= open.indent && key_of(line).is_some_and(|key| names.is_known(key));
        if open.as_ref().is_some_and(ends) {
            open = None;
            if first {
                return;
            }
        }
        if let Some(open) = open.as_ref().filter(|_| indent < end) {
            let name = key_of(line).filter(|_| open.named && !line.trim_start().starts_with('-'));
            let shown = name.map_or(0, |name| name.len() + 1);
            out.push(Span::from_range(at + (indent + shown).min(end)..at + end));
        } else if let Some((name, colon)) = secret_in(line, names) {
            out.push(Span::from_range(at + colon + 1..at + end.max(colon + 1)));
            let named = names.is_headers(name) && end <= colon + 1;
            open = Some(Open { indent, named });
        } else if first && open.is_none() {
            return;
        }
        at += line.len();
    }
}

/// The first secret field that a line names, and the place of its colon.
fn secret_in<'l>(line: &'l str, names: &FieldNames) -> Option<(&'l str, usize)> {
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line.get(..colon)?.trim_end_matches(['"', '\'', ' ']);
        let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next()?;
        names.is_secret(name).then_some((name, colon))
    })
}

/// The key that a line begins with, after the dashes of lists.
fn key_of(line: &str) -> Option<&str> {
    let content = line.trim().trim_start_matches("- ").trim_start();
    let (key, rest) = content.split_once(':')?;
    let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (is_key && (rest.is_empty() || rest.starts_with([' ', '\t']))).then_some(key)
}

/// Adds the values of secret parameters of URLs, `?token=…`.
fn parameters(text: &str, names: &FieldNames, out: &mut Vec<Span>) {
    for (at, _) in text.match_indices('=') {
        let before = text.get(text.ceil_char_boundary(at.saturating_sub(64))..at).unwrap_or_default();
        let Some(mark) = before.rfind(['?', '&']) else { continue };
        if before.get(mark + 1..).is_some_and(|name| names.is_secret(name)) {
            let rest = text.get(at + 1..).unwrap_or_default();
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\'' | '$'));
            push(Span::from_range(at + 1..text.len()), 0, end.unwrap_or(rest.len()), out);
        }
    }
}

/// Adds what stands before the `@` of a URL without a scheme, and what stands behind the `?` of one that is written out: in
/// one with `${…}` findings are about these.
fn in_url(url: Scalar<'_>, document: &Document, out: &mut Vec<Span>) {
    let written = document.source().slice(url.span);
    if let Some(query) = written.find(['?', '#']).filter(|_| !written.contains("${")) {
        push(url.span, query + 1, written.trim_end_matches(['"', '\'']).len(), out);
    }
    let end = written.find(['/', '?', '#', '$']).unwrap_or(written.len());
    if let Some(user) = written.get(..end).and_then(|authority| authority.rfind('@')) {
        push(url.span, 0, user, out);
    }
}

/// Adds names of headers that are none: a whole header may stand there.
fn odd_names(headers: NodeRef<'_>, out: &mut Vec<Span>) {
    let NodeKind::Mapping(entries) = headers.kind() else { return };
    for (name, _) in entries.iter() {
        if let NodeKind::Scalar(name) = name.kind()
            && name.text.contains([':', ' '])
        {
            out.push(name.span);
        }
    }
}

/// Adds a tag or an anchor that stands between two places: it may be a secret that should be in quotes.
fn prefix(text: &str, start: u32, end: u32, out: &mut Vec<Span>) {
    let range = start as usize..end as usize;
    let gap = text.get(range.clone()).unwrap_or_default();
    if let Some(at) = gap.find(['&', '!', '*']) {
        out.push(Span::from_range(range.start + at..range.end));
    }
}

/// Adds private keys as PEM has them, whatever field they were pasted into: from their first line to their last, or as
/// long as lines are those of a key where that is missing. O(text).
fn private_keys(text: &str, out: &mut Vec<Span>) {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    /// Bytes of the first line.
    const MAX_HEADER: usize = 64;
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let (mut at, mut rest) = (0, text);
    while let Some(begin) = rest.find(BEGIN) {
        at += begin;
        rest = text.get(at..).unwrap_or_default();
        let header = rest.get(..rest.floor_char_boundary(MAX_HEADER)).unwrap_or_default();
        let mut length = BEGIN.len();
        if header.contains("PRIVATE KEY") {
            let mut lines = rest.split_inclusive('\n');
            length = lines.next().map_or(length, str::len);
            for line in lines {
                let (last, line_of_key) = (line.contains(END), line.trim().chars().all(is_of_key));
                length += if last || line_of_key { line.len() } else { 0 };
                if last || !line_of_key {
                    break;
                }
            }
            out.push(Span::from_range(at..at + length));
        }
        at += length;
        rest = text.get(at..).unwrap_or_default();
    }
}

/// Adds user names and passwords of URLs, and `name:password` before the `@` of a host alone.
fn users(text: &str, out: &mut Vec<Span>) {
    /// Bytes of a URL in which its `@` is looked for.
    const MAX_LENGTH: usize = 512;
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let rest = text.get(start..text.floor_char_boundary(start + MAX_LENGTH)).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '$'));
        let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if let Some(user) = authority.rfind('@').filter(|user| *user > 0) {
            out.push(Span::from_range(start..start + user));
        }
    }
    for (at, _) in text.match_indices('@') {
        let before = text.get(text.ceil_char_boundary(at.saturating_sub(MAX_LENGTH))..at).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || "/\\\"'`{}[]()<>,^|".contains(c);
        let pair = before.rsplit(ends).next().unwrap_or_default();
        let is_pair = pair.split_once(':').is_some_and(|(name, password)| {
            !name.is_empty() && !password.is_empty() && !name.eq_ignore_ascii_case("mailto")
        });
        if is_pair {
            out.push(Span::from_range(at - pair.len()..at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_before_an_at_are_found() {
        let hidden = |text: &str| {
            let mut out = Vec::new();
            users(text, &mut out);
            join(&mut out);
            out.iter().map(|span| text.get(span.to_range()).expect("inside").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(hidden("listen: u:p@host:22"), ["u:p"]);
        assert_eq!(
            hidden("[u:p@a, 'v:q@b', //w:r@c, tcp:/x:s@d, tcp://y@e]"),
            ["u:p", "v:q", "w:r", "x:s", "y"]
        );
        for text in
            ["a@b", "x: a@b", ":a@b", "a:@b", "mailto:a@b", "matches('^[a-z]+:[^@]+@')", "https://h/@a"]
        {
            assert_eq!(hidden(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn keys_and_arguments_are_no_secrets() {
        let names = FieldNames { secret_functions: vec!["secrets.get"], ..FieldNames::default() };
        let texts = |text: &str| {
            let found = texts_in_expressions(text, &names).into_iter();
            found.map(|range| text.get(range).expect("inside").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts("a 'b' ${secrets.get('v', 'n')} ${req.headers['x-a'][0]}"), Vec::<String>::new());
        assert_eq!(texts("${'Bearer abc' + vars.a} 'x'"), ["'Bearer abc'"]);
        assert_eq!(texts("${vars.a == \"x\" ? 'abc' : f('d')}"), ["\"x\"", "'abc'", "'d'"]);
        assert_eq!(texts("${basic_auth.encod('admin', 'abc')}"), ["'admin'", "'abc'"]);
        assert_eq!(texts("${'abc"), ["'abc"]);
    }
}
