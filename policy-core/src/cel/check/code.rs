//! The typed form of a checked expression: what the interpreter runs, and what everything else reads.
//!
//! Only the checker makes one; within `cel` a part may be replaced by an equal one. All of the crate may read it.
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
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A variable of a macro: its place among those that are in scope.
pub(crate) type Slot = u16;

/// What a node does.
#[derive(Clone, Debug)]
pub(crate) enum Node {
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
pub(crate) struct Loop {
    pub(crate) range: NodeId,
    /// The item or key; with two variables the position or key.
    pub(crate) first: Slot,
    /// The item or value, if there are two variables.
    pub(crate) second: Option<Slot>,
    pub(crate) kind: LoopKind,
}

/// What a macro makes of its items.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LoopKind {
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
    pub(crate) fn bodies(self) -> impl Iterator<Item = NodeId> {
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
    pub(crate) fn is_variables(&self) -> bool {
        matches!(self, Self::Fact(fact) if fact.role == Role::Variables)
    }

    /// The operand that is evaluated first: chains of any length hang on it.
    pub(crate) fn first_operand(&self) -> Option<NodeId> {
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
    pub(crate) fn operands(&self, each: &mut dyn FnMut(NodeId)) {
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
pub(crate) struct Code {
    /// The functions that its calls name.
    pub(super) library: &'static Library,
    pub(super) nodes: Vec<Node>,
    /// Shared with the folded form, as the types are.
    pub(super) spans: Arc<[Span]>,
    pub(super) types: Arc<[Type]>,
    pub(super) root: NodeId,
    /// Variables of macros in scope at once, at most.
    pub(super) slots: usize,
}

impl Code {
    /// The functions that its calls name.
    pub(crate) const fn library(&self) -> &'static Library {
        self.library
    }

    /// The part that is all of it.
    pub(crate) const fn root(&self) -> NodeId {
        self.root
    }

    /// Variables of macros in scope at once, at most.
    pub(crate) const fn slots(&self) -> usize {
        self.slots
    }

    /// How many parts it has.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All parts, operands before what they belong to.
    pub(crate) fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.nodes.iter().enumerate().map(|(at, node)| (NodeId(u32::try_from(at).unwrap_or(u32::MAX)), node))
    }

    /// A part.
    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// Puts another part in the place of one, with the same value for all facts and the same operands or fewer.
    pub(in crate::cel) fn replace(&mut self, id: NodeId, node: Node) {
        if let Some(slot) = self.nodes.get_mut(id.index()) {
            *slot = node;
        }
    }

    /// The value of a constant part.
    pub(crate) fn constant(&self, id: NodeId) -> Option<&Value> {
        match self.node(id)? {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }

    /// The text of a constant part.
    pub(crate) fn text(&self, id: NodeId) -> Option<&Arc<str>> {
        match self.constant(id)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The fact that a part reads.
    pub(crate) fn fact(&self, id: NodeId) -> Option<Fact> {
        match self.node(id)? {
            Node::Fact(fact) => Some(*fact),
            _ => None,
        }
    }

    /// The function that a part calls, with its arguments; none if it can only be checked.
    pub(crate) fn call<'n>(&self, node: &'n Node) -> Option<(&'static Overload, &'n [NodeId])> {
        match node {
            Node::Call { overloads, arguments, .. } => Some((self.overload(overloads)?, arguments)),
            _ => None,
        }
    }

    /// The arguments of a part that is a call of a form.
    pub(crate) fn formed<'n>(&self, node: &'n Node, form: Form) -> Option<&'n [NodeId]> {
        self.call(node).filter(|(overload, _)| overload.form == form).map(|(_, arguments)| arguments)
    }

    /// The first overload of a call, which says for all of them what they do; none if it can only be checked.
    pub(crate) fn overload(&self, overloads: &[u16]) -> Option<&'static Overload> {
        overloads.first().and_then(|id| self.library.entry(*id)).map(|entry| entry.overload)
    }

    /// All overloads that a call may run.
    pub(crate) fn overloads(&self, overloads: &[u16]) -> impl Iterator<Item = &'static Overload> {
        let library = self.library;
        overloads.iter().filter_map(move |id| library.entry(*id)).map(|entry| entry.overload)
    }

    /// What a call asks or does beside its types.
    pub(crate) fn form(&self, overloads: &[u16]) -> Form {
        self.overload(overloads).map_or(Form::Call, |overload| overload.form)
    }

    /// Where a part stands in the text.
    pub(crate) fn span(&self, id: NodeId) -> Span {
        self.spans.get(id.index()).copied().unwrap_or_default()
    }

    /// The type of a part.
    pub(crate) fn ty(&self, id: NodeId) -> &Type {
        self.types.get(id.index()).unwrap_or(&Type::Error)
    }

    /// True for literals, however deep.
    pub(crate) fn is_constant(&self, id: NodeId) -> bool {
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
    pub(crate) fn reachable(&self) -> Vec<bool> {
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
