//! What the engine and its host say to one another: steps, effects, replies.
//!
//! Steps and effects are small, `Copy` and without lifetimes: texts are behind ids, which the evaluation
//! resolves ([`crate::evaluate::Evaluation::target`]). So a host may keep a step across an `.await`. Replies
//! are handed over: an effect may one day answer with more than a number.

use std::fmt;

use crate::outcome::Outcome;
use crate::url::EndpointUrl;

/// A rule of a program, numbered over all its phases in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

impl RuleId {
    /// The rule's index, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An action of a program, numbered over all its phases in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub(crate) u32);

impl ActionId {
    /// The action's index, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A forward target of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetId(pub(crate) u32);

/// A log entry of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId(pub(crate) u32);

/// A condition of a program's rules, numbered over all rules in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpressionId(pub(crate) u32);

impl ExpressionId {
    /// The condition's index, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Something only the host can do. The list is closed within a version and grows with the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Hand the connection to an internal endpoint; answer [`Reply::Forwarded`] or [`Reply::ForwardFailed`].
    Forward(TargetId),
    /// Attach metadata to the connection's event; answer [`Reply::Logged`].
    Log(LogId),
}

/// What the host did. A reply that does not fit the effect closes the connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// The internal endpoint took the connection; its own policy may then have refused it.
    Forwarded,
    /// The internal endpoint could not take the connection.
    ForwardFailed(ForwardFailure),
    /// The metadata was taken.
    Logged,
}

/// Why a forward failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardFailure {
    /// No internal endpoint with this URL is online.
    Offline,
    /// The endpoint is online, its upstream does not answer.
    UpstreamUnreachable,
    /// The chain of forwards is longer than allowed.
    TooManyHops,
    /// Whoever brought the policy may not forward to the endpoint.
    NotPermitted,
}

impl ForwardFailure {
    /// ngrok's code (error reference, 2026-08-07): 3200 offline, 3210 unreachable, 3501 chain too long, 308 address
    /// not permitted for the authtoken.
    #[must_use]
    pub const fn ngrok_code(self) -> &'static str {
        match self {
            Self::Offline => "ERR_NGROK_3200",
            Self::UpstreamUnreachable => "ERR_NGROK_3210",
            Self::TooManyHops => "ERR_NGROK_3501",
            Self::NotPermitted => "ERR_NGROK_308",
        }
    }

    /// The failure in words that name the endpoint.
    ///
    /// ```
    /// use policy_core::{exchange::ForwardFailure, url::EndpointUrl};
    /// let target = EndpointUrl::parse("tcp://a.internal:22").expect("a URL");
    /// assert_eq!(ForwardFailure::Offline.at(&target).to_string(), "tcp://a.internal:22 is offline");
    /// ```
    #[must_use]
    pub const fn at(self, target: &EndpointUrl) -> FailureAt<'_> {
        FailureAt { failure: self, target }
    }
}

/// A failure and its endpoint; displays as one line without a full stop.
#[derive(Clone, Copy, Debug)]
pub struct FailureAt<'t> {
    failure: ForwardFailure,
    target: &'t EndpointUrl,
}

impl fmt::Display for FailureAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target;
        match self.failure {
            ForwardFailure::Offline => write!(f, "{target} is offline"),
            ForwardFailure::UpstreamUnreachable => write!(f, "the upstream of {target} does not answer"),
            ForwardFailure::TooManyHops => write!(f, "the chain of forwards is too long at {target}"),
            ForwardFailure::NotPermitted => {
                write!(f, "the owner of the policy may not forward to {target}")
            }
        }
    }
}

impl fmt::Display for ForwardFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offline => "the endpoint is offline",
            Self::UpstreamUnreachable => "the endpoint's upstream does not answer",
            Self::TooManyHops => "the chain of forwards is too long",
            Self::NotPermitted => "the owner of the policy may not forward to the endpoint",
        })
    }
}

/// What comes next: an effect to perform, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an evaluation goes on only if its effects are performed"]
pub enum Step {
    /// Perform the effect and resume with the reply.
    Perform(Effect),
    /// The decision.
    Done(Outcome),
}
