//! The typed form of a checked expression: what the interpreter runs.
//!
//! INVARIANT: a node's operands stand before it, so one pass from the first node to the last sees every
//! part before the whole, without recursion.

use std::sync::Arc;

use crate::cel::library::Library;
use crate::cel::library::overload::{Form, Overload};
use crate::cel::library::pattern::Pattern;
use crate::cel::values::fact::{Fact, Role};
use crate::cel::values::fault::Fault;
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::source::Span;

/// A node of a [`Code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(in crate::cel) u32);

impl NodeId {
    pub(in crate::cel) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A variable of a macro: its place among those that are in scope.
pub(in crate::cel) type Slot = u16;

/// What a node does.
#[derive(Clone, Debug)]
pub(in crate::cel) enum Node {
    Const(Value),
    /// Reads a fact.
    Fact(Fact),
    /// Makes a map of the facts below an object: name and node of each.
    Object(Box<[(&'static str, NodeId)]>),
    /// True if a fact is known and present.
    HasFact(Fact),
    /// A variable bound from outside.
    Global(Box<str>),
    Local(Slot),
    /// `operand.field`; of an optional operand an optional.
    Select {
        operand: NodeId,
        field: Value,
        optional: bool,
    },
    /// `has(operand.field)`.
    Has {
        operand: NodeId,
        field: Value,
    },
    /// `operand[index]`.
    Index {
        operand: NodeId,
        index: NodeId,
        optional: bool,
    },
    /// A function: the first overload that fits the values runs.
    Call {
        overloads: Box<[u16]>,
        name: &'static str,
        arguments: Box<[NodeId]>,
    },
    /// `matches` with a constant pattern.
    Matches {
        operand: NodeId,
        pattern: Box<Pattern>,
    },
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    Conditional {
        condition: NodeId,
        then: NodeId,
        otherwise: NodeId,
    },
    List(Box<[(NodeId, bool)]>),
    Map(Box<[(NodeId, NodeId, bool)]>),
    Loop(Box<Loop>),
    /// `cel.bind(name, init, body)`.
    Bind {
        slot: Slot,
        init: NodeId,
        body: NodeId,
    },
    /// `optional.optMap(name, body)`, `optFlatMap`.
    OptionalMap {
        slot: Slot,
        operand: NodeId,
        body: NodeId,
        flat: bool,
    },
    /// `operand.or(otherwise)`, `operand.orValue(otherwise)`.
    OrElse {
        operand: NodeId,
        otherwise: NodeId,
        unwrap: bool,
    },
    /// Something that cannot be run: only unchecked expressions hold it.
    Fail(Fault),
}

/// A macro over the items of a list or the keys of a map.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Loop {
    pub(in crate::cel) range: NodeId,
    /// The item or key; with two variables the position or key.
    pub(in crate::cel) first: Slot,
    /// The item or value, if there are two variables.
    pub(in crate::cel) second: Option<Slot>,
    pub(in crate::cel) kind: LoopKind,
}

/// What a macro makes of its items.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) enum LoopKind {
    All(NodeId),
    Exists(NodeId),
    ExistsOne(NodeId),
    Filter(NodeId),
    List { filter: Option<NodeId>, item: NodeId },
    Map { filter: Option<NodeId>, value: NodeId },
    Entries { filter: Option<NodeId>, entry: NodeId },
    SortBy(NodeId),
}

impl LoopKind {
    /// What runs for each item, in order.
    pub(in crate::cel) fn bodies(self) -> impl Iterator<Item = NodeId> {
        let (first, second) = match self {
            Self::All(body)
            | Self::Exists(body)
            | Self::ExistsOne(body)
            | Self::Filter(body)
            | Self::SortBy(body) => (Some(body), None),
            Self::List { filter, item: body }
            | Self::Map { filter, value: body }
            | Self::Entries { filter, entry: body } => (filter, Some(body)),
        };
        first.into_iter().chain(second)
    }
}

impl Node {
    /// True for the map of all variables that earlier actions have set.
    pub(in crate::cel) fn is_variables(&self) -> bool {
        matches!(self, Self::Fact(fact) if fact.role == Role::Variables)
    }

    /// The operand that is evaluated first: chains of any length hang on it.
    pub(in crate::cel) fn first_operand(&self) -> Option<NodeId> {
        match self {
            Self::Select { operand, .. }
            | Self::Has { operand, .. }
            | Self::Index { operand, .. }
            | Self::OrElse { operand, .. }
            | Self::Matches { operand, .. }
            | Self::OptionalMap { operand, .. } => Some(*operand),
            Self::Call { arguments, .. } => arguments.first().copied(),
            Self::And(left, _) | Self::Or(left, _) => Some(*left),
            Self::Conditional { condition, .. } => Some(*condition),
            Self::Loop(of) => Some(of.range),
            _ => None,
        }
    }

