//! What a check knows beside the text: the endpoint a policy is for, and how strictly to look.

use std::sync::Arc;

use crate::ip_policy::IpPolicies;
use crate::parse::Limits;
use crate::url::{Binding, Scheme};

/// What to check with, and how strictly to look.
///
/// ```
/// use policy_core::{check::CheckOptions, url::Scheme};
/// let mut options = CheckOptions::default();
/// options.endpoint.scheme = Some(Scheme::Tcp);
/// options.strict = true;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CheckOptions {
    /// The budgets of the document reader.
    pub limits: Limits,
    /// The endpoint a policy is for. A configuration says it itself.
    pub endpoint: EndpointTraits,
    /// What may be read in two ways is an error: bare addresses, host bits, legacy spellings.
    pub strict: bool,
    /// What is clear although it is malformed is a warning: rules without `actions`, phases that are no
    /// list.
    pub lenient: bool,
    /// True where the policy is about to be served: a list that allows nobody is a warning then, and so is an end without
    /// an action. Both refuse, and what only refuses more must load; to its author it is an error, since most meant
    /// something else.
    pub serving: bool,
    /// The IP policies that `restrict-ips` may name; `None` if nobody said which there are.
    pub ip_policies: Option<Arc<IpPolicies>>,
}

/// What is known of the endpoint whose policy is checked: some of the language exists on some only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointTraits {
    /// Its protocol.
    pub scheme: Option<Scheme>,
    /// Where it can be reached from.
    pub binding: Option<Binding>,
    /// True for an endpoint without an upstream of its own: its policy must handle all traffic.
    pub cloud: bool,
}

impl EndpointTraits {
    /// An endpoint of a protocol.
    #[must_use]
    pub const fn from_scheme(scheme: Scheme) -> Self {
        Self { scheme: Some(scheme), binding: None, cloud: false }
    }

    /// The same without an upstream of its own.
    #[must_use]
    pub const fn without_upstream(self) -> Self {
        Self { cloud: true, ..self }
    }

    /// The same with a binding.
    #[must_use]
    pub const fn bound(self, binding: Binding) -> Self {
        Self { binding: Some(binding), ..self }
    }
}
