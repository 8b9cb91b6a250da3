//! A request on its way through the policies of endpoints, and its response on the way back, without I/O.
//!
//! A policy decides about a request as those before it have changed it: where it comes in `on_tcp_connect` and
//! `on_http_request`, in targets `on_http_request` alone. What answers it – a server, or a policy – passes
//! `on_http_response` of the policies on its way, the innermost first. One that refuses answers without its own rules for
//! responses; those of the policies that forwarded to it see that answer like any other. A stream of events then passes the
//! policy's `on_event_stream_message`, event by event; one that does not pass ends the stream, which the others see as it is.

mod stream;
mod verdict;
mod way;

use std::sync::Arc;

use super::driver::Driver;
use super::state::{Forwarding, Why};
use super::{Attempt, Endpoints, Logs, Meter, Policy, Trail};
use crate::compile::Program;
use crate::evaluate::{Continuation, Mode, RunState, Specialised};
use crate::exchange::{Asked, Effect, ForwardFailure, Reply};
use crate::facts::Facts;
use crate::message::{Changes, EventStream, RequestFacts, Response};
use crate::phase::Phase;
use crate::url::EndpointUrl;

/// Events of streams that pass and are shown, over all policies on the way of a request; those behind them are counted.
pub const SHOWN_EVENTS: usize = 1_000;

/// What the host of a request does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a journey continues only if its legs are taken"]
pub enum RequestLeg {
    /// Answer what a policy asks, which [`RequestJourney::asked`] says, by [`RequestJourney::reply`].
    Ask(Effect),
    /// Send the request, with [`RequestJourney::changes`], to the server behind [`RequestJourney::sending_to`], then
    /// [`RequestJourney::responded`] or [`RequestJourney::not_reached`].
    Send(Attempt),
    /// Let others go first, then [`RequestJourney::go_on`].
    Pause,
    /// The end.
    Done,
}

/// A policy in one of its phases, or between two.
#[derive(Debug)]
struct RequestFrame<E, M> {
    endpoint: E,
    /// The target that led here; `None` where the request comes in.
    url: Option<EndpointUrl>,
    /// Which of the endpoint's policies.
    policy: usize,
    /// True if a forward led here; else another policy of the same endpoint did, or nothing.
    is_forwarded: bool,
    phase: Phase,
    /// Its place in the order in which phases begin.
    order: usize,
    /// `None` between two phases.
    run: Option<Continuation<M>>,
    /// What the rules for responses, and for its events, run on.
    response: Option<Arc<Response>>,
    /// The event stream that passes.
    stream: Option<Stream>,
    /// Where the run of the last phase that is over is kept.
    last: Option<usize>,
    forwarding: Option<Forwarding<E>>,
    /// What became of a forward that was handed over.
    taken: Option<Came>,
}

/// What came of an endpoint, or of one of its policies.
#[derive(Debug)]
enum Came {
    Answered(Response),
    /// The connection is closed without an answer.
    Closed,
    Failed(ForwardFailure),
}

/// What the host is about to do.
#[derive(Debug)]
enum RequestPending<E> {
    Nothing,
    Reply,
    Forward,
    /// The server behind an endpoint is asked; true if that is a target without policies.
    Send {
        endpoint: E,
        for_forward: bool,
    },
}

/// An event stream on its way through a policy.
#[derive(Debug)]
struct Stream {
    events: EventStream,
    /// The event at which the rules for events are.
    event: Vec<u8>,
    /// The phase of the last one, if that has passed and is not forgotten.
    passed: Option<usize>,
    /// The response that these rules see.
    response: Arc<Response>,
}

/// How many events of streams passed a policy each.
#[derive(Clone, Copy, Debug, Default)]
struct PassedEvents {
    shown: usize,
    not_shown: usize,
}

/// A phase that is over.
#[derive(Debug)]
struct Ran<E, M> {
    endpoint: E,
    url: Option<EndpointUrl>,
    policy: usize,
    depth: usize,
    phase: Phase,
    order: usize,
    response: Option<Arc<Response>>,
    /// Which event it was about, from 1.
    event: Option<usize>,
    /// `None` while it is shown.
    run: Option<Continuation<M>>,
}

/// Who decided.
#[derive(Clone, Debug)]
struct Decider {
    /// The phase, by its order; `None` if no policy ran that did.
    order: Option<usize>,
    why: Why,
}

/// A request on its way. The policies are those of a connection that has just been made.
#[derive(Debug)]
pub struct RequestJourney<'n, N: Endpoints, B, M = Specialised> {
    endpoints: &'n N,
    facts: &'n Facts<'n>,
    request: &'n RequestFacts<'n>,
    driver: Driver<B>,
    /// The policies that run or wait, the innermost last.
    frames: Vec<RequestFrame<N::Endpoint, M>>,
    pending: RequestPending<N::Endpoint>,
    entry: N::Endpoint,
    trail: Trail<N::Endpoint>,
    forwards: u32,
    /// More about the last forward that failed.
    detail: Option<String>,
    is_started: bool,
    /// Phases begun so far.
    begun: usize,
    /// Phases that are over, but for those of events that are not shown.
    ran: Vec<Ran<N::Endpoint, M>>,
    /// Events that passed, shown and not shown.
    passed: PassedEvents,
    /// What the server got, once it has answered.
    sent: Option<Changes>,
    is_admitted: bool,
    decider: Option<Decider>,
    /// What the client gets; `None` if its connection is closed.
    end: Option<Option<Response>>,
}

