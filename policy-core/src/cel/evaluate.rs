//! The reference back end: walks the typed tree and evaluates it.
//!
//! Plain on purpose: compiled code is compared with it. Chains of first operands are walked with a stack on
//! the heap; everything else nests only as deep as brackets do. Every node costs a step.
//!
//! Source: CEL specification, language definition, evaluation: `&&` and `||` absorb errors from either side,
//! so do `all` and `exists`; every other error ends the evaluation of what holds it.

mod access;
mod loops;

use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::library::overload::{Call, Cost};
use crate::cel::library::pattern::Pattern;
use crate::cel::library::{MATCHES, accepts};
use crate::cel::values::fault::{EvalError, Fault};
use crate::cel::values::host::{Budget, EvalLimits, Host, ITEM};
use crate::cel::values::value::{Map, Value};

/// A fault, and the node at which it happened.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Raised {
    pub(in crate::cel) fault: Fault,
    at: NodeId,
}

pub(in crate::cel) type Evaluated = Result<Value, Raised>;

/// Is told the value of every node, in the order of evaluation.
pub(in crate::cel) trait Sink {
    /// A node has a value, or failed.
    fn node(&mut self, id: NodeId, result: Result<&Value, &Fault>);
}

/// Evaluates a node of code, and takes from the limits what it takes.
pub(in crate::cel) fn evaluate<'h>(
    code: &Code,
    root: NodeId,
    host: &mut (dyn Host + 'h),
    limits: &mut EvalLimits,
    sink: Option<&mut (dyn Sink + 'h)>,
) -> Result<Value, EvalError> {
    let mut interpreter = Interpreter {
        code,
        host,
        budget: Budget::new(*limits),
        locals: vec![Ok(Value::Null); code.slots()],
        spine: Vec::new(),
        sink,
    };
    let value = interpreter.eval(root);
    *limits = interpreter.budget.left();
    value.map_err(|raised| EvalError { fault: raised.fault, span: code.span(raised.at) })
}

struct Interpreter<'a, 'h> {
    code: &'a Code,
    host: &'a mut (dyn Host + 'h),
    budget: Budget,
    /// Variables of macros; one that has no value fails when it is read.
    locals: Vec<Evaluated>,
    /// Nodes whose first operand is being evaluated.
    spine: Vec<NodeId>,
    sink: Option<&'a mut (dyn Sink + 'h)>,
}

impl Interpreter<'_, '_> {
    fn eval(&mut self, id: NodeId) -> Evaluated {
        let mark = self.spine.len();
        let mut at = id;
        while let Some(first) = self.code.node(at).and_then(Node::first_operand) {
            self.spine.push(at);
            at = first;
        }
        let mut value = self.leaf(at);
        self.note(at, &value);
        while self.spine.len() > mark
            && let Some(outer) = self.spine.pop()
        {
            value = self.apply(outer, value);
            self.note(outer, &value);
        }
        value
    }

    fn note(&mut self, id: NodeId, value: &Evaluated) {
        if let Some(sink) = self.sink.as_deref_mut() {
            sink.node(id, value.as_ref().map_err(|raised| &raised.fault));
        }
    }

