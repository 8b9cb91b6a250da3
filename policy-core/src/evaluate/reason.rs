//! Reasons: one line that says why an evaluation ended as it did. The same words everywhere: dry run, edge
//! events and tests.

use std::fmt;

use crate::compile::Program;
use crate::facts::Facts;
use crate::ir::Decision;
use crate::outcome::Outcome;

impl Program {
    /// Why an evaluation of this program on these facts had this outcome. Cold: looks list entries up.
    #[must_use]
    pub fn reason<'p>(&'p self, facts: &Facts<'p>, outcome: Outcome) -> Reason<'p> {
        Reason { program: self, facts: *facts, outcome }
    }
}

/// Displays as one line without a full stop.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'p> {
    program: &'p Program,
    facts: Facts<'p>,
    outcome: Outcome,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = self.outcome.by().and_then(|by| self.program.action(by));
        let kind = action.map_or("an action", |action| action.kind());
        match self.outcome {
            Outcome::Forwarded { .. } => f.write_str("the target is online and took the connection"),
            Outcome::Denied { .. } => match action.and_then(|action| action.address_list()) {
                Some(list) => write_decision(f, &self.facts, list.decide(self.facts.client_ip)),
                None => write!(f, "`{kind}` refuses every connection that reaches it"),
            },
            Outcome::Closed { .. } => write!(f, "`{kind}` ends every connection that reaches it"),
            Outcome::Upstream => f.write_str("no action ended the connection"),
            Outcome::Failed { fault, .. } => fault.fmt(f),
        }
    }
}

fn write_decision(f: &mut fmt::Formatter<'_>, facts: &Facts<'_>, decision: Decision<'_>) -> fmt::Result {
    let client = facts.client_ip;
    match decision {
        Decision::Denied(entry) => {
            write!(f, "{client} is in the deny entry {} (line {})", entry.network, entry.position.line)
        }
        Decision::Allowed(entry) => {
            write!(f, "{client} is in the allow entry {} (line {})", entry.network, entry.position.line)
        }
        Decision::NotAllowed => write!(f, "{client} is in no allow entry"),
    }
}
