//! Faults of map keys: repeated, or not a scalar.

use std::collections::HashMap;

use super::document::{Document, Kind, NodeId, NodeRef};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, shorten};
use crate::source::Span;

pub(super) static DUPLICATE_KEY: Code = Code::error("TP105", "duplicate-key");
pub(super) static COMPLEX_KEY: Code = Code::error("TP111", "complex-key").ngrok(&["ERR_NGROK_2236"]);

/// Looks at the keys of one map; `items` are keys and values in turn. False if one is no word. O(keys).
pub(super) fn report_key_faults(
    document: &Document,
    items: &[NodeId],
    diagnostics: &mut Diagnostics,
) -> bool {
    let mut words = true;
    let mut seen: HashMap<&str, Span> = HashMap::with_capacity(items.len() / 2);
    for &id in items.iter().step_by(2) {
        let Some((text, span)) = key_text(document, id) else {
            let span = document.nodes.get(id.0 as usize).map(|node| node.span).unwrap_or_default();
            words = false;
            diagnostics
                .push(Diagnostic::new(&COMPLEX_KEY, span, "a map key must be a plain word").with_help(
                "quote the key if the brackets belong to it, or fill in the `{{ … }}` of a template first",
            ));
            continue;
        };
        if let Some(&first) = seen.get(text) {
            diagnostics.push(
                Diagnostic::new(&DUPLICATE_KEY, span, format!("the key `{}` is given twice", shorten(text)))
                    .with_label(first, "first given here")
                    .with_help("merge the two, or remove one"),
            );
        } else {
            seen.insert(text, span);
        }
    }
    words
}

fn key_text(document: &Document, id: NodeId) -> Option<(&str, Span)> {
    let node = document.nodes.get(id.0 as usize)?;
    match NodeRef::new(document, id).kind() {
        super::NodeKind::Scalar(scalar) => {
            let span = if matches!(node.kind, Kind::Alias(_)) { node.span } else { scalar.span };
            Some((scalar.text, span))
        }
        super::NodeKind::Sequence(_) | super::NodeKind::Mapping(_) => None,
    }
}
