//! The way itself: phases begin and end, policies forward, and what came of it goes to whoever asked for it.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::driver::Asks;
use super::super::state::{Forwarding, Why};
use super::super::way::{begin, begin_forward, next_of_pool};
use super::super::{Attempt, Endpoints, Meter, Policy};
use super::verdict::inspect;
use super::{Came, Decider, Ran, RequestFrame, RequestJourney, RequestLeg, RequestPending};
use crate::evaluate::{Continuation, Evaluation, Inputs, Machine, Mode, RunState};
use crate::exchange::{ForwardFailure, Reply};
use crate::message::{Changes, Response};
use crate::ngrok;
use crate::outcome::{Fault, Outcome};
use crate::phase::Phase;
use crate::run::HttpRefusal;
use crate::url::EndpointUrl;

/// What the journey does next by itself.
pub(super) enum RequestNext {
    /// Let the innermost run begin.
    Run,
    /// Forward for it.
    Forward,
    /// Hand over what came to whoever forwarded, the innermost policy.
    Deliver(Came),
    /// The innermost policy has no more to say, and this came of it.
    Finish(Came),
    /// Wait for the host.
    Leg(RequestLeg),
}

/// An answer for what no policy answers itself.
fn error(status: u16, code: ngrok::NgrokCode) -> Response {
    HttpRefusal { status, code: Some(code) }.to_response()
}

