//! Decisions for hosts that perform no effects: the whole run in one call.

use super::evaluation::Evaluation;
use super::reason::Reason;
use crate::compile::Program;
use crate::exchange::{Effect, Reply};
use crate::facts::Facts;
use crate::outcome::Outcome;
use crate::url::EndpointUrl;

/// What a policy decided about one connection, in one call ([`Program::decide`]).
///
/// ```
/// use policy_core::{compile::Program, facts::Facts, outcome::Outcome};
/// let text = "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: tcp://a.internal:22}}]}]";
/// let program = Program::from_policy("p.yml", text)?;
/// let facts = Facts::new("203.0.113.42".parse()?);
/// let decision = program.decide(&facts);
/// assert!(matches!(decision.outcome(), Outcome::Forwarded { .. }));
/// assert_eq!(decision.target().map(ToString::to_string).as_deref(), Some("tcp://a.internal:22"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decision<'r> {
    run: Evaluation<'r>,
    outcome: Outcome,
}

impl<'r> Decision<'r> {
    /// The outcome. A forward counts as handed over ([`Program::decide`]).
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// True if the connection goes on to a target or to the upstream of the endpoint ([`Outcome::is_admitted`]).
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.outcome.is_admitted()
    }

    /// Where the connection is to be forwarded to, if it is.
    #[must_use]
    pub fn target(&self) -> Option<&EndpointUrl> {
        let Outcome::Forwarded { target, .. } = self.outcome else { return None };
        self.run.target(target)
    }

    /// Why, in one line; in the words of a forward that has reached its target.
    #[must_use]
    pub fn reason(&self) -> Reason<'_> {
        self.run.reason()
    }

    /// The run that has ended, for everything else that it knows.
    #[must_use]
    pub const fn run(&self) -> &Evaluation<'r> {
        &self.run
    }
}

impl Program {
    /// Decides about one connection for a host that performs no effects: the whole on_tcp_connect phase in one call.
    ///
    /// The first forward that is reached counts as handed over, whether or not anything serves its target. So a target
    /// that cannot be reached afterwards means: close the connection. `on_error: continue` and what comes after it
    /// need a host that tries ([`Self::on_tcp_connect`]). Metadata of `log` is dropped. An effect that such a host
    /// cannot leave out ends as [`Outcome::Failed`], which is not admitted.
    ///
    /// ```
    /// use policy_core::{compile::Program, facts::Facts};
    /// let text = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [10.0.0.0/8]}}]}]";
    /// let program = Program::from_policy("p.yml", text)?;
    /// let facts = Facts::new("198.51.100.1".parse()?);
    /// let decision = program.decide(&facts);
    /// assert!(!decision.is_admitted());
    /// assert!(decision.reason().to_string().contains("198.51.100.1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn decide<'r>(&'r self, facts: &'r Facts<'r>) -> Decision<'r> {
        let mut run = self.on_tcp_connect(facts);
        let outcome = run.run(|effect, _run| match effect {
            Effect::Forward(_) => Reply::Forwarded,
            // No action of this phase asks for anything else; what is answered wrongly fails.
            _ => Reply::Logged,
        });
        Decision { run, outcome }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(actions: &str) -> Program {
        let text = format!("on_tcp_connect: [{{actions: [{actions}]}}]");
        Program::from_policy("p.yml", text).expect("no errors")
    }

    /// The outcome, the target and the reason for one client.
    fn decide(actions: &str) -> (&'static str, Option<String>, String) {
        let program = program(actions);
        let facts = Facts::new("203.0.113.42".parse().expect("an address"));
        let decision = program.decide(&facts);
        let target = decision.target().map(ToString::to_string);
        let admitted = matches!(decision.outcome(), Outcome::Forwarded { .. } | Outcome::Upstream);
        assert_eq!(decision.is_admitted(), admitted);
        (decision.outcome().name(), target, decision.reason().to_string())
    }

    #[test]
    fn the_first_forward_is_taken_as_handed_over() {
        let (name, target, _) = decide(
            "{type: log, config: {metadata: {site: north}}},
             {type: forward-internal, config: {url: 'tcp://a.internal:22', on_error: continue}},
             {type: forward-internal, config: {url: 'tcp://b.internal:22'}}",
        );
        assert_eq!((name, target.as_deref()), ("forward", Some("tcp://a.internal:22")));
    }

    #[test]
    fn a_rendered_target_is_named_too() {
        let (name, target, _) = decide(
            "{type: set-vars, config: {vars: [{site: north}]}}, {type: forward-internal, config: {url: 'tcp://${vars.site}.internal:22'}}",
        );
        assert_eq!((name, target.as_deref()), ("forward", Some("tcp://north.internal:22")));
    }

    #[test]
    fn refusals_and_fall_through_have_no_target() {
        assert_eq!(decide("{type: deny}").1, None);
        assert_eq!(decide("{type: deny}").0, "deny");
        let (name, target, _) = decide("{type: log, config: {metadata: {site: north}}}");
        assert_eq!((name, target), ("upstream", None));
    }

    #[test]
    fn a_condition_without_a_value_is_not_admitted() {
        let text = "on_tcp_connect: [{expressions: [\"conn.geo.country_code == 'DE'\"], actions: [{type: forward-internal, config: {url: 'tcp://a.internal:22'}}]}]";
        let program = Program::from_policy("p.yml", text).expect("no errors");
        let facts = Facts::new("203.0.113.42".parse().expect("an address"));
        let decision = program.decide(&facts);
        assert!(matches!(decision.outcome(), Outcome::Failed { .. }) && !decision.is_admitted());
        assert!(decision.run().failed_condition().is_some());
    }
}
