//! Folding and costs, against evaluating the code as it is written.

use proptest::prelude::*;

use super::cost::Costs;
use super::fold::fold;
use crate::cel::check::checker::check;
use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::check::env::Env;
use crate::cel::evaluate::evaluate;
use crate::cel::limits::CelLimits;
use crate::cel::syntax::parser::parse;
use crate::cel::values::fact::Fact;
use crate::cel::values::fault::{EvalError, Fault};
use crate::cel::values::host::{EvalLimits, Host, NoHost};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::cel::{SetVariables, analysis::flow::Unknown};
use crate::diagnostic::Diagnostics;

/// One variable from outside, `x`.
struct Given(i64);

impl Host for Given {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        Err(Fault::NoSource(fact))
    }

    fn variable(&self, _: &str) -> Result<Value, Fault> {
        Ok(Value::Int(self.0))
    }
}

fn code(text: &str) -> Code {
    let mut env = Env::standard();
    env.declare("x", Type::Int);
    let mut found = Diagnostics::default();
    let ast = parse(text, &CelLimits::default(), &mut found);
    let earlier: &dyn SetVariables = &Unknown;
    let code = check(text, &ast, &env, earlier, true, &mut found).expect("an expression");
    assert!(!found.has_errors(), "{text}: {:?}", found.iter().map(|item| &item.message).collect::<Vec<_>>());
    code
}

fn run(code: &Code, root: NodeId, host: &mut dyn Host) -> (Result<Value, EvalError>, u64) {
    let mut limits = EvalLimits::default();
    let value = evaluate(code, root, host, &mut limits, None);
    (value, EvalLimits::default().steps - limits.steps)
}

/// Whole numbers from constants, and from `x` if it may be there.
fn number(variable: &'static str) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![(-3_i64..40).prop_map(|number| number.to_string()), Just(variable.to_owned())];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} < {b} ? {b} : {c})")),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|items| format!("size([{}])", items.join(", "))),
            (prop::collection::vec(inner.clone(), 1..4), inner.clone()).prop_map(|(items, limit)| {
                format!("[{}].filter(i, i > {limit}).map(i, i + 1).size()", items.join(", "))
            }),
            (prop::collection::vec(inner.clone(), 1..3), inner.clone()).prop_map(|(items, key)| {
                format!("([{}].exists(i, [i, 1].all(j, j < {key} + i)) ? 1 : 0)", items.join(", "))
            }),
            inner.clone().prop_map(|a| format!("size(string({a}) + 'abc')")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("int(cel.bind(v, {a}, v * {b}))")),
        ]
    })
}

/// True if a part depends on `x` or on a variable of a macro around it: the plain definition, part by part.
fn is_open(code: &Code, id: NodeId, bound: &mut Vec<u16>) -> bool {
    let Some(node) = code.node(id) else { return false };
    let mut inside = Vec::new();
    let own = match node {
        Node::Global(_) => true,
        Node::Local(slot) => !bound.contains(slot),
        Node::Loop(of) => {
            inside.push(of.first);
            inside.extend(of.second);
            false
        }
        Node::Bind { slot, .. } => {
            inside.push(*slot);
            false
        }
        _ => false,
    };
    let mut operands = Vec::new();
    node.operands(&mut |operand| operands.push(operand));
    let before = bound.len();
    bound.extend(inside);
    let any = own || operands.into_iter().any(|operand| is_open(code, operand, bound));
    bound.truncate(before);
    any
}

proptest! {
    /// Folded code has the value of the code as it is written, or fails as it does.
    #[test]
    fn folding_changes_no_value(text in number("x"), x in -3_i64..40) {
        let code = code(&text);
        let folded = fold(&code, &Costs::from_code(&code)).code;
        let (written, steps) = run(&code, code.root(), &mut Given(x));
        let (value, fewer) = run(&folded, folded.root(), &mut Given(x));
        match (&written, &value) {
            (Ok(written), Ok(value)) => prop_assert_eq!(written.to_string(), value.to_string(), "{}", text),
            (Err(_), Err(_)) => {}
            _ => prop_assert!(false, "{}: {:?} {:?}", text, written, value),
        }
        prop_assert!(fewer <= steps, "{}: {} {}", text, fewer, steps);
    }

    /// What is left of a largest part that depends on nothing has no value. Parts of such a part stay as they are.
    #[test]
    fn folding_leaves_no_constant_part(text in number("x")) {
        let code = code(&text);
        let folded = fold(&code, &Costs::from_code(&code)).code;
        let reachable = folded.reachable();
        let mut is_inside = vec![false; reachable.len()];
        // From the root down: operands stand before what they belong to.
        for (at, reached) in reachable.into_iter().enumerate().rev() {
            let id = NodeId(u32::try_from(at).expect("few nodes"));
            let is_constant = matches!(folded.node(id), Some(Node::Const(_)));
            let is_left = reached && !is_constant && !is_open(&folded, id, &mut Vec::new());
            if is_left && !is_inside[at] {
                let (value, _) = run(&folded, id, &mut NoHost);
                prop_assert!(value.is_err(), "{} at {:?} is {:?}", text, folded.span(id), value);
            }
            if is_left || is_inside[at] {
                folded.node(id).into_iter().for_each(|node| node.operands(&mut |operand| is_inside[operand.index()] = true));
            }
        }
    }

    /// An expression of constants takes no more steps than its cost says.
    #[test]
    fn costs_bound_the_steps(text in number("7")) {
        let code = code(&text);
        let cost = Costs::from_code(&code).steps(code.root());
        let (value, steps) = run(&code, code.root(), &mut NoHost);
        prop_assert!(steps <= cost, "{}: {} steps, cost {}, {:?}", text, steps, cost, value);
    }
}
