//! The answer to one question, whoever was asked: what every format shows.

use std::sync::Arc;

use policy_core::cel::Value;
use policy_core::compile::{Digest, Program};
use policy_core::diagnostic::printable;
use policy_core::evaluate::{AsWritten, Evaluation, Record, Recording};
use policy_core::exchange::{ActionId, Effect, ForwardFailure, Reply};
use policy_core::ip_policies::ListedAt;
use policy_core::message::{Headers, Request, Response};
use policy_core::outcome::{Outcome, OutcomeKind};
use policy_core::parse::PlainMap;
use policy_core::scenarios::ExpectedOutcome;
use policy_core::source::Position;
use policy_core::url::EndpointUrl;

use crate::cli::Eval;
use crate::coverage::{Reached, reached};
use crate::hidden::Hidden;

/// A run of a policy that is over.
pub(crate) type Run<'r> = Evaluation<'r, AsWritten<Recording>>;

/// What happens to a connection, and why.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) decision: OutcomeKind,
    /// The same in words.
    pub(crate) outcome: String,
    /// True if a server gets the connection.
    pub(crate) admitted: bool,
    /// The deciding action in words, with its place.
    pub(crate) place: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) at: Option<(String, Position)>,
    /// The endpoint that took the connection, the last one on the way.
    pub(crate) target: Option<EndpointUrl>,
    pub(crate) reason: String,
    /// The action whose list the reason is about: it then begins with the client's address.
    pub(crate) list_of: Option<ActionId>,
    /// Where the entry stands that decided, if an IP policy has it.
    pub(crate) listed_at: Option<ListedAt>,
    /// The digests of the deciding policy: of its text, and the one by which an edge names it.
    pub(crate) digests: Option<[Digest; 2]>,
    pub(crate) effects: Vec<Performed>,
    /// Targets that count as online because nobody said otherwise.
    pub(crate) assumed_online: Vec<EndpointUrl>,
    /// What else counts because nobody said otherwise.
    pub(crate) assumed: Vec<Assumption>,
    /// Targets that an endpoint of the configuration takes unless an agent keeps a more specific one online.
    pub(crate) assumed_unserved: Vec<EndpointUrl>,
    /// Targets that several endpoints share, and which of them this answer is about.
    pub(crate) pools: Vec<Pool>,
    /// What the connection may come to besides, where the edge draws other endpoints of pools.
    pub(crate) draws: Vec<Draw>,
    /// True if every draw was tried.
    pub(crate) all_drawn: bool,
    /// True if the target may have a policy of its own, which was not asked.
    pub(crate) target_not_asked: bool,
    /// The policy decided nothing, and nobody said that its endpoint has an upstream of its own.
    pub(crate) falls_through: bool,
    /// Of a configuration: the way of the connection.
    pub(crate) way: Option<Route>,
    /// The event that ended a stream of events, counted from 1: the client has got those before it.
    pub(crate) ended_by_event: Option<usize>,
    /// What became of a request, if one was sent and the connection was not decided before.
    pub(crate) request: Option<RequestAnswer>,
    /// Every rule, condition and list entry, if that is wanted.
    pub(crate) steps: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestAnswer {
    /// What the client is answered; nothing if the request goes on or the connection is closed.
    pub(crate) response: Option<Response>,
    /// The URL, if it was rewritten.
    pub(crate) url: Option<String>,
    /// Headers of the request that differ from what was sent, each with all of its values; without values it was removed.
    pub(crate) headers: Vec<(String, Vec<String>)>,
    /// The body of the request, if it was changed.
    pub(crate) body: Option<Vec<u8>>,
}

impl RequestAnswer {
    /// It without what one action changed and a later one changed back.
    pub(crate) fn without_equal(mut self, received: &Request) -> Self {
        let is_changed = |(name, values): &(String, Vec<String>)| {
            let own = received.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            !own.map(|(_, value)| value).eq(values.iter().map(String::as_str))
        };
        self.headers.retain(is_changed);
        self.url = self.url.filter(|url| *url != received.url);
        self.body = self.body.filter(|body| *body != received.body);
        self
    }
}

/// Something that counts because nobody said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assumption {
    /// Nobody is logged in.
    NotLoggedIn,
    /// An inspection finds nothing.
    NothingFound,
    /// A TLS handshake succeeds, and says nothing.
    Handshake,
    /// A server answers, without a body.
    Answered,
    /// Nobody says what time it is, to an action that checks times.
    NoTime,
}

impl Assumption {
    /// The name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NotLoggedIn => "not_logged_in",
            Self::NothingFound => "nothing_found",
            Self::Handshake => "handshake_succeeds",
            Self::Answered => "answered_200",
            Self::NoTime => "no_time",
        }
    }

    /// It in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::NotLoggedIn => "nobody is logged in (change it with `--login EMAIL`)",
            Self::NothingFound => "the rule set finds nothing: this command has none",
            Self::Handshake => "the TLS handshake succeeds",
            Self::Answered => "the server answers 200 without a body (change it with `--response FILE`)",
            Self::NoTime => {
                "nobody says what time it is, without which tokens and signatures that have times do not pass (give \
                 it with `--now TIME`)"
            }
        }
    }
}

