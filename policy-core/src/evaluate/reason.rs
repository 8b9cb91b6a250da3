//! Reasons: one line that says why an evaluation ended as it did. The same words everywhere: dry run, edge
//! events and tests.

use std::fmt;

use super::machine::Evaluation;
use super::trace::Trace;
use crate::cel::EvalError;
use crate::compile::{ConditionRef, Program};
use crate::diagnostic::shorten;
use crate::facts::Facts;
use crate::ir::Decision;
use crate::outcome::Outcome;

impl<T: Trace> Evaluation<'_, T> {
    /// Why the evaluation ended as it did. Cold: looks list entries up.
    #[must_use]
    pub fn reason(&self) -> Reason<'_> {
        Reason {
            program: self.program(),
            facts: self.facts(),
            outcome: self.outcome(),
            failed: self.failed_condition(),
        }
    }
}

/// Displays as one line without a full stop.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'e> {
    program: &'e Program,
    facts: &'e Facts<'e>,
    outcome: Option<Outcome>,
    failed: Option<(ConditionRef<'e>, &'e EvalError)>,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(outcome) = self.outcome else { return f.write_str("it has not ended yet") };
        let action = outcome.by().and_then(|by| self.program.action(by));
        let kind = action.map_or("an action", |action| action.kind());
        match outcome {
            Outcome::Forwarded { by, .. } => {
                if let Some(list) = self.program.last_list_before(by) {
                    write_decision(f, self.facts, list.decide(self.facts.client_ip()))?;
                    f.write_str(", and ")?;
                }
                write!(f, "`{kind}` reached its target")
            }
            Outcome::Denied { .. } => match action.and_then(|action| action.address_list()) {
                Some(list) => write_decision(f, self.facts, list.decide(self.facts.client_ip())),
                None => write!(f, "`{kind}` refuses every connection that reaches it"),
            },
            Outcome::Closed { .. } => write!(f, "`{kind}` ends every connection that reaches it"),
            Outcome::Upstream => f.write_str("no action ended the connection"),
            Outcome::Failed { fault, .. } => match self.failed {
                Some((condition, error)) => {
                    let (text, line) = (condition.expression().text(), condition.position().line);
                    let part =
                        text.get(error.span.to_range()).filter(|part| !part.is_empty()).unwrap_or(text);
                    write!(f, "`{}` (line {line}) has no value: {error}", shorten(part))
                }
                None => fault.fmt(f),
            },
        }
    }
}

fn write_decision(f: &mut fmt::Formatter<'_>, facts: &Facts<'_>, decision: Decision<'_>) -> fmt::Result {
    let client = facts.client_ip();
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
