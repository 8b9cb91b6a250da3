//! What earlier actions left behind: `vars.*` and `actions.*`, as expressions read it.
//!
//! An expression is typed and judged where it stands: what is known there of earlier actions comes in through
//! [`Earlier`], which the reader of a policy implements.

use super::code::{Code, Node, NodeId};
use super::types::Type;
use super::value::Value;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Something that an earlier action may have left behind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// A variable of `set-vars`, by its name.
    Variable(Box<str>),
    /// The results of a kind of action, by their path: `actions.ngrok.oauth`.
    Result(&'static str),
}

/// How an expression uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Reads it, and fails without it.
    Read,
    /// Only asks whether it is there, as `has(…)` does.
    Ask,
}

/// What is known of earlier actions where an expression stands.
pub(crate) trait Earlier {
    /// The type of a variable, if it is set before.
    fn variable(&self, name: &str) -> Option<Type>;

    /// True if the place itself tells this of a guard.
    fn tells(&self, _guard: &str) -> bool {
        false
    }

    /// What to say of a use; `found` is what would be said of a value that may be missing.
    fn judge(&self, state: &State, of: Use, found: Diagnostic) -> Option<Diagnostic>;
}

/// Nothing is known: everything may be missing.
pub(crate) struct Unknown;

impl Earlier for Unknown {
    fn variable(&self, _: &str) -> Option<Type> {
        None
    }

    fn judge(&self, _: &State, of: Use, found: Diagnostic) -> Option<Diagnostic> {
        (of == Use::Read).then_some(found)
    }
}

/// The path of the action whose result a fact is: the first three names.
pub(crate) fn result_path(path: &'static str) -> Option<&'static str> {
    if !path.starts_with("actions.") {
        return None;
    }
    let end = path.match_indices('.').nth(2).map_or(path.len(), |(at, _)| at);
    path.get(..end)
}

/// True for the map of all variables.
pub(super) fn is_variables(node: Option<&Node>) -> bool {
    matches!(node, Some(Node::Fact(fact)) if fact.path() == "vars")
}

/// The variable that a part of an expression reads by a constant name.
pub(super) fn variable(code: &Code, node: &Node) -> Option<State> {
    let (operand, name) = match node {
        Node::Select { operand, field, .. } => (operand, Some(field)),
        Node::Index { operand, index, .. } => (operand, constant(code, *index)),
        _ => return None,
    };
    named(code, *operand, name)
}

/// What a part of an expression asks for.
pub(super) fn asked(code: &Code, node: &Node) -> Option<State> {
    match node {
        Node::HasFact(fact) => result_path(fact.path()).map(State::Result),
        Node::Has { operand, field } => named(code, *operand, Some(field)),
        Node::Select { optional: true, .. } | Node::Index { optional: true, .. } => variable(code, node),
        Node::Call { name: "_in_", arguments, .. } => match **arguments {
            [key, map] => named(code, map, constant(code, key)),
            _ => None,
        },
        _ => None,
    }
}

fn named(code: &Code, map: NodeId, name: Option<&Value>) -> Option<State> {
    match name {
        Some(Value::String(name)) if is_variables(code.node(map)) => Some(State::Variable((&**name).into())),
        _ => None,
    }
}

fn constant(code: &Code, id: NodeId) -> Option<&Value> {
    match code.node(id) {
        Some(Node::Const(value)) => Some(value),
        _ => None,
    }
}

/// Everything an expression asks for, with its place.
pub(super) fn asks(code: &Code) -> Vec<(State, Span)> {
    let nodes = code.nodes.iter().zip(code.spans.iter()).zip(code.reachable());
    let asked = nodes.filter(|(_, reached)| *reached).map(|((node, span), _)| (asked(code, node), *span));
    asked.filter_map(|(state, span)| state.map(|state| (state, span))).collect()
}