/// True if a run was refused by an action that checks times, and the call does not say what time it is.
pub(crate) fn lacks_time(run: &Run<'_>, outcome: Outcome, args: &Eval) -> bool {
    let refused = outcome.by().filter(|_| outcome.kind() == OutcomeKind::Deny);
    let action = refused.and_then(|by| run.program().action(by));
    args.now.is_none() && action.is_some_and(|action| action.checks_times())
}

/// The way through the endpoints of a configuration.
#[derive(Debug)]
pub(crate) struct Route {
    /// Where the connection comes in, by name.
    pub(crate) endpoint: String,
    /// The targets that took it, in order.
    pub(crate) hops: Vec<EndpointUrl>,
    /// Whose policy decided: a target, or the endpoint where the connection comes in; nothing if none was asked.
    pub(crate) decided_at: Option<String>,
    /// The server that gets the connection.
    pub(crate) upstream: Option<String>,
}

impl Route {
    /// The server that gets it, if it gets to one.
    pub(crate) fn upstream(&self) -> Option<&str> {
        self.upstream.as_deref()
    }
}

/// Endpoints that share a URL, of which an edge draws one.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) url: EndpointUrl,
    /// The name of the one that this answer is about.
    pub(crate) drawn: String,
}

/// What a connection comes to where the edge draws another endpoint of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draw {
    pub(crate) decision: OutcomeKind,
    pub(crate) target: Option<EndpointUrl>,
}

impl Draw {
    pub(crate) fn words(&self) -> String {
        words(self.decision, self.target.as_ref(), None)
    }
}

/// Something that a policy asked for.
#[derive(Clone, Debug)]
pub(crate) enum Performed {
    /// A forward, and why it failed if it did.
    Forward(EndpointUrl, Option<ForwardFailure>),
    Log(Arc<PlainMap>),
    /// Anything else, by its name.
    Other(&'static str),
    /// Not asked for, but done: a variable was set.
    Set(Arc<str>, Value),
    /// What of the policy the run has reached.
    Reached(Reached),
}

/// What the policy of a run asked for, in order.
pub(crate) fn performed(run: &Run<'_>) -> Vec<Performed> {
    let (mut out, mut open) = (Vec::new(), None);
    for record in &run.trace().records {
        match record {
            Record::Effect { effect, .. } => open = Some(*effect),
            Record::Reply { reply, .. } => {
                out.extend(open.take().and_then(|effect| shape(run, effect, reply)))
            }
            Record::Variable { name, value, .. } => out.push(Performed::Set(Arc::clone(name), value.clone())),
            _ => {}
        }
    }
    out.push(Performed::Reached(reached(run)));
    out
}

fn shape(run: &Run<'_>, effect: Effect, reply: &Reply) -> Option<Performed> {
    match effect {
        Effect::Forward(id) => {
            let failure = if let Reply::ForwardFailed(failure) = reply { Some(*failure) } else { None };
            Some(Performed::Forward(run.target(id)?.clone(), failure))
        }
        Effect::Log(id) => Some(Performed::Log(Arc::clone(run.log(id)?))),
        other => Some(Performed::Other(other.name())),
    }
}

/// The digests of a policy.
pub(crate) fn digests(program: &Program) -> [Digest; 2] {
    [program.policy_sha256(), program.served_sha256()]
}

/// The deciding action of a run in words: kind, place and rule.
pub(crate) fn place(run: &Run<'_>, outcome: Outcome) -> Option<String> {
    let action = outcome.by().and_then(|by| run.program().action(by));
    let condition = run.failed_condition().map(|(condition, _)| condition);
    let (kind, position, rule) = match (action, condition) {
        (Some(action), _) => (action.kind(), action.position(), action.rule()?),
        (None, Some(condition)) => ("a condition", condition.position(), condition.rule()?),
        (None, None) => return None,
    };
    let name = rule.name().map(|name| format!(" `{}`", printable(name))).unwrap_or_default();
    let (file, number) = (run.program().file(), rule.id().index() + 1);
    Some(format!("{kind} at {file}:{position}, rule #{number}{name}"))
}

/// What became of a request, in words.
pub(crate) fn http_words(decision: OutcomeKind, target: Option<&EndpointUrl>, status: Option<u16>) -> String {
    let answered = match decision {
        OutcomeKind::Deny | OutcomeKind::Respond => Some(decision.name()),
        OutcomeKind::Error => Some("failed closed"),
        OutcomeKind::Upstream => {
            return "upstream: the request goes to the endpoint's own upstream".to_owned();
        }
        OutcomeKind::Forward | OutcomeKind::Close => None,
    };
    match answered.zip(status) {
        Some((what, status)) => format!("{what}: the client is answered {status}"),
        None => words(decision, target, None),
    }
}

/// An outcome in words.
pub(crate) fn words(decision: OutcomeKind, target: Option<&EndpointUrl>, upstream: Option<&str>) -> String {
    match decision {
        OutcomeKind::Forward => match (target, upstream) {
            (Some(url), Some(upstream)) => format!("forward to {url}, upstream {upstream}"),
            (Some(url), None) => format!("forward to {url}"),
            (None, _) => "forward".to_owned(),
        },
        OutcomeKind::Deny => "deny: the connection is closed, nothing is sent".to_owned(),
        OutcomeKind::Close => "close: the connection is closed, nothing is sent".to_owned(),
        OutcomeKind::Upstream => match upstream {
            Some(upstream) => format!("upstream: the connection goes to {upstream}"),
            None => "upstream: the connection goes to the endpoint's own upstream".to_owned(),
        },
        OutcomeKind::Respond | OutcomeKind::Error => {
            "failed closed: the connection is closed, nothing is sent".to_owned()
        }
    }
}

impl Answer {
    /// Takes secrets out of everything in it that a policy makes.
    pub(crate) fn hide(&mut self, hidden: &Hidden) {
        hidden.text(&mut self.reason);
        hidden.text(&mut self.outcome);
        hidden.bytes(&mut self.steps);
        for effect in &mut self.effects {
            if let Performed::Log(metadata) = effect {
                *metadata = Arc::new(hidden.plain(metadata));
            }
        }
        let Some(request) = &mut self.request else { return };
        request.url.iter_mut().for_each(|url| hidden.text(url));
        request.headers.iter_mut().flat_map(|(_, values)| values).for_each(|value| hidden.text(value));
        request.body.iter_mut().for_each(|body| hidden.bytes(body));
        if let Some(response) = &mut request.response {
            hidden.bytes(&mut response.body);
            let mut headers = Headers::default();
            for (name, value) in response.headers.iter() {
                let mut value = value.to_owned();
                hidden.text(&mut value);
                // INVARIANT: what was a header without the mark is one with it, unless it becomes too long.
                let _ = headers.append(name, &value);
            }
            response.headers = headers;
        }
    }

