//! The way itself: policies begin, forward and end, and what became of a forward goes to whoever asked for it.

use super::driver::Driver;
use super::state::{Arrival, Behind, By, End, Forwarding, Frame, Next, Pending, Refusal, Stop, Visit, Why};
use super::{Attempt, Endpoints, Journey, Leg, MAX_FAILED, Meter, Policy, Serving, Trail};
use crate::evaluate::{Continuation, Inputs, Machine, Mode, RunState};
use crate::exchange::{ActionId, ForwardFailure, Reply};
use crate::facts::Facts;
use crate::outcome::{Fault, Outcome};
use crate::phase::Phase;
use crate::url::EndpointUrl;

/// The run of a policy of an endpoint before its first instruction, if there is one; why it may not run. It begins with
/// a state, of which the meter says the budget.
// So that the phase of a connection is a constant where it begins.
#[inline(always)]
pub(super) fn begin<N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default>(
    endpoints: &N,
    facts: &Facts<'_>,
    driver: &mut Driver<B>,
    (endpoint, policy): (&N::Endpoint, usize),
    (phase, mut state): (Phase, RunState),
) -> (Option<Continuation<M>>, Option<Why>) {
    let program = match endpoints.policy(endpoint, policy) {
        None => return (None, None),
        Some(Policy::Refuse(reason)) => return (None, Some(Why::NotLoaded(reason.to_owned()))),
        Some(Policy::Program(program)) => program,
    };
    let steps = match driver.begin(program, endpoint) {
        Ok(steps) => steps,
        Err(why) => return (None, Some(why)),
    };
    state.set_steps_left(steps);
    let inputs = Inputs::new(program, phase, facts);
    (Some(Continuation::new(inputs, state, M::default())), None)
}

/// The only endpoint that serves a target, or `None` if the forward has some to choose from; why it is not followed, in
/// more words if there are some.
type BegunForward<E> = Result<(Option<E>, Forwarding<E>), (ForwardFailure, Option<String>)>;

/// Begins a forward of a policy, after so many forwards on the way and with a trail so long.
#[inline(always)]
pub(super) fn begin_forward<N: Endpoints, M: Mode>(
    endpoints: &N,
    (from, run): (&N::Endpoint, Option<&Continuation<M>>),
    target: &EndpointUrl,
    (forwards, trail): (&mut u32, usize),
) -> BegunForward<N::Endpoint> {
    if let Some(why) = endpoints.forbids(from, target) {
        return Err((ForwardFailure::NotPermitted, Some(why)));
    }
    if *forwards >= endpoints.max_hops() {
        return Err((ForwardFailure::TooManyHops, None));
    }
    *forwards += 1;
    let (only, pool) = match endpoints.serving(target) {
        Serving::Nobody => return Err((ForwardFailure::Offline, None)),
        Serving::One(endpoint) => (Some(endpoint), Vec::new()),
        Serving::Pool(pool) => (None, pool),
    };
    let has_fallback = run.is_some_and(Continuation::goes_on_after_failure);
    Ok((only, Forwarding::new(pool, has_fallback, trail)))
}

/// Another one of the endpoints that share the URL of a forward, with the trail as before; `None` if there is none left.
#[inline]
pub(super) fn next_of_pool<N: Endpoints>(
    endpoints: &N,
    forwarding: &mut Forwarding<N::Endpoint>,
    trail: &mut Trail<N::Endpoint>,
) -> Option<N::Endpoint> {
    forwarding.tries = forwarding.tries.checked_sub(1)?;
    let Some(endpoint) = endpoints.choose(&mut forwarding.pool) else {
        forwarding.tries = 0;
        return None;
    };
    trail.truncate(forwarding.trail);
    Some(endpoint)
}

