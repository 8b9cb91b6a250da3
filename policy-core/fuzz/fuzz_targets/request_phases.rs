//! Any policy that compiles decides about any request and response alike in both of its forms and as the naive engine does:
//! outcome, answer and changes.
#![no_main]

#[path = "../../tests/support/naive.rs"]
mod naive;
#[path = "support/replies.rs"]
mod replies;

use libfuzzer_sys::fuzz_target;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::exchange::Ability;
use policy_core::facts::Facts;
use policy_core::message::Response;
use policy_core::outcome::Outcome;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::reference::{NaiveOutcome, NaiveRun};
use policy_core::requests::{load_request, load_response};
use policy_core::source::Source;
use replies::reply;

/// What a client or an upstream can see of a run, and what it leaves.
fn seen<M: Mode>(run: Evaluation<'_, M>, outcome: Outcome) -> (String, RunState) {
    let seen = format!("{outcome:?} {:?} {:?}", run.answer(), run.changes());
    (seen, run.into_state())
}

fuzz_target!(|input: (&str, &str, &str)| {
    let (policy, request, response) = input;
    let (Some(checked), _) = load_policy(&Source::new("fuzz.yml", policy), &CheckOptions::default()) else {
        return;
    };
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    options.abilities = Ability::ALL.to_vec();
    let Ok(program) = compile(&checked, &options) else { return };
    let (Some(request), _) = load_request(&Source::new("request.yml", request), None) else { return };
    let response =
        load_response(&Source::new("response.yml", response), None).0.unwrap_or_else(|| Response::new(200));
    let view = request.facts().expect("its URL was read");
    let answered = view.clone().with_response(&response);
    let client = Facts::new([203, 0, 113, 42].into()).seeded(1);
    let facts = client.with_request(&view);
    // A step that asks runs again and draws other numbers then.
    let repeats =
        policy.contains("rand.") && ["secrets.", "find-replace"].iter().any(|it| policy.contains(it));
    let mut naive =
        (!repeats).then(|| NaiveRun::new(&client, &|_| false, &reply).with_request(request.clone()));
    let (mut compiled, mut written) = (RunState::default(), RunState::default());
    for phase in
        [Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage]
    {
        let facts = if phase >= Phase::OnHttpResponse { facts.with_request(&answered) } else { facts };
        let mut run = program.run_from(phase, &facts, compiled);
        let outcome = run.run(|effect, _| reply(effect));
        if let Some(of) = &mut naive {
            if phase == Phase::OnHttpResponse {
                of.respond(response.clone());
            }
            let ended = of.run(checked.policy(), phase);
            let messages = (&request, (phase >= Phase::OnHttpResponse).then_some(&response));
            let found = naive::difference((&run, outcome), (&ended, of), messages, true);
            assert_eq!(found, None, "{phase}");
            // Where one has ended otherwise than the other may see, they no longer know the same.
            if matches!(outcome, Outcome::Failed { .. }) || matches!(ended, NaiveOutcome::Unknown(_)) {
                naive = None;
            }
        }
        let (one, left) = seen(run, outcome);
        let mut run = program.run_traced_from(phase, &facts, written, Recording::default());
        let outcome = run.run(|effect, _| reply(effect));
        let (other, right) = seen(run, outcome);
        assert_eq!(one, other, "{phase}");
        (compiled, written) = (left.into_next_phase(), right.into_next_phase());
    }
});
