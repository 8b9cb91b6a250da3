//! Traces: sinks that are told what an evaluation does.

use crate::exchange::{ActionId, Effect, Reply, RuleId};
use crate::outcome::Outcome;

/// A sink. Every method does nothing unless implemented, so an untraced run costs nothing.
pub trait Trace {
    /// A rule's actions begin.
    fn rule(&mut self, rule: RuleId) {
        let _ = rule;
    }

    /// An action's address test was made.
    fn test(&mut self, action: ActionId, admitted: bool) {
        let _ = (action, admitted);
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

impl Trace for NoTrace {}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// A rule's actions began.
    Rule(RuleId),
    /// An action's address test was made.
    Test {
        /// The action.
        action: ActionId,
        /// Its result.
        admitted: bool,
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// What happened.
    pub records: Vec<Record>,
}

impl Trace for Recording {
    fn rule(&mut self, rule: RuleId) {
        self.records.push(Record::Rule(rule));
    }

    fn test(&mut self, action: ActionId, admitted: bool) {
        self.records.push(Record::Test { action, admitted });
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
