//! An event stream on its way back: the rules for events of each policy, event by event.

use std::sync::Arc;

use super::super::{Endpoints, Meter};
use super::way::RequestNext;
use super::{Came, Decider, RequestJourney, SHOWN_EVENTS, Stream, Why};
use crate::evaluate::Mode;
use crate::message::{EventStream, Response, Side};
use crate::outcome::Outcome;
use crate::phase::Phase;

impl<N: Endpoints, B: Meter<N::Endpoint>, M: Mode + Default> RequestJourney<'_, N, B, M> {
    /// A response that the innermost policy lets through. If it is an event stream, and the policy has rules for events, they
    /// see the response that its rules for responses saw, if it has some.
    pub(super) fn stream(&mut self, response: Response, seen: Option<Arc<Response>>) -> RequestNext {
        if !self.program().is_some_and(|program| program.has_rules(Phase::OnEventStreamMessage)) {
            return RequestNext::Finish(Came::Answered(response));
        }
        let seen = seen.unwrap_or_else(|| Arc::new(response.clone()));
        let events = match EventStream::of(response) {
            Ok(events) => events,
            Err(response) => return RequestNext::Finish(Came::Answered(response)),
        };
        let Some(frame) = self.frames.last_mut() else { return RequestNext::Leg(self.out_of_order()) };
        frame.stream = Some(Stream { events, event: Vec::new(), passed: None, response: seen });
        self.next_event()
    }

    /// The next event of the stream, or its end.
    fn next_event(&mut self) -> RequestNext {
        let Some(stream) = self.frames.last_mut().and_then(|frame| frame.stream.as_mut()) else {
            return RequestNext::Leg(self.out_of_order());
        };
        match stream.events.next_event() {
            Some(event) => {
                stream.event = event;
                let response = Arc::clone(&stream.response);
                let next = self.begin_phase(Phase::OnEventStreamMessage, Some(response));
                self.forget_event();
                next
            }
            None => {
                self.forget_event();
                self.end_stream()
            }
        }
    }

    /// A stream may be long: the phases of events that passed are kept only where they are shown, and not all.
    fn forget_event(&mut self) {
        let passed = self.frames.last_mut().and_then(|frame| frame.stream.as_mut()?.passed.take());
        // Another policy of the endpoint may have seen the last one.
        if passed.is_none() || self.ran.last().map(|ran| ran.order) != passed {
            return;
        }
        if M::SPECIALISED || self.passed.shown >= SHOWN_EVENTS {
            self.ran.pop();
            self.passed.not_shown += 1;
        } else {
            self.passed.shown += 1;
        }
    }

    /// The rules for events have seen an event.
    pub(super) fn event_over(&mut self, outcome: Outcome, order: usize) -> RequestNext {
        if outcome != Outcome::Upstream {
            self.decider = Some(Decider { order: Some(order), why: Why::Run });
            return self.end_stream();
        }
        let changed = self.with_last(|run, _| run.changes()?.body(Side::Event).map(<[u8]>::to_vec));
        if let Some(Stream { events, event, passed, .. }) =
            self.frames.last_mut().and_then(|frame| frame.stream.as_mut())
        {
            events.pass(changed.as_deref().unwrap_or(event));
            *passed = Some(order);
        }
        self.next_event()
    }

    /// What has passed is the response.
    fn end_stream(&mut self) -> RequestNext {
        let stream = self.frames.last_mut().and_then(|frame| frame.stream.take());
        RequestNext::Finish(stream.map_or(Came::Closed, |it| Came::Answered(it.events.into_response())))
    }
}
