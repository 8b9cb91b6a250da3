//! Which parts may fail at all.

use crate::cel::check::code::{Code, Node};
use crate::cel::library::overload::Fails;
use crate::cel::values::types::Type;

/// True for a part that may fail. Most expressions have none.
pub(in crate::cel) fn can_fail(node: &Node, code: &Code) -> bool {
    match node {
        Node::Index { optional, .. } => !optional,
        Node::Select { optional, operand, .. } => {
            !optional && matches!(code.ty(*operand), Type::Map(_) | Type::Dyn | Type::List(_))
        }
        Node::Fact(fact) => fact.is_optional() || fact.result().is_some(),
        // Of what is known at run time only, any may run.
        Node::Call { overloads, .. } => {
            code.overloads(overloads).any(|overload| overload.fails != Fails::Never)
        }
        _ => false,
    }
}