impl<N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default> RequestJourney<'_, N, B, M> {
    pub(super) fn set_out(&mut self) -> RequestLeg {
        let entry = self.entry.clone();
        let next = match self.enter(&entry, None, (0, false), RunState::default()) {
            Ok(true) => RequestNext::Run,
            Ok(false) => self.send_to(entry, false),
            Err(why) => self.refused(None, why),
        };
        self.proceed(next)
    }

    /// A host that answers what it was not asked lets nothing pass.
    #[cold]
    pub(super) fn out_of_order(&mut self) -> RequestLeg {
        self.pending = RequestPending::Nothing;
        if self.end.is_none() {
            let why = Why::NotLoaded(Fault::OutOfOrder.to_string());
            self.decider = Some(Decider { order: None, why });
            self.is_admitted = false;
            self.end = Some(None);
        }
        RequestLeg::Done
    }

    fn proceed(&mut self, mut next: RequestNext) -> RequestLeg {
        loop {
            next = match next {
                RequestNext::Run => self.run(None),
                RequestNext::Forward => self.forward(),
                RequestNext::Deliver(came) => self.deliver(came),
                RequestNext::Finish(came) => self.finish(came),
                RequestNext::Leg(leg) => return leg,
            };
        }
    }

    pub(super) fn replied(&mut self, reply: &mut Reply) -> RequestLeg {
        let next = self.run(Some(reply));
        self.proceed(next)
    }

    pub(super) fn gone_on(&mut self) -> RequestLeg {
        let next = self.follow_forward();
        self.proceed(next)
    }

    /// The server has answered or was not reached.
    pub(super) fn server_said(&mut self, response: Option<Response>) -> RequestLeg {
        let RequestPending::Send { endpoint, for_forward } =
            std::mem::replace(&mut self.pending, RequestPending::Nothing)
        else {
            return self.out_of_order();
        };
        let came = match response {
            Some(response) => {
                self.sent = Some(self.changes().cloned().unwrap_or_default());
                self.is_admitted = true;
                Came::Answered(response)
            }
            None => Came::Failed(ForwardFailure::UpstreamUnreachable),
        };
        let next = match (for_forward, came) {
            (true, came) => {
                if let (Came::Answered(_), Some(url)) = (&came, self.target().cloned()) {
                    self.trail.push(url, endpoint);
                }
                RequestNext::Deliver(came)
            }
            (false, Came::Answered(response)) => self.answered(response),
            (false, came) => RequestNext::Finish(came),
        };
        self.proceed(next)
    }

    /// Begins the first policy phase of an endpoint: false if it has no such policy.
    fn enter(
        &mut self,
        endpoint: &N::Endpoint,
        url: Option<EndpointUrl>,
        (policy, is_forwarded): (usize, bool),
        state: RunState,
    ) -> Result<bool, Why> {
        // A target gets requests over no connection of its own.
        let phase = if url.is_none() { Phase::OnTcpConnect } else { Phase::OnHttpRequest };
        let mut facts = *self.facts;
        if let Some(url) = &url {
            facts = facts.at_target(url);
        }
        if phase != Phase::OnTcpConnect {
            facts = facts.with_request(self.request);
        }
        let (run, why) = begin(self.endpoints, &facts, &mut self.driver, (endpoint, policy), (phase, state));
        if let Some(why) = why {
            return Err(why);
        }
        let Some(run) = run else { return Ok(false) };
        let order = self.next_order();
        self.frames.push(RequestFrame {
            endpoint: endpoint.clone(),
            url,
            policy,
            is_forwarded,
            phase,
            order,
            run: Some(run),
            response: None,
            stream: None,
            last: None,
            forwarding: None,
            taken: None,
        });
        Ok(true)
    }

    const fn next_order(&mut self) -> usize {
        let order = self.begun;
        self.begun += 1;
        order
    }

    /// Lets the innermost run go on, to a forward, a question or its end.
    fn run(&mut self, reply: Option<&mut Reply>) -> RequestNext {
        let Some(frame) = self.frames.last_mut() else { return RequestNext::Leg(self.out_of_order()) };
        let RequestFrame { endpoint, url, policy, run, phase, response, .. } = frame;
        // INVARIANT: endpoints have the policies that they had.
        let (Some(Policy::Program(program)), Some(run)) = (self.endpoints.policy(endpoint, *policy), run)
        else {
            return RequestNext::Leg(self.out_of_order());
        };
        let mut request = self.request.clone();
        if let Some(response) = response.as_deref() {
            request = request.with_response(response);
        }
        let mut facts = *self.facts;
        if let Some(url) = url {
            facts = facts.at_target(url);
        }
        if *phase != Phase::OnTcpConnect {
            facts = facts.with_request(&request);
        }
        let inputs = Inputs::new(program, *phase, &facts);
        let mut machine = Machine { on: &inputs, at: run };
        match self.driver.drive_asking(&mut machine, endpoint, reply) {
            Asks::Forward => RequestNext::Forward,
            Asks::Host(effect) => {
                self.pending = RequestPending::Reply;
                RequestNext::Leg(RequestLeg::Ask(effect))
            }
            Asks::Done => self.over(),
        }
    }

    /// A phase of the innermost policy is over.
    fn over(&mut self) -> RequestNext {
        let depth = self.depth();
        let Some(frame) = self.frames.last_mut() else { return RequestNext::Leg(self.out_of_order()) };
        let Some(run) = frame.run.take() else { return RequestNext::Leg(self.out_of_order()) };
        let (phase, order, taken) = (frame.phase, frame.order, frame.taken.take());
        let Some(outcome) = run.outcome() else { return RequestNext::Leg(self.out_of_order()) };
        self.driver.end_phase::<N::Endpoint>(phase);
        frame.last = Some(self.ran.len());
        let ran = Ran {
            endpoint: frame.endpoint.clone(),
            url: frame.url.clone(),
            policy: frame.policy,
            depth,
            phase,
            order,
            response: frame.response.take(),
            event: frame.stream.as_ref().map(|stream| stream.events.taken()),
            run: Some(run),
        };
        self.ran.push(ran);
        if let Some(why) = self.driver.blamed.take() {
            return self.refused(None, why);
        }
        match (phase, outcome, taken) {
            (Phase::OnTcpConnect, Outcome::Upstream, _) => self.begin_phase(Phase::OnHttpRequest, None),
            (Phase::OnHttpRequest, Outcome::Upstream, _) => self.next_policy(),
            (Phase::OnHttpRequest, Outcome::Forwarded { .. }, Some(Came::Answered(response))) => {
                self.answered(response)
            }
            (Phase::OnHttpRequest, Outcome::Forwarded { .. }, Some(came)) => RequestNext::Finish(came),
            (Phase::OnHttpResponse, Outcome::Upstream, _) => {
                let passed = self.with_last(|run, ran| {
                    let nothing = Changes::default();
                    let changes = run.changes().unwrap_or(&nothing);
                    ran.map(|response| changes.to_response(response))
                });
                let seen = self.ran.last().and_then(|ran| ran.response.clone());
                passed.map_or(RequestNext::Finish(Came::Closed), |response| self.stream(response, seen))
            }
            (Phase::OnEventStreamMessage, outcome, _) => self.event_over(outcome, order),
            (_, outcome, _) => {
                self.decider = Some(Decider { order: Some(order), why: Why::Run });
                let answer = self.with_last(|run, _| run.answer().map(Cow::into_owned));
                match answer {
                    // What a policy answers passes its rules for responses; a refusal does not.
                    Some(answer)
                        if phase == Phase::OnHttpRequest && matches!(outcome, Outcome::Responded { .. }) =>
                    {
                        self.answered(answer)
                    }
                    Some(answer) => RequestNext::Finish(Came::Answered(answer)),
                    None => RequestNext::Finish(Came::Closed),
                }
            }
        }
    }

    /// Looks at the phase that is over last, and at the response on which it ran.
    pub(super) fn with_last<R>(
        &mut self,
        look: impl FnOnce(&Evaluation<'_, M>, Option<&Response>) -> Option<R>,
    ) -> Option<R> {
        let ran = self.ran.last_mut()?;
        inspect(self.endpoints, (self.facts, self.request), ran, look).flatten()
    }

    /// The innermost policy goes on in another phase, with a response once there is one.
    pub(super) fn begin_phase(&mut self, phase: Phase, response: Option<Arc<Response>>) -> RequestNext {
        let order = self.next_order();
        let Some(frame) = self.frames.last_mut() else { return RequestNext::Leg(self.out_of_order()) };
        let last = frame.last.and_then(|at| self.ran.get(at));
        let Some(Policy::Program(program)) = self.endpoints.policy(&frame.endpoint, frame.policy) else {
            return RequestNext::Leg(self.out_of_order());
        };
        let state = last.and_then(|ran| ran.run.as_ref()).map(|run| run.state.clone());
        let mut state = state.unwrap_or_default().into_next_phase();
        self.driver.next_phase(phase, &mut state, &frame.endpoint);
        let facts = *self.facts;
        let inputs = Inputs::new(program, phase, &facts);
        (frame.phase, frame.order) = (phase, order);
        frame.response = response;
        frame.run = Some(Continuation::new(inputs, state, M::default()));
        RequestNext::Run
    }

    /// The innermost policy gets a response.
    fn answered(&mut self, response: Response) -> RequestNext {
        match self.program().is_some_and(|program| program.has_rules(Phase::OnHttpResponse)) {
            true => self.begin_phase(Phase::OnHttpResponse, Some(Arc::new(response))),
            false => self.stream(response, None),
        }
    }

    /// The innermost policy is left: what came of it goes to the one before.
    fn finish(&mut self, came: Came) -> RequestNext {
        let left = self.frames.pop();
        if left.as_ref().is_some_and(|frame| frame.is_forwarded) {
            return RequestNext::Deliver(came);
        }
        match (self.frames.is_empty(), came) {
            // Another policy of the same endpoint.
            (false, Came::Answered(response)) => self.answered(response),
            (false, came) => RequestNext::Finish(came),
            (true, Came::Answered(response)) => self.ended(Some(response)),
            (true, Came::Closed) => self.ended(None),
            (true, Came::Failed(failure)) => {
                self.decider = Some(Decider { order: self.last_of_entry(), why: Why::NotReached });
                self.ended(Some(error(502, failure.ngrok_code())))
            }
        }
    }

    fn ended(&mut self, response: Option<Response>) -> RequestNext {
        self.end = Some(response);
        RequestNext::Leg(RequestLeg::Done)
    }

    /// The innermost endpoint refuses without a policy that says so: an error, without rules for responses of its own.
    fn refused(&mut self, order: Option<usize>, why: Why) -> RequestNext {
        self.decider = Some(Decider { order, why });
        RequestNext::Finish(Came::Answered(error(500, ngrok::ERR_NGROK_2300)))
    }

    /// Behind a policy that has ended nothing: the next one of the same endpoint, or the endpoint's server.
    fn next_policy(&mut self) -> RequestNext {
        let Some(frame) = self.frames.last() else { return RequestNext::Leg(self.out_of_order()) };
        let (endpoint, url, policy) = (frame.endpoint.clone(), frame.url.clone(), frame.policy + 1);
        let state = self.state_for_next();
        match self.enter(&endpoint, url, (policy, false), state) {
            Ok(true) => RequestNext::Run,
            Ok(false) => self.send_to(endpoint, false),
            Err(why) => self.refused(None, why),
        }
    }

    /// What is left goes to the server of an endpoint.
    fn send_to(&mut self, endpoint: N::Endpoint, for_forward: bool) -> RequestNext {
        let is_entry = !for_forward && self.frames.iter().all(|frame| frame.url.is_none());
        if !self.endpoints.has_upstream(&endpoint) {
            if is_entry {
                self.decider = Some(Decider { order: self.last_of_entry(), why: Why::NoUpstream });
                return self.ended(None);
            }
            let came = Came::Failed(ForwardFailure::UpstreamUnreachable);
            return if for_forward { RequestNext::Deliver(came) } else { RequestNext::Finish(came) };
        }
        let asker = self.frames.iter().rev().find_map(|frame| frame.forwarding.as_ref());
        let attempt = asker.map_or(Attempt::ONLY, Forwarding::attempt);
        self.pending = RequestPending::Send { endpoint, for_forward };
        RequestNext::Leg(RequestLeg::Send(attempt))
    }

    fn forward(&mut self) -> RequestNext {
        self.detail = None;
        if self.driver.wants_pause::<N::Endpoint>() {
            self.pending = RequestPending::Forward;
            return RequestNext::Leg(RequestLeg::Pause);
        }
        self.follow_forward()
    }

    /// Goes to whoever serves the target that the innermost run waits for.
    fn follow_forward(&mut self) -> RequestNext {
        let (Some(target), Some(frame)) = (self.target().cloned(), self.frames.last_mut()) else {
            return RequestNext::Deliver(Came::Failed(ForwardFailure::Offline));
        };
        // A connection that carries requests is not forwarded as such.
        if frame.phase != Phase::OnHttpRequest {
            return RequestNext::Deliver(Came::Failed(ForwardFailure::NotPermitted));
        }
        let on_way = (&mut self.forwards, self.trail.len());
        let found = begin_forward(self.endpoints, (&frame.endpoint, frame.run.as_ref()), &target, on_way);
        let (only, forwarding) = match found {
            Ok(found) => found,
            Err((failure, why)) => {
                self.detail = why;
                return RequestNext::Deliver(Came::Failed(failure));
            }
        };
        frame.forwarding = Some(forwarding);
        match only {
            Some(endpoint) => self.arrive_at(endpoint),
            None => self.try_next().unwrap_or(RequestNext::Deliver(Came::Failed(ForwardFailure::Offline))),
        }
    }

    /// Tries another one of the endpoints that share a URL; `None` if there is none left.
    fn try_next(&mut self) -> Option<RequestNext> {
        let forwarding = self.frames.last_mut()?.forwarding.as_mut()?;
        let endpoint = next_of_pool(self.endpoints, forwarding, &mut self.trail)?;
        Some(self.arrive_at(endpoint))
    }

    /// At an endpoint that serves the target.
    fn arrive_at(&mut self, endpoint: N::Endpoint) -> RequestNext {
        if self.endpoints.policy(&endpoint, 0).is_none() {
            return self.send_to(endpoint, true);
        }
        let Some(url) = self.target().cloned() else { return RequestNext::Leg(self.out_of_order()) };
        self.trail.push(url.clone(), endpoint.clone());
        let state = self.state_for_next();
        match self.enter(&endpoint, Some(url), (0, true), state) {
            Ok(true) => RequestNext::Run,
            Ok(false) => RequestNext::Leg(self.out_of_order()),
            Err(why) => {
                self.decider = Some(Decider { order: None, why });
                RequestNext::Deliver(Came::Answered(error(500, ngrok::ERR_NGROK_2300)))
            }
        }
    }

    /// What came of a forward goes to whoever asked for it: the innermost run.
    fn deliver(&mut self, came: Came) -> RequestNext {
        if let Came::Failed(_) = &came
            && let Some(next) = self.try_next()
        {
            return next;
        }
        let Some(frame) = self.frames.last_mut() else { return RequestNext::Leg(self.out_of_order()) };
        let trail = frame.forwarding.take().map(|forwarding| forwarding.trail);
        let mut reply = match came {
            Came::Failed(failure) => {
                self.trail.truncate(trail.unwrap_or(usize::MAX));
                Reply::ForwardFailed(failure)
            }
            taken => {
                frame.taken = Some(taken);
                Reply::Forwarded
            }
        };
        self.run(Some(&mut reply))
    }

    /// The state with which a policy behind the innermost one begins.
    fn state_for_next(&self) -> RunState {
        self.state().map(RunState::for_target).unwrap_or_default()
    }

    /// Endpoints that wait for the innermost policy.
    fn depth(&self) -> usize {
        self.frames.iter().filter(|frame| frame.is_forwarded).count()
    }

    /// The last phase where the request came in.
    fn last_of_entry(&self) -> Option<usize> {
        let of_entry = self.ran.iter().filter(|ran| ran.url.is_none());
        of_entry.max_by_key(|ran| ran.order).map(|ran| ran.order)
    }
}
