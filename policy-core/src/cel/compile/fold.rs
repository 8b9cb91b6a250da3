//! Constant folding: parts that depend on nothing get their value once.

use std::ops::ControlFlow;

use super::cost::Costs;
use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::evaluate::evaluate;
use crate::cel::library::overload::Overload;
use crate::cel::values::fault::EvalError;
use crate::cel::values::host::{EvalLimits, NoHost};
use crate::cel::values::value::Value;

/// What folding one part may take, and folding all of an expression.
const LIMITS: EvalLimits = EvalLimits { steps: 20_000, output: 64 << 10 };
const ALL_LIMITS: EvalLimits = EvalLimits { steps: 100_000, output: 64 << 10 };

/// Code with its constant parts replaced, and the constant parts that have no value.
pub(in crate::cel) struct Folded {
    pub(in crate::cel) code: Code,
    pub(in crate::cel) failures: Vec<(NodeId, EvalError)>,
}

/// What a node depends on.
#[derive(Clone, Copy, Default)]
struct Dependence {
    /// On facts, variables of the host or chance.
    outside: bool,
    /// On this variable of a macro around it, the outermost one.
    local: Option<u16>,
}

/// Folds code: the largest constant parts are evaluated, as far as the limits go.
pub(in crate::cel) fn fold(code: &Code, costs: &Costs) -> Folded {
    let depends = dependencies(code);
    let mut out = code.clone();
    let mut failures = Vec::new();
    let mut left = ALL_LIMITS;
    // From the root down: a part of a folded part needs no look.
    let mut wanted = vec![false; code.len()];
    if let Some(root) = wanted.get_mut(code.root().index()) {
        *root = true;
    }
    for (id, node) in code.nodes().rev() {
        if wanted.get(id.index()) != Some(&true) {
            continue;
        }
        let closed = depends.get(id.index()).is_some_and(|of| !of.outside && of.local.is_none());
        if closed
            && costs.steps(id) <= LIMITS.steps.min(left.steps)
            && !matches!(node, Node::Const(_) | Node::Fail(_))
        {
            match evaluate_part(code, id, &mut left) {
                ControlFlow::Continue(value) => {
                    out.replace(id, Node::Const(value));
                    continue;
                }
                ControlFlow::Break(Some(error)) => {
                    failures.push((id, error));
                    continue;
                }
                // Over its budget: it stays as it is.
                ControlFlow::Break(None) => {}
            }
        }
        node.operands(&mut |operand| {
            if let Some(slot) = wanted.get_mut(operand.index()) {
                *slot = true;
            }
        });
    }
    Folded { code: out, failures }
}

/// The value of a part that depends on nothing; `Break` with nothing if it costs too much.
fn evaluate_part(code: &Code, root: NodeId, left: &mut EvalLimits) -> ControlFlow<Option<EvalError>, Value> {
    let limits = EvalLimits { steps: LIMITS.steps.min(left.steps), output: LIMITS.output.min(left.output) };
    let mut rest = limits;
    let value = evaluate(code, root, &mut NoHost, &mut rest, None);
    left.steps -= limits.steps - rest.steps;
    left.output -= limits.output - rest.output;
    match value {
        Ok(value) => ControlFlow::Continue(value),
        Err(error) if error.fault.is_final() => ControlFlow::Break(None),
        Err(error) => ControlFlow::Break(Some(error)),
    }
}

fn dependencies(code: &Code) -> Vec<Dependence> {
    let mut all: Vec<Dependence> = Vec::with_capacity(code.len());
    for (_, node) in code.nodes() {
        let mut own = Dependence::default();
        node.operands(&mut |operand| {
            let of = all.get(operand.index()).copied().unwrap_or_default();
            own.outside |= of.outside;
            own.local = match (own.local, of.local) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        });
        match node {
            Node::Fact(_) | Node::HasFact(_) | Node::Global(_) | Node::Object(_) => own.outside = true,
            Node::Local(slot) => own.local = Some(*slot),
            Node::Call { overloads, .. } => {
                // A function without an implementation can only be checked.
                own.outside |= overloads.is_empty() || !code.overloads(overloads).all(Overload::is_pure);
            }
            // Variables that a node binds itself are not free outside of it; those further out have
            // lower numbers.
            Node::Loop(of) => own.local = own.local.filter(|slot| *slot < of.first),
            Node::Bind { slot, .. } | Node::OptionalMap { slot, .. } => {
                own.local = own.local.filter(|free| free < slot);
            }
            _ => {}
        }
        all.push(own);
    }
    all
}
