//! Traces: sinks that are told what an evaluation does.
//!
//! A traced run takes every rule, condition and address test as written; an untraced one runs specialised code
//! ([`crate::evaluate::Mode`]). Both decide alike.

use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::cel::{EvalError, Part, Value};
use crate::exchange::{ActionId, ConditionId, Effect, Reply, RuleId, Side};
use crate::outcome::Outcome;

/// A sink. Every method does nothing unless implemented.
pub trait Trace {
    /// True for a sink that wants the value of every part of a condition. Conditions are then evaluated as
    /// they are written, without what the compiler did to them.
    fn wants_parts(&self) -> bool {
        false
    }

    /// A condition of a rule was evaluated.
    fn condition(&mut self, id: ConditionId, value: &Result<Value, EvalError>, parts: Vec<Part>) {
        let _ = (id, value, parts);
    }

    /// A rule's actions begin.
    fn rule(&mut self, rule: RuleId) {
        let _ = rule;
    }

    /// An action begins that does not do the same for every connection, or begins anew with a secret that it wanted.
    fn action(&mut self, action: ActionId) {
        let _ = action;
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

    /// A header of the message was given a further value, or removed with all of its values.
    fn header(&mut self, action: ActionId, name: &str, value: Option<&str>) {
        let _ = (action, name, value);
    }

    /// A message was given another body.
    fn body(&mut self, action: ActionId, side: Side, bytes: &[u8]) {
        let _ = (action, side, bytes);
    }

    /// The URL of the request was changed.
    fn url(&mut self, action: ActionId, url: &str) {
        let _ = (action, url);
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

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Record {
    /// A condition of a rule was evaluated.
    Condition {
        /// The condition.
        id: ConditionId,
        /// Its value, or why it has none.
        value: Result<bool, EvalError>,
        /// The value of each of its parts, outer ones first.
        parts: Vec<Part>,
    },
    /// A rule's actions began.
    Rule(RuleId),
    /// An action began that does not do the same for every connection.
    Action(ActionId),
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
    /// A header of the message was given a further value, or removed.
    Header {
        /// The action.
        action: ActionId,
        /// Its name.
        name: Box<str>,
        /// The value; `None` for one that was removed.
        value: Option<Box<str>>,
    },
    /// A message was given another body.
    Body {
        /// The action.
        action: ActionId,
        /// Of which message.
        side: Side,
        /// The body as it is now.
        bytes: Arc<[u8]>,
    },
    /// The URL of the request was changed.
    Url {
        /// The action.
        action: ActionId,
        /// The URL as it is now.
        url: Box<str>,
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
    fn wants_parts(&self) -> bool {
        true
    }

    fn condition(&mut self, id: ConditionId, value: &Result<Value, EvalError>, parts: Vec<Part>) {
        let value = value.clone().map(|value| matches!(value, Value::Bool(true)));
        self.records.push(Record::Condition { id, value, parts });
    }

    fn rule(&mut self, rule: RuleId) {
        self.records.push(Record::Rule(rule));
    }

    fn action(&mut self, action: ActionId) {
        let began =
            self.records.iter().rposition(|it| matches!(it, Record::Action(known) if *known == action));
        match began {
            None => self.records.push(Record::Action(action)),
            // It begins anew: what it did before does not count.
            Some(began) => {
                let after = self.records.split_off(began + 1);
                let stays = |it: &Record| matches!(it, Record::Effect { .. } | Record::Reply { .. });
                self.records.extend(after.into_iter().filter(stays));
            }
        }
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

    fn header(&mut self, action: ActionId, name: &str, value: Option<&str>) {
        self.records.push(Record::Header { action, name: name.into(), value: value.map(Into::into) });
    }

    fn body(&mut self, action: ActionId, side: Side, bytes: &[u8]) {
        self.records.push(Record::Body { action, side, bytes: bytes.into() });
    }

    fn url(&mut self, action: ActionId, url: &str) {
        self.records.push(Record::Url { action, url: url.into() });
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
