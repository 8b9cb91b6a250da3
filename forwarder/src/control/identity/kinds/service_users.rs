//! Service users: the machines or sites that own authtokens and API keys.

use jiff::Timestamp;
use policy_core::agent::MAX_DESCRIPTION;
use serde::{Deserialize, Serialize};

use super::Cache;
use crate::control::identity::error::IdentityError;
use crate::control::identity::ids::ServiceUserId;
use crate::control::identity::notice::NoticeKind;
use crate::control::identity::record::{Record, check_length, invalid};
use crate::control::identity::token::NoToken;

/// A machine or site that owns credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUser {
    /// Its id.
    pub id: ServiceUserId,
    /// What people call it.
    pub name: String,
    /// Whether its credentials count.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What makes a service user.
#[derive(Clone, Debug)]
pub struct NewServiceUser {
    /// What people call it.
    pub name: String,
    /// Whether its credentials count.
    pub active: bool,
}

/// What changes a service user; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ServiceUserPatch {
    /// A new name.
    pub name: Option<String>,
    /// Whether its credentials count from now on.
    pub active: Option<bool>,
}

impl Record for ServiceUser {
    const TABLE: &'static str = "service_users";
    const NAME: &'static str = "service users";
    const MAX: usize = 100_000;

    type Id = ServiceUserId;
    type New = NewServiceUser;
    type Patch = ServiceUserPatch;
    type Secret = NoToken;
    type Rules = ();

    fn id(&self) -> ServiceUserId {
        self.id
    }

    fn owns(&self) -> Option<ServiceUserId> {
        Some(self.id)
    }

    fn make(
        id: ServiceUserId,
        new: NewServiceUser,
        created_at: Timestamp,
    ) -> Result<(Self, NoToken), IdentityError> {
        Ok((Self { id, name: new.name, active: new.active, created_at }, NoToken))
    }

    fn patched(&self, patch: ServiceUserPatch) -> Result<Self, IdentityError> {
        Ok(Self {
            name: patch.name.unwrap_or_else(|| self.name.clone()),
            active: patch.active.unwrap_or(self.active),
            ..*self
        })
    }

    /// Refuses an empty name, and one that is too long.
    fn check(&self) -> Result<(), IdentityError> {
        if self.name.trim().is_empty() {
            return Err(invalid("`name` must not be empty"));
        }
        check_length("name", &self.name, MAX_DESCRIPTION, None)
    }

    fn rules(&self) -> Result<(), IdentityError> {
        Ok(())
    }

    /// One that is no longer active takes the power of its credentials with it.
    fn takes_away(&self, old: &Self) -> bool {
        old.active && !self.active
    }

    fn told(&self, old: &Self) -> Option<NoticeKind> {
        self.takes_away(old).then_some(NoticeKind::Died)
    }
}

impl Cache {
    /// True for what has no owner, or one that is active.
    pub(in crate::control::identity) fn owner_counts(&self, owner: Option<ServiceUserId>) -> bool {
        let is_active = |id| self.table::<ServiceUser>().get(id).is_some_and(|entry| entry.record.active);
        owner.is_none_or(is_active)
    }
}
