//! Whose an endpoint is: what its policies may forward to, and what they may take.

use std::sync::Arc;

use policy_core::url::EndpointUrl;

use crate::control::identity::{Acl, CredentialId};
use crate::edge::policy_shares::{PolicyShare, Reserved};

/// The authtoken behind an endpoint that an agent keeps online.
#[derive(Debug)]
pub struct Owner {
    /// The authtoken.
    pub credential: CredentialId,
    /// What it may bind. A session ends when the rules of its authtoken change, so this does not age.
    pub acl: Arc<Acl>,
    /// What its policies may take, together with those of its other endpoints.
    pub share: Arc<PolicyShare>,
    /// The memory that the policies of this endpoint take.
    pub memory: Reserved,
}

impl Owner {
    /// True if a policy of this owner may forward to an endpoint: to one that it may bind itself.
    #[must_use]
    pub fn may_forward(&self, target: &EndpointUrl) -> bool {
        self.acl.permits(target.host(), target.port())
    }
}