    /// What to say if this is not what was expected.
    pub(crate) fn unmet(&self, args: &Eval) -> Option<String> {
        let expected = args.expect.as_ref()?;
        let got = self.other_than(expected)?.words(self);
        let hint = match expected {
            ExpectedOutcome::Allow if self.falls_through => {
                "; add `--has-upstream` if the endpoint has one of its own"
            }
            _ => "",
        };
        Some(format!("expected {expected}, got {got}{hint}"))
    }

    /// What is not as expected: the outcome, else that of another draw out of a pool.
    pub(crate) fn other_than(&self, expected: &ExpectedOutcome) -> Option<Other<'_>> {
        let status = self.request.as_ref().and_then(|request| request.response.as_ref());
        let status = status.map(|response| response.status);
        if !meets((self.decision, self.target.as_ref(), self.admitted), status, expected) {
            return Some(Other::Outcome);
        }
        let other = self.draws.iter().find(|draw| {
            !meets((draw.decision, draw.target.as_ref(), draw.decision.is_admitted()), None, expected)
        });
        other.map(Other::Draw)
    }
}

/// An outcome that is not as expected.
#[derive(Clone, Copy)]
pub(crate) enum Other<'a> {
    /// That of the answer.
    Outcome,
    Draw(&'a Draw),
}

impl Other<'_> {
    pub(crate) fn words(self, answer: &Answer) -> String {
        match self {
            Self::Outcome => answer.outcome.clone(),
            Self::Draw(draw) => {
                format!("{}, where the edge draws another endpoint of the pool", draw.words())
            }
        }
    }
}

fn meets(
    (decision, target, admitted): (OutcomeKind, Option<&EndpointUrl>, bool),
    status: Option<u16>,
    expected: &ExpectedOutcome,
) -> bool {
    match expected {
        ExpectedOutcome::Allow => admitted,
        ExpectedOutcome::Upstream => decision == OutcomeKind::Upstream && admitted,
        ExpectedOutcome::Deny => matches!(decision, OutcomeKind::Deny | OutcomeKind::Close),
        ExpectedOutcome::DenyWith(code) => decision == OutcomeKind::Deny && status == Some(*code),
        ExpectedOutcome::Close => decision == OutcomeKind::Close,
        ExpectedOutcome::Error => decision == OutcomeKind::Error,
        ExpectedOutcome::Forward(url) => decision == OutcomeKind::Forward && target == Some(url),
        ExpectedOutcome::Respond(code) => decision == OutcomeKind::Respond && status == Some(*code),
    }
}
