//! Any policy that compiles decides about any request and response alike in both of its forms: outcome, answer and changes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::message::Response;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::requests::{load_request, load_response};
use policy_core::source::Source;

/// What a client or an upstream can see of a run, and what it leaves.
fn seen<M: Mode>(mut run: Evaluation<'_, M>) -> (String, RunState) {
    let outcome = run.run(|effect, _| match effect {
        Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
        _ => Reply::Logged,
    });
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
    let Ok(program) = compile(&checked, &options) else { return };
    let (Some(request), _) = load_request(&Source::new("request.yml", request)) else { return };
    let response = load_response(&Source::new("response.yml", response)).0.unwrap_or_else(|| Response::new(200));
    let request = request.facts().expect("its URL was read");
    let answered = request.clone().with_response(&response);
    let facts = Facts::new([203, 0, 113, 42].into()).seeded(1).with_request(&request);
    let (mut compiled, mut written) = (RunState::default(), RunState::default());
    for phase in [Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse] {
        let facts = if phase == Phase::OnHttpResponse { facts.with_request(&answered) } else { facts };
        let (one, left) = seen(program.run_from(phase, &facts, compiled));
        let (other, right) = seen(program.run_traced_from(phase, &facts, written, Recording::default()));
        assert_eq!(one, other, "{phase}");
        (compiled, written) = (left.into_next_phase(), right.into_next_phase());
    }
});
