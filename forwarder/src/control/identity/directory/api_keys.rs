//! API keys in the store and its copy. Each request asks again, so a key that is deleted is refused immediately.

use jiff::Timestamp;

use super::{Identity, invalid, older, room, to_seconds};
use crate::control::identity::api_keys::{ApiKey, ApiKeyPatch, KeyRefusal, NewApiKey};
use crate::control::identity::error::IdentityError;
use crate::control::identity::ids::ApiKeyId;
use crate::control::identity::store::Change;
use crate::control::identity::token::{Token, TokenHash, is_well_formed};

impl Identity {
    /// Which API key a text is. Waits for no disk.
    ///
    /// # Errors
    /// [`KeyRefusal`].
    pub fn authenticate_key(&self, key: &str) -> Result<ApiKeyId, KeyRefusal> {
        let found = self.0.read().by_key(&TokenHash::from_token(key));
        found.ok_or_else(|| match key.parse::<ApiKeyId>() {
            Ok(_) => KeyRefusal::Id,
            Err(_) if is_well_formed(key) => KeyRefusal::Authtoken,
            Err(_) => KeyRefusal::Unknown,
        })
    }

    /// Whether an API key counts now.
    #[must_use]
    pub fn key_counts(&self, id: ApiKeyId) -> bool {
        self.0.read().key_counts(id)
    }

    /// API keys that are older than `before`, newest first.
    #[must_use]
    pub fn api_keys(&self, before: Option<ApiKeyId>, limit: usize) -> Vec<ApiKey> {
        let cache = self.0.read();
        older(cache.api_keys.all(), before).take(limit).cloned().collect()
    }

    /// An API key.
    #[must_use]
    pub fn api_key(&self, id: ApiKeyId) -> Option<ApiKey> {
        self.0.read().api_keys.all().get(&id).cloned()
    }

    /// Makes an API key; its secret is shown here and never again.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed.
    pub fn create_api_key(&self, new: NewApiKey, now: Timestamp) -> Result<(ApiKey, Token), IdentityError> {
        let mut changes = self.0.write_lock();
        room(self.0.read().api_keys.all().len(), self.0.limits.api_keys, "API keys")?;
        let id = ApiKeyId(changes.ids.next());
        let token = Token::draw_key(id).map_err(IdentityError::Random)?;
        let key = ApiKey {
            id,
            description: new.description,
            metadata: new.metadata,
            owner_id: new.owner_id,
            created_at: to_seconds(now),
            sha256: TokenHash::from_token(token.reveal()),
        };
        key.check()?;
        if key.owner_id.is_some_and(|owner| self.service_user(owner).is_none()) {
            return Err(invalid("`owner_id` names no service user"));
        }
        self.0.store_first(&mut changes, Change::PutApiKey(key.clone()))?;
        self.0.change(|cache| cache.api_keys.put(key.clone()));
        Ok((key, token))
    }

    /// Changes what is noted about an API key.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed.
    pub fn update_api_key(&self, id: ApiKeyId, patch: ApiKeyPatch) -> Result<ApiKey, IdentityError> {
        let mut changes = self.0.write_lock();
        let new = self.api_key(id).ok_or(IdentityError::NotFound)?.patched(patch);
        new.check()?;
        self.0.store_first(&mut changes, Change::PutApiKey(new.clone()))?;
        self.0.change(|cache| cache.api_keys.put(new.clone()));
        Ok(new)
    }

    /// Deletes an API key; returns it as it was.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn delete_api_key(&self, id: ApiKeyId) -> Result<ApiKey, IdentityError> {
        let mut changes = self.0.write_lock();
        let key = self.api_key(id).ok_or(IdentityError::NotFound)?;
        self.0.change(|cache| cache.api_keys.remove(id));
        self.0.store_after(&mut changes, vec![Change::RemoveApiKey(id)])?;
        Ok(key)
    }
}
