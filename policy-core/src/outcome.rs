//! Outcomes: how a phase ends.

use std::fmt;

use crate::exchange::{ActionId, ExpressionId, ForwardFailure, TargetId};

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
    /// No action ended it.
    Upstream,
}

impl Ending {
    #[inline]
    pub(crate) const fn by(self, by: ActionId) -> Outcome {
        match self {
            Self::Denied => Outcome::Denied { by },
            Self::Closed => Outcome::Closed { by },
            Self::Upstream => Outcome::Upstream,
        }
    }

    /// The name in listings and digests.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Denied => "deny",
            Self::Closed => "close",
            Self::Upstream => "end",
        }
    }
}

impl Outcome {
    /// The name in outputs and events: `forward`, `deny`, `close`, `upstream` or `error`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarded { .. } => "forward",
            Self::Denied { .. } => "deny",
            Self::Closed { .. } => "close",
            Self::Upstream => "upstream",
            Self::Failed { .. } => "error",
        }
    }

    /// The deciding action.
    #[must_use]
    pub const fn by(self) -> Option<ActionId> {
        match self {
            Self::Forwarded { by, .. } | Self::Denied { by } | Self::Closed { by } => Some(by),
            Self::Upstream => None,
            Self::Failed { by, .. } => by,
        }
    }

    /// True if the connection goes on to a target or an upstream.
    #[must_use]
    pub const fn is_admitted(self) -> bool {
        matches!(self, Self::Forwarded { .. } | Self::Upstream)
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
    Condition(ExpressionId),
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
