//! Who connects with an authtoken. What is asked here waits for no disk.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::Identity;
use crate::control::identity::acl::Acl;
use crate::control::identity::cache::Entry;
use crate::control::identity::error::AuthtokenError;
use crate::control::identity::ids::CredentialId;
use crate::control::identity::kinds::{Cache, Credential, ServiceUser};
use crate::control::identity::notice::Principal;
use crate::control::identity::token::{TokenHash, is_well_formed};

impl Identity {
    /// Who a token is of that came from `source`. Waits for no disk.
    ///
    /// # Errors
    /// [`AuthtokenError`].
    pub fn authenticate(
        &self,
        token: &str,
        source: IpAddr,
        now: Timestamp,
    ) -> Result<Principal, AuthtokenError> {
        if !is_well_formed(token) {
            return Err(AuthtokenError::Malformed);
        }
        let hash = TokenHash::from_token(token);
        let cache = self.0.read();
        let entry = cache.alive(cache.table::<Credential>().whose(&hash), now)?;
        if !entry.rules.permits(source) {
            return Err(AuthtokenError::Source);
        }
        entry.note_use(now);
        Ok(Principal {
            credential: entry.record.id,
            owner: entry.record.owner_id,
            acl: Arc::clone(&entry.rules.acl),
            expires_at: entry.record.expires_at,
        })
    }

    /// The credential of an authtoken, whether or not it counts; `None` if there is none, or none any more.
    #[must_use]
    pub fn whose(&self, token: &str) -> Option<CredentialId> {
        let hash = is_well_formed(token).then(|| TokenHash::from_token(token))?;
        self.0.read().table::<Credential>().whose(&hash).map(|entry| entry.record.id)
    }

    /// Whether a credential counts now for a session from `source`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn validate(&self, id: CredentialId, source: IpAddr, now: Timestamp) -> Result<(), AuthtokenError> {
        let cache = self.0.read();
        let entry = cache.alive(cache.table::<Credential>().get(id), now)?;
        if entry.rules.permits(source) { Ok(()) } else { Err(AuthtokenError::Source) }
    }

    /// What a credential may bind now.
    ///
    /// # Errors
    /// Why it does not count any more.
    pub fn acl(&self, id: CredentialId, now: Timestamp) -> Result<Arc<Acl>, AuthtokenError> {
        let cache = self.0.read();
        let entry = cache.alive(cache.table::<Credential>().get(id), now)?;
        Ok(Arc::clone(&entry.rules.acl))
    }

    /// Whose a credential is, and what people call that: the service user with its name, or the credential itself with
    /// its description.
    #[must_use]
    pub fn owner(&self, id: CredentialId) -> Option<(String, String)> {
        let found = self.find::<Credential>(id)?;
        Some(match found.owner_id.and_then(|id| self.find::<ServiceUser>(id)) {
            Some(user) => (user.id.to_string(), user.name),
            None => (id.to_string(), found.description),
        })
    }
}

impl Cache {
    /// A credential that was looked for, if it is valid now.
    fn alive<'c>(
        &self,
        found: Option<&'c Entry<Credential>>,
        now: Timestamp,
    ) -> Result<&'c Entry<Credential>, AuthtokenError> {
        let entry = found.ok_or(AuthtokenError::Unknown)?;
        if !self.owner_counts(entry.record.owner_id) {
            Err(AuthtokenError::OwnerInactive)
        } else if entry.record.is_expired(now) {
            Err(AuthtokenError::Expired)
        } else {
            Ok(entry)
        }
    }
}
