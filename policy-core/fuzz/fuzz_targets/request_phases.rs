//! Any policy that compiles decides about any request and response alike in both of its forms: outcome, answer and changes.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::exchange::{
    Ability, Answered, Body, CircuitState, Effect, Findings, ForwardFailure, LoginReply, RateVerdict, Reply, Secret,
};
use policy_core::facts::Facts;
use policy_core::message::Response;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::requests::{load_request, load_response};
use policy_core::source::Source;

/// What a client or an upstream can see of a run, and what it leaves.
fn seen<M: Mode>(mut run: Evaluation<'_, M>) -> (String, RunState) {
    let outcome = run.run(|effect, _| match effect {
        Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
        Effect::Log(_) => Reply::Logged,
        Effect::ReadBody { .. } => Reply::body(Body { bytes: (*b"a body: 1,2;3\n\n").into(), complete: true }),
        Effect::CountRequest => Reply::Rate(RateVerdict::Passes),
        Effect::AskCircuit => Reply::Circuit(CircuitState::Closed),
        Effect::GetSecret => Reply::secret(Some(Secret::new("secret"))),
        Effect::FetchKeys => Reply::key_set(Some("{\"keys\":[]}".into())),
        Effect::SendRequest => {
            let (resolved_ip, time) = (None, Duration::from_millis(1));
            Reply::answered(Ok(Answered { response: Response::new(200), resolved_ip, time }))
        }
        Effect::LogIn => Reply::login(LoginReply::LoggedIn(Box::default())),
        Effect::Inspect => Reply::inspected(Ok(Findings { threshold: 5, ..Findings::default() })),
        Effect::EndTls => Reply::tls_ended(Ok(Vec::new())),
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
    options.abilities = Ability::ALL.to_vec();
    let Ok(program) = compile(&checked, &options) else { return };
    let (Some(request), _) = load_request(&Source::new("request.yml", request), None) else { return };
    let response = load_response(&Source::new("response.yml", response), None).0.unwrap_or_else(|| Response::new(200));
    let request = request.facts().expect("its URL was read");
    let answered = request.clone().with_response(&response);
    let facts = Facts::new([203, 0, 113, 42].into()).seeded(1).with_request(&request);
    let (mut compiled, mut written) = (RunState::default(), RunState::default());
    for phase in [Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage] {
        let facts = if phase >= Phase::OnHttpResponse { facts.with_request(&answered) } else { facts };
        let (one, left) = seen(program.run_from(phase, &facts, compiled));
        let (other, right) = seen(program.run_traced_from(phase, &facts, written, Recording::default()));
        assert_eq!(one, other, "{phase}");
        (compiled, written) = (left.into_next_phase(), right.into_next_phase());
    }
});
