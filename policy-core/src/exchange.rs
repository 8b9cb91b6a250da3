//! What the engine and its host say to one another: steps, effects, replies.
//!
//! Steps and effects are small, `Copy` and without lifetimes: texts are behind ids and behind what is [`Asked`], which the
//! evaluation resolves ([`crate::evaluate::Evaluation::target`], [`crate::evaluate::Evaluation::asked`]). So a host may keep
//! a step across an `.await`. Replies are handed over.

mod asked;
mod circuit;
mod inspect;
mod login;
mod outbound;
mod rate;
mod secret;
mod tls;

use std::sync::Arc;

pub use self::asked::Asked;
pub use self::circuit::{Circuit, CircuitBreaker, CircuitState};
pub use self::inspect::{Findings, Inspection, MatchedRule};
pub use self::login::{Identity, LoginProvider, LoginQuestion, LoginReply};
pub use self::outbound::{Answered, Outbound, OutboundFailure};
pub use self::rate::{RateLimit, RateVerdict, SlidingWindow};
pub use self::secret::Secret;
pub use self::tls::{ClientVerification, TlsSettings, TlsVersion};
use crate::cel::Value;
pub use crate::ids::{ActionId, ConditionId, LogId, RuleId, TargetId};
use crate::message::MAX_BODY;
pub use crate::message::{Body, Side};
use crate::outcome::Outcome;
pub use crate::outcome::{FailureAt, ForwardFailure};

/// Something only the host can do. The list is closed within a version and grows with the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Hand the connection to an internal endpoint; answer [`Reply::Forwarded`] or [`Reply::ForwardFailed`].
    Forward(TargetId),
    /// Attach metadata to the connection's event; answer [`Reply::Logged`].
    Log(LogId),
    /// Read a body as the client or the upstream has sent it, up to so many bytes; answer [`Reply::Body`] or
    /// [`Reply::BodyFailed`]. Once per message.
    ReadBody {
        /// Of which message.
        side: Side,
        /// Bytes.
        max: u32,
    },
    /// Count a request against a limit, which is [`Asked::Rate`]; answer [`Reply::Rate`].
    CountRequest,
    /// Ask a circuit breaker, which is [`Asked::Circuit`]; answer [`Reply::Circuit`]. The host records in it what becomes of a
    /// request that it lets through.
    AskCircuit,
    /// Look a secret up, which is [`Asked::Secret`]; answer [`Reply::Secret`].
    GetSecret,
    /// Fetch a set of keys, which is [`Asked::KeySet`]; answer [`Reply::KeySet`].
    FetchKeys,
    /// Send a request, which is [`Asked::Outbound`]; answer [`Reply::Answered`].
    SendRequest,
    /// Find out who is logged in, by [`Asked::Login`]; answer [`Reply::Login`].
    LogIn,
    /// Inspect a message, by [`Asked::Inspection`]; answer [`Reply::Inspected`].
    Inspect,
    /// End TLS, by [`Asked::Tls`]; answer [`Reply::TlsEnded`].
    EndTls,
}

/// What a host can do that not every host can. A policy that needs more is refused when it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// It has vaults, and answers [`Effect::GetSecret`] from them.
    Vaults,
    /// It ends TLS itself ([`Effect::EndTls`]).
    EndTls,
}

impl Ability {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Vaults, Self::EndTls];
}

/// What the host did. A reply that does not fit the effect closes the connection. What is large is in a box, so that a decision
/// about a connection moves two words; there is a function that makes each.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reply {
    /// The internal endpoint took the connection; its own policy may then have refused it.
    Forwarded,
    /// The internal endpoint could not take the connection.
    ForwardFailed(ForwardFailure),
    /// The metadata was taken.
    Logged,
    /// The body.
    Body(Box<Body>),
    /// The body did not arrive.
    BodyFailed,
    /// What a limit says of the request.
    Rate(RateVerdict),
    /// What a circuit breaker says of the request.
    Circuit(CircuitState),
    /// The secret; `None` if there is none of the name.
    Secret(Box<Option<Secret>>),
    /// The set of keys as JSON; `None` if the URL has none.
    KeySet(Box<Option<Arc<str>>>),
    /// What came back, or why nothing did.
    Answered(Box<Result<Answered, OutboundFailure>>),
    /// Who is logged in, or what becomes of somebody who is not.
    Login(Box<LoginReply>),
    /// What was found, or why the inspection failed, in words.
    Inspected(Box<Result<Findings, Box<str>>>),
    /// Values below `actions.ngrok.terminate_tls`, by the names there, or why the handshake failed, in words.
    TlsEnded(Box<Result<TlsValues, Box<str>>>),
}

/// Values of a connection whose TLS was ended, by their names below `actions.ngrok.terminate_tls`.
pub type TlsValues = Vec<(Box<str>, Value)>;

impl Body {
    /// It as the engine keeps it: a host that has read more than it was asked for has not read all.
    pub(crate) fn within_bounds(self) -> Self {
        let complete = self.complete && self.bytes.len() <= MAX_BODY as usize;
        Self { complete, ..self }
    }
}

