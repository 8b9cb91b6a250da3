//! Where a journey stands: runs that wait, forwards that are under way, what became of them.

use super::Leg;
use super::verdict::PolicyName;
use crate::evaluate::Suspended;
use crate::exchange::{ActionId, ForwardFailure};
use crate::outcome::Outcome;
use crate::url::EndpointUrl;

/// What the host is about to do.
#[derive(Debug)]
pub(super) enum Pending<E> {
    Nothing,
    /// Others go first.
    Forward {
        url: EndpointUrl,
        has_fallback: bool,
    },
    /// The server behind an endpoint is reached; true for the endpoint where the connection came in.
    Reach {
        endpoint: E,
        is_entry: bool,
    },
}

/// A policy that waits for a forward.
#[derive(Debug)]
pub(super) struct Frame<E, M> {
    pub(super) visit: Visit<E, M>,
    /// The last test of the address that was seen.
    pub(super) tested: Option<(ActionId, bool)>,
    pub(super) forwarding: Option<Forwarding<E>>,
    /// What became of a forward that was handed over.
    pub(super) taken: Option<Arrival<E, M>>,
}

/// A forward that is under way.
#[derive(Debug)]
pub(super) struct Forwarding<E> {
    /// The target, where several endpoints share it.
    pub(super) shared: Option<EndpointUrl>,
    /// Endpoints that may be tried yet, and how many of them.
    pub(super) pool: Vec<E>,
    pub(super) tries: usize,
    pub(super) parts: u32,
    /// The policy goes on if it fails.
    pub(super) has_fallback: bool,
    /// Length of the trail before it.
    pub(super) trail: usize,
}

/// One run of a policy on the way.
#[derive(Debug)]
pub(super) struct Visit<E, M> {
    pub(super) endpoint: E,
    /// The target that led here; `None` where the connection comes in.
    pub(super) url: Option<EndpointUrl>,
    /// Which of the endpoint's policies.
    pub(super) policy: usize,
    /// Its place in the order in which policies begin.
    pub(super) order: usize,
    /// Endpoints that wait for it.
    pub(super) depth: usize,
    /// INVARIANT: there but while it runs.
    pub(super) run: Option<Suspended<M>>,
}

/// What became of an endpoint that was entered.
#[derive(Debug)]
pub(super) enum Arrival<E, M> {
    Reached,
    Refused(Box<Refusal<E, M>>),
    Failed(ForwardFailure),
}

/// Who refused, and in what words.
#[derive(Debug)]
pub(super) struct Refusal<E, M> {
    /// The run of the policy that decided; of an endpoint that was left, the last one.
    pub(super) visit: Option<Visit<E, M>>,
    pub(super) why: Why,
}

/// Why a connection is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its run says it.
    Run,
    /// A policy could not be loaded.
    NotLoaded(String),
    /// A policy may not take what it would.
    OverBudget { policy: PolicyName, reason: String },
    /// Nothing ended it where it came in, and there is no server.
    NoUpstream,
    /// The server where it came in is not reached.
    NotReached,
}

#[derive(Debug)]
pub(super) enum End<E, M> {
    /// The run that decided where it came in, and whether the endpoint's own server took the connection.
    Admitted {
        visit: Option<Visit<E, M>>,
        upstream: bool,
    },
    Refused(Refusal<E, M>),
}

/// What the journey does next by itself.
pub(super) enum Next<E, M> {
    /// Run a policy, or leave the endpoint behind its last one.
    Begin { endpoint: E, url: Option<EndpointUrl>, policy: usize },
    /// Forward for the endpoint on top.
    Forward { url: EndpointUrl, has_fallback: bool },
    /// Tell whoever forwarded.
    Arrived(Arrival<E, M>),
    /// Wait for the host.
    Leg(Leg),
}

/// Where a run stops.
pub(super) enum Stop {
    Forward { url: EndpointUrl, has_fallback: bool },
    Done(Outcome),
}
