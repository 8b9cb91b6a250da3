//! What a dry run answers where a policy asks its host: what the call says, and what it assumes.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use policy_core::compile::Program;
use policy_core::evaluate::{Evaluation, Mode};
use policy_core::exchange::{
    Answered, Asked, Body, CircuitState, Effect, Findings, ForwardFailure, Identity, Inspection, LoginReply,
    Outbound, OutboundFailure, RateVerdict, Reply, Secret, Side,
};
use policy_core::message::{Headers, RequestUrl, Response};
use policy_core::url::EndpointUrl;

use super::counts::Repeated;
use super::known::{EvalInputs, Item};
use crate::answer::Assumption;
use crate::cli::{Eval, Target, TargetState};
use crate::hidden::Hidden;

/// The score from which on ngrok's rule set blocks requests and responses (ngrok documentation, owasp-crs-request,
/// 2026-08-07).
const THRESHOLDS: (u32, u32) = Inspection::THRESHOLDS;
/// Where a provider's login begins.
const LOGIN_PATH: &str = "/ngrok/login";

/// The world of one question.
pub(super) struct World<'a> {
    known: &'a EvalInputs,
    pub(super) args: &'a Eval,
    /// What the response's rules read as its body.
    response: RefCell<Arc<[u8]>>,
    /// The event that the rules for events read.
    event: RefCell<Arc<[u8]>>,
    /// Flags that would have answered.
    missing: RefCell<Vec<String>>,
    assumed: RefCell<Vec<Assumption>>,
    rates: Repeated<RateVerdict>,
    circuits: Repeated<CircuitState>,
}

impl<'a> World<'a> {
    pub(super) fn new(known: &'a EvalInputs, args: &'a Eval) -> Self {
        Self {
            known,
            args,
            response: RefCell::default(),
            event: RefCell::default(),
            missing: RefCell::default(),
            assumed: RefCell::default(),
            rates: Repeated::default(),
            circuits: Repeated::default(),
        }
    }

    /// Says what the body of the response is.
    pub(super) fn set_response(&self, body: &[u8]) {
        *self.response.borrow_mut() = body.into();
    }

    /// Says what the event is.
    pub(super) fn set_event(&self, event: &[u8]) {
        *self.event.borrow_mut() = event.into();
    }

    /// What was assumed so far.
    pub(super) fn assumed(&self) -> Vec<Assumption> {
        self.assumed.borrow().clone()
    }

