//! The naive engine: what the compiled one is compared with. Behind the feature `reference`.
//!
//! Deliberately stupid: a list is walked entry by entry, a policy rule by rule, straight from the model; what an
//! action does is said a second time in its file, on messages that it changes in place. Shares with the engine only the
//! types of its answer's parts, and what other implementations are compared with elsewhere: URLs and regular expressions.

pub use policy_lpm::reference::network_contains;

use crate::exchange::{Effect, Reply};
use crate::facts::Facts;
use crate::message::{ContentCoding, Request, Response, Side};
use crate::model::{Policy, Rule};
use crate::phase::Phase;
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::url::EndpointUrl;

/// How the naive engine ends. Actions and rules are numbered from 0 over all phases in document order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NaiveOutcome {
    /// Forwarded to a target.
    Forwarded(EndpointUrl, usize),
    /// Refused; over HTTP with an answer.
    Denied(Option<Response>, usize),
    /// Closed.
    Closed(usize),
    /// Answered.
    Responded(Response, usize),
    /// No action ended the phase.
    Upstream,
    /// A forward failed and its `on_error` is `halt`, or a value has none.
    Failed(usize),
    /// A rule's conditions have no value.
    NoCondition(usize),
    /// An action has no naive form: one of a new kind needs one before anything can be compared.
    Unknown(&'static str),
}

/// All phases of a connection or request, one after the other.
#[derive(Debug)]
pub struct NaiveRun<'f>(Naive<'f>);

impl<'f> NaiveRun<'f> {
    /// Begins; `online` says which targets take a connection, `reply` answers what else is asked.
    #[must_use]
    pub fn new(
        facts: &Facts<'f>,
        online: &'f dyn Fn(&EndpointUrl) -> bool,
        reply: &'f dyn Fn(Effect) -> Reply,
    ) -> Self {
        Self(Naive::new(facts, online, reply))
    }

    /// The client sends a request.
    #[must_use]
    pub fn with_request(mut self, request: Request) -> Self {
        self.0.request = Some(request);
        self
    }

    /// The upstream answers.
    pub fn respond(&mut self, response: Response) {
        self.0.response = Some(response);
    }

    /// Runs a phase rule by rule.
    pub fn run(&mut self, policy: &Policy, phase: Phase) -> NaiveOutcome {
        let run = &mut self.0;
        run.begin(phase);
        let earlier = || policy.phases.iter().take_while(|rules| rules.phase != phase);
        let before: usize = earlier().map(|phase| phase.rules.len()).sum();
        let mut number: usize = earlier().flat_map(|phase| &phase.rules).map(|rule| rule.actions.len()).sum();
        for (at, rule) in (before..).zip(policy.rules(phase)) {
            let first = number;
            number += rule.actions.len();
            match conditions(run, rule) {
                Some(true) => {}
                Some(false) => continue,
                None => return NaiveOutcome::NoCondition(at),
            }
            for (number, action) in (first..).zip(&rule.actions) {
                match action.config.naive(run) {
                    NaiveNext::GoOn => {}
                    NaiveNext::Unknown => return NaiveOutcome::Unknown(action.config.name()),
                    NaiveNext::End(NaiveEnd::Forwarded(url)) => return NaiveOutcome::Forwarded(url, number),
                    NaiveNext::End(NaiveEnd::Denied(answer)) => return NaiveOutcome::Denied(answer, number),
                    NaiveNext::End(NaiveEnd::Responded(answer)) => {
                        return NaiveOutcome::Responded(answer, number);
                    }
                    NaiveNext::End(NaiveEnd::Closed) => return NaiveOutcome::Closed(number),
                    NaiveNext::End(NaiveEnd::Failed) => return NaiveOutcome::Failed(number),
                }
            }
        }
        NaiveOutcome::Upstream
    }

    /// The request as it is now.
    #[must_use]
    pub const fn request(&self) -> Option<&Request> {
        self.0.request.as_ref()
    }

    /// The response as it is now.
    #[must_use]
    pub const fn response(&self) -> Option<&Response> {
        self.0.response.as_ref()
    }

    /// A body that was read, as it is now.
    #[must_use]
    pub fn body(&self, side: Side) -> Option<&[u8]> {
        self.0.known_body(side)
    }

    /// How the response is to be compressed.
    #[must_use]
    pub const fn compression(&self) -> Option<ContentCoding> {
        self.0.compression
    }

    /// The keys of limits that were asked, in order.
    #[must_use]
    pub fn counted(&self) -> &[String] {
        &self.0.counted
    }
}

/// Runs on_tcp_connect rule by rule; `online` says which targets take a connection.
#[must_use]
pub fn on_tcp_connect(
    policy: &Policy,
    facts: &Facts<'_>,
    online: impl Fn(&EndpointUrl) -> bool,
) -> NaiveOutcome {
    NaiveRun::new(facts, &online, &|_| Reply::Logged).run(policy, Phase::OnTcpConnect)
}

/// The conditions of a rule joined by `&&`; `None` if they have no value. Each is evaluated as it is written; one that
/// is false decides, and the draws of random numbers go on from one to the next.
fn conditions(run: &mut Naive<'_>, rule: &Rule) -> Option<bool> {
    let mut all = Some(true);
    for item in &rule.expressions {
        match run.condition(&item.expression) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => all = None,
        }
    }
    all
}
