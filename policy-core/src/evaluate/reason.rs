//! Reasons: one line that says why an evaluation ended as it did. The same words everywhere: dry run, edge
//! events and tests.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::evaluation::Evaluation;
use super::mode::Mode;
use crate::cel::{EvalError, Expression};
use crate::compile::{ActionRef, ConditionRef, Program, RuleRef};
use crate::diagnostic::shorten;
use crate::exchange::{ActionId, FailureAt};
use crate::facts::Facts;
use crate::ir::{AddressList, Decision, Entry, ListKind};
use crate::outcome::{Fault, Outcome};
use crate::phase::Phase;
use crate::run::ListDecision;

impl<M: Mode> Evaluation<'_, M> {
    /// Why the evaluation ended as it did. Cold: looks list entries up.
    #[must_use]
    pub fn reason(&self) -> Reason<'_> {
        Reason {
            program: self.program(),
            facts: self.facts(),
            phase: self.phase(),
            outcome: self.outcome(),
            failed: self.failed_condition(),
            failed_value: self.failed_value(),
            failed_forward: self.failed_forward(),
            admitted: self.decided_list(),
        }
    }

    /// The forward at which the evaluation ended, or after which nothing else decided, and why it failed.
    fn failed_forward(&self) -> Option<FailureAt<'_>> {
        match self.outcome() {
            Some(Outcome::Failed { fault: Fault::Forward { failure, target }, .. }) => {
                self.target(target).map(|target| failure.at(target))
            }
            Some(Outcome::Upstream) => {
                let (failure, target) = self.passed()?;
                self.target(target).map(|target| failure.at(target))
            }
            _ => None,
        }
    }
}

/// Displays as one line without a full stop.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'e> {
    program: &'e Program,
    facts: &'e Facts<'e>,
    phase: Phase,
    outcome: Option<Outcome>,
    failed: Option<(ConditionRef<'e>, &'e EvalError)>,
    failed_value: Option<(Option<&'e Expression>, &'e EvalError)>,
    failed_forward: Option<FailureAt<'e>>,
    admitted: Option<ListDecision>,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(outcome) = self.outcome else { return f.write_str("it has not ended yet") };
        let action = outcome.by().and_then(|by| self.program.action(by));
        let kind = action.map_or("an action", |action| action.kind());
        match outcome {
            Outcome::Forwarded { by, .. } => {
                if let Some((list_of, list)) = self.permitting(by) {
                    self.write_list(f, list_of, list)?;
                    f.write_str(", and ")?;
                }
                write!(f, "`{kind}` reached its target")
            }
            Outcome::Denied { .. } => match action.and_then(|action| action.address_list()) {
                Some(list) => self.write_list(f, outcome.by().unwrap_or(ActionId(0)), list),
                // Whether it always does is what it says of itself.
                None => {
                    match outcome.by().and_then(|by| self.program.step(by)).is_some_and(|step| step.ends()) {
                        true => self.write_always(f, action, "refuses"),
                        false => write!(f, "`{kind}` refused the {}", self.what()),
                    }
                }
            },
            Outcome::Closed { .. } => self.write_always(f, action, "ends"),
            Outcome::Responded { .. } => write!(f, "`{kind}` answered"),
            Outcome::Upstream => match self.failed_forward {
                Some(failure) => write!(f, "no action ended the {}, and before that {failure}", self.what()),
                None => write!(f, "no action ended the {}", self.what()),
            },
            Outcome::Failed { fault: Fault::Value, .. } if self.failed_value.is_some() => {
                let line = action.map_or(0, |action| action.position().line);
                match self.failed_value {
                    Some((Some(expression), error)) => {
                        write!(
                            f,
                            "`{}` in `{kind}` (line {line}) has no value: {error}",
                            shorten(expression.text())
                        )
                    }
                    Some((None, error)) => write!(f, "`{kind}` (line {line}): {error}"),
                    None => Ok(()),
                }
            }
            Outcome::Failed { fault, .. } => match self.failed {
                Some((condition, error)) => {
                    let (text, line) = (condition.expression().text(), condition.position().line);
                    let part =
                        text.get(error.span.to_range()).filter(|part| !part.is_empty()).unwrap_or(text);
                    write!(f, "`{}` (line {line}) has no value: {error}", shorten(part))
                }
                None => match self.failed_forward {
                    Some(failure) => failure.fmt(f),
                    None => fault.fmt(f),
                },
            },
        }
    }
}

