//! A request over the connection: `on_http_request` after `on_tcp_connect`.

use std::borrow::Cow;

use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::facts::Facts;
use policy_core::journey::{SHOWN_EVENTS, Steps};
use policy_core::message::{Changes, EventStream, RequestFacts, Response, Side};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;

use super::explained;
use super::known::EvalInputs;
use super::missing;
use super::single::Policy;
use super::world::World;
use crate::answer::{Answer, Assumption, Performed, RequestAnswer, Run, http_words, lacks_time, performed};
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
fn explained(
    run: &Run<'_>,
    outcome: Outcome,
    phase: (Phase, Option<usize>),
    args: &Eval,
) -> Result<Vec<u8>, Failure> {
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
        let mut steps = explained(&connected, Outcome::Upstream, (Phase::OnTcpConnect, None), args)?;
        let mut effects = performed(&connected);
        let states = (compiled, connected.into_state());
        let asked = self.phase(Phase::OnHttpRequest, &facts, states, world)?;
        steps.extend(explained(&asked.run, asked.outcome, (Phase::OnHttpRequest, None), args)?);
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
            steps.extend(explained(&answered.run, answered.outcome, (Phase::OnHttpResponse, None), args)?);
            let nothing = Changes::default();
            let changes = answered.run.changes().unwrap_or(&nothing);
            sent.response = match answered.outcome {
                Outcome::Upstream => Some(changes.to_response(&response)),
                _ => answered.sent.response.clone(),
            };
            effects.extend(performed(&answered.run));
            let passes = answered.outcome == Outcome::Upstream;
            if answered.outcome != Outcome::Upstream {
                let of_request = answer;
                answer = self.answer(&answered.run, answered.outcome, args, (None, Vec::new()));
                in_http_words(&mut answer, &answered);
                answer.target = of_request.target;
                answer.assumed_online = of_request.assumed_online;
            }
            match sent.response.take_if(|_| passes).map(EventStream::of) {
                Some(Ok(stream)) => {
                    let states = (answered.compiled, answered.run.into_state());
                    let told = (&mut effects, &mut steps);
                    let (response, ended) = self.stream(stream, &facts, states, (world, args), told)?;
                    if let Some(mut ended) = ended {
                        // The head of the response is on its way when an event ends the stream.
                        ended.outcome = http_words(ended.decision, None, Some(response.status));
                        (ended.target, ended.assumed_online) = (answer.target, answer.assumed_online);
                        answer = ended;
                    }
                    sent.response = Some(response);
                }
                Some(Err(response)) => sent.response = Some(response),
                None => {}
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
        mut stream: EventStream,
        facts: &Facts<'_>,
        mut states: (RunState, RunState),
        (world, args): (&World<'_>, &Eval),
        (effects, steps): (&mut Vec<Performed>, &mut Vec<u8>),
    ) -> Result<(Response, Option<Answer>), Failure> {
        let (mut ended, mut passed) = (None, 0_usize);
        while let Some(event) = stream.next_event() {
            world.set_event(&event);
            let phased = self.phase(Phase::OnEventStreamMessage, facts, states, world)?;
            let passes = phased.outcome == Outcome::Upstream;
            passed += usize::from(passes);
            if !passes || passed <= SHOWN_EVENTS {
                steps.extend(explained(
                    &phased.run,
                    phased.outcome,
                    (Phase::OnEventStreamMessage, Some(stream.taken())),
                    args,
                )?);
                effects.extend(performed(&phased.run));
            }
            if !passes {
                let mut answer = self.answer(&phased.run, phased.outcome, args, (None, Vec::new()));
                answer.ended_by_event = Some(stream.taken());
                ended = Some(answer);
                break;
            }
            let changed = phased.run.changes().and_then(|changes| changes.body(Side::Event));
            stream.pass(changed.unwrap_or(&event));
            states = (phased.compiled, phased.run.into_state());
        }
        if args.explain {
            steps.extend(render::explain::left_out(passed.saturating_sub(SHOWN_EVENTS)));
        }
        Ok((stream.into_response(), ended))
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
        let mut compiled = compiled.into_next_phase();
        if phase == Phase::OnEventStreamMessage {
            compiled.set_steps_left(Steps::OF_EVENT);
        }
        let steps = compiled.steps_left();
        let mut decided = program.run_from(phase, facts, compiled);
        let outcome = decided.run(|effect, run| world.reply(effect, run));
        let mut state = written.into_next_phase();
        if decided.is_out_of_steps() {
            state.set_steps_left(steps);
        }
        let mut run = program.run_traced_from(phase, facts, state, Recording::default());
        let as_written = run.run(|effect, run| world.reply(effect, run));
        let sent = answered(&run);
        explained::agree((&decided, outcome), (&run, as_written), answered(&decided) == sent)?;
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
