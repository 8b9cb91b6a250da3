//! Values that findings and excerpts never show: those of secret fields, wherever they stand, and what stands before
//! the `@` of a URL.
//!
//! A field is secret by its declaration. It is found by its name in all of a file, since a finding about anything else
//! may show the same line: a field in the wrong place, one that is not read, or one behind a syntax error.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use crate::parse::{Document, NodeKind, NodeRef, Scalar};
use crate::schema::{Below, Declared};
use crate::source::{Span, join};

/// What is known of names of fields.
#[derive(Debug, Default)]
struct Names {
    /// Fields whose value is secret, with all that stands below it.
    secret: HashSet<&'static str>,
    /// Maps with such fields: a text in the place of the map may be one.
    holders: HashSet<&'static str>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names::default();
    names.secret.extend(crate::SECRET_KEYS.iter().copied().flatten().copied());
    names.holders.extend(["agent", "config"]);
    for declared in crate::DECLARED.iter().copied().flatten() {
        names.add(declared, None);
    }
    names
});

impl Names {
    /// Adds declared fields; true if one is secret. Declarations are nested a few levels deep.
    fn add(&mut self, declared: Declared, above: Option<&'static str>) -> bool {
        let mut any = false;
        for field in declared {
            if field.is_secret() {
                // Elsewhere `value` is no secret.
                let name = if field.name() == "value" { above } else { Some(field.name()) };
                self.secret.extend(name);
                self.secret.extend(field.aliases());
                any = true;
            }
            let holds = match field.below() {
                Below::Nothing => false,
                Below::Map(declared) | Below::List(declared) => self.add(declared, Some(field.name())),
            };
            if holds {
                self.holders.insert(field.name());
            }
            any |= holds;
        }
        any
    }
}

/// True for the name of a secret field.
pub(super) fn is_secret_name(name: &str) -> bool {
    NAMES.secret.contains(name)
}

/// The places of all secrets in a file, in order. O(file).
pub(super) fn secrets(document: &Document) -> Vec<Span> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (key, value) in document.entries() {
        let NodeKind::Scalar(key) = key.kind() else { continue };
        let text = matches!(value.kind(), NodeKind::Scalar(_));
        if is_secret_name(key.text) || text && NAMES.holders.contains(key.text) {
            add_below(value, &mut seen, &mut out);
        }
    }
    // A text in the place of the whole may be anything.
    if let Some(NodeKind::Scalar(scalar)) = document.root().map(NodeRef::kind) {
        out.push(scalar.span);
    }
    let text = document.source().text();
    if let Some(cut) = document.cut_at() {
        // What was not read is known by its lines.
        let start = document.end_of_texts().min(cut);
        let start = document.source().line_start(document.source().position(start).line);
        unread(text, start as usize, &mut out);
    }
    users(text, &mut out);
    join(&mut out);
    out
}

/// Adds the texts of a value and of everything below it, each once.
pub(super) fn add_below(value: NodeRef<'_>, seen: &mut HashSet<Span>, out: &mut Vec<Span>) {
    let mut work = vec![value];
    while let Some(node) = work.pop() {
        match node.kind() {
            NodeKind::Scalar(scalar) => add_scalar(scalar, node.document(), out),
            NodeKind::Sequence(items) if seen.insert(node.span()) => work.extend(items.iter()),
            NodeKind::Mapping(entries) if seen.insert(node.span()) => {
                work.extend(entries.iter().map(|(_, value)| value));
            }
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => {}
        }
    }
}

/// Adds a text, but for its expressions: they are no secrets, unless they hold texts of their own.
fn add_scalar(scalar: Scalar<'_>, document: &Document, out: &mut Vec<Span>) {
    let written = document.source().slice(scalar.span);
    let texts = texts_in_expressions(written);
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

/// The texts inside of `${…}` that may be a secret. Keys and arguments, `secrets.get('vault', 'name')`, are none.
pub(super) fn texts_in_expressions(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut inside, mut before, mut open) = (false, ' ', None);
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
            None if matches!(c, '\'' | '"') => open = Some((c, at, !matches!(before, '[' | '(' | ','))),
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

/// Adds what stands behind the name of a secret field in a text that was not read, and the lines below it that are
/// indented further.
fn unread(text: &str, start: usize, out: &mut Vec<Span>) {
    let mut at = start;
    let mut below: Option<usize> = None;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if below.is_some_and(|key| indent > key) && !line.trim().is_empty() {
            out.push(Span::from_range(at + indent..at + line.trim_end().len()));
        } else {
            below = below.filter(|_| line.trim().is_empty());
        }
        for (colon, _) in line.match_indices(':') {
            let before = line.get(..colon).unwrap_or_default().trim_end_matches(['"', '\'', ' ']);
            let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next();
            if name.is_some_and(is_secret_name) {
                out.push(Span::from_range(at + colon + 1..at + line.trim_end().len().max(colon + 1)));
                below = below.or(Some(indent));
                break;
            }
        }
        at += line.len();
    }
}

/// Adds user names and passwords of URLs.
fn users(text: &str, out: &mut Vec<Span>) {
    /// Bytes of a URL in which its `@` is looked for.
    const LONGEST: usize = 512;
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let rest = text.get(start..text.floor_char_boundary(start + LONGEST)).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '$'));
        let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if let Some(user) = authority.rfind('@').filter(|user| *user > 0) {
            out.push(Span::from_range(start..start + user));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_arguments_are_no_secrets() {
        let texts = |text: &str| {
            let found = texts_in_expressions(text).into_iter();
            found.map(|range| text.get(range).expect("inside").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts("a 'b' ${secrets.get('v', 'n')} ${req.headers['x-a'][0]}"), Vec::<String>::new());
        assert_eq!(texts("${'Bearer abc' + vars.a} 'x'"), ["'Bearer abc'"]);
        assert_eq!(texts("${vars.a == \"x\" ? 'abc' : f('d')}"), ["\"x\"", "'abc'"]);
        assert_eq!(texts("${'abc"), ["'abc"]);
    }
}
