//! A request over the connection: `on_http_request` after `on_tcp_connect`.

use std::borrow::Cow;

use policy_core::cel::TextMap;
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::facts::Facts;
use policy_core::message::{Changes, RequestFacts, Response, Side};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;

use super::known::EvalInputs;
use super::missing;
use super::single::{Policy, disagree};
use super::world::World;
use crate::answer::{Answer, Assumption, RequestAnswer, Run, http_words, lacks_time, performed};
use crate::cli::{Eval, Target, TargetState};
use crate::exit::Failure;
use crate::render;

/// One phase in both forms of the program, each from a state of its own.
struct Phased<'r> {
    /// The policy as written.
    run: Run<'r>,
    outcome: Outcome,
    sent: RequestAnswer,
    /// What the compiled form leaves.
    compiled: RunState,
}

impl Phased<'_> {
    /// The response that the rules for responses get, if there is one.
    fn response(&self, known: &EvalInputs, args: &Eval) -> Result<Option<Response>, Failure> {
        Ok(match self.outcome {
            Outcome::Upstream => known.response.as_deref().cloned(),
            Outcome::Forwarded { target, .. } => {
                let said = self.run.target(target).and_then(|url| Target::state_of(url, &args.target));
                let answered = match said {
                    Some(TargetState::Respond(status)) => Some(Response::new(status)),
                    _ => None,
                };
                if answered.is_some() && known.response.is_some() {
                    let message =
                        "--response and `--target URL=respond:STATUS` both say what is answered: give one";
                    return Err(Failure::Usage(message.to_owned()));
                }
                known.response.as_deref().cloned().or(answered)
            }
            // A policy's own answer goes through the rules for responses, a refusal does not.
            Outcome::Responded { .. } => self.sent.response.clone(),
            _ => None,
        })
    }
}

/// The steps of a run, if they are wanted.
fn explained(run: &Run<'_>, outcome: Outcome, phase: Phase, args: &Eval) -> Result<Vec<u8>, Failure> {
    match args.explain {
        true => Ok(render::explain::steps(run, outcome, phase, &args.secret)?),
        false => Ok(Vec::new()),
    }
}

