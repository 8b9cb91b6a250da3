//! What documents are about, and the documents of a file: several, where a file is a stream of Kubernetes manifests.

use crate::diagnostic::Diagnostics;
use crate::parse::{self, Document, Limits};
use crate::source::{Source, Span};

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// A Traffic Policy.
    Policy,
    /// The configuration of an edge.
    Edge,
    /// The configuration of an agent.
    Agent,
    /// IP policies.
    IpPolicies,
    /// Scenarios of a policy, `*.test.yml`.
    Test,
    /// A file of another kind that holds policies, such as a Kubernetes manifest. They are named and not checked.
    Embedding,
}

/// One document of a file of several.
pub(super) struct Part {
    pub(super) document: Document,
    /// What the reader found in it, at the places of the file.
    pub(super) found: Diagnostics,
    /// Where it begins in the file.
    pub(super) offset: u32,
}

impl Part {
    /// A place in the document as one in the file.
    pub(super) const fn place(&self, span: Span) -> Span {
        Span::new(span.start + self.offset, span.end + self.offset)
    }
}

/// The documents of a file that has several; nothing for one. O(bytes).
pub(super) fn parts(source: &Source, limits: &Limits) -> Vec<Part> {
    let starts = starts(source.text());
    if starts.len() < 2 {
        return Vec::new();
    }
    let ends = starts.iter().skip(1).copied().chain([source.text().len()]);
    let ranges: Vec<_> = starts.iter().copied().zip(ends).collect();
    ranges.into_iter().filter_map(|(start, end)| part(source, start, end, limits)).collect()
}

fn part(source: &Source, start: usize, end: usize, limits: &Limits) -> Option<Part> {
    let (text, offset) = (source.text().get(start..end)?, u32::try_from(start).ok()?);
    let mut found = Diagnostics::default();
    let document = parse::parse(&Source::new(source.name(), text), limits, &mut found);
    let place = |span: Span| (Span::new(span.start + offset, span.end + offset), true);
    Some(Part { document, found: found.relocate(&place), offset })
}

/// Where documents begin. A line that begins with `---` ends the one before, whatever it stands in (YAML 1.2.2 §9.1.4).
fn starts(text: &str) -> Vec<usize> {
    let mut out = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        // What stands before the first marker is no document if it is comments only.
        if marker && at > 0 {
            match out.as_mut_slice() {
                [first] if is_blank(text.get(..at).unwrap_or_default()) => *first = at,
                _ => out.push(at),
            }
        }
        at += line.len();
    }
    out
}

fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with(['#', '%']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_at_their_markers() {
        for (text, expected) in [
            ("a: 1\n", vec![0]),
            ("---\na: 1\n", vec![0]),
            ("# x\n---\na: 1\n", vec![4]),
            ("a: 1\n---\nb: 2\n--- {c: 3}\n---d: 4\n", vec![0, 5, 14]),
            ("a: |\n  ---\n---", vec![0, 11]),
        ] {
            assert_eq!(starts(text), expected, "{text:?}");
        }
    }
}
