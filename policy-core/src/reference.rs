//! The naive engine: what the compiled one is compared with. Behind the feature `reference`.
//!
//! Deliberately stupid: a list is walked entry by entry, a policy rule by rule, straight from the model; what an
//! action does is said a second time in its file. Shares with the engine only the types of its answer's parts.

pub use policy_lpm::reference::network_contains;

use crate::facts::Facts;
use crate::model::{Policy, Rule};
use crate::phase::Phase;
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::url::EndpointUrl;

/// How the naive engine ends; `action` counts the actions of the phase from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NaiveOutcome {
    /// Forwarded to a target.
    Forwarded(EndpointUrl, usize),
    /// Refused.
    Denied(usize),
    /// Closed.
    Closed(usize),
    /// No action ended the phase.
    Upstream,
    /// A forward failed and its `on_error` is `halt`.
    Failed(usize),
    /// A rule's conditions, this rule from 0, have no value.
    NoCondition(usize),
    /// An action has no naive form: one of a new kind needs one before anything can be compared.
    Unknown(&'static str),
}

/// Runs on_tcp_connect rule by rule; `online` says which targets take a connection.
#[must_use]
pub fn on_tcp_connect(
    policy: &Policy,
    facts: &Facts<'_>,
    online: impl Fn(&EndpointUrl) -> bool,
) -> NaiveOutcome {
    let mut run = Naive::new(facts, &online);
    let mut number = 0;
    for (at, rule) in policy.rules(Phase::OnTcpConnect).enumerate() {
        let first = number;
        number += rule.actions.len();
        match conditions(&mut run, rule) {
            Some(true) => {}
            Some(false) => continue,
            None => return NaiveOutcome::NoCondition(at),
        }
        for (number, action) in (first..).zip(&rule.actions) {
            match action.config.naive(&mut run) {
                NaiveNext::GoOn => {}
                NaiveNext::Unknown => return NaiveOutcome::Unknown(action.config.name()),
                NaiveNext::End(NaiveEnd::Forwarded(url)) => return NaiveOutcome::Forwarded(url, number),
                NaiveNext::End(NaiveEnd::Denied) => return NaiveOutcome::Denied(number),
                NaiveNext::End(NaiveEnd::Closed) => return NaiveOutcome::Closed(number),
                NaiveNext::End(NaiveEnd::Failed) => return NaiveOutcome::Failed(number),
            }
        }
    }
    NaiveOutcome::Upstream
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
