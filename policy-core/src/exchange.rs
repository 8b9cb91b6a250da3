//! What the engine and its host say to one another: steps, effects, replies.
//!
//! Steps and effects are small, `Copy` and without lifetimes: texts are behind ids, which the evaluation
//! resolves ([`crate::evaluate::Evaluation::target`]). So a host may keep a step across an `.await`. Replies
//! are handed over: an effect may one day answer with more than a number.

pub use crate::ids::{ActionId, ExpressionId, LogId, RuleId, TargetId};
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

/// What comes next: an effect to perform, or the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an evaluation continues only if its effects are performed"]
pub enum Step {
    /// Perform the effect and resume with the reply.
    Perform(Effect),
    /// The decision.
    Done(Outcome),
}