    /// A node without a first operand.
    fn leaf(&mut self, id: NodeId) -> Evaluated {
        self.step(id)?;
        let code = self.code;
        let raise = |fault| Raised { fault, at: id };
        match code.node(id) {
            Some(Node::Const(value)) => Ok(value.clone()),
            Some(Node::Fact(fact)) => self.host.fact(*fact).map_err(raise),
            Some(Node::HasFact(fact)) => match self.host.fact(*fact) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(Fault::Absent(_)) => Ok(Value::Bool(false)),
                Err(fault) => Err(raise(fault)),
            },
            Some(Node::Global(name)) => self.host.variable(name).map_err(raise),
            Some(Node::Local(slot)) => self.local(*slot),
            Some(Node::Object(fields)) => self.object(fields),
            Some(Node::List(items)) => self.list(id, items),
            Some(Node::Map(entries)) => self.map(id, entries),
            Some(Node::Bind { slot, init, body }) => {
                let value = self.eval(*init);
                if let Err(raised) = &value
                    && raised.fault.is_final()
                {
                    return value;
                }
                if let Some(local) = self.locals.get_mut(usize::from(*slot)) {
                    *local = value;
                }
                self.eval(*body)
            }
            Some(Node::Call { overloads, name, .. }) => self.run(id, overloads, name, &[]),
            Some(Node::Fail(fault)) => Err(raise(fault.clone())),
            // INVARIANT: all others have a first operand.
            _ => Err(raise(Fault::overload(""))),
        }
    }

    /// A node whose first operand is evaluated.
    fn apply(&mut self, id: NodeId, first: Evaluated) -> Evaluated {
        self.step(id)?;
        let code = self.code;
        match code.node(id) {
            Some(Node::And(_, right)) => self.join(id, first, *right, false),
            Some(Node::Or(_, right)) => self.join(id, first, *right, true),
            Some(Node::Conditional { then, otherwise, .. }) => match first? {
                Value::Bool(true) => self.eval(*then),
                Value::Bool(false) => self.eval(*otherwise),
                other => Err(Raised { fault: no_overload("?:", &[other]), at: id }),
            },
            Some(Node::Call { overloads, name, arguments }) => {
                let mut values = Vec::with_capacity(arguments.len());
                values.push(first?);
                for argument in arguments.iter().skip(1) {
                    values.push(self.eval(*argument)?);
                }
                self.run(id, overloads, name, &values)
            }
            Some(Node::Matches { pattern, .. }) => self.matches(id, &first?, pattern),
            Some(Node::Select { field, optional, .. }) => self.get(id, &first?, field, *optional),
            Some(Node::Has { field, .. }) => self.has(id, &first?, field),
            Some(Node::Index { index, optional, .. }) => {
                let operand = first?;
                let index = self.eval(*index)?;
                self.get(id, &operand, &index, *optional)
            }
            Some(Node::Loop(of)) => self.run_loop(id, first?, of),
            Some(Node::OptionalMap { slot, body, flat, .. }) => {
                self.optional_map(id, first?, *slot, *body, *flat)
            }
            Some(Node::OrElse { otherwise, unwrap, .. }) => self.or_else(id, first?, *otherwise, *unwrap),
            // INVARIANT: only these have a first operand.
            _ => first,
        }
    }

    fn step(&mut self, id: NodeId) -> Result<(), Raised> {
        self.pay(id, 1)
    }

    fn pay(&mut self, id: NodeId, steps: u64) -> Result<(), Raised> {
        self.budget.steps(steps).map_err(|fault| Raised { fault, at: id })
    }

    fn make(&mut self, id: NodeId, items: usize) -> Result<(), Raised> {
        self.budget.output(items.saturating_mul(ITEM)).map_err(|fault| Raised { fault, at: id })
    }

    fn set(&mut self, slot: u16, value: Value) {
        if let Some(local) = self.locals.get_mut(usize::from(slot)) {
            *local = Ok(value);
        }
    }

    fn local(&self, slot: u16) -> Evaluated {
        self.locals.get(usize::from(slot)).cloned().unwrap_or(Ok(Value::Null))
    }

    /// `&&` and `||`: a side that decides absorbs whatever the other is. `decisive` ends it.
    #[inline(never)]
    fn join(&mut self, id: NodeId, left: Evaluated, right: NodeId, decisive: bool) -> Evaluated {
        let undecided = match left {
            Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
            Ok(Value::Bool(_)) => None,
            Ok(other) => {
                Some(Raised { fault: no_overload(if decisive { "||" } else { "&&" }, &[other]), at: id })
            }
            Err(raised) if raised.fault.is_final() => return Err(raised),
            Err(raised) => Some(raised),
        };
        match (self.eval(right), undecided) {
            (Ok(Value::Bool(value)), _) if value == decisive => Ok(Value::Bool(decisive)),
            (Err(raised), _) if raised.fault.is_final() => Err(raised),
            (_, Some(raised)) => Err(raised),
            (Ok(Value::Bool(value)), None) => Ok(Value::Bool(value)),
            (Ok(other), None) => {
                Err(Raised { fault: no_overload(if decisive { "||" } else { "&&" }, &[other]), at: id })
            }
            (Err(raised), None) => Err(raised),
        }
    }

    /// Runs the first overload that takes the arguments.
    #[inline(never)]
    fn run(&mut self, id: NodeId, overloads: &[u16], name: &str, arguments: &[Value]) -> Evaluated {
        let library = self.code.library();
        for entry in overloads.iter().filter_map(|overload| library.entry(*overload)) {
            // A fact that the function reads by itself is of the right type already.
            let written =
                arguments.len().checked_sub(entry.parameters.len()).and_then(|at| arguments.get(at..));
            let Some(written) = written else { continue };
            if !entry.parameters.iter().zip(written).all(|(ty, value)| accepts(ty, value)) {
                continue;
            }
            self.pay(id, work(entry.overload.cost, arguments))?;
            let mut call = Call { arguments, budget: &mut self.budget, host: &mut *self.host };
            return (entry.overload.run)(&mut call).map_err(|fault| Raised { fault, at: id });
        }
        Err(Raised { fault: no_overload(name, arguments), at: id })
    }

    #[inline(never)]
    fn matches(&mut self, id: NodeId, text: &Value, pattern: &Pattern) -> Evaluated {
        match text {
            Value::String(text) => {
                self.pay(id, pattern.steps(text.len() as u64))?;
                Ok(Value::Bool(pattern.is_match(text)))
            }
            other => Err(Raised { fault: no_overload(MATCHES, std::slice::from_ref(other)), at: id }),
        }
    }

    #[inline(never)]
    fn list(&mut self, id: NodeId, items: &[(NodeId, bool)]) -> Evaluated {
        self.make(id, items.len())?;
        let mut out = Vec::with_capacity(items.len());
        for (item, optional) in items {
            let value = self.eval(*item)?;
            out.extend(self.entry(id, value, *optional)?);
        }
        Ok(Value::list(out))
    }

    #[inline(never)]
    fn map(&mut self, id: NodeId, entries: &[(NodeId, NodeId, bool)]) -> Evaluated {
        self.make(id, entries.len() * 2)?;
        let mut map = Map::default();
        for (key, value, optional) in entries {
            let key = self.eval(*key)?;
            let value = self.eval(*value)?;
            if let Some(value) = self.entry(id, value, *optional)? {
                map.insert(key, value).map_err(|fault| Raised { fault, at: id })?;
            }
        }
        Ok(Value::Map(map.into()))
    }

    /// An item of a list or map; written with `?` it may be left out.
    fn entry(&self, id: NodeId, value: Value, optional: bool) -> Result<Option<Value>, Raised> {
        match (optional, value) {
            (false, value) => Ok(Some(value)),
            (true, Value::Optional(value)) => Ok(value.as_deref().cloned()),
            (true, other) => Err(Raised { fault: no_overload("?", &[other]), at: id }),
        }
    }

    /// The fields of an object that are there.
    #[inline(never)]
    fn object(&mut self, fields: &[(&'static str, NodeId)]) -> Evaluated {
        let mut entries = Vec::with_capacity(fields.len());
        for (name, node) in fields {
            match self.eval(*node) {
                Ok(value) => entries.push((*name, value)),
                Err(Raised { fault: Fault::Absent(_), .. }) => {}
                Err(raised) => return Err(raised),
            }
        }
        Ok(Value::Map(Map::from_texts(entries).into()))
    }
}

/// Steps of a call beyond its own one.
fn work(cost: Cost, arguments: &[Value]) -> u64 {
    match cost {
        Cost::Unit | Cost::Number | Cost::Items => 0,
        Cost::Scan | Cost::Copy | Cost::Product => {
            arguments.iter().map(|value| value.size() as u64).sum::<u64>() / 10
        }
        Cost::Pairs => {
            arguments.iter().fold(1_u64, |all, value| all.saturating_mul(value.size().max(1) as u64)) / 10
        }
    }
}

fn no_overload(name: &str, arguments: &[Value]) -> Fault {
    let types: Vec<_> = arguments.iter().map(Value::type_name).collect();
    Fault::NoOverload(format!("{}({})", name.trim_matches('_'), types.join(", ")).into())
}