impl<'e> Reason<'e> {
    /// What the phase is about.
    const fn what(&self) -> &'static str {
        match self.phase {
            Phase::OnTcpConnect => "connection",
            Phase::OnHttpRequest => "request",
            Phase::OnHttpResponse => "response",
            Phase::OnEventStreamMessage => "event",
        }
    }

    /// Says of an action that does the same whenever it is reached by which conditions it was. Conditions on requests may
    /// compare with a key that a client sends, and reasons are logged: they are named by their lines.
    fn write_always(
        &self,
        f: &mut fmt::Formatter<'_>,
        action: Option<ActionRef<'_>>,
        does: &str,
    ) -> fmt::Result {
        let (kind, what) = (action.map_or("an action", ActionRef::kind), self.what());
        let rule = action.and_then(ActionRef::rule);
        let mut conditions = rule.into_iter().flat_map(RuleRef::conditions);
        let Some(first) = conditions.next() else {
            return write!(f, "`{kind}` {does} every {what} that reaches it");
        };
        let named = |condition: ConditionRef<'_>| match self.phase {
            Phase::OnTcpConnect => format!("`{}`", shorten(condition.expression().text())),
            Phase::OnHttpRequest | Phase::OnHttpResponse | Phase::OnEventStreamMessage => {
                format!("the condition in line {}", condition.position().line)
            }
        };
        write!(f, "`{kind}` {does} the {what}: {}", named(first))?;
        match (conditions.next(), conditions.count()) {
            (None, _) => f.write_str(" holds"),
            (Some(second), 0) => write!(f, " and {} hold", named(second)),
            (Some(_), more) => write!(f, " and {} more conditions hold", more + 1),
        }
    }

    /// The action with the list that the reason is about, if it is about one. The reason then begins with the client's
    /// address, and what follows is the same for all clients for which the list names the same entry, or none
    /// ([`AddressList::decide`]), unless expressions give entries of it.
    #[must_use]
    pub fn list_of(&self) -> Option<ActionId> {
        self.list().map(|(by, _)| by)
    }

    fn list(&self) -> Option<(ActionId, &'e AddressList)> {
        let by = self.outcome?.by()?;
        match self.outcome? {
            Outcome::Forwarded { .. } => self.permitting(by),
            Outcome::Denied { .. } => Some((by, self.program.action(by)?.address_list()?)),
            _ => None,
        }
    }

    /// The entry of a list that the reason names, if it is one that is the same for every connection.
    #[must_use]
    pub fn entry(&self) -> Option<&'e Entry> {
        let (by, list) = self.list()?;
        match list.decide(self.facts.client_ip()) {
            Decision::Denied(entry) => Some(entry),
            Decision::Allowed(entry) if !self.is_denied_by_own(by) => Some(entry),
            Decision::Allowed(_) | Decision::NotAllowed => None,
        }
    }

    /// The last list that let the connection pass on its way to a forward. A list of a rule that did not apply has not
    /// permitted anything.
    fn permitting(&self, by: ActionId) -> Option<(ActionId, &'e AddressList)> {
        self.program.last_list_before(by).filter(|(list_of, list)| {
            let own = self.admitted.is_some_and(|admitted| admitted.by == *list_of);
            own || matches!(list.decide(self.facts.client_ip()), Decision::Allowed(_))
        })
    }

    /// True if an entry of this connection only is what denies.
    fn is_denied_by_own(&self, by: ActionId) -> bool {
        self.admitted.is_some_and(|admitted| admitted.by == by && admitted.denied.is_some())
    }

    fn write_decision(&self, f: &mut fmt::Formatter<'_>, decision: Decision<'_>) -> fmt::Result {
        let client = self.facts.client_ip();
        let (list, entry) = match decision {
            Decision::Denied(entry) => (ListKind::Deny, entry),
            Decision::Allowed(entry) => (ListKind::Allow, entry),
            Decision::NotAllowed => return write!(f, "{client} matches no allow entry"),
        };
        write!(f, "{client} is in the {} entry ", list.name())?;
        write_entry(f, self.program, entry)
    }

    /// What a list said of the client.
    fn write_list(&self, f: &mut fmt::Formatter<'_>, by: ActionId, list: &AddressList) -> fmt::Result {
        let client = self.facts.client_ip();
        let decision = list.decide(client);
        match self.admitted.filter(|admitted| admitted.by == by) {
            // The entry that is always the same is named with its line.
            Some(own) if own.denied.is_some() && !matches!(decision, Decision::Denied(_)) => {
                write_own(f, client, ListKind::Deny, own.denied)
            }
            Some(own)
                if own.denied.is_none() && own.allowed.is_some() && decision == Decision::NotAllowed =>
            {
                write_own(f, client, ListKind::Allow, own.allowed)
            }
            _ => self.write_decision(f, decision),
        }
    }
}

