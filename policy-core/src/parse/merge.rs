//! Merge keys, `<<: *defaults`: a type of YAML 1.1 that YAML 1.2 does not have.
//!
//! They are refused, and read all the same, so that nothing else is said of what they stand for.

use std::collections::HashSet;

use super::document::{Document, Form, Kind, NodeId, NodeKind, NodeRef};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};

codes! {
    pub(super) static MERGE_KEY = error("TP113", "merge-key", ERR_NGROK_2203);
}

/// Takes the merge keys out of a map and reports them; what they name is returned. `items` are keys and values in
/// turn. O(keys).
pub(super) fn take(
    document: &Document,
    items: &mut Vec<NodeId>,
    diagnostics: &mut Diagnostics,
) -> Vec<NodeId> {
    if !items.iter().step_by(2).any(|&key| is_merge_key(document, key)) {
        return Vec::new();
    }
    let (mut rest, mut merged) = (Vec::with_capacity(items.len()), Vec::new());
    for pair in items.chunks_exact(2) {
        match *pair {
            [key, value] if is_merge_key(document, key) => {
                if merged.is_empty() {
                    diagnostics.push(fault(document, key));
                }
                merged.push(value);
            }
            _ => rest.extend(pair),
        }
    }
    *items = rest;
    merged
}

fn fault(document: &Document, key: NodeId) -> Diagnostic {
    let span = NodeRef::new(document, key).span();
    Diagnostic::new(&MERGE_KEY, span, "`<<` is a merge key, which YAML 1.2 does not have")
        .with_help("write the fields out, or use an alias for the whole map: `config: *name`")
}

/// True for a plain `<<`.
fn is_merge_key(document: &Document, key: NodeId) -> bool {
    let node = document.nodes.get(key.0 as usize);
    let plain = node.is_some_and(|node| matches!(node.kind, Kind::Scalar { form: Form::Plain, .. }));
    plain && matches!(NodeRef::new(document, key).kind(), NodeKind::Scalar(scalar) if scalar.text == "<<")
}

/// Adds the entries of merged maps that a map does not have itself, of several maps those of the first. O(entries).
pub(super) fn add(document: &Document, items: &mut Vec<NodeId>, merged: Vec<NodeId>) {
    if merged.is_empty() {
        return;
    }
    let text = |key: NodeId| match NodeRef::new(document, key).kind() {
        NodeKind::Scalar(scalar) => Some(scalar.text),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
    };
    let mut known: HashSet<&str> = items.iter().step_by(2).filter_map(|&key| text(key)).collect();
    for value in merged {
        let value = NodeRef::new(document, value);
        let maps = match value.kind() {
            NodeKind::Sequence(items) => items.iter().collect(),
            NodeKind::Mapping(_) | NodeKind::Scalar(_) => vec![value],
        };
        for (key, value) in maps.into_iter().flat_map(NodeRef::pairs) {
            if text(key).is_some_and(|text| known.insert(text)) {
                items.extend([key, value]);
            }
        }
    }
}
