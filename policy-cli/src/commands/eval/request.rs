//! A request over the connection: `on_http_request` after `on_tcp_connect`.

use std::borrow::Cow;
use std::path::Path;

use policy_core::diagnostic::Diagnostics;
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::facts::Facts;
use policy_core::message::{Changes, Request, RequestFacts, Response};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::requests::{load_request, load_response};
use policy_core::source::Source;

use super::single::{Policy, disagree, reply};
use super::{EvalInputs, missing};
use crate::answer::{Answer, RequestAnswer, Run, http_words, performed};
use crate::cli::Eval;
use crate::exit::Failure;
use crate::files;
use crate::render;
use crate::render::text::say_findings;

/// The request that the command line describes.
pub(super) fn from_args(args: &Eval) -> Result<Option<Request>, Failure> {
    let mut request = match (&args.request, &args.url) {
        (Some(path), _) => load(path, load_request)?,
        (None, Some(url)) => Request::new(args.method.as_deref().unwrap_or("GET"), url),
        (None, None) => return Ok(None),
    };
    for (name, value) in &args.header {
        // A request has one host: that of the call takes the place of the file's.
        let added = match name.eq_ignore_ascii_case("host") {
            true => request.headers.replace(name, value),
            false => request.headers.append(name, value),
        };
        added.map_err(|error| Failure::Usage(format!("--header: {error}")))?;
    }
    request.add_host();
    request.header_received = request.header_received.or(args.now);
    Ok(Some(request))
}

/// The response that the upstream is said to give.
pub(super) fn response_from_args(args: &Eval) -> Result<Option<Response>, Failure> {
    args.response.as_deref().map(|path| load(path, load_response)).transpose()
}

/// Reads a file; findings go to standard error.
fn load<T>(path: &Path, read: impl FnOnce(&Source) -> (Option<T>, Diagnostics)) -> Result<T, Failure> {
    let given = files::read(path)?;
    let mut found = given.found.clone();
    let loaded = if found.has_errors() {
        None
    } else {
        let (loaded, later) = read(&given.source);
        found.append(later);
        loaded
    };
    say_findings(&[given.shown(found)]);
    loaded.ok_or_else(|| Failure::Usage(format!("`{}` cannot be used", given.source.name())))
}

/// One phase in both forms of the program, each from a state of its own.
struct Phased<'r> {
    /// The policy as written.
    run: Run<'r>,
    outcome: Outcome,
    sent: RequestAnswer,
    /// What the compiled form leaves.
    compiled: RunState,
}

impl Policy {
    /// What becomes of a request over a connection that the policy has let through.
    pub(super) fn ask_request(
        &self,
        facts: &Facts<'_>,
        (compiled, connected): (RunState, Run<'_>),
        (known, args): (&EvalInputs, &Eval),
        request: &RequestFacts<'_>,
    ) -> Result<Answer, Failure> {
        let facts = facts.with_request(request);
        let mut steps = Vec::new();
        if args.explain {
            steps = render::explain::steps(&connected, Outcome::Upstream, Phase::OnTcpConnect)?;
        }
        let mut effects = performed(&connected);
        let states = (compiled, connected.into_state());
        let asked = self.phase(Phase::OnHttpRequest, &facts, states, args)?;
        if args.explain {
            steps.extend(render::explain::steps(&asked.run, asked.outcome, Phase::OnHttpRequest)?);
        }
        let response = match asked.outcome {
            Outcome::Upstream | Outcome::Forwarded { .. } => known.response.clone(),
            // A policy's own answer goes through the rules for responses, a refusal does not.
            Outcome::Responded { .. } => asked.sent.response.clone(),
            _ => None,
        };
        let mut answer = self.answer(&asked.run, asked.outcome, args, (None, Vec::new()));
        in_http_words(&mut answer, &asked);
        effects.append(&mut answer.effects);
        let mut sent = asked.sent.clone();
        if let Some(response) = response {
            let answered = request.clone().with_response(&response);
            let facts = facts.with_request(&answered);
            let states = (asked.compiled, asked.run.into_state());
            let answered = self.phase(Phase::OnHttpResponse, &facts, states, args)?;
            if args.explain {
                steps.extend(render::explain::steps(&answered.run, answered.outcome, Phase::OnHttpResponse)?);
            }
            let nothing = Changes::default();
            let changes = answered.run.changes().unwrap_or(&nothing);
            sent.response = match answered.outcome {
                Outcome::Upstream => Some(changes.to_response(&response)),
                _ => answered.sent.response.clone(),
            };
            effects.extend(performed(&answered.run));
            if answered.outcome != Outcome::Upstream {
                let of_request = answer;
                answer = self.answer(&answered.run, answered.outcome, args, (None, Vec::new()));
                in_http_words(&mut answer, &answered);
                answer.target = of_request.target;
                answer.assumed_online = of_request.assumed_online;
            }
        }
        answer.effects = effects;
        answer.request = Some(sent);
        answer.steps = steps;
        Ok(answer)
    }

    /// Runs one phase after another.
    fn phase<'r>(
        &'r self,
        phase: Phase,
        facts: &'r Facts<'r>,
        (compiled, written): (RunState, RunState),
        args: &Eval,
    ) -> Result<Phased<'r>, Failure> {
        let (program, targets) = (&self.program, &*args.target);
        let mut decided = program.run_from(phase, facts, compiled.into_next_phase());
        let outcome = decided.run(|effect, run| reply(effect, run, targets));
        let state = written.into_next_phase();
        let mut run = program.run_traced_from(phase, facts, state, Recording::default());
        let as_written = run.run(|effect, run| reply(effect, run, targets));
        let sent = request_answer(&run);
        if outcome != as_written || request_answer(&decided) != sent {
            return Err(disagree(outcome.kind(), as_written.kind(), run.is_out_of_steps()));
        }
        match missing::message(&run) {
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
fn request_answer<M: Mode>(run: &Evaluation<'_, M>) -> RequestAnswer {
    let nothing = Changes::default();
    let changes = run.changes().unwrap_or(&nothing);
    let headers = changes.request_headers();
    let values = |values: &[Box<str>]| values.iter().map(ToString::to_string).collect();
    RequestAnswer {
        response: run.answer().map(Cow::into_owned),
        url: changes.url().map(|url| url.as_str().to_owned()),
        headers: headers.map(|(name, all)| (name.to_owned(), values(all))).collect(),
    }
}