/// Where an entry is written, as far as the policy tells.
fn write_entry(f: &mut fmt::Formatter<'_>, program: &Program, entry: &Entry) -> fmt::Result {
    write!(f, "{}", entry.network)?;
    match entry.ip_policy.and_then(|id| program.ip_policy(id)) {
        Some(id) => write!(f, " of `{}` (line {})", shorten(id), entry.position.line),
        None => write!(f, " (line {})", entry.position.line),
    }
}

fn write_own(
    f: &mut fmt::Formatter<'_>,
    client: IpAddr,
    list: ListKind,
    network: Option<IpNetwork>,
) -> fmt::Result {
    let network = network.map(|network| network.to_string()).unwrap_or_default();
    write!(f, "{client} is in the {} entry {network}, which an expression gave", list.name())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use crate::compile::Program;
    use crate::exchange::{ForwardFailure, Reply};
    use crate::facts::Facts;
    use crate::phase::{Phase, PhaseSet};

    /// The reason for a client, and the network and line of the entry that it names.
    fn decided(program: &Program, client: &str, port: u16) -> (String, Option<(String, u32)>) {
        let client: IpAddr = client.parse().expect("an address");
        let server = SocketAddr::from(([198, 51, 100, 1], 22));
        let facts = Facts::from_connection(SocketAddr::new(client, port), server);
        let mut run = program.on_tcp_connect(&facts);
        run.run(|_, _| Reply::Forwarded);
        let reason = run.reason();
        let entry = reason.entry().map(|entry| (entry.network.to_string(), entry.position.line));
        (reason.to_string(), entry)
    }

    #[test]
    fn the_entry_that_decides_is_named() {
        let program = Program::from_policy(
            "p.yml",
            "on_tcp_connect:
- actions:
  - type: restrict-ips
    config:
      allow:
        - 192.0.2.0/24
        - \"${conn.client_port == 1 ? string(conn.client_ip) : '203.0.113.1'}\"
      deny:
        - 192.0.2.7/32
        - \"${conn.client_port == 2 ? string(conn.client_ip) : '203.0.113.1'}\"
  - type: forward-internal
    config: {url: \"tcp://d.internal:22\"}
",
        );
        let program = program.expect("right");
        let entry = |network: &str, line| Some((network.to_owned(), line));
        let reached = |of: &str| format!("{of}, and `forward-internal` reached its target");
        for (client, port, reason, named) in [
            (
                "192.0.2.1",
                9,
                reached("192.0.2.1 is in the allow entry 192.0.2.0/24 (line 6)"),
                entry("192.0.2.0/24", 6),
            ),
            (
                "192.0.2.7",
                9,
                "192.0.2.7 is in the deny entry 192.0.2.7/32 (line 9)".to_owned(),
                entry("192.0.2.7/32", 9),
            ),
            ("10.0.0.1", 9, "10.0.0.1 matches no allow entry".to_owned(), None),
            (
                "10.0.0.1",
                1,
                reached("10.0.0.1 is in the allow entry 10.0.0.1/32, which an expression gave"),
                None,
            ),
            // An entry of this connection denies, whatever allows; the one that is always the same is named first.
            (
                "192.0.2.1",
                2,
                "192.0.2.1 is in the deny entry 192.0.2.1/32, which an expression gave".to_owned(),
                None,
            ),
            (
                "192.0.2.7",
                2,
                "192.0.2.7 is in the deny entry 192.0.2.7/32 (line 9)".to_owned(),
                entry("192.0.2.7/32", 9),
            ),
            (
                "203.0.113.1",
                9,
                "203.0.113.1 is in the deny entry 203.0.113.1/32, which an expression gave".to_owned(),
                None,
            ),
        ] {
            assert_eq!(decided(&program, client, port), (reason, named), "{client} {port}");
        }
    }

    /// A phase without rules is what it is all the same.
    #[test]
    fn a_phase_without_rules_speaks_of_its_message() {
        let text = "on_http_response: [{expressions: ['false'], actions: [{type: compress-response}]}]";
        let phases = PhaseSet::new(&Phase::ALL);
        let options = crate::compile::CompileOptions { phases, ..Default::default() };
        let program = Program::from_policy_with("p.yml", text, &options).expect("right");
        let facts = Facts::new([192, 0, 2, 1].into());
        for (phase, what) in Phase::ALL.into_iter().zip(["connection", "request", "response", "event"]) {
            let mut run = program.run(phase, &facts);
            run.run(|_, _| Reply::Logged);
            assert_eq!(run.reason().to_string(), format!("no action ended the {what}"));
        }
    }

    #[test]
    fn what_has_no_entry_names_none() {
        for (actions, reason) in [
            ("{type: deny}", "`deny` refuses every connection that reaches it"),
            ("{type: close-connection}", "`close-connection` ends every connection that reaches it"),
            (
                "{type: restrict-ips, config: {enforce: false, allow: [10.0.0.0/8]}}",
                "no action ended the connection",
            ),
            (
                "{type: forward-internal, config: {url: \"tcp://d.internal:22\"}}",
                "`forward-internal` reached its target",
            ),
        ] {
            let program =
                Program::from_policy("p.yml", format!("on_tcp_connect: [{{actions: [{actions}]}}]"));
            assert_eq!(decided(&program.expect("right"), "192.0.2.1", 9), (reason.to_owned(), None));
        }
        let text = "on_tcp_connect:\n- expressions: [\"int(string(conn.client_ip)) > 0\"]\n  actions: [{type: deny}]\n";
        let program = Program::from_policy("p.yml", text).expect("right");
        let (reason, entry) = decided(&program, "192.0.2.1", 9);
        let wanted = "`int(string(conn.client_ip))` (line 2) has no value";
        assert!(reason.starts_with(wanted) && entry.is_none(), "{reason}");
        let text = "on_tcp_connect:\n- actions:\n  - type: set-vars\n    config: {vars: [{a: \"${int(string(conn.client_ip))}\"}]}\n";
        let program = Program::from_policy("p.yml", text).expect("right");
        let (reason, entry) = decided(&program, "192.0.2.1", 9);
        let wanted = "`int(string(conn.client_ip))` in `set-vars` (line 3) has no value";
        assert!(reason.starts_with(wanted) && entry.is_none(), "{reason}");
    }

    #[test]
    fn a_run_that_has_not_ended_says_so() {
        let program = Program::from_policy("p.yml", "on_tcp_connect: [{actions: [{type: deny}]}]");
        let (program, facts) = (program.expect("right"), Facts::new([192, 0, 2, 1].into()));
        let run = program.on_tcp_connect(&facts);
        assert_eq!(run.reason().to_string(), "it has not ended yet");
        assert!(run.reason().entry().is_none());
    }

    #[test]
    fn who_falls_through_learns_which_target_failed() {
        let forward = |host: &str| {
            format!(
                "{{type: forward-internal, config: {{url: \"tcp://{host}.internal:22\", on_error: continue}}}}"
            )
        };
        let text = format!("on_tcp_connect: [{{actions: [{}, {}]}}]", forward("a"), forward("b"));
        let program = Program::from_policy("p.yml", &text).expect("right");
        let facts = Facts::new([192, 0, 2, 1].into());
        let mut run = program.on_tcp_connect(&facts);
        run.run(|_, _| Reply::ForwardFailed(ForwardFailure::Offline));
        let reason = run.reason().to_string();
        assert_eq!(reason, "no action ended the connection, and before that tcp://b.internal:22 is offline");
    }
}
