//! Outline: what the actions of a policy produce, before any of it is read.

use super::shape::WrittenPhase;
use crate::actions::{NAMES, current_name, facts_of};
use crate::cel::State;
use crate::diagnostic::did_you_mean;
use crate::flow::Trace;
use crate::parse::{NodeKind, NodeRef};
use crate::reader::Fields;
use crate::settings::rule::{ACTIONS, CONFIG, TYPE};
use crate::source::{FileSpan, Span};

/// Every trace, in document order. O(document).
pub(super) fn outline(phases: &[WrittenPhase<'_>]) -> Vec<Trace> {
    let mut out = Vec::new();
    for (at, phase) in phases.iter().enumerate() {
        let before: usize =
            phases.iter().take(at).filter(|other| other.phase == phase.phase).map(|it| it.rules.len()).sum();
        for (number, rule) in phase.rules.iter().enumerate() {
            let Some(fields) = Fields::from_node(*rule) else { continue };
            let mut add = |action: usize, state: State, span: Span| {
                out.push(Trace {
                    state,
                    phase: phase.phase,
                    place: (before + number, action),
                    span: FileSpan::new(span),
                });
            };
            match fields.get(ACTIONS.name()).map(|node| node.kind()) {
                Some(NodeKind::Sequence(actions)) => {
                    for (at, action) in actions.iter().enumerate() {
                        traces(action, &mut |state, span| add(at, state, span));
                    }
                }
                // An action without its rule.
                None => traces(*rule, &mut |state, span| add(0, state, span)),
                Some(_) => {}
            }
        }
    }
    out
}

/// What one action produces.
fn traces(action: NodeRef<'_>, add: &mut dyn FnMut(State, Span)) {
    let Some(fields) = Fields::from_node(action) else { return };
    let Some(kind) = fields.field(TYPE) else { return };
    let NodeKind::Scalar(kind) = kind.value.kind() else { return };
    let name = current_name(kind.text);
    // A misspelt one would produce what is meant.
    let facts = facts_of(name).or_else(|| did_you_mean(name, NAMES.iter().copied()).and_then(facts_of));
    let Some(facts) = facts else { return };
    (facts.outline)(fields.get(CONFIG).and_then(Fields::from_node).as_ref(), kind.span, add);
}
