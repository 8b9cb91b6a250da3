//! The shapes of rules, actions and phases, wherever they stand.

use crate::actions::{NAMES, current_name};
use crate::diagnostic::did_you_mean;
use crate::model::meant_phase;
use crate::parse::{NodeKind, NodeRef};
use crate::phase::Phase;
use crate::reader::Fields;
use crate::settings::rule::{ACTIONS, CONFIG, EXPRESSIONS, NAME, TYPE};

/// Items of a list that are looked at.
pub(super) const MAX_ITEMS: usize = 100;

/// True for a text with the name of a phase in it, however broken it is: a file with one is never skipped without a
/// word.
///
/// ```
/// use policy_core::lint::names_phase;
/// assert!(names_phase("on_tcp_connect: ["));
/// assert!(names_phase("o\0n\0_\0t\0c\0p\0_\0c\0o\0n\0n\0e\0c\0t\0"), "UTF-16");
/// assert!(!names_phase("name: [unclosed"));
/// ```
#[must_use]
pub fn names_phase(text: &str) -> bool {
    let holds = |text: &str| Phase::ALL.iter().any(|phase| text.contains(phase.name()));
    holds(text) || text.contains('\0') && holds(&text.replace('\0', ""))
}

/// True for a map with rules below a key that means a phase and is none.
pub(super) fn has_meant_phase(fields: &Fields<'_>) -> bool {
    fields.entries.iter().any(|field| {
        Phase::from_name(field.key).is_none() && lists_rule(field.value) && meant_phase(field.key).is_some()
    })
}

/// True for a list with a rule among its first items.
fn lists_rule(node: NodeRef<'_>) -> bool {
    let NodeKind::Sequence(items) = node.kind() else { return false };
    items.iter().take(MAX_ITEMS).any(is_rule)
}

/// True for a rule without its phase: one of its actions is an action of the language, or it has expressions alone.
pub(super) fn is_rule(node: NodeRef<'_>) -> bool {
    let Some(fields) = Fields::from_node(node).filter(|_| has_only_parts_of_rule(node)) else { return false };
    let items = |key: &str| match fields.get(key).map(NodeRef::kind) {
        Some(NodeKind::Sequence(items)) => Some(items.iter().take(MAX_ITEMS)),
        _ => None,
    };
    match (items(ACTIONS.name()), items(EXPRESSIONS.name())) {
        (Some(mut actions), _) => actions.any(is_action),
        (None, Some(mut expressions)) => {
            expressions.len() > 0 && expressions.all(|item| matches!(item.kind(), NodeKind::Scalar(_)))
        }
        (None, None) => false,
    }
}

/// True for a map that has fields of a rule and no others.
pub(super) fn has_only_parts_of_rule(node: NodeRef<'_>) -> bool {
    has_only(node, &[NAME.name(), EXPRESSIONS.name(), ACTIONS.name()])
}

/// True for an action without its rule.
pub(super) fn is_action(node: NodeRef<'_>) -> bool {
    let Some(NodeKind::Scalar(name)) =
        Fields::from_node(node).and_then(|fields| fields.get(TYPE)).map(NodeRef::kind)
    else {
        return false;
    };
    let known = NAMES.contains(&current_name(name.text));
    has_only(node, &[TYPE, CONFIG]) && (known || did_you_mean(name.text, NAMES.iter().copied()).is_some())
}

/// True for a map that has some of these keys and no others.
pub(super) fn has_only(node: NodeRef<'_>, keys: &[&str]) -> bool {
    Fields::from_node(node).is_some_and(|fields| {
        !fields.entries.is_empty() && fields.entries.iter().all(|field| keys.contains(&field.key))
    })
}