    /// All operands, in order of their evaluation.
    pub(in crate::cel) fn operands(&self, each: &mut dyn FnMut(NodeId)) {
        match self {
            Self::Const(_)
            | Self::Fact(_)
            | Self::HasFact(_)
            | Self::Global(_)
            | Self::Local(_)
            | Self::Fail(_) => {}
            Self::Object(fields) => fields.iter().for_each(|(_, node)| each(*node)),
            Self::Select { operand, .. } | Self::Has { operand, .. } | Self::Matches { operand, .. } => {
                each(*operand)
            }
            Self::Index { operand, index, .. } => [*operand, *index].into_iter().for_each(each),
            Self::Call { arguments, .. } => arguments.iter().copied().for_each(each),
            Self::And(a, b) | Self::Or(a, b) => [*a, *b].into_iter().for_each(each),
            Self::Conditional { condition, then, otherwise } => {
                [*condition, *then, *otherwise].into_iter().for_each(each);
            }
            Self::List(items) => items.iter().for_each(|(item, _)| each(*item)),
            Self::Map(entries) => entries.iter().for_each(|(key, value, _)| {
                each(*key);
                each(*value);
            }),
            Self::Loop(of) => {
                each(of.range);
                of.kind.bodies().for_each(each);
            }
            Self::OrElse { operand, otherwise, .. } => [*operand, *otherwise].into_iter().for_each(each),
            Self::Bind { init, body, .. } => [*init, *body].into_iter().for_each(each),
            Self::OptionalMap { operand, body, .. } => [*operand, *body].into_iter().for_each(each),
        }
    }
}

/// A checked expression, ready to run.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Code {
    /// The functions that its calls name.
    pub(in crate::cel) library: &'static Library,
    pub(in crate::cel) nodes: Vec<Node>,
    /// Shared with the folded form, as the types are.
    pub(in crate::cel) spans: Arc<[Span]>,
    pub(in crate::cel) types: Arc<[Type]>,
    pub(in crate::cel) root: NodeId,
    /// Variables of macros in scope at once, at most.
    pub(in crate::cel) slots: usize,
}

impl Code {
    pub(in crate::cel) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// The value of a constant part.
    pub(in crate::cel) fn constant(&self, id: NodeId) -> Option<&Value> {
        match self.node(id)? {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }

    /// The text of a constant part.
    pub(in crate::cel) fn text(&self, id: NodeId) -> Option<&Arc<str>> {
        match self.constant(id)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The fact that a part reads.
    pub(in crate::cel) fn fact(&self, id: NodeId) -> Option<Fact> {
        match self.node(id)? {
            Node::Fact(fact) => Some(*fact),
            _ => None,
        }
    }

    /// The function that a part calls, with its arguments.
    pub(in crate::cel) fn call(&self, id: NodeId) -> Option<(&'static str, &[NodeId])> {
        match self.node(id)? {
            Node::Call { name, arguments, .. } => Some((*name, &**arguments)),
            _ => None,
        }
    }

    /// The first overload of a call, which says for all of them what they may do; none if it can only be checked.
    pub(in crate::cel) fn overload(&self, overloads: &[u16]) -> Option<&'static Overload> {
        overloads.first().and_then(|id| self.library.entry(*id)).map(|entry| entry.overload)
    }

    /// What is known of a call beside its types.
    pub(in crate::cel) fn form(&self, overloads: &[u16]) -> Form {
        self.overload(overloads).map_or(Form::Call, |overload| overload.form)
    }

    pub(in crate::cel) fn span(&self, id: NodeId) -> Span {
        self.spans.get(id.index()).copied().unwrap_or_default()
    }

    pub(in crate::cel) fn ty(&self, id: NodeId) -> &Type {
        self.types.get(id.index()).unwrap_or(&Type::Error)
    }

    /// True for literals, however deep.
    pub(in crate::cel) fn is_constant(&self, id: NodeId) -> bool {
        let mut work = vec![id];
        while let Some(id) = work.pop() {
            match self.node(id) {
                Some(Node::Const(_)) => {}
                Some(node @ (Node::List(_) | Node::Map(_))) => {
                    node.operands(&mut |operand| work.push(operand));
                }
                _ => return false,
            }
        }
        true
    }

    /// Which nodes the root depends on.
    pub(in crate::cel) fn reachable(&self) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        if let Some(root) = reached.get_mut(self.root.index()) {
            *root = true;
        }
        for at in (0..self.nodes.len()).rev() {
            if reached.get(at) == Some(&true)
                && let Some(node) = self.nodes.get(at)
            {
                node.operands(&mut |operand| {
                    if let Some(slot) = reached.get_mut(operand.index()) {
                        *slot = true;
                    }
                });
            }
        }
        reached
    }
}
