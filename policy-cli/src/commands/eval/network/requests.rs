//! A request that comes in at an endpoint of a configuration: through the policies of targets and back.

use policy_core::evaluate::{AsWritten, Mode, Recording, Specialised};
use policy_core::exchange::Effect;
use policy_core::facts::Facts;
use policy_core::journey::{RequestJourney, RequestLeg, Verdict};
use policy_core::message::{Request, RequestFacts, Response, Side};
use policy_core::outcome::OutcomeKind;
use policy_core::url::Scheme;

use super::super::explained::{OutOfSteps, disagree};
use super::super::known::EvalInputs;
use super::super::request::request_answer;
use super::super::world::World;
use super::{Budget, Ingress, Map, Seen};
use crate::answer::{Answer, Assumption, RequestAnswer, Route, http_words, lacks_time, words};
use crate::cli::{Eval, Target, TargetState};
use crate::exit::Failure;

/// A journey over the endpoints of a network.
type Travelled<'j, 'n, M = Specialised> = RequestJourney<'j, Map<'n>, Budget<'n>, M>;

impl Ingress<'_> {
    /// What becomes of a request.
    pub(super) fn ask_request(
        &self,
        facts: &Facts<'_>,
        request: &Request,
        known: &EvalInputs,
        args: &Eval,
    ) -> Result<Answer, Failure> {
        self.check_takes()?;
        let received = request;
        let request = request.facts().map_err(|error| Failure::Usage(format!("--url: {error}")))?;
        let (world, map) = (World::new(known, args), Map::new(self.network, &args.target, Vec::new()));
        let servers = Servers { known, args, world: &world };
        // The code that an edge runs decides, and counts the request; the code as written says why.
        let (decided, compiled) = self.decide_request(facts, &request, &servers)?;
        let budget = Budget::explaining(self.network, compiled);
        let mut written: Travelled<'_, '_, AsWritten<Recording>> =
            RequestJourney::new(&map, facts, &request, budget, self.place());
        servers.travel(&mut written)?;
        let (verdict, sent) = (written.verdict(), sent(&written));
        let ended_by_event = written.ended_by_event();
        let out = OutOfSteps { compiled, written: written.is_out_of_steps() };
        out.note();
        if decided != (verdict.clone(), sent.clone()) {
            return Err(disagree(decided.0.decision, verdict.decision, out));
        }
        if let Some(message) = world.missing(self.network.programs().map(|program| &**program)) {
            return Err(Failure::Usage(message));
        }
        let mut seen = Seen::new(self.entry_name(), args);
        written.each_run(|passage, phase, run| {
            if run.outcome().is_some_and(|outcome| lacks_time(run, outcome, args)) {
                world.assumes(Assumption::NoTime);
            }
            seen.run(passage, phase, run);
        });
        let admitted = written.is_admitted() && verdict.decision.is_admitted();
        seen.leaves_out(written.unshown_events());
        let mut answer = self.answer(verdict, written.trail(), admitted, (seen, &map))?;
        // Which endpoint of a pool is drawn may change what is counted: other draws are not tried.
        answer.all_drawn = map.next_script().is_none();
        answer.ended_by_event = ended_by_event;
        let status = sent.response.as_ref().map(|response| response.status);
        answer.outcome = match (answer.decision, answer.way.as_ref().and_then(Route::upstream)) {
            (OutcomeKind::Upstream, Some(upstream)) => format!("upstream: the request goes to {upstream}"),
            (OutcomeKind::Forward, upstream) => words(answer.decision, answer.target.as_ref(), upstream),
            (decision, _) => http_words(decision, None, status),
        };
        answer.assumed = world.assumed();
        answer.request = Some(sent.without_equal(received));
        Ok(answer)
    }

    fn decide_request(
        &self,
        facts: &Facts<'_>,
        request: &RequestFacts<'_>,
        servers: &Servers<'_>,
    ) -> Result<((Verdict, RequestAnswer), bool), Failure> {
        let map = Map::new(self.network, &servers.args.target, Vec::new());
        let budget = Budget::new(self.network);
        let mut journey: Travelled<'_, '_> = RequestJourney::new(&map, facts, request, budget, self.place());
        servers.travel(&mut journey)?;
        Ok(((journey.verdict(), sent(&journey)), journey.is_out_of_steps()))
    }

    /// Refuses an endpoint that carries no requests.
    fn check_takes(&self) -> Result<(), Failure> {
        match self.url().filter(|url| !matches!(url.scheme(), Scheme::Http | Scheme::Https)) {
            Some(url) => {
                let message =
                    format!("{url} takes connections, not requests: leave out `--url` and `--request`");
                Err(Failure::Usage(message))
            }
            None => Ok(()),
        }
    }
}

/// What the server got, and what the client is answered.
fn sent<M: Mode>(journey: &Travelled<'_, '_, M>) -> RequestAnswer {
    request_answer(journey.sent(), journey.response().cloned())
}

/// Who answers requests and questions on the way.
struct Servers<'a> {
    known: &'a EvalInputs,
    args: &'a Eval,
    world: &'a World<'a>,
}

impl Servers<'_> {
    /// Takes every leg.
    fn travel<M: Mode + Default>(&self, journey: &mut Travelled<'_, '_, M>) -> Result<(), Failure> {
        let mut leg = journey.start();
        loop {
            leg = match leg {
                RequestLeg::Done => return Ok(()),
                RequestLeg::Pause => journey.go_on(),
                RequestLeg::Ask(effect) => self.answer(journey, effect)?,
                RequestLeg::Send(_) => match self.response(journey)? {
                    Some(response) => journey.responded(response),
                    None => journey.not_reached(String::new()),
                },
            };
        }
    }

    fn answer<M: Mode + Default>(
        &self,
        journey: &mut Travelled<'_, '_, M>,
        effect: Effect,
    ) -> Result<RequestLeg, Failure> {
        // What a policy changes of a response, the next one reads.
        match (effect, journey.response(), journey.event()) {
            (Effect::ReadBody { side: Side::Response, .. }, Some(response), _) => {
                self.world.set_response(&response.body);
            }
            (Effect::ReadBody { side: Side::Event, .. }, _, Some(event)) => self.world.set_event(event),
            _ => {}
        }
        let Some(program) = journey.program() else {
            return Err(Failure::Internal("nobody asks on the way of a request".to_owned()));
        };
        let reply = self.world.answer::<M>(effect, journey.asked(), program);
        Ok(journey.reply(reply))
    }

    /// What the server of an endpoint answers; nothing if it is not reached.
    fn response<M: Mode + Default>(
        &self,
        journey: &Travelled<'_, '_, M>,
    ) -> Result<Option<Response>, Failure> {
        let state = journey.sending_target().and_then(|url| Target::state_of(url, &self.args.target));
        let response = match (state, self.known.response.as_deref()) {
            (Some(TargetState::Offline | TargetState::Refused | TargetState::Slow), _) => return Ok(None),
            (Some(TargetState::Respond(_)), Some(_)) => {
                let message =
                    "--response and `--target URL=respond:STATUS` both say what is answered: give one";
                return Err(Failure::Usage(message.to_owned()));
            }
            (Some(TargetState::Respond(status)), None) => Response::new(status),
            (Some(TargetState::Online) | None, Some(response)) => response.clone(),
            (Some(TargetState::Online) | None, None) => {
                self.world.assumes(Assumption::Answered);
                Response::new(200)
            }
        };
        Ok(Some(response))
    }
}
