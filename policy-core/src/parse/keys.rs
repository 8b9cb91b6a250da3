//! Faults of map keys: repeated, or not a scalar.

use std::collections::HashMap;

use super::document::{Document, Kind, NodeId, NodeKind, NodeRef, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, codes, shorten};
use crate::source::Span;

codes! {
    pub(super) static DUPLICATE_KEY = error("TP105", "duplicate-key");
    pub(super) static COMPLEX_KEY = error("TP111", "complex-key", ERR_NGROK_2236);
}

/// Looks at the keys of one map; `items` are keys and values in turn. False if one is no word. O(keys).
pub(super) fn report_key_faults(
    document: &Document,
    items: &[NodeId],
    diagnostics: &mut Diagnostics,
) -> bool {
    let mut words = true;
    let mut seen: HashMap<&str, (Span, Style)> = HashMap::with_capacity(items.len() / 2);
    for &id in items.iter().step_by(2) {
        let Some((text, span, style)) = key_text(document, id) else {
            let span = document.nodes.get(id.0 as usize).map(|node| node.span).unwrap_or_default();
            words = false;
            diagnostics
                .push(Diagnostic::new(&COMPLEX_KEY, span, "a map key must be a plain word").with_help(
                "quote the key if the brackets belong to it, or fill in the `{{ … }}` of a template first",
            ));
            continue;
        };
        if let Some(&(first, style_there)) = seen.get(text) {
            // YAML tells a number from a text that looks like one.
            let help = match style == style_there {
                true => "merge the two, or remove one",
                false => "with and without quotes it is one key here, where all keys are strings; remove one",
            };
            diagnostics.push(
                Diagnostic::new(&DUPLICATE_KEY, span, format!("the key `{}` is given twice", shorten(text)))
                    .with_label(first, "first given here")
                    .with_help(help),
            );
        } else {
            seen.insert(text, (span, style));
        }
    }
    words
}

fn key_text(document: &Document, id: NodeId) -> Option<(&str, Span, Style)> {
    let node = document.nodes.get(id.0 as usize)?;
    match NodeRef::new(document, id).kind() {
        NodeKind::Scalar(scalar) => {
            let span = if matches!(node.kind, Kind::Alias(_)) { node.span } else { scalar.span };
            Some((scalar.text, span, scalar.style))
        }
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
    }
}
