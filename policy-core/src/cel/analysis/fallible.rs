//! Which parts may fail at all.

use crate::cel::check::code::{Code, Node};
use crate::cel::values::types::Type;

/// True for a part that may fail. Most expressions have none.
pub(in crate::cel) fn can_fail(node: &Node, code: &Code) -> bool {
    match node {
        Node::Index { optional, .. } => !optional,
        Node::Select { optional, operand, .. } => {
            !optional && matches!(code.ty(*operand), Type::Map(_) | Type::Dyn | Type::List(_))
        }
        Node::Fact(fact) => fact.is_optional() || fact.result().is_some(),
        // Of what is known at run time only, any overload may run.
        Node::Call { overloads, .. } => {
            overloads.first().and_then(|id| code.library().entry(*id)).is_some_and(|entry| entry.may_fail)
        }
        _ => false,
    }
}
