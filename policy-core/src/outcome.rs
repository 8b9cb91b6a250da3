//! Outcomes: how a phase ends.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::ids::{ActionId, ConditionId, TargetId};
use crate::ngrok::{self, NgrokCode};
use crate::url::EndpointUrl;

/// The decision of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// An internal endpoint took the connection.
    Forwarded {
        /// The endpoint.
        target: TargetId,
        /// The deciding action.
        by: ActionId,
    },
    /// Refused by `restrict-ips` or `deny`: close, send nothing.
    Denied {
        /// The deciding action.
        by: ActionId,
    },
    /// Ended by `close-connection`: close, send nothing.
    Closed {
        /// The deciding action.
        by: ActionId,
    },
    /// Answered by the policy, with what `Evaluation::answer` gives.
    Responded {
        /// The deciding action.
        by: ActionId,
    },
    /// No action ended the phase: an endpoint with an upstream uses it, any other closes (ERR_NGROK_6029).
    Upstream,
    /// Something went wrong: close, send nothing.
    Failed {
        /// What went wrong.
        fault: Fault,
        /// The action at which it went wrong.
        by: Option<ActionId>,
    },
}

/// How an action or the end of the rules ends a phase, whatever the host says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    Denied,
    Closed,
    /// An action has answered.
    Responded,
    /// No action ended it.
    Upstream,
}

impl Ending {
    #[inline]
    pub(crate) const fn by(self, by: ActionId) -> Outcome {
        match self {
            Self::Denied => Outcome::Denied { by },
            Self::Closed => Outcome::Closed { by },
            Self::Responded => Outcome::Responded { by },
            Self::Upstream => Outcome::Upstream,
        }
    }

    /// The name in listings and digests.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Denied => "deny",
            Self::Closed => "close",
            Self::Responded => "respond",
            Self::Upstream => "end",
        }
    }
}

/// What an outcome is, without who decided: what outputs and events name. Ordered by name.
///
/// ```
/// use policy_core::outcome::OutcomeKind;
/// assert_eq!(OutcomeKind::Forward.to_string(), "forward");
/// assert!(OutcomeKind::Upstream.is_admitted() && !OutcomeKind::Respond.is_admitted());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeKind {
    /// Ended by `close-connection`.
    Close,
    /// Refused by `restrict-ips` or `deny`.
    Deny,
    /// Something went wrong.
    Error,
    /// An internal endpoint took the connection.
    Forward,
    /// Answered by the policy.
    Respond,
    /// No action ended it: the endpoint's own upstream, if it has one.
    Upstream,
}

impl OutcomeKind {
    /// The name in outputs and events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Close => "close",
            Self::Deny => "deny",
            Self::Error => "error",
            Self::Forward => "forward",
            Self::Respond => "respond",
            Self::Upstream => "upstream",
        }
    }

    /// Reads such a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Close, Self::Deny, Self::Error, Self::Forward, Self::Respond, Self::Upstream];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// True if the connection goes on to a target or an upstream.
    #[must_use]
    pub const fn is_admitted(self) -> bool {
        match self {
            Self::Forward | Self::Upstream => true,
            Self::Close | Self::Deny | Self::Error | Self::Respond => false,
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for OutcomeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Outcome {
    /// What it is, without who decided.
    #[must_use]
    pub const fn kind(self) -> OutcomeKind {
        match self {
            Self::Forwarded { .. } => OutcomeKind::Forward,
            Self::Denied { .. } => OutcomeKind::Deny,
            Self::Closed { .. } => OutcomeKind::Close,
            Self::Responded { .. } => OutcomeKind::Respond,
            Self::Upstream => OutcomeKind::Upstream,
            Self::Failed { .. } => OutcomeKind::Error,
        }
    }

    /// The name of its kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The deciding action.
    #[must_use]
    pub const fn by(self) -> Option<ActionId> {
        match self {
            Self::Forwarded { by, .. }
            | Self::Denied { by }
            | Self::Closed { by }
            | Self::Responded { by } => Some(by),
            Self::Upstream => None,
            Self::Failed { by, .. } => by,
        }
    }

    /// True if the connection goes on to a target or an upstream.
    #[must_use]
    pub const fn is_admitted(self) -> bool {
        self.kind().is_admitted()
    }
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
    pub const fn ngrok_code(self) -> NgrokCode {
        match self {
            Self::Offline => ngrok::ERR_NGROK_3200,
            Self::UpstreamUnreachable => ngrok::ERR_NGROK_3210,
            Self::TooManyHops => ngrok::ERR_NGROK_3501,
            Self::NotPermitted => ngrok::ERR_NGROK_308,
        }
    }

    /// The failure of one of these codes.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let all = [Self::Offline, Self::UpstreamUnreachable, Self::TooManyHops, Self::NotPermitted];
        let code = NgrokCode::parse(code)?;
        all.into_iter().find(|failure| failure.ngrok_code() == code)
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

/// Why an evaluation failed closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A forward failed and its `on_error` is `halt`.
    Forward {
        /// Why.
        failure: ForwardFailure,
        /// The endpoint that was asked for.
        target: TargetId,
    },
    /// A condition of a rule has no value; [`crate::evaluate::Evaluation::failed_condition`] says why.
    Condition(ConditionId),
    /// A value of the action cannot be made, e.g. a target; [`crate::evaluate::Evaluation::failed_value`] says why.
    Value,
    /// The host's reply did not fit the effect.
    WrongReply,
    /// The host started twice, or resumed when no effect was open.
    OutOfOrder,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward { failure, .. } => failure.fmt(f),
            Self::Condition(_) => f.write_str("a condition of a rule has no value"),
            Self::Value => f.write_str("a value of the action cannot be made"),
            Self::WrongReply => f.write_str("the host's reply does not fit the effect"),
            Self::OutOfOrder => f.write_str("the host drove the evaluation out of order"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Summaries of events are sorted by them.
    #[test]
    fn kinds_are_ordered_by_their_names() {
        use OutcomeKind::{Close, Deny, Error, Forward, Respond, Upstream};
        let all = [Upstream, Respond, Forward, Error, Deny, Close];
        let sorted = |by: fn(&OutcomeKind, &OutcomeKind) -> std::cmp::Ordering| {
            let mut all = all;
            all.sort_by(by);
            all
        };
        assert_eq!(sorted(Ord::cmp), sorted(|a, b| a.name().cmp(b.name())));
    }
}
