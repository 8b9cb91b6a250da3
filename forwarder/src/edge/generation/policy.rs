//! What decides at an endpoint, and why it may be less than its policy.

use std::sync::Arc;

use policy_core::compile::{Digest, Program};
use policy_core::edge::OnBadPolicy;

/// What decides at an endpoint.
#[derive(Clone, Debug)]
pub enum EndpointPolicy {
    /// Its policy.
    Program(Arc<Program>),
    /// Nobody is admitted, because its policy could not be loaded; why, in one line.
    Refuse(Arc<str>),
}

/// An endpoint whose policy could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotLoaded {
    /// The name of the endpoint, or the URL of an internal one.
    pub endpoint: Box<str>,
    /// The file of the policy, as the configuration names it; `None` for an inline one.
    pub file: Option<Box<str>>,
    /// What the configuration wants done.
    pub on_bad_policy: OnBadPolicy,
    /// The policy of before, if it stays in force; otherwise every connection is refused.
    pub in_force: Option<Digest>,
}

impl NotLoaded {
    /// What became of the endpoint, in one line.
    #[must_use]
    pub fn consequence(&self) -> &'static str {
        match (self.in_force, self.on_bad_policy) {
            (Some(_), _) => "the previous policy stays in force",
            (None, OnBadPolicy::Refuse) => "every connection is refused (`on_bad_policy: refuse`)",
            (None, _) => "every connection is refused: no previous policy is in force",
        }
    }
}