impl<N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default> Journey<'_, N, B, M> {
    /// The first leg.
    #[inline]
    pub(super) fn set_out(&mut self) -> Leg {
        if self.end.is_some() {
            return Leg::Done;
        }
        let next = if self.entry.visit.run.is_some() { Next::Run } else { self.after_entry() };
        self.proceed(next)
    }

    /// The server was reached or not.
    pub(super) fn answered(&mut self, reached: bool) -> Leg {
        let Pending::Reach { endpoint, behind } = std::mem::replace(&mut self.pending, Pending::Nothing)
        else {
            return self.out_of_order();
        };
        let arrival = match (behind, reached) {
            (Behind::Entry, true) => return self.finish(End::Admitted { upstream: true }),
            (Behind::Entry, false) => return self.finish(End::refused_at_entry(Why::NotReached)),
            (Behind::Policies, true) => Arrival::Reached,
            (Behind::Forward, true) => {
                if let Some(url) = self.target().cloned() {
                    self.trail.push(url, endpoint);
                }
                Arrival::Reached
            }
            (Behind::Policies | Behind::Forward, false) => {
                Arrival::Failed(ForwardFailure::UpstreamUnreachable)
            }
        };
        let next = self.arrived(arrival);
        self.proceed(next)
    }

    /// Others have gone first.
    pub(super) fn others_have_gone(&mut self) -> Leg {
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Forward => {
                let next = self.follow_forward();
                self.proceed(next)
            }
            _ => self.out_of_order(),
        }
    }

    /// A host that answers what it was not asked lets nothing pass.
    #[cold]
    pub(super) fn out_of_order(&mut self) -> Leg {
        self.pending = Pending::Nothing;
        if self.end.is_none() {
            let why = Why::NotLoaded(Fault::OutOfOrder.to_string());
            self.end = Some(End::Refused(Refusal { by: By::Nobody, why }));
        }
        Leg::Done
    }

    #[inline]
    fn finish(&mut self, end: End<N::Endpoint, M>) -> Leg {
        self.end = Some(end);
        Leg::Done
    }

    fn proceed(&mut self, mut next: Next) -> Leg {
        loop {
            next = match next {
                Next::Run => self.run(None),
                Next::Forward => self.forward(),
                Next::Deliver => self.deliver(),
                Next::Leg(leg) => return leg,
            };
        }
    }

    fn top_mut(&mut self) -> &mut Frame<N::Endpoint, M> {
        self.targets.last_mut().unwrap_or(&mut self.entry)
    }

    /// Takes the run of a target off; `None` if the innermost is where the connection came in.
    fn take_target(&mut self) -> Option<Visit<N::Endpoint, M>> {
        if self.targets.is_empty() {
            return None;
        }
        self.note_address_test();
        self.targets.pop().map(|frame| frame.visit)
    }

    /// Notes the last test of the client's address by the innermost run, before another one becomes the innermost.
    fn note_address_test(&mut self) {
        if let Some(test) = self.last_address_test() {
            self.address_test = Some(test.1);
            self.top_mut().tested = Some(test);
        }
    }

    /// Keeps a run that has decided nothing, if somebody wants to see it.
    fn pass(&mut self, visit: Option<Visit<N::Endpoint, M>>) {
        if !M::SPECIALISED {
            self.passed.extend(visit);
        }
    }

    /// Lets the innermost run go on, to a forward or to its end.
    fn run(&mut self, reply: Option<&mut Reply>) -> Next {
        let top = self.targets.last_mut().unwrap_or(&mut self.entry);
        let Visit { endpoint, url, policy, run, .. } = &mut top.visit;
        // INVARIANT: endpoints have the policies that they had.
        let (Some(Policy::Program(program)), Some(run)) = (self.endpoints.policy(endpoint, *policy), run)
        else {
            return Next::Leg(self.out_of_order());
        };
        let at_target;
        let facts = match url {
            None => self.facts,
            Some(url) => {
                at_target = self.facts.at_target(url);
                &at_target
            }
        };
        let inputs = Inputs::new(program, Phase::OnTcpConnect, facts);
        let mut machine = Machine { on: &inputs, at: run };
        match self.driver.drive(&mut machine, endpoint, reply) {
            Stop::Forward => Next::Forward,
            Stop::Done => self.done(),
        }
    }

    /// The innermost run is over.
    fn done(&mut self) -> Next {
        if let Some(why) = self.driver.blamed.take() {
            return self.refuse(why);
        }
        let top = self.top_mut();
        let outcome = top.visit.run.as_ref().and_then(Continuation::outcome);
        match (outcome, top.taken.take()) {
            (Some(Outcome::Forwarded { .. }), Some(Arrival::Reached)) => match self.take_target() {
                None => Next::Leg(self.finish(End::Admitted { upstream: false })),
                visit => {
                    self.pass(visit);
                    self.arrived(Arrival::Reached)
                }
            },
            (Some(Outcome::Forwarded { .. }), Some(Arrival::Refused(refusal))) => match self.take_target() {
                None => Next::Leg(self.finish(End::Refused(*refusal))),
                visit => {
                    self.pass(visit);
                    self.arrived(Arrival::Refused(refusal))
                }
            },
            (Some(Outcome::Upstream), _) => self.next_policy(),
            _ => self.refuse(Why::Run),
        }
    }

    /// The innermost run refuses: the end, or news for whoever forwarded.
    fn refuse(&mut self, why: Why) -> Next {
        match self.take_target() {
            None => Next::Leg(self.finish(End::refused_at_entry(why))),
            Some(visit) => {
                self.arrived(Arrival::Refused(Box::new(Refusal { by: By::Target(Box::new(visit)), why })))
            }
        }
    }

    /// Behind a policy that has ended nothing: the next one of the same endpoint, or the endpoint's server.
    fn next_policy(&mut self) -> Next {
        let Visit { endpoint, url, policy, .. } = &self.top().visit;
        let (endpoint, url, policy) = (endpoint.clone(), url.clone(), policy + 1);
        let at_target = url.as_ref().map(|url| self.facts.at_target(url));
        let facts = at_target.as_ref().unwrap_or(self.facts);
        let state = self.state_for_next();
        let (run, why) =
            begin(self.endpoints, facts, &mut self.driver, (&endpoint, policy), (Phase::OnTcpConnect, state));
        let Some(run) = run else {
            if let Some(why) = why {
                return self.refuse_without_run(why);
            }
            let Some(visit) = self.take_target() else { return self.after_entry() };
            self.pass(Some(visit));
            return self.after_target(endpoint, Behind::Policies);
        };
        self.note_address_test();
        let order = self.begun;
        self.begun += 1;
        let top = self.top_mut();
        let visit = Visit { endpoint, url, policy, order, depth: top.visit.depth, run: Some(run) };
        let last = std::mem::replace(top, Frame::new(visit));
        self.pass(Some(last.visit));
        Next::Run
    }

    /// A policy of the innermost endpoint may not run.
    fn refuse_without_run(&mut self, why: Why) -> Next {
        match self.take_target() {
            None => Next::Leg(self.finish(End::Refused(Refusal { by: By::Nobody, why }))),
            visit => {
                self.pass(visit);
                self.arrived(Arrival::Refused(Box::new(Refusal { by: By::Nobody, why })))
            }
        }
    }

    /// After the last policy where the connection came in.
    fn after_entry(&mut self) -> Next {
        let endpoint = &self.entry.visit.endpoint;
        if !self.endpoints.has_upstream(endpoint) {
            return Next::Leg(self.finish(End::refused_at_entry(Why::NoUpstream)));
        }
        self.pending = Pending::Reach { endpoint: endpoint.clone(), behind: Behind::Entry };
        Next::Leg(Leg::Reach(Attempt::ONLY))
    }

    /// After the last policy of a target: what is left goes to its server.
    fn after_target(&mut self, endpoint: N::Endpoint, behind: Behind) -> Next {
        if !self.endpoints.has_upstream(&endpoint) {
            return self.arrived(Arrival::Failed(ForwardFailure::UpstreamUnreachable));
        }
        let attempt = self.top().forwarding.as_ref().map_or(Attempt::ONLY, Forwarding::attempt);
        self.pending = Pending::Reach { endpoint, behind };
        Next::Leg(Leg::Reach(attempt))
    }

    fn forward(&mut self) -> Next {
        self.detail = None;
        if self.driver.wants_pause() {
            self.pending = Pending::Forward;
            return Next::Leg(Leg::Pause);
        }
        self.follow_forward()
    }

    /// The target that the innermost run waits for.
    pub(super) fn target(&self) -> Option<&EndpointUrl> {
        let visit = &self.top().visit;
        let Policy::Program(program) = self.endpoints.policy(&visit.endpoint, visit.policy)? else {
            return None;
        };
        visit.run.as_ref()?.waits_for(program)
    }

    /// Goes to whoever serves the target that the innermost run waits for.
    fn follow_forward(&mut self) -> Next {
        let Some(target) = self.target() else { return self.fail(ForwardFailure::Offline) };
        let Visit { endpoint, run, .. } = &self.top().visit;
        let mut forwards = self.forwards;
        let on_way = (&mut forwards, self.trail.len());
        let found = begin_forward(self.endpoints, (endpoint, run.as_ref()), target, on_way);
        self.forwards = forwards;
        let (only, forwarding) = match found {
            Ok(found) => found,
            Err((failure, why)) => {
                self.detail = why;
                return self.fail(failure);
            }
        };
        self.top_mut().forwarding = Some(forwarding);
        match only {
            Some(endpoint) => self.arrive_at(endpoint),
            None => self.try_next().unwrap_or_else(|| self.fail(ForwardFailure::Offline)),
        }
    }

    /// Tries another one of the endpoints that share a URL; `None` if there is none left.
    fn try_next(&mut self) -> Option<Next> {
        let forwarding = self.targets.last_mut().unwrap_or(&mut self.entry).forwarding.as_mut()?;
        let endpoint = next_of_pool(self.endpoints, forwarding, &mut self.trail)?;
        Some(self.arrive_at(endpoint))
    }

    /// At an endpoint that serves the target. It is on the trail from the moment when a policy of it begins, or its server
    /// is reached.
    fn arrive_at(&mut self, endpoint: N::Endpoint) -> Next {
        if self.endpoints.policy(&endpoint, 0).is_none() {
            return self.after_target(endpoint, Behind::Forward);
        }
        let Some(url) = self.target().cloned() else { return Next::Leg(self.out_of_order()) };
        self.trail.push(url.clone(), endpoint.clone());
        let facts = self.facts.at_target(&url);
        let state = self.state_for_next();
        let (run, why) =
            begin(self.endpoints, &facts, &mut self.driver, (&endpoint, 0), (Phase::OnTcpConnect, state));
        if let Some(why) = why {
            return self.arrived(Arrival::Refused(Box::new(Refusal { by: By::Nobody, why })));
        }
        self.note_address_test();
        let (order, depth) = (self.begun, self.targets.len() + 1);
        self.begun += 1;
        self.targets.push(Frame::new(Visit { endpoint, url: Some(url), policy: 0, order, depth, run }));
        Next::Run
    }

    fn fail(&mut self, failure: ForwardFailure) -> Next {
        self.arrived(Arrival::Failed(failure))
    }

    fn arrived(&mut self, arrival: Arrival<N::Endpoint, M>) -> Next {
        self.arrival = Some(arrival);
        Next::Deliver
    }

    /// What became of a forward goes to whoever asked for it: the innermost run.
    fn deliver(&mut self) -> Next {
        let Some(arrival) = self.arrival.take() else { return Next::Leg(self.out_of_order()) };
        if let Arrival::Failed(_) = &arrival
            && let Some(next) = self.try_next()
        {
            return next;
        }
        if let Arrival::Failed(failure) = &arrival
            && let Some(target) = self.target().filter(|_| self.failed.len() < MAX_FAILED).cloned()
        {
            self.failed.push((target, *failure));
        }
        let top = self.top_mut();
        let trail = top.forwarding.take().map(|forwarding| forwarding.trail);
        let mut reply = match arrival {
            Arrival::Failed(failure) => {
                self.trail.truncate(trail.unwrap_or(usize::MAX));
                Reply::ForwardFailed(failure)
            }
            taken => {
                top.taken = Some(taken);
                Reply::Forwarded
            }
        };
        self.run(Some(&mut reply))
    }
}

impl<N: Endpoints, B, M: Mode> Journey<'_, N, B, M> {
    /// The innermost policy that runs or waits.
    fn top(&self) -> &Frame<N::Endpoint, M> {
        self.targets.last().unwrap_or(&self.entry)
    }

    /// The state with which a policy behind the innermost one begins.
    fn state_for_next(&self) -> RunState {
        self.top().visit.run.as_ref().map(|run| run.state.for_target()).unwrap_or_default()
    }

    /// The last test of the client's address by the innermost run, if it has not been noted. Cold.
    pub(super) fn last_address_test(&self) -> Option<(ActionId, bool)> {
        let Frame { visit, tested, .. } = self.top();
        let Policy::Program(program) = self.endpoints.policy(&visit.endpoint, visit.policy)? else {
            return None;
        };
        let last = visit.run.as_ref()?.last_address_test(program.code(Phase::OnTcpConnect));
        last.filter(|last| Some(*last) != *tested)
    }
}