    /// What the call would have had to say, if anything; with all other secrets that its policies name, so that one more call
    /// is enough.
    pub(super) fn missing<'p>(&self, programs: impl IntoIterator<Item = &'p Program>) -> Option<String> {
        if self.missing.borrow().is_empty() {
            return None;
        }
        let mut files: Vec<&str> = Vec::new();
        for program in programs {
            if !files.contains(&program.file()) {
                files.push(program.file());
            }
            for (vault, name) in program.secrets() {
                if self.secret_at(vault, name).is_none() {
                    self.lacks(secret_flag(vault, name));
                }
            }
        }
        let (missing, files) = (self.missing.borrow().join(" "), files.join(", "));
        let asks = if files.contains(", ") { "the policies ask" } else { "the policy asks" };
        let mut message = format!("{files}: {asks} for what was not given: add `{missing}`");
        Hidden::new(&self.args.secret).text(&mut message);
        Some(message)
    }

    /// Where the call gives a secret; its last word counts.
    fn secret_at(&self, vault: &str, name: &str) -> Option<usize> {
        self.args.secret.iter().rposition(|it| it.vault == vault && it.name == name)
    }

    /// What the call says of a target.
    fn state_of(&self, url: &EndpointUrl) -> Option<TargetState> {
        let of_target = self.args.target.iter().enumerate().filter(|(_, target)| target.url == *url);
        of_target.for_each(|(at, _)| self.known.asked.add(Item::Target(at)));
        Target::state_of(url, &self.args.target)
    }

    fn lacks(&self, flag: String) {
        let mut missing = self.missing.borrow_mut();
        if !missing.contains(&flag) {
            missing.push(flag);
        }
    }

    pub(super) fn assumes(&self, what: Assumption) {
        let mut assumed = self.assumed.borrow_mut();
        if !assumed.contains(&what) {
            assumed.push(what);
        }
    }

    /// The answer to an effect.
    pub(super) fn reply<M: Mode>(&self, effect: Effect, run: &Evaluation<'_, M>) -> Reply {
        match effect {
            Effect::Forward(id) => self.forward(run.target(id)),
            _ => self.answer::<M>(effect, run.asked(), run.program()),
        }
    }

    /// The answer to an effect of a policy that is no forward.
    pub(super) fn answer<M: Mode>(&self, effect: Effect, asked: Option<&Asked>, of: &Program) -> Reply {
        match (effect, asked) {
            // A dry run records the metadata through its trace.
            (Effect::Log(_), _) => Reply::Logged,
            (Effect::ReadBody { side, max }, _) => self.read(side, max as usize),
            (Effect::CountRequest, Some(Asked::Rate { limit, key })) => {
                let counts = &self.known.counts;
                let count = || counts.count(of.file(), limit, key);
                Reply::Rate(self.rates.answer(M::SPECIALISED, count))
            }
            (Effect::AskCircuit, Some(Asked::Circuit(circuit))) => {
                let ask = || self.known.counts.ask(of.file(), circuit);
                Reply::Circuit(self.circuits.answer(M::SPECIALISED, ask))
            }
            (Effect::GetSecret, Some(Asked::Secret { vault, name })) => self.secret(vault, name),
            (Effect::FetchKeys, Some(Asked::KeySet(url))) => self.keys(url),
            (Effect::SendRequest, Some(Asked::Outbound(outbound))) => self.send(outbound),
            (Effect::LogIn, _) => self.login(),
            (Effect::Inspect, Some(Asked::Inspection(inspection))) => {
                self.assumes(Assumption::NothingFound);
                let (request, response) = THRESHOLDS;
                let threshold = if inspection.side == Side::Response { response } else { request };
                Reply::inspected(Ok(Findings { threshold, ..Findings::default() }))
            }
            (Effect::EndTls, _) => {
                self.assumes(Assumption::Handshake);
                Reply::tls_ended(Ok(Vec::new()))
            }
            // An effect of a later version: what fits nothing fails closed.
            _ => Reply::Logged,
        }
    }

    fn forward(&self, target: Option<&EndpointUrl>) -> Reply {
        let state = target.and_then(|url| self.state_of(url));
        match state {
            None | Some(TargetState::Online | TargetState::Respond(_)) => Reply::Forwarded,
            Some(TargetState::Offline) => Reply::ForwardFailed(ForwardFailure::Offline),
            Some(TargetState::Refused | TargetState::Slow) => {
                Reply::ForwardFailed(ForwardFailure::UpstreamUnreachable)
            }
        }
    }

    fn read(&self, side: Side, max: usize) -> Reply {
        let body = match side {
            Side::Request => {
                self.known.request.as_ref().map_or_else(Arc::default, |it| Arc::from(it.body.as_slice()))
            }
            Side::Response => Arc::clone(&self.response.borrow()),
            Side::Event => Arc::clone(&self.event.borrow()),
        };
        match body.get(..max) {
            Some(start) if body.len() > max => Reply::body(Body { bytes: start.into(), complete: false }),
            _ => Reply::body(Body { bytes: body, complete: true }),
        }
    }

    fn secret(&self, vault: &str, name: &str) -> Reply {
        let at = self.secret_at(vault, name);
        match at {
            Some(at) => self.known.asked.add(Item::Secret(at)),
            None => self.lacks(secret_flag(vault, name)),
        }
        let known = at.and_then(|at| self.args.secret.get(at));
        Reply::secret(known.map(|it| Secret::new(&*it.value)))
    }

    fn keys(&self, url: &str) -> Reply {
        let at = self.known.keys.iter().rposition(|(of, _)| of == url);
        match at {
            Some(at) => self.known.asked.add(Item::Keys(at)),
            None => self.lacks(format!("--keys {url}=FILE")),
        }
        let known = at.and_then(|at| self.known.keys.get(at));
        Reply::key_set(known.map(|(_, keys)| Arc::clone(keys)))
    }

    fn send(&self, outbound: &Outbound) -> Reply {
        let endpoint = endpoint_of(&outbound.url);
        let state = endpoint.as_ref().and_then(|url| self.state_of(url));
        let answered = |status| {
            let resolved_ip: Option<IpAddr> = None;
            Ok(Answered { response: Response::new(status), resolved_ip, time: Duration::ZERO })
        };
        Reply::answered(match state {
            Some(TargetState::Respond(status)) => answered(status),
            Some(TargetState::Slow) => Err(OutboundFailure::Timeout),
            Some(TargetState::Offline | TargetState::Refused) => Err(OutboundFailure::Unreachable),
            // Reached, but nobody said what it answers.
            None | Some(TargetState::Online) => {
                let url = endpoint.map_or_else(|| outbound.url.to_string(), |url| url.to_string());
                self.lacks(format!("--target {url}=respond:200"));
                Err(OutboundFailure::Unreachable)
            }
        })
    }

    fn login(&self) -> Reply {
        self.known.asked.add(Item::Login);
        match &self.args.login {
            Some(email) => {
                let (id, provider_user_id) = (email.clone(), email.clone());
                let name = email.split('@').next().unwrap_or_default().to_owned();
                let email = email.clone();
                let identity = Identity { id, email, name, provider_user_id, ..Identity::default() };
                Reply::login(LoginReply::LoggedIn(Box::new(identity)))
            }
            None => {
                self.assumes(Assumption::NotLoggedIn);
                let mut headers = Headers::default();
                // INVARIANT: a path of ours is the value of a header.
                let _ = headers.append("location", LOGIN_PATH);
                Reply::login(LoginReply::Answer(Box::new(Response { headers, ..Response::new(302) })))
            }
        }
    }
}

/// The flag that gives a secret.
fn secret_flag(vault: &str, name: &str) -> String {
    format!("--secret {vault}/{name}=…")
}

/// The endpoint that a URL is at.
pub(super) fn endpoint_of(url: &str) -> Option<EndpointUrl> {
    let url = RequestUrl::parse(url).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    EndpointUrl::parse(&format!("{}://{}{port}", url.scheme(), url.host())).ok()
}