impl<'n, N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default> RequestJourney<'n, N, B, M> {
    /// A request over a connection. The facts are those of the connection where it comes in, without the request. The mode is
    /// [`Specialised`] as an edge decides, or [`crate::evaluate::AsWritten`] with a sink for each phase.
    #[must_use]
    pub fn new(
        endpoints: &'n N,
        facts: &'n Facts<'n>,
        request: &'n RequestFacts<'n>,
        meter: B,
        entry: N::Endpoint,
    ) -> Self {
        Self {
            endpoints,
            facts,
            request,
            driver: Driver::new(meter),
            frames: Vec::new(),
            pending: RequestPending::Nothing,
            entry,
            trail: Trail::default(),
            forwards: 0,
            detail: None,
            is_started: false,
            begun: 0,
            ran: Vec::new(),
            passed: PassedEvents::default(),
            sent: None,
            is_admitted: false,
            decider: None,
            end: None,
        }
    }

    /// Runs to the first leg that the host takes. A journey is made once.
    pub fn start(&mut self) -> RequestLeg {
        if std::mem::replace(&mut self.is_started, true) {
            return self.out_of_order();
        }
        self.set_out()
    }

    /// Answers what the innermost policy asks. What does not fit closes.
    pub fn reply(&mut self, mut reply: Reply) -> RequestLeg {
        match std::mem::replace(&mut self.pending, RequestPending::Nothing) {
            RequestPending::Reply => self.replied(&mut reply),
            _ => self.out_of_order(),
        }
    }

    /// The server has answered.
    pub fn responded(&mut self, response: Response) -> RequestLeg {
        self.server_said(Some(response))
    }

    /// The server was not reached, for a reason in words, which the verdict has in brackets: the request was not sent.
    pub fn not_reached(&mut self, why: String) -> RequestLeg {
        self.detail = Some(why);
        self.server_said(None)
    }

    /// Others have gone first.
    pub fn go_on(&mut self) -> RequestLeg {
        match std::mem::replace(&mut self.pending, RequestPending::Nothing) {
            RequestPending::Forward => self.gone_on(),
            _ => self.out_of_order(),
        }
    }
}

impl<N: Endpoints, B, M: Mode> RequestJourney<'_, N, B, M> {
    /// The endpoint whose server is to get the request.
    pub fn sending_to(&self) -> Option<&N::Endpoint> {
        match &self.pending {
            RequestPending::Send { endpoint, .. } => Some(endpoint),
            _ => None,
        }
    }

    /// The target for which a server is to get the request; `None` where the request comes in.
    #[must_use]
    pub fn sending_target(&self) -> Option<&EndpointUrl> {
        match &self.pending {
            RequestPending::Send { for_forward: true, .. } => self.target(),
            RequestPending::Send { .. } => self.frames.last()?.url.as_ref(),
            _ => None,
        }
    }

    /// The innermost policy, which asks.
    #[must_use]
    pub fn program(&self) -> Option<&Program> {
        let frame = self.frames.last()?;
        match self.endpoints.policy(&frame.endpoint, frame.policy)? {
            Policy::Program(program) => Some(program),
            Policy::Refuse(_) => None,
        }
    }

    /// What the open effect is about, if its kind does not say all of it.
    #[must_use]
    pub fn asked(&self) -> Option<&Asked> {
        self.state()?.kept.as_deref()?.asked.as_ref()
    }

    /// What the policies so far have changed of the request.
    #[must_use]
    pub fn changes(&self) -> Option<&Changes> {
        self.state()?.changes()
    }

    /// The response that the innermost policy runs on; at the end what the client gets, `None` if its connection is closed.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        match &self.end {
            Some(end) => end.as_ref(),
            None => self.frames.last()?.response.as_deref(),
        }
    }

    /// The event of a stream that the innermost policy runs on.
    #[must_use]
    pub fn event(&self) -> Option<&[u8]> {
        self.frames.last()?.stream.as_ref().map(|stream| stream.event.as_slice())
    }

    /// The event, from 1, at which the policy that decided ended the stream: the client gets what came before.
    #[must_use]
    pub fn ended_by_event(&self) -> Option<usize> {
        let order = self.decider.as_ref()?.order?;
        self.ran.iter().find(|ran| ran.order == order)?.event
    }

    /// Events that passed and of which [`RequestJourney::each_run`] shows nothing: those behind the first [`SHOWN_EVENTS`].
    #[must_use]
    pub const fn unshown_events(&self) -> usize {
        self.passed.not_shown
    }

    /// What the server that answered got; `None` if none did.
    #[must_use]
    pub const fn sent(&self) -> Option<&Changes> {
        self.sent.as_ref()
    }

    /// True if a server answered.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.is_admitted
    }

    /// Where it went.
    #[must_use]
    pub const fn trail(&self) -> &Trail<N::Endpoint> {
        &self.trail
    }

    /// What `log` actions attached.
    #[must_use]
    pub const fn logs(&self) -> &Logs {
        &self.driver.logs
    }

    /// True if policies used up the steps that they may take: then a refusal is not a decision.
    #[must_use]
    pub const fn is_out_of_steps(&self) -> bool {
        self.driver.out_of_steps
    }

    /// The target that the innermost run waits for.
    fn target(&self) -> Option<&EndpointUrl> {
        self.frames.last()?.run.as_ref()?.waits_for(self.program()?)
    }

    /// The state of the innermost policy.
    fn state(&self) -> Option<&RunState> {
        let frame = self.frames.last()?;
        match &frame.run {
            Some(run) => Some(&run.state),
            None => Some(&self.ran.get(frame.last?)?.run.as_ref()?.state),
        }
    }
}
