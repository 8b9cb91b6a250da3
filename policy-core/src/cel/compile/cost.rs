//! Static cost: how many steps an expression takes at worst.
//!
//! One pass over the nodes. Sizes of constants are known; what comes from outside is taken at a size that
//! requests rarely exceed. The number of steps at run time is bounded in any case.

use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::library::overload::Cost;
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;

/// Bytes a text from outside is taken to have.
const TEXT: u64 = 1_024;
/// Items a list from outside is taken to have.
const ITEMS: u64 = 16;
/// Entries a map from outside is taken to have.
const ENTRIES: u64 = 64;
/// What `lists.range` of an unknown number is taken to give.
const UNKNOWN_NUMBER: u64 = 1_000_000;

/// The steps of every node with everything below it, and the size of its value.
#[derive(Debug)]
pub(in crate::cel) struct Costs {
    nodes: Vec<Estimate>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Estimate {
    steps: u64,
    size: u64,
}

impl Costs {
    /// Estimates all nodes. O(nodes).
    pub(in crate::cel) fn from_code(code: &Code) -> Self {
        let mut costs = Self { nodes: Vec::with_capacity(code.len()) };
        for (id, node) in code.nodes() {
            let estimate = costs.estimate(code, node, code.ty(id));
            costs.nodes.push(estimate);
        }
        costs
    }

    /// Steps of a node with everything below it.
    pub(in crate::cel) fn steps(&self, id: NodeId) -> u64 {
        self.at(id).steps
    }

    fn at(&self, id: NodeId) -> Estimate {
        self.nodes.get(id.index()).copied().unwrap_or_default()
    }

    fn estimate(&self, code: &Code, node: &Node, ty: &Type) -> Estimate {
        let mut below = 0_u64;
        node.operands(&mut |operand| below = below.saturating_add(self.at(operand).steps));
        let all = |steps: u64, size: u64| Estimate { steps: below.saturating_add(steps), size };
        match node {
            Node::Const(value) => all(1, value.size() as u64),
            Node::Call { overloads, arguments, .. } => {
                let cost = code.overload(overloads).map_or(Cost::Unit, |overload| overload.cost);
                let sizes = arguments.iter().map(|argument| self.at(*argument).size);
                let sum = sizes.clone().fold(0_u64, u64::saturating_add);
                let product = sizes.fold(1_u64, |all, size| all.saturating_mul(size.max(1)));
                match cost {
                    Cost::Unit => all(1, typical(ty)),
                    Cost::Scan => all(1 + sum / 10, typical(ty)),
                    Cost::Items => all(1 + sum, typical(ty)),
                    Cost::Copy => all(1 + sum / 10, sum),
                    Cost::Pairs => all(1 + product / 10, sum),
                    Cost::Product => all(1 + product / 10, product),
                    Cost::Number => {
                        let number =
                            arguments.first().and_then(|argument| match code.constant(*argument)? {
                                Value::Int(number) => u64::try_from(*number).ok(),
                                _ => None,
                            });
                        let number = number.unwrap_or(UNKNOWN_NUMBER);
                        all(number, number)
                    }
                }
            }
            Node::Matches { operand, pattern } => all(1 + pattern.steps(self.at(*operand).size), 1),
            Node::List(items) => all(1, items.len() as u64),
            Node::Map(entries) => all(1, entries.len() as u64),
            Node::Conditional { condition, then, otherwise } => {
                let (then, otherwise) = (self.at(*then), self.at(*otherwise));
                Estimate {
                    steps: self
                        .steps(*condition)
                        .saturating_add(then.steps.max(otherwise.steps))
                        .saturating_add(1),
                    size: then.size.max(otherwise.size),
                }
            }
            Node::Loop(of) => {
                let range = self.at(of.range);
                let body = of.kind.bodies().fold(1_u64, |sum, body| sum.saturating_add(self.steps(body)));
                let steps = range.steps.saturating_add(range.size.saturating_mul(body)).saturating_add(1);
                Estimate { steps, size: range.size }
            }
            Node::Bind { body, .. } => all(1, self.at(*body).size),
            Node::OrElse { operand, otherwise, .. } => {
                all(1, self.at(*operand).size.max(self.at(*otherwise).size))
            }
            Node::OptionalMap { body, .. } => all(1, self.at(*body).size),
            _ => all(1, typical(ty)),
        }
    }
}

/// The size a value of a type is taken to have.
fn typical(ty: &Type) -> u64 {
    match ty {
        Type::String | Type::Bytes => TEXT,
        Type::List(_) | Type::Dyn => ITEMS,
        Type::Map(_) => ENTRIES,
        _ => 1,
    }
}
