//! How deep the values of a node nest at most.
//!
//! Lists inside lists are compared, printed and dropped by recursion. A chain of macros can nest them far
//! deeper than the brackets of its text, so what each node may give is counted while types are found.

use super::super::code::{LoopKind, Node, NodeId};
use super::{Checker, Slot};
use crate::cel::codes;
use crate::cel::library::overload::Form;
use crate::cel::values::types::Type;
use crate::source::Span;

/// What JSON nests at most: the reader of texts refuses more.
const JSON: u32 = 128;
/// Lists, maps and optionals inside one another.
pub(super) const MAX_NESTING: u32 = 256;

impl Checker<'_> {
    /// Levels of lists, maps and optionals in the value of a node.
    pub(super) fn nesting(&self, id: NodeId) -> u32 {
        self.nestings.get(id.index()).copied().unwrap_or(0)
    }

    /// Keeps what a variable of a macro holds.
    pub(super) fn nest_local(&mut self, slot: Slot, levels: u32) {
        let at = usize::from(slot);
        if self.local_nestings.len() <= at {
            self.local_nestings.resize(at + 1, 0);
        }
        if let Some(local) = self.local_nestings.get_mut(at) {
            *local = levels;
        }
    }

    /// Levels of a node whose operands are known.
    pub(super) fn levels(&self, node: &Node, ty: &Type) -> u32 {
        let of = |id: &NodeId| self.nesting(*id);
        let item = |id: &NodeId| of(id).saturating_sub(1);
        match node {
            Node::Local(slot) => self.local_nestings.get(usize::from(*slot)).copied().unwrap_or(0),
            Node::Fact(_) | Node::Global(_) => declared(ty),
            Node::Object(fields) => 1 + fields.iter().map(|(_, node)| of(node)).max().unwrap_or(0),
            Node::List(items) => 1 + items.iter().map(|(item, _)| of(item)).max().unwrap_or(0),
            Node::Map(entries) => 1 + entries.iter().map(|(_, value, _)| of(value)).max().unwrap_or(0),
            Node::Select { operand, .. } | Node::Index { operand, .. } => match ty.optional_of() {
                Some(_) => of(operand),
                None => item(operand),
            },
            Node::Call { overloads, arguments, .. } => {
                let max = arguments.iter().map(of).max().unwrap_or(0);
                let first = overloads.first().and_then(|id| self.env.language.library.entry(*id));
                match first.map_or(Form::Call, |entry| entry.overload.form) {
                    Form::Wrap => max + 1,
                    Form::Unwrap => item(arguments.first().unwrap_or(&NodeId(u32::MAX))),
                    _ => max.max(declared(ty)),
                }
            }
            Node::Conditional { then, otherwise, .. } => of(then).max(of(otherwise)),
            Node::Loop(looped) => {
                let body = looped.kind.bodies().map(|body| self.nesting(body)).max().unwrap_or(0);
                match looped.kind {
                    LoopKind::All(_) | LoopKind::Exists(_) | LoopKind::ExistsOne(_) => 0,
                    LoopKind::Filter(_) | LoopKind::SortBy(_) => of(&looped.range),
                    LoopKind::List { .. } | LoopKind::Map { .. } => 1 + body,
                    LoopKind::Entries { .. } => body,
                }
            }
            Node::Bind { body, .. } => of(body),
            Node::OptionalMap { body, flat, .. } => of(body) + u32::from(!flat),
            Node::OrElse { operand, otherwise, .. } => of(operand).max(of(otherwise)),
            Node::Const(_)
            | Node::HasFact(_)
            | Node::Has { .. }
            | Node::Matches { .. }
            | Node::And(..)
            | Node::Or(..)
            | Node::Fail(_) => 0,
        }
    }

    pub(super) fn too_nested(&mut self, levels: u32, span: Span) {
        let message = format!("the value would nest {levels} levels, more than the {MAX_NESTING} allowed");
        self.report(&codes::CEL_LIMIT, span, message, "nest fewer lists and maps".to_owned());
    }
}

/// Levels of a declared type; what is not declared may be as deep as JSON.
fn declared(ty: &Type) -> u32 {
    match ty {
        Type::Dyn | Type::Error | Type::Param(_) => JSON,
        Type::List(item) => 1 + declared(item),
        Type::Map(of) => 1 + declared(&of.1),
        Type::Opaque(_, of) => 1 + of.iter().map(declared).max().unwrap_or(0),
        Type::Object(_) => 2,
        _ => 0,
    }
}
