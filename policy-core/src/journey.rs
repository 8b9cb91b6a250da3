//! Journey: a connection on its way through the policies of endpoints, without I/O.
//!
//! A connection comes in at an endpoint, whose policy may forward it to another one, whose policy runs then, and so on,
//! until one refuses or an upstream is reached. Which endpoints there are, and what policies may take, the host says by
//! [`Endpoints`] and [`Meter`]; what has to be reached it is asked for by [`Leg`]. So a live edge, revalidation after a
//! reload, a dry run and a test take the same way, and refuse with the same words.

mod driver;
mod meter;
mod requests;
mod state;
mod trail;
mod verdict;
mod way;

use crate::compile::Program;
use crate::evaluate::{AsWritten, Mode, RunState, Specialised, Trace};
use crate::exchange::ForwardFailure;
use crate::facts::Facts;
use crate::phase::Phase;
use crate::url::EndpointUrl;

use driver::Driver;
use state::{Arrival, End, Frame, Pending, Visit};

pub use meter::{Meter, Steps};
pub use requests::{RequestJourney, RequestLeg, SHOWN_EVENTS};
pub use trail::{Logs, Trail};
pub use verdict::{Passage, Verdict};

/// Failed forwards that are kept.
const MAX_FAILED: usize = 64;
/// Endpoints that share a URL and are tried until the server of one is reached.
pub const MAX_POOL_TRIES: usize = 3;

/// The endpoints that there are, and their policies.
pub trait Endpoints {
    /// One of them; cheap to clone.
    type Endpoint: Clone;

    /// Who serves a target ([`crate::resolve`]).
    fn serving(&self, target: &EndpointUrl) -> Serving<Self::Endpoint>;

    /// Takes out of endpoints that share a URL the one that is asked next; `None` if none takes connections.
    fn choose(&self, pool: &mut Vec<Self::Endpoint>) -> Option<Self::Endpoint> {
        if pool.is_empty() { None } else { Some(pool.remove(0)) }
    }

    /// One of an endpoint's policies, counted from 0 in the order in which they run; `None` after the last.
    fn policy<'e>(&'e self, endpoint: &'e Self::Endpoint, at: usize) -> Option<Policy<'e>>;

    /// True if there is a server behind the endpoint: a connection that its policies leave goes there.
    fn has_upstream(&self, endpoint: &Self::Endpoint) -> bool;

    /// Why a policy of an endpoint may not forward to a target, in words that a reason has in brackets; `None` if it may.
    fn forbids(&self, from: &Self::Endpoint, target: &EndpointUrl) -> Option<String> {
        let _ = (from, target);
        None
    }

    /// Forwards that a connection may take in all.
    fn max_hops(&self) -> u32;
}

/// Who serves a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving<E> {
    /// Nobody: it is offline.
    Nobody,
    /// One endpoint.
    One(E),
    /// Endpoints that share the URL: one of them takes the connection, others are tried if its server is not reached.
    Pool(Vec<E>),
}

/// A policy of an endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'e> {
    /// One that runs.
    Program(&'e Program),
    /// One that could not be loaded: every connection is refused, and this is why.
    Refuse(&'e str),
}

/// What the host does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a journey continues only if its legs are taken"]
pub enum Leg {
    /// Reach the server behind [`Journey::reaching`], then [`Journey::reached`] or [`Journey::not_reached`].
    Reach(Attempt),
    /// Let others go first, then [`Journey::go_on`].
    Pause,
    /// The end.
    Done,
}

/// One of the attempts to reach a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Into how many parts the time that there is for all of them is divided.
    pub parts: u32,
    /// Something else is tried if this fails.
    pub has_fallback: bool,
}

impl Attempt {
    /// There is no other.
    pub const ONLY: Self = Self { parts: 1, has_fallback: false };
}