impl Policy {
    /// What becomes of a request over a connection that the policy has let through.
    pub(super) fn ask_request(
        &self,
        facts: &Facts<'_>,
        (compiled, connected): (RunState, Run<'_>),
        (known, args, world): (&EvalInputs, &Eval, &World<'_>),
        request: &RequestFacts<'_>,
    ) -> Result<Answer, Failure> {
        let facts = facts.with_request(request);
        let mut steps = explained(&connected, Outcome::Upstream, Phase::OnTcpConnect, args)?;
        let mut effects = performed(&connected);
        let states = (compiled, connected.into_state());
        let asked = self.phase(Phase::OnHttpRequest, &facts, states, world)?;
        steps.extend(explained(&asked.run, asked.outcome, Phase::OnHttpRequest, args)?);
        let response = asked.response(known, args)?;
        let mut answer = self.answer(&asked.run, asked.outcome, args, (None, Vec::new()));
        in_http_words(&mut answer, &asked);
        effects.append(&mut answer.effects);
        let mut sent = asked.sent.clone();
        if let Some(response) = response {
            world.set_response(&response.body);
            let answered = request.clone().with_response(&response);
            let facts = facts.with_request(&answered);
            let states = (asked.compiled, asked.run.into_state());
            let answered = self.phase(Phase::OnHttpResponse, &facts, states, world)?;
            steps.extend(explained(&answered.run, answered.outcome, Phase::OnHttpResponse, args)?);
            let nothing = Changes::default();
            let changes = answered.run.changes().unwrap_or(&nothing);
            sent.response = match answered.outcome {
                Outcome::Upstream => Some(changes.to_response(&response)),
                _ => answered.sent.response.clone(),
            };
            effects.extend(performed(&answered.run));
            let is_stream = answered.outcome == Outcome::Upstream && is_event_stream(sent.response.as_ref());
            if answered.outcome != Outcome::Upstream {
                let of_request = answer;
                answer = self.answer(&answered.run, answered.outcome, args, (None, Vec::new()));
                in_http_words(&mut answer, &answered);
                answer.target = of_request.target;
                answer.assumed_online = of_request.assumed_online;
            }
            if let Some(response) = sent.response.as_mut().filter(|_| is_stream) {
                let states = (answered.compiled, answered.run.into_state());
                if let Some(ended) = self.stream(response, &facts, states, (world, args, &mut steps))? {
                    answer = ended;
                }
            }
        }
        answer.effects = effects;
        answer.assumed = world.assumed();
        answer.request = Some(match &known.request {
            Some(received) => sent.without_equal(received),
            None => sent,
        });
        answer.steps = steps;
        Ok(answer)
    }

    /// Runs the rules for events over an event stream, event by event; one that does not pass ends the stream.
    fn stream(
        &self,
        response: &mut Response,
        facts: &Facts<'_>,
        mut states: (RunState, RunState),
        (world, args, steps): (&World<'_>, &Eval, &mut Vec<u8>),
    ) -> Result<Option<Answer>, Failure> {
        let body = std::mem::take(&mut response.body);
        // Clients leave a byte order mark at its begin out.
        let mark = if body.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let (mark, body) = body.split_at_checked(mark).unwrap_or_default();
        response.body.extend_from_slice(mark);
        let mut ended = None;
        for (at, event) in events(body).enumerate() {
            world.set_event(event);
            let phased = self.phase(Phase::OnEventStreamMessage, facts, states, world)?;
            steps.extend(explained(&phased.run, phased.outcome, Phase::OnEventStreamMessage, args)?);
            if phased.outcome != Outcome::Upstream {
                let mut answer = self.answer(&phased.run, phased.outcome, args, (None, Vec::new()));
                in_http_words(&mut answer, &phased);
                answer.ended_by_event = Some(at + 1);
                ended = Some(answer);
                break;
            }
            let changed = phased.run.changes().and_then(|changes| changes.body(Side::Event));
            response.body.extend_from_slice(changed.unwrap_or(event));
            states = (phased.compiled, phased.run.into_state());
        }
        if response.headers.count("content-length").is_some() {
            let length = response.body.len().to_string();
            // INVARIANT: a number is the value of a header.
            let _ = response.headers.replace("content-length", &length);
        }
        Ok(ended)
    }

    /// Runs one phase after another.
    fn phase<'r>(
        &'r self,
        phase: Phase,
        facts: &'r Facts<'r>,
        (compiled, written): (RunState, RunState),
        world: &World<'_>,
    ) -> Result<Phased<'r>, Failure> {
        let program = &self.program;
        let mut decided = program.run_from(phase, facts, compiled.into_next_phase());
        let outcome = decided.run(|effect, run| world.reply(effect, run));
        let state = written.into_next_phase();
        let mut run = program.run_traced_from(phase, facts, state, Recording::default());
        let as_written = run.run(|effect, run| world.reply(effect, run));
        let sent = answered(&run);
        if outcome != as_written || answered(&decided) != sent {
            return Err(disagree(outcome.kind(), as_written.kind(), run.is_out_of_steps()));
        }
        if lacks_time(&run, outcome, world.args) {
            world.assumes(Assumption::NoTime);
        }
        match world.missing([program]).or_else(|| missing::message(&run)) {
            Some(message) => Err(Failure::Usage(message)),
            None => Ok(Phased { run, outcome, sent, compiled: decided.into_state() }),
        }
    }
}

/// Says the outcome as that of a request.
fn in_http_words(answer: &mut Answer, phased: &Phased<'_>) {
    if !answer.falls_through {
        let status = phased.sent.response.as_ref().map(|response| response.status);
        answer.outcome = http_words(phased.outcome.kind(), answer.target.as_ref(), status);
    }
}

/// What is sent instead of, or beside, what the client sent.
fn answered<M: Mode>(run: &Evaluation<'_, M>) -> RequestAnswer {
    request_answer(run.changes(), run.answer().map(Cow::into_owned))
}

/// The changes of a request, and what the client is answered.
pub(super) fn request_answer(changes: Option<&Changes>, response: Option<Response>) -> RequestAnswer {
    let nothing = Changes::default();
    let changes = changes.unwrap_or(&nothing);
    let headers = changes.request_headers();
    let values = |values: &[Box<str>]| values.iter().map(ToString::to_string).collect();
    RequestAnswer {
        response,
        url: changes.url().map(|url| url.as_str().to_owned()),
        headers: headers.map(|(name, all)| (name.to_owned(), values(all))).collect(),
        body: changes.body(Side::Request).map(<[u8]>::to_vec),
    }
}

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// True for a stream of server-sent events.
pub(super) fn is_event_stream(response: Option<&Response>) -> bool {
    let kind = response.and_then(|response| response.headers.get("content-type", 0));
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The events of a stream, each with the empty line at its end (WHATWG HTML, 9.2.5).
fn events(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = stream;
    std::iter::from_fn(move || {
        let (mut at, mut line) = (0, 0);
        while let Some(byte) = rest.get(at) {
            let is_end = matches!(byte, b'\n' | b'\r');
            let width = if rest.get(at..at + 2) == Some(b"\r\n") { 2 } else { 1 };
            if is_end && line == at {
                let (event, after) = rest.split_at_checked(at + width)?;
                rest = after;
                return Some(event);
            }
            at += if is_end { width } else { 1 };
            if is_end {
                line = at;
            }
        }
        let last = std::mem::take(&mut rest);
        (!last.is_empty()).then_some(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_at_empty_lines() {
        let split = |text: &'static str| events(text.as_bytes()).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(split("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n"), [9, 11, 9, 8]);
        assert_eq!(split(""), Vec::<usize>::new());
        assert_eq!(split("\n\n"), [1, 1]);
    }
}
