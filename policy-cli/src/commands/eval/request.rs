//! A request over the connection: `on_http_request` after `on_tcp_connect`.

use std::borrow::Cow;

use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::facts::Facts;
use policy_core::message::{Changes, Headers, Request, RequestFacts, RequestUrl};
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;

use super::missing;
use super::single::{Policy, disagree, reply};
use crate::answer::{Answer, RequestAnswer, Run, http_words, performed};
use crate::cli::Eval;
use crate::exit::Failure;
use crate::render;

/// The request that the command line describes.
pub(super) fn from_args(args: &Eval) -> Result<Option<Request>, Failure> {
    let Some(url) = &args.url else { return Ok(None) };
    let mut request = Request::new(args.method.as_deref().unwrap_or("GET"), url);
    let given = |name: &str| args.header.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    let host = (!given("host")).then(|| host_of(url)).flatten();
    let host = host.as_deref().map(|host| ("host", host));
    let written = args.header.iter().map(|(name, value)| (&**name, &**value));
    request.headers = headers(host.into_iter().chain(written))?;
    request.header_received = args.now;
    Ok(Some(request))
}

fn headers<'h>(all: impl Iterator<Item = (&'h str, &'h str)>) -> Result<Headers, Failure> {
    let mut out = Headers::default();
    for (name, value) in all {
        out.append(name, value).map_err(|error| Failure::Usage(format!("--header: {error}")))?;
    }
    Ok(out)
}

/// Host and port, as a client sends them.
fn host_of(url: &str) -> Option<String> {
    let url = RequestUrl::parse(url).ok()?;
    let authority = url.authority();
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned())
}

impl Policy {
    /// What becomes of a request over a connection that the policy has let through.
    pub(super) fn ask_request(
        &self,
        facts: &Facts<'_>,
        (decided, connected): (RunState, Run<'_>),
        args: &Eval,
        request: &RequestFacts<'_>,
    ) -> Result<Answer, Failure> {
        let (program, targets) = (&self.program, &*args.target);
        let facts = facts.with_request(request);
        let mut steps = match args.explain {
            true => render::explain::steps(&connected, Outcome::Upstream, Phase::OnTcpConnect)?,
            false => Vec::new(),
        };
        // Each form of the program goes on from its own state.
        let mut decided = program.run_from(Phase::OnHttpRequest, &facts, decided.into_next_phase());
        let compiled = decided.run(|effect, run| reply(effect, run, targets));
        let mut effects = performed(&connected);
        let state = connected.into_state().into_next_phase();
        let mut run = program.run_traced_from(Phase::OnHttpRequest, &facts, state, Recording::default());
        let outcome = run.run(|effect, run| reply(effect, run, targets));
        let (one, other) = (request_answer(&decided), request_answer(&run));
        if compiled != outcome || one != other {
            return Err(disagree(compiled.name(), outcome.name(), run.is_out_of_steps()));
        }
        if let Some(message) = missing::message(&run) {
            return Err(Failure::Usage(message));
        }
        if args.explain {
            steps.extend(render::explain::steps(&run, outcome, Phase::OnHttpRequest)?);
        }
        let mut answer = self.answer(&run, outcome, args, (None, steps));
        if !answer.falls_through {
            let status = other.response.as_ref().map(|response| response.status);
            answer.outcome = http_words(outcome.name(), answer.target.as_ref(), status);
        }
        effects.append(&mut answer.effects);
        answer.effects = effects;
        answer.request = Some(other);
        Ok(answer)
    }
}

/// What is sent instead of, or beside, what the client sent.
fn request_answer<M: Mode>(run: &Evaluation<'_, M>) -> RequestAnswer {
    let nothing = Changes::default();
    let changes = run.changes().unwrap_or(&nothing);
    let headers = changes.request_headers();
    RequestAnswer {
        response: run.answer().map(Cow::into_owned),
        url: changes.url().map(|url| url.as_str().to_owned()),
        headers: headers
            .map(|(name, values)| (name.to_owned(), values.iter().map(ToString::to_string).collect()))
            .collect(),
    }
}