/// Steps that each byte of a body brings when it is read: fifteen searches for a short text.
const STEPS_OF_BYTE: u64 = 16;

/// Bytes of a set of keys.
pub(crate) const MAX_KEY_SET: usize = 256 << 10;

impl Reply {
    /// [`Reply::Body`]
    #[must_use]
    pub fn body(body: Body) -> Self {
        Self::Body(body.into())
    }

    /// The steps that policies may take beyond those that they have: a body brings some for each of its bytes.
    pub(crate) fn grants(&self) -> u64 {
        match self {
            Self::Body(body) => STEPS_OF_BYTE * body.bytes.len().min(MAX_BODY as usize) as u64,
            _ => 0,
        }
    }

    /// [`Reply::Secret`]
    #[must_use]
    pub fn secret(secret: Option<Secret>) -> Self {
        Self::Secret(secret.into())
    }

    /// [`Reply::KeySet`]
    #[must_use]
    pub fn key_set(keys: Option<Arc<str>>) -> Self {
        Self::KeySet(keys.into())
    }

    /// [`Reply::Answered`]
    #[must_use]
    pub fn answered(answered: Result<Answered, OutboundFailure>) -> Self {
        Self::Answered(answered.into())
    }

    /// [`Reply::Login`]
    #[must_use]
    pub fn login(login: LoginReply) -> Self {
        Self::Login(login.into())
    }

    /// [`Reply::Inspected`]
    #[must_use]
    pub fn inspected(inspected: Result<Findings, Box<str>>) -> Self {
        Self::Inspected(inspected.into())
    }

    /// [`Reply::TlsEnded`]
    #[must_use]
    pub fn tls_ended(ended: Result<TlsValues, Box<str>>) -> Self {
        Self::TlsEnded(ended.into())
    }
}

impl Effect {
    /// The names of all kinds.
    pub const NAMES: &'static [&'static str] = &[
        "forward",
        "log",
        "read_body",
        "count_request",
        "ask_circuit",
        "get_secret",
        "fetch_keys",
        "send_request",
        "log_in",
        "inspect",
        "end_tls",
    ];

    /// The name in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Log(_) => "log",
            Self::ReadBody { .. } => "read_body",
            Self::CountRequest => "count_request",
            Self::AskCircuit => "ask_circuit",
            Self::GetSecret => "get_secret",
            Self::FetchKeys => "fetch_keys",
            Self::SendRequest => "send_request",
            Self::LogIn => "log_in",
            Self::Inspect => "inspect",
            Self::EndTls => "end_tls",
        }
    }

    /// True if a reply is one to this effect.
    pub(crate) const fn takes(self, reply: &Reply) -> bool {
        matches!(
            (self, reply),
            (Self::Forward(_), Reply::Forwarded | Reply::ForwardFailed(_))
                | (Self::Log(_), Reply::Logged)
                | (Self::ReadBody { .. }, Reply::Body(_) | Reply::BodyFailed)
                | (Self::CountRequest, Reply::Rate(_))
                | (Self::AskCircuit, Reply::Circuit(_))
                | (Self::GetSecret, Reply::Secret(_))
                | (Self::FetchKeys, Reply::KeySet(_))
                | (Self::SendRequest, Reply::Answered(_))
                | (Self::LogIn, Reply::Login(_))
                | (Self::Inspect, Reply::Inspected(_))
                | (Self::EndTls, Reply::TlsEnded(_))
        )
    }
}

/// What comes next: an effect to perform, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an evaluation continues only if its effects are performed"]
pub enum Step {
    /// Perform the effect and resume with the reply.
    Perform(Effect),
    /// The decision.
    Done(Outcome),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Does not compile with a further effect: it has a name in the list then, and a pair in `tests/effects.rs`.
    #[test]
    fn every_effect_is_in_the_list_of_names() {
        let place = |effect: Effect| match effect {
            Effect::Forward(_) => 0,
            Effect::Log(_) => 1,
            Effect::ReadBody { .. } => 2,
            Effect::CountRequest => 3,
            Effect::AskCircuit => 4,
            Effect::GetSecret => 5,
            Effect::FetchKeys => 6,
            Effect::SendRequest => 7,
            Effect::LogIn => 8,
            Effect::Inspect => 9,
            Effect::EndTls => 10,
        };
        let all = [
            Effect::Forward(TargetId(0)),
            Effect::Log(LogId(0)),
            Effect::ReadBody { side: Side::Request, max: 1 },
            Effect::CountRequest,
            Effect::AskCircuit,
            Effect::GetSecret,
            Effect::FetchKeys,
            Effect::SendRequest,
            Effect::LogIn,
            Effect::Inspect,
            Effect::EndTls,
        ];
        assert_eq!(all.map(Effect::name), *Effect::NAMES);
        assert!(all.iter().enumerate().all(|(at, effect)| place(*effect) == at));
    }

    #[test]
    fn a_reply_is_two_words() {
        assert!(size_of::<Reply>() <= 16, "{}", size_of::<Reply>());
        assert!(size_of::<Step>() <= 24, "{}", size_of::<Step>());
    }
}
