//! Where a journey stands: runs that wait, forwards that are under way, what became of them.

use super::{Attempt, Leg, MAX_POOL_TRIES};
use crate::compile::Program;
use crate::digest::Digest;
use crate::evaluate::Continuation;
use crate::exchange::{ActionId, ForwardFailure};
use crate::url::EndpointUrl;

/// What the host is about to do.
#[derive(Debug)]
pub(super) enum Pending<E> {
    Nothing,
    /// Others go first.
    Forward,
    /// The server behind an endpoint is reached.
    Reach {
        endpoint: E,
        behind: Behind,
    },
}

/// What a server is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// The endpoint where the connection came in.
    Entry,
    /// A target, whose policies let the connection pass.
    Policies,
    /// A target without policies.
    Forward,
}

/// A policy that runs or waits for a forward.
#[derive(Debug)]
pub(super) struct Frame<E, M> {
    pub(super) visit: Visit<E, M>,
    /// Its last test of the address that has been noted.
    pub(super) tested: Option<(ActionId, bool)>,
    pub(super) forwarding: Option<Forwarding<E>>,
    /// What became of a forward that was handed over.
    pub(super) taken: Option<Arrival<E, M>>,
}

impl<E, M> Frame<E, M> {
    #[inline]
    pub(super) const fn new(visit: Visit<E, M>) -> Self {
        Self { visit, tested: None, forwarding: None, taken: None }
    }
}

/// A forward that is under way.
#[derive(Debug)]
pub(super) struct Forwarding<E> {
    /// Endpoints that may be tried yet, and how many of them.
    pub(super) pool: Vec<E>,
    pub(super) tries: usize,
    parts: u32,
    /// The policy goes on if it fails.
    has_fallback: bool,
    /// Length of the trail before it.
    pub(super) trail: usize,
}

impl<E> Forwarding<E> {
    /// To one of the endpoints that share a URL; to the only one if there are none.
    pub(super) fn new(pool: Vec<E>, has_fallback: bool, trail: usize) -> Self {
        let tries = pool.len().min(MAX_POOL_TRIES);
        let parts = u32::try_from(tries.max(1)).unwrap_or(1);
        Self { pool, tries, parts, has_fallback, trail }
    }

    /// The attempt that is made now.
    pub(super) const fn attempt(&self) -> Attempt {
        Attempt { parts: self.parts, has_fallback: self.has_fallback || self.tries > 0 }
    }
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
    /// `None` if there is no policy that could run, and while it is shown.
    pub(super) run: Option<Continuation<M>>,
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
    pub(super) by: By<E, M>,
    pub(super) why: Why,
}

/// Whose run decided.
#[derive(Debug)]
pub(super) enum By<E, M> {
    /// That of the policy where the connection came in, the last one that ran.
    Entry,
    /// That of a target.
    Target(Box<Visit<E, M>>),
    /// A policy that did not run.
    Nobody,
}

/// Why a connection is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its run says it.
    Run,
    /// A policy could not be loaded.
    NotLoaded(String),
    /// A policy may not take what it would.
    OverBudget(Box<OverBudget>),
    /// Nothing ended it where it came in, and there is no server.
    NoUpstream,
    /// The server where it came in is not reached.
    NotReached,
}

/// A policy that may not take what it would, and who is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OverBudget {
    pub(super) policy: PolicyName,
    pub(super) reason: String,
}

/// What is said of a policy that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyName {
    pub(super) file: Box<str>,
    pub(super) sha256: Digest,
}

impl PolicyName {
    pub(super) fn from_program(program: &Program) -> Self {
        Self { file: program.file().into(), sha256: program.served_sha256() }
    }
}

#[derive(Debug)]
pub(super) enum End<E, M> {
    /// By the policy where the connection came in; to the endpoint's own server, or to a target.
    Admitted {
        upstream: bool,
    },
    Refused(Refusal<E, M>),
}

impl<E, M> End<E, M> {
    pub(super) const fn refused_at_entry(why: Why) -> Self {
        Self::Refused(Refusal { by: By::Entry, why })
    }
}

/// What the journey does next by itself.
#[derive(Clone, Copy)]
pub(super) enum Next {
    /// Let the innermost run begin.
    Run,
    /// Forward for it.
    Forward,
    /// Tell it what became of a forward.
    Deliver,
    /// Wait for the host.
    Leg(Leg),
}

/// Where a run stops.
#[derive(Clone, Copy)]
pub(super) enum Stop {
    /// At a forward.
    Forward,
    /// At its end.
    Done,
}
