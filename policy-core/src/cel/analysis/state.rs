//! What earlier actions produced: `vars.*` and `actions.*`, as expressions read it.

use std::collections::HashMap;

use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::library::overload::{Form, Gives};
use crate::cel::values::value::Value;
use crate::source::Span;

/// Something that an earlier action may have produced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    /// A variable of `set-vars`, by its name.
    Variable(Box<str>),
    /// The results of a kind of action, by their path: `actions.ngrok.oauth`.
    Result(&'static str),
}

/// What is known of a value: the keys of a map that is written out, the items of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing.
    #[default]
    Any,
    /// A map has these keys, perhaps others too.
    Map(Vec<(Box<str>, Shape)>),
    /// A list has these items, perhaps others too.
    List(Vec<Shape>),
    /// A whole number is not less than the first and not greater than the second.
    Within(i64, i64),
}

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The entry of a map.
    Key(Box<str>),
    /// The item of a list.
    At(usize),
}

impl Shape {
    /// The value at the end of the way, if there is one.
    pub(crate) fn find(&self, way: &[Step]) -> Option<&Self> {
        way.iter().try_fold(self, |at, step| match (at, step) {
            (Self::Map(entries), Step::Key(key)) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, of)| of)
            }
            (Self::List(items), Step::At(index)) => items.get(*index),
            _ => None,
        })
    }

    /// True if it is a position in a list of so many items.
    pub(crate) fn is_position(&self, items: usize) -> bool {
        matches!(self, Self::Within(0.., last) if usize::try_from(*last).is_ok_and(|last| last < items))
    }

    /// What is known of a value that is of one shape or the other. O(size of the smaller).
    pub(crate) fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Map(some), Self::Map(others)) => {
                let others: HashMap<&str, &Self> = others.iter().map(|(key, of)| (&**key, of)).collect();
                let both =
                    some.iter().filter_map(|(key, of)| Some((key.clone(), of.or(others.get(&**key)?))));
                Self::Map(both.collect())
            }
            (Self::Within(a, b), Self::Within(c, d)) => Self::Within(*a.min(c), *b.max(d)),
            (Self::List(some), Self::List(others)) => {
                Self::List(some.iter().zip(others).map(|(a, b)| a.or(b)).collect())
            }
            _ => Self::Any,
        }
    }
}

/// The variable that a part of an expression reads by a constant name.
pub(in crate::cel) fn variable(code: &Code, node: &Node) -> Option<State> {
    let (operand, name) = match node {
        Node::Select { operand, field, .. } => (operand, Some(field)),
        Node::Index { operand, index, .. } => (operand, code.constant(*index)),
        _ => return None,
    };
    named(code, *operand, name)
}

/// What a part of an expression asks for.
pub(in crate::cel) fn asked(code: &Code, node: &Node) -> Option<State> {
    match node {
        Node::HasFact(fact) => fact.result().map(State::Result),
        Node::Has { operand, field } => named(code, *operand, Some(field)),
        Node::Select { optional: true, .. } | Node::Index { optional: true, .. } => variable(code, node),
        _ => match code.formed(node, Form::In)? {
            [key, map] => named(code, *map, code.constant(*key)),
            _ => None,
        },
    }
}

/// The way to a part from a variable, or from results, by constant names: `vars.a.b[0]`; `None` for the whole.
pub(in crate::cel) fn way(code: &Code, id: NodeId) -> Option<(State, Vec<Step>)> {
    let (mut at, mut way) = (id, Vec::new());
    loop {
        let node = code.node(at)?;
        if let Some(state) = variable(code, node) {
            way.reverse();
            return (!way.is_empty()).then_some((state, way));
        }
        let (operand, step) = match node {
            Node::Select { operand, field, optional: false } => (operand, Some(field)),
            Node::Index { operand, index, optional: false } => (operand, code.constant(*index)),
            Node::Fact(fact) => {
                let of = fact.result()?;
                let fields = fact.path().strip_prefix(of)?.strip_prefix('.')?;
                way.extend(fields.rsplit('.').map(|field| Step::Key(field.into())));
                way.reverse();
                // A result of its own is there with the others.
                return (way.len() > 1).then_some((State::Result(of), way));
            }
            _ => return None,
        };
        way.push(match step? {
            Value::String(key) => Step::Key((&**key).into()),
            Value::Int(index) => Step::At(usize::try_from(*index).ok()?),
            _ => return None,
        });
        at = *operand;
    }
}

/// The shape of a value that is written out, so many levels of it.
pub(in crate::cel) fn shape(code: &Code, id: NodeId, levels: usize) -> Shape {
    let Some(levels) = levels.checked_sub(1) else { return Shape::Any };
    match code.node(id) {
        Some(Node::Map(entries)) => {
            let entries = entries.iter().filter(|(.., optional)| !optional);
            let named = entries.filter_map(|(key, value, _)| match code.constant(*key) {
                Some(Value::String(key)) => Some(((&**key).into(), shape(code, *value, levels))),
                _ => None,
            });
            Shape::Map(named.collect())
        }
        Some(Node::List(items)) => {
            let items = items.iter().take_while(|(_, optional)| !optional);
            Shape::List(items.map(|(item, _)| shape(code, *item, levels)).collect())
        }
        Some(Node::Const(Value::Int(number))) => Shape::Within(*number, *number),
        Some(node) => match code.call(node).map(|(overload, arguments)| (overload.gives, arguments)) {
            Some((Gives::Number(min, max), _)) => Shape::Within(min, max),
            Some((Gives::Between, [min, max])) => match (code.constant(*min), code.constant(*max)) {
                (Some(Value::Int(min)), Some(Value::Int(max))) => Shape::Within(*min, *max),
                _ => Shape::Any,
            },
            Some((Gives::Keys(keys), _)) => {
                Shape::Map(keys.iter().map(|key| ((*key).into(), Shape::Any)).collect())
            }
            _ => Shape::Any,
        },
        None => Shape::Any,
    }
}

fn named(code: &Code, map: NodeId, name: Option<&Value>) -> Option<State> {
    match name {
        Some(Value::String(name)) if code.node(map).is_some_and(Node::is_variables) => {
            Some(State::Variable((&**name).into()))
        }
        _ => None,
    }
}

/// Everything an expression asks for, with its place.
pub(in crate::cel) fn asks(code: &Code) -> Vec<(State, Span)> {
    let nodes = code.nodes().zip(code.reachable()).filter(|(_, reached)| *reached);
    let asked = nodes.map(|((id, node), _)| (asked(code, node), code.span(id)));
    asked.filter_map(|(state, span)| state.map(|state| (state, span))).collect()
}
