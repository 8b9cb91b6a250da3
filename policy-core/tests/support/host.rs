//! A host that answers from closures, and what became of a phase.
#![allow(dead_code, reason = "not every file of tests uses all of it")]

use policy_core::compile::{CompileOptions, Program};
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::exchange::{Ability, Asked, Body, Effect, Reply, Side};
use policy_core::facts::Facts;
use policy_core::message::{ContentCoding, Headers, Request, Response};
use policy_core::phase::{Phase, PhaseSet};

pub(crate) fn compile(text: &str) -> Program {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    options.abilities = Ability::ALL.to_vec();
    Program::from_policy_with("p.yml", text, &options).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

pub(crate) fn headers(given: &[(&str, &str)]) -> Headers {
    let mut out = Headers::default();
    given.iter().for_each(|(name, value)| out.append(name, value).expect("a header"));
    out
}

/// What became of a phase.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) answer: Option<Response>,
    pub(crate) bodies: [Option<String>; 3],
    pub(crate) changed: Vec<String>,
    pub(crate) compression: Option<ContentCoding>,
    pub(crate) asked: Vec<Effect>,
}

impl Ended {
    /// The body of what is answered.
    pub(crate) fn body(&self) -> String {
        let answer = self.answer.as_ref().unwrap_or_else(|| panic!("{self:?}"));
        String::from_utf8(answer.body.clone()).expect("text")
    }
}

/// A host that answers from a closure.
pub(crate) fn drive<M: Mode>(
    mut run: Evaluation<'_, M>,
    host: &mut dyn FnMut(Effect, Option<&Asked>) -> Reply,
) -> (Ended, RunState) {
    let mut asked = Vec::new();
    let outcome = run.run(|effect, run| {
        asked.push(effect);
        host(effect, run.asked())
    });
    let changes = run.changes().cloned().unwrap_or_default();
    let text = |side| changes.body(side).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let of = changes.request_headers().chain(changes.response_headers());
    let ended = Ended {
        outcome: outcome.name().to_owned(),
        reason: run.reason().to_string(),
        answer: run.answer().map(std::borrow::Cow::into_owned),
        bodies: [Side::Request, Side::Response, Side::Event].map(text),
        changed: of.map(|(name, values)| format!("{name}: {}", values.join(" | "))).collect(),
        compression: changes.compression(),
        asked,
    };
    (ended, run.into_state())
}

/// Runs a phase of a policy in both forms of its program, which agree.
pub(crate) fn run_phase(
    text: &str,
    phase: Phase,
    (request, response): (&Request, &Response),
    host: impl Fn() -> Box<dyn FnMut(Effect, Option<&Asked>) -> Reply>,
) -> Ended {
    let program = compile(text);
    let request = request.facts().expect("a URL").with_response(response);
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request).seeded(7);
    let (compiled, _) = drive(program.run(phase, &facts), &mut *host());
    let (written, _) = drive(program.run_traced(phase, &facts, Recording::default()), &mut *host());
    assert_eq!(compiled, written, "{text}");
    compiled
}

pub(crate) fn on_request(
    actions: &str,
    host: impl Fn(Effect, Option<&Asked>) -> Reply + Copy + 'static,
) -> Ended {
    let text = format!("on_http_request:\n- actions:\n{actions}");
    let request = Request {
        headers: headers(&[
            ("host", "a.example"),
            ("content-length", "11"),
            ("accept-encoding", "br, gzip;q=0.5"),
        ]),
        ..Request::new("POST", "https://a.example/hook?a=b")
    };
    run_phase(&text, Phase::OnHttpRequest, (&request, &Response::new(200)), || Box::new(host))
}

pub(crate) fn on_response(
    actions: &str,
    of: &[(&str, &str)],
    host: impl Fn(Effect, Option<&Asked>) -> Reply + Copy + 'static,
) -> Ended {
    let text = format!("on_http_response:\n- actions:\n{actions}");
    let request = Request {
        headers: headers(&[("accept-encoding", "br, gzip;q=0.5")]),
        ..Request::new("GET", "https://a.example/")
    };
    let response = Response { headers: headers(of), ..Response::new(200) };
    run_phase(&text, Phase::OnHttpResponse, (&request, &response), || Box::new(host))
}

pub(crate) fn body(text: &str) -> Reply {
    Reply::body(Body { bytes: text.as_bytes().into(), complete: true })
}

pub(crate) const SHOW: &str = "  - {type: custom-response, config: {body: \"";

/// An action and one that shows something in its answer.
pub(crate) fn shown(action: &str, what: &str) -> String {
    format!("  - {action}\n{SHOW}{what}\"}}}}\n")
}
