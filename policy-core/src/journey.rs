//! Journey: a connection on its way through the policies of endpoints, without I/O.
//!
//! A connection comes in at an endpoint, whose policy may forward it to another one, whose policy runs then, and so on,
//! until one refuses or an upstream is reached. Which endpoints there are, and what policies may take, the host says by
//! [`Endpoints`] and [`Meter`]; what has to be reached it is asked for by [`Leg`]. So a live edge, a judgement after a
//! reload, a dry run and a test take the same way, and refuse with the same words.

mod meter;
mod state;
mod trail;
mod verdict;

use crate::compile::Program;
use crate::evaluate::{AsWritten, Evaluation, Mode, RunState, Specialised, Trace};
use crate::exchange::{ActionId, Effect, ForwardFailure, Reply, Step};
use crate::facts::Facts;
use crate::outcome::{Fault, Outcome};
use crate::phase::Phase;
use crate::url::EndpointUrl;

use state::{Arrival, End, Forwarding, Frame, Next, Pending, Refusal, Stop, Visit, Why};

pub use meter::{Meter, Steps};
pub use trail::{Logs, Trail};
pub use verdict::{Passage, Verdict};

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

    /// One of an endpoint's policies, counted from 0 in the order in which they run; `None` behind the last.
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
#[must_use = "a journey goes on only if its legs are taken"]
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
/// not, and nor does a forward to an endpoint without a policy; one to an endpoint with policies takes a place for each.
#[derive(Debug)]
pub struct Journey<'n, N: Endpoints, B, M = Specialised> {
    endpoints: &'n N,
    facts: &'n Facts<'n>,
    meter: B,
    /// The innermost endpoint that waits for a forward.
    top: Option<Frame<N::Endpoint, M>>,
    /// Those that wait for it, outermost first.
    below: Vec<Frame<N::Endpoint, M>>,
    pending: Pending<N::Endpoint>,
    trail: Trail<N::Endpoint>,
    logs: Logs,
    /// Forwards tried so far, failed ones included. Counted in all, not in depth: policies that forward to one another in
    /// several ways would otherwise be tried in numbers that grow with every level.
    forwards: u32,
    /// More about the last forward that failed.
    detail: Option<String>,
    address_test: Option<bool>,
    out_of_steps: bool,
    /// The last run of an endpoint whose policies have not ended the connection so far.
    left: Option<Visit<N::Endpoint, M>>,
    /// Policies begun so far.
    begun: usize,
    /// Runs that are over and decided nothing, where runs are traced.
    passed: Vec<Visit<N::Endpoint, M>>,
    end: Option<End<N::Endpoint, M>>,
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>> Journey<'n, N, B> {
    /// A connection as an edge decides about it. The facts are those where it comes in; in targets `endpoint.*` is the
    /// target's.
    pub fn new(endpoints: &'n N, facts: &'n Facts<'n>, meter: B) -> Self {
        Self::begun(endpoints, facts, meter)
    }
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>, T: Trace + Default> Journey<'n, N, B, AsWritten<T>> {
    /// The same with a sink for each policy that is told what happens, and policies as they are written. All runs are kept
    /// for [`Journey::each_run`].
    pub fn traced(endpoints: &'n N, facts: &'n Facts<'n>, meter: B) -> Self {
        Self::begun(endpoints, facts, meter)
    }
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default> Journey<'n, N, B, M> {
    fn begun(endpoints: &'n N, facts: &'n Facts<'n>, meter: B) -> Self {
        Self {
            endpoints,
            facts,
            meter,
            top: None,
            below: Vec::new(),
            pending: Pending::Nothing,
            trail: Trail::default(),
            logs: Logs::default(),
            forwards: 0,
            detail: None,
            address_test: None,
            out_of_steps: false,
            left: None,
            begun: 0,
            passed: Vec::new(),
            end: None,
        }
    }

    /// Runs to the first leg that the host takes. A journey is made once.
    pub fn start(&mut self, entry: N::Endpoint) -> Leg {
        if self.begun > 0 || self.end.is_some() || !matches!(self.pending, Pending::Nothing) {
            return self.out_of_order();
        }
        self.proceed(Next::Begin { endpoint: entry, url: None, policy: 0 })
    }

    /// The endpoint whose server is to be reached.
    pub fn reaching(&self) -> Option<&N::Endpoint> {
        match &self.pending {
            Pending::Reach { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    /// The server was reached.
    pub fn reached(&mut self) -> Leg {
        self.answered(true)
    }

    /// The server was not reached, for a reason in words, which the verdict has in brackets.
    pub fn not_reached(&mut self, why: String) -> Leg {
        self.detail = Some(why);
        self.answered(false)
    }

    fn answered(&mut self, reached: bool) -> Leg {
        let Pending::Reach { is_entry, .. } = std::mem::replace(&mut self.pending, Pending::Nothing) else {
            return self.out_of_order();
        };
        match (is_entry, reached) {
            (false, true) => self.proceed(Next::Arrived(Arrival::Reached)),
            (false, false) => {
                self.proceed(Next::Arrived(Arrival::Failed(ForwardFailure::UpstreamUnreachable)))
            }
            (true, true) => {
                let visit = self.left.take();
                self.finish(End::Admitted { visit, upstream: true })
            }
            (true, false) => {
                let visit = self.left.take();
                self.finish(End::Refused(Refusal { visit, why: Why::NotReached }))
            }
        }
    }

    /// Others have gone first.
    pub fn go_on(&mut self) -> Leg {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Forward { url, has_fallback } => {
                let next = self.enter(url, has_fallback);
                self.proceed(next)
            }
            _ => self.out_of_order(),
        }
    }

    /// A host that answers what it was not asked lets nothing pass.
    fn out_of_order(&mut self) -> Leg {
        self.pending = Pending::Nothing;
        if self.end.is_none() {
            let why = Why::NotLoaded(Fault::OutOfOrder.to_string());
            self.end = Some(End::Refused(Refusal { visit: None, why }));
        }
        Leg::Done
    }

    fn finish(&mut self, end: End<N::Endpoint, M>) -> Leg {
        self.end = Some(end);
        Leg::Done
    }

    fn proceed(&mut self, mut next: Next<N::Endpoint, M>) -> Leg {
        loop {
            next = match next {
                Next::Begin { endpoint, url, policy } => self.begin(endpoint, url, policy),
                Next::Forward { url, has_fallback } => self.forward(url, has_fallback),
                Next::Arrived(arrival) => self.arrived(arrival),
                Next::Leg(leg) => return leg,
            };
        }
    }

    /// Keeps a run that has decided nothing, if somebody wants to see it.
    fn pass(&mut self, visit: Option<Visit<N::Endpoint, M>>) {
        if !M::SPECIALISED {
            self.passed.extend(visit);
        }
    }

    /// A policy refuses: the end, or news for whoever forwarded.
    fn refused(&mut self, visit: Option<Visit<N::Endpoint, M>>, why: Why) -> Next<N::Endpoint, M> {
        let refusal = Refusal { visit, why };
        match self.top {
            None => Next::Leg(self.finish(End::Refused(refusal))),
            Some(_) => Next::Arrived(Arrival::Refused(Box::new(refusal))),
        }
    }

    /// Begins a policy of an endpoint.
    fn begin(
        &mut self,
        endpoint: N::Endpoint,
        url: Option<EndpointUrl>,
        policy: usize,
    ) -> Next<N::Endpoint, M> {
        let endpoints = self.endpoints;
        let program = match endpoints.policy(&endpoint, policy) {
            None => return self.leave(endpoint, url.is_none()),
            Some(Policy::Refuse(reason)) => return self.refused(None, Why::NotLoaded(reason.to_owned())),
            Some(Policy::Program(program)) => program,
        };
        if policy > 0 {
            let last = self.left.take();
            self.pass(last);
        }
        let steps = match self.meter.begin(program, &endpoint) {
            Ok(steps) => steps,
            Err(reason) => {
                self.out_of_steps = true;
                let policy = verdict::PolicyName::of(program);
                return self.refused(None, Why::OverBudget { policy, reason });
            }
        };
        let facts = url.as_ref().map_or(*self.facts, |url| self.facts.at_endpoint(url));
        let state = RunState::with_steps(steps);
        let mut run = program.begin(Phase::OnTcpConnect, &facts, state, M::default());
        let mut tested = None;
        let stop = self.drive(&mut run, &endpoint, &mut tested, None);
        let short = self.falls_short(&run, &endpoint, &stop);
        let (order, depth) = (self.begun, self.below.len() + usize::from(self.top.is_some()));
        self.begun += 1;
        let run = Some(run.suspend());
        let visit = Visit { endpoint, url, policy, order, depth, run };
        self.stopped(Frame { visit, tested, forwarding: None, taken: None }, stop, short)
    }

    /// Behind the last policy of an endpoint: what is left goes to its server.
    fn leave(&mut self, endpoint: N::Endpoint, is_entry: bool) -> Next<N::Endpoint, M> {
        let has_upstream = self.endpoints.has_upstream(&endpoint);
        if is_entry {
            if !has_upstream {
                let last = self.left.take();
                return self.refused(last, Why::NoUpstream);
            }
            self.pending = Pending::Reach { endpoint, is_entry };
            return Next::Leg(Leg::Reach(Attempt::ONLY));
        }
        if let Some(last) = self.left.take() {
            self.pass(Some(last));
        }
        if !has_upstream {
            return Next::Arrived(Arrival::Failed(ForwardFailure::UpstreamUnreachable));
        }
        let forwarding = self.top.as_ref().and_then(|top| top.forwarding.as_ref());
        let attempt = forwarding.map_or(Attempt::ONLY, |it| Attempt {
            parts: it.parts,
            has_fallback: it.has_fallback || it.tries > 0,
        });
        self.pending = Pending::Reach { endpoint, is_entry };
        Next::Leg(Leg::Reach(attempt))
    }

    /// Performs what a run asks for, to a forward or to its end.
    fn drive(
        &mut self,
        run: &mut Evaluation<'_, M>,
        endpoint: &N::Endpoint,
        tested: &mut Option<(ActionId, bool)>,
        reply: Option<Reply>,
    ) -> Stop {
        let mut had = run.steps_left();
        let mut step = match reply {
            None => run.start(),
            Some(reply) => {
                had = self.share(run, endpoint);
                run.resume(reply)
            }
        };
        loop {
            self.meter.account(had.saturating_sub(run.steps_left()), endpoint);
            let last = run.last_address_test();
            if last != *tested {
                *tested = last;
                self.address_test = last.map(|(_, admitted)| admitted);
            }
            let reply = match step {
                Step::Done(outcome) => return Stop::Done(outcome),
                Step::Perform(Effect::Forward(id)) => match run.target(id).cloned() {
                    Some(url) => return Stop::Forward { url, has_fallback: run.goes_on_after_failure() },
                    None => Reply::ForwardFailed(ForwardFailure::Offline),
                },
                Step::Perform(Effect::Log(id)) => {
                    run.log(id).into_iter().for_each(|metadata| self.logs.add(metadata));
                    Reply::Logged
                }
            };
            had = self.share(run, endpoint);
            step = run.resume(reply);
        }
    }

    /// Others on the way, and other connections, have taken of the same budget.
    fn share(&self, run: &mut Evaluation<'_, M>, endpoint: &N::Endpoint) -> u64 {
        let left = run.steps_left().min(self.meter.left(endpoint));
        run.set_steps_left(left);
        left
    }

    /// Notes a run that failed because its steps were used up; the words for it if another than the policy is to blame.
    fn falls_short(&mut self, run: &Evaluation<'_, M>, endpoint: &N::Endpoint, stop: &Stop) -> Option<Why> {
        let short = matches!(stop, Stop::Done(Outcome::Failed { .. })) && run.steps_left() == 0;
        if !short {
            return None;
        }
        self.out_of_steps = true;
        let reason = self.meter.blames(run.program(), endpoint)?;
        Some(Why::OverBudget { policy: verdict::PolicyName::of(run.program()), reason })
    }

    /// A run has stopped. INVARIANT: whoever forwarded to it is on top.
    fn stopped(
        &mut self,
        frame: Frame<N::Endpoint, M>,
        stop: Stop,
        short: Option<Why>,
    ) -> Next<N::Endpoint, M> {
        let outcome = match stop {
            Stop::Done(outcome) => outcome,
            Stop::Forward { url, has_fallback } => {
                self.below.extend(self.top.replace(frame));
                return Next::Forward { url, has_fallback };
            }
        };
        let Frame { visit, taken, .. } = frame;
        if let Some(why) = short {
            return self.refused(Some(visit), why);
        }
        match (outcome, taken) {
            (Outcome::Forwarded { .. }, Some(Arrival::Refused(refusal))) => {
                self.pass(Some(visit));
                Next::Arrived(Arrival::Refused(refusal))
            }
            (Outcome::Forwarded { .. }, Some(Arrival::Reached)) if visit.url.is_none() => {
                Next::Leg(self.finish(End::Admitted { visit: Some(visit), upstream: false }))
            }
            (Outcome::Forwarded { .. }, Some(Arrival::Reached)) => {
                self.pass(Some(visit));
                Next::Arrived(Arrival::Reached)
            }
            (Outcome::Upstream, _) => {
                let (endpoint, url, policy) = (visit.endpoint.clone(), visit.url.clone(), visit.policy + 1);
                self.left = Some(visit);
                Next::Begin { endpoint, url, policy }
            }
            _ => self.refused(Some(visit), Why::Run),
        }
    }

    fn forward(&mut self, url: EndpointUrl, has_fallback: bool) -> Next<N::Endpoint, M> {
        self.detail = None;
        if self.meter.wants_pause() {
            self.pending = Pending::Forward { url, has_fallback };
            return Next::Leg(Leg::Pause);
        }
        self.enter(url, has_fallback)
    }

    /// Goes to whoever serves a target.
    fn enter(&mut self, url: EndpointUrl, has_fallback: bool) -> Next<N::Endpoint, M> {
        let failed = |failure| Next::Arrived(Arrival::Failed(failure));
        let Some(top) = self.top.as_mut() else { return failed(ForwardFailure::Offline) };
        if let Some(why) = self.endpoints.forbids(&top.visit.endpoint, &url) {
            self.detail = Some(why);
            return failed(ForwardFailure::NotPermitted);
        }
        if self.forwards >= self.endpoints.max_hops() {
            return failed(ForwardFailure::TooManyHops);
        }
        self.forwards += 1;
        let (pool, one) = match self.endpoints.serving(&url) {
            Serving::Nobody => return failed(ForwardFailure::Offline),
            Serving::One(endpoint) => (Vec::new(), Some(endpoint)),
            Serving::Pool(pool) => (pool, None),
        };
        let tries = pool.len().min(MAX_POOL_TRIES);
        let parts = u32::try_from(tries.max(1)).unwrap_or(1);
        let trail = self.trail.len();
        let shared = if one.is_none() { Some(url.clone()) } else { None };
        top.forwarding = Some(Forwarding { shared, pool, tries, parts, has_fallback, trail });
        let Some(endpoint) = one else {
            return self.try_next().unwrap_or_else(|| failed(ForwardFailure::Offline));
        };
        if self.endpoints.policy(&endpoint, 0).is_none() {
            self.trail.push(url, endpoint.clone());
            return self.leave(endpoint, false);
        }
        self.trail.push(url.clone(), endpoint.clone());
        Next::Begin { endpoint, url: Some(url), policy: 0 }
    }

    /// Tries another one of the endpoints that share a URL; `None` if there is none left.
    fn try_next(&mut self) -> Option<Next<N::Endpoint, M>> {
        let forwarding = self.top.as_mut()?.forwarding.as_mut()?;
        forwarding.tries = forwarding.tries.checked_sub(1)?;
        let Some(endpoint) = self.endpoints.choose(&mut forwarding.pool) else {
            forwarding.tries = 0;
            return None;
        };
        let url = forwarding.shared.clone()?;
        self.trail.truncate(forwarding.trail);
        self.trail.push(url.clone(), endpoint.clone());
        Some(Next::Begin { endpoint, url: Some(url), policy: 0 })
    }

    /// What became of a forward goes to whoever asked for it.
    fn arrived(&mut self, arrival: Arrival<N::Endpoint, M>) -> Next<N::Endpoint, M> {
        if let Arrival::Failed(_) = &arrival
            && let Some(next) = self.try_next()
        {
            return next;
        }
        let Some(mut frame) = self.top.take() else {
            return Next::Leg(match arrival {
                Arrival::Refused(refusal) => self.finish(End::Refused(*refusal)),
                // INVARIANT: what comes in is handed over by its own run.
                Arrival::Reached | Arrival::Failed(_) => self.out_of_order(),
            });
        };
        self.top = self.below.pop();
        if let Some(forwarding) = frame.forwarding.take()
            && let Arrival::Failed(_) = &arrival
        {
            self.trail.truncate(forwarding.trail);
        }
        let reply = match arrival {
            Arrival::Failed(failure) => Reply::ForwardFailed(failure),
            taken => {
                frame.taken = Some(taken);
                Reply::Forwarded
            }
        };
        self.resume(frame, reply)
    }

    /// Goes on with a run that waited.
    fn resume(&mut self, mut frame: Frame<N::Endpoint, M>, reply: Reply) -> Next<N::Endpoint, M> {
        let endpoints = self.endpoints;
        let (endpoint, run) = (&frame.visit.endpoint, frame.visit.run.take());
        // INVARIANT: endpoints have the policies that they had.
        let (Some(Policy::Program(program)), Some(run)) =
            (endpoints.policy(endpoint, frame.visit.policy), run)
        else {
            return self.refused(None, Why::NotLoaded(Fault::OutOfOrder.to_string()));
        };
        let url = frame.visit.url.as_ref();
        let facts = url.map_or(*self.facts, |url| self.facts.at_endpoint(url));
        let mut run = program.wake(run, &facts);
        let stop = self.drive(&mut run, endpoint, &mut frame.tested, Some(reply));
        let short = self.falls_short(&run, endpoint, &stop);
        frame.visit.run = Some(run.suspend());
        self.stopped(frame, stop, short)
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

    /// What `log` actions attached.
    #[must_use]
    pub const fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The verdict of the last action that tested the client's address, if one did.
    #[must_use]
    pub const fn address_test(&self) -> Option<bool> {
        self.address_test
    }

    /// True if policies used up the steps that they may take: then a refusal is no judgement.
    #[must_use]
    pub const fn is_out_of_steps(&self) -> bool {
        self.out_of_steps
    }
}