/// A connection on its way. A policy that runs in the place where the connection comes in allocates nothing that it need
/// not, and nor does a forward to one endpoint without a policy. Endpoints that share a URL are a list of the host's, and
/// policies of targets take a place on a stack of runs.
#[derive(Debug)]
pub struct Journey<'n, N: Endpoints, B, M = Specialised> {
    endpoints: &'n N,
    facts: &'n Facts<'n>,
    driver: Driver<B>,
    /// Where the connection comes in. A run is kept where it runs: to move it takes as long as some of its rules.
    entry: Frame<N::Endpoint, M>,
    /// The targets whose policies run or wait, the innermost last.
    targets: Vec<Frame<N::Endpoint, M>>,
    pending: Pending<N::Endpoint>,
    /// What became of a forward, on the way to whoever asked for it.
    arrival: Option<Arrival<N::Endpoint, M>>,
    trail: Trail<N::Endpoint>,
    /// The verdict of the last address test of all runs but the innermost.
    address_test: Option<bool>,
    /// Forwards tried so far, failed ones included. Counted in all, not in depth: policies that forward to one another in
    /// several ways would otherwise be tried in numbers that grow with every level.
    forwards: u32,
    /// Those that failed, in order.
    failed: Vec<(EndpointUrl, ForwardFailure)>,
    /// More about the last forward that failed.
    detail: Option<String>,
    is_started: bool,
    /// Policies begun so far.
    begun: usize,
    /// Runs that are over and decided nothing, where runs are traced.
    passed: Vec<Visit<N::Endpoint, M>>,
    end: Option<End<N::Endpoint, M>>,
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>> Journey<'n, N, B> {
    /// A connection as an edge decides about it. The facts are those where it comes in, at the entry; in targets what a
    /// URL tells of `endpoint.*` is the target's.
    #[inline]
    pub fn new(endpoints: &'n N, facts: &'n Facts<'n>, meter: B, entry: N::Endpoint) -> Self {
        Self::begun(endpoints, facts, meter, entry)
    }
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>, T: Trace + Default> Journey<'n, N, B, AsWritten<T>> {
    /// The same with a sink for each policy that is told what happens, and policies as they are written. All runs are kept
    /// for [`Journey::each_run`].
    pub fn traced(endpoints: &'n N, facts: &'n Facts<'n>, meter: B, entry: N::Endpoint) -> Self {
        Self::begun(endpoints, facts, meter, entry)
    }
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default> Journey<'n, N, B, M> {
    #[inline]
    fn begun(endpoints: &'n N, facts: &'n Facts<'n>, meter: B, entry: N::Endpoint) -> Self {
        let mut driver = Driver::new(meter);
        let (run, why) = way::begin(
            endpoints,
            facts,
            &mut driver,
            (&entry, 0),
            (Phase::OnTcpConnect, RunState::default()),
        );
        let begun = usize::from(run.is_some());
        Self {
            endpoints,
            facts,
            driver,
            entry: Frame::new(Visit { endpoint: entry, url: None, policy: 0, order: 0, depth: 0, run }),
            targets: Vec::new(),
            pending: Pending::Nothing,
            arrival: None,
            trail: Trail::default(),
            address_test: None,
            forwards: 0,
            failed: Vec::new(),
            detail: None,
            is_started: false,
            begun,
            passed: Vec::new(),
            end: why.map(End::refused_at_entry),
        }
    }

    /// Runs to the first leg that the host takes. A journey is made once.
    #[inline]
    pub fn start(&mut self) -> Leg {
        if std::mem::replace(&mut self.is_started, true) {
            return self.out_of_order();
        }
        self.set_out()
    }

    /// The endpoint whose server is to be reached.
    pub fn reaching(&self) -> Option<&N::Endpoint> {
        match &self.pending {
            Pending::Reach { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    /// The target whose server is to be reached; `None` for the endpoint where the connection came in.
    pub fn reaching_target(&self) -> Option<&EndpointUrl> {
        match &self.pending {
            Pending::Reach { behind: state::Behind::Forward, .. } => self.target(),
            Pending::Reach { behind: state::Behind::Policies, .. } => {
                self.trail.iter().last().map(|(url, _)| url)
            }
            _ => None,
        }
    }

    /// The server was reached.
    pub fn reached(&mut self) -> Leg {
        self.answered(true)
    }

    /// The server was not reached, for a reason in words, which the verdict has in brackets unless it is empty.
    pub fn not_reached(&mut self, why: String) -> Leg {
        self.detail = Some(why);
        self.answered(false)
    }

    /// Others have gone first.
    pub fn go_on(&mut self) -> Leg {
        self.others_have_gone()
    }
}

impl<N: Endpoints, B, M: Mode> Journey<'_, N, B, M> {
    /// True if a server was reached, at the end.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        matches!(self.end, Some(End::Admitted { .. }))
    }

    /// Where it went.
    #[must_use]
    pub const fn trail(&self) -> &Trail<N::Endpoint> {
        &self.trail
    }

    /// The forwards that failed on the way, in order: up to 64, whether the policy went on after them or not.
    #[must_use]
    pub fn failed_forwards(&self) -> &[(EndpointUrl, ForwardFailure)] {
        &self.failed
    }

    /// What `log` actions attached.
    #[must_use]
    pub const fn logs(&self) -> &Logs {
        &self.driver.logs
    }

    /// The verdict of the last action that tested the client's address, if one did.
    #[must_use]
    pub fn address_test(&self) -> Option<bool> {
        self.last_address_test().map_or(self.address_test, |(_, admitted)| Some(admitted))
    }

    /// True if policies used up the steps that they may take: then a refusal is not a decision.
    #[must_use]
    pub const fn is_out_of_steps(&self) -> bool {
        self.driver.out_of_steps
    }
}
