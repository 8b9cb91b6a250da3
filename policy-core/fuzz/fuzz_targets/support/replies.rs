//! What a host answers to every effect.

use std::time::Duration;

use policy_core::exchange::{
    Answered, Body, CircuitState, Effect, Findings, ForwardFailure, LoginReply, RateVerdict, Reply, Secret,
};
use policy_core::message::Response;

pub(crate) fn reply(effect: Effect) -> Reply {
    match effect {
        Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
        Effect::Log(_) => Reply::Logged,
        Effect::ReadBody { .. } => {
            Reply::body(Body { bytes: (*b"a body: 1,2;3\n\n").into(), complete: true })
        }
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
    }
}
