//! Traces: sinks that are told what an evaluation does.

use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::cel::{EvalError, Part, Value};
use crate::exchange::{ActionId, Effect, ExpressionId, Reply, RuleId};
use crate::outcome::Outcome;

/// Which form of a program runs. Both decide alike; they differ in speed and in what a sink is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// What the compiler made for the class of the client's address: decided tests are gone, conditions are tests on
    /// borrowed facts, nothing is allocated.
    Specialised,
    /// Every rule, condition and address test as written, conditions in the interpreter: several hundred times slower.
    AsWritten,
}

/// A sink. Every method does nothing unless implemented.
pub trait Trace {
    /// Which code runs. No default: a sink that runs the code as written costs a live edge dearly, and a sink that
    /// runs the specialised code is not told of rules, conditions and most address tests.
    const CODE: Code;
    /// True for a sink that wants the value of every part of a condition. Conditions are then evaluated as
    /// they are written, without what the compiler did to them.
    const PARTS: bool = false;

    /// A condition of a rule was evaluated.
    fn condition(&mut self, id: ExpressionId, value: &Result<Value, EvalError>, parts: Vec<Part>) {
        let _ = (id, value, parts);
    }

    /// A rule's actions begin.
    fn rule(&mut self, rule: RuleId) {
        let _ = rule;
    }

    /// An action's address test was made.
    fn test(&mut self, action: ActionId, admitted: bool) {
        let _ = (action, admitted);
    }

    /// An entry of a list was made for this connection.
    fn entry(&mut self, action: ActionId, network: IpNetwork, matches: bool) {
        let _ = (action, network, matches);
    }

    /// A variable was set.
    fn variable(&mut self, action: ActionId, name: &Arc<str>, value: &Value) {
        let _ = (action, name, value);
    }

    /// The host is asked for an effect.
    fn effect(&mut self, action: ActionId, effect: Effect) {
        let _ = (action, effect);
    }

    /// The host answered.
    fn reply(&mut self, action: ActionId, reply: &Reply) {
        let _ = (action, reply);
    }

    /// The end.
    fn outcome(&mut self, outcome: Outcome) {
        let _ = outcome;
    }
}

/// The sink of an untraced run.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    const CODE: Code = Code::Specialised;
}

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Record {
    /// A condition of a rule was evaluated.
    Condition {
        /// The condition.
        id: ExpressionId,
        /// Its value, or why it has none.
        value: Result<bool, EvalError>,
        /// The value of each of its parts, outer ones first.
        parts: Vec<Part>,
    },
    /// A rule's actions began.
    Rule(RuleId),
    /// An action's address test was made.
    Test {
        /// The action.
        action: ActionId,
        /// Its result.
        admitted: bool,
    },
    /// An entry of a list was made for this connection.
    Entry {
        /// The action.
        action: ActionId,
        /// The network.
        network: IpNetwork,
        /// True if it holds the client.
        matches: bool,
    },
    /// A variable was set.
    Variable {
        /// The action.
        action: ActionId,
        /// Its name.
        name: Arc<str>,
        /// Its value.
        value: Value,
    },
    /// The host was asked.
    Effect {
        /// The asking action.
        action: ActionId,
        /// For what.
        effect: Effect,
    },
    /// The host answered.
    Reply {
        /// The asking action.
        action: ActionId,
        /// The answer.
        reply: Reply,
    },
    /// The end.
    Outcome(Outcome),
}

/// A sink that keeps everything, in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What happened.
    pub records: Vec<Record>,
}

impl Trace for Recording {
    const CODE: Code = Code::AsWritten;
    const PARTS: bool = true;

    fn condition(&mut self, id: ExpressionId, value: &Result<Value, EvalError>, parts: Vec<Part>) {
        let value = value.clone().map(|value| matches!(value, Value::Bool(true)));
        self.records.push(Record::Condition { id, value, parts });
    }

    fn rule(&mut self, rule: RuleId) {
        self.records.push(Record::Rule(rule));
    }

    fn test(&mut self, action: ActionId, admitted: bool) {
        self.records.push(Record::Test { action, admitted });
    }

    fn entry(&mut self, action: ActionId, network: IpNetwork, matches: bool) {
        self.records.push(Record::Entry { action, network, matches });
    }

    fn variable(&mut self, action: ActionId, name: &Arc<str>, value: &Value) {
        self.records.push(Record::Variable { action, name: Arc::clone(name), value: value.clone() });
    }

    fn effect(&mut self, action: ActionId, effect: Effect) {
        self.records.push(Record::Effect { action, effect });
    }

    fn reply(&mut self, action: ActionId, reply: &Reply) {
        self.records.push(Record::Reply { action, reply: reply.clone() });
    }

    fn outcome(&mut self, outcome: Outcome) {
        self.records.push(Record::Outcome(outcome));
    }
}
