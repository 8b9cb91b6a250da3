//! Who calls with an API key. Each request asks again, so a key that is deleted is refused immediately.

use super::Identity;
use crate::control::identity::error::ApiKeyError;
use crate::control::identity::kinds::{ApiKey, ApiKeyId};
use crate::control::identity::token::{TokenHash, is_well_formed};

impl Identity {
    /// Which API key a text is. Waits for no disk.
    ///
    /// # Errors
    /// [`ApiKeyError`].
    pub fn authenticate_key(&self, key: &str) -> Result<ApiKeyId, ApiKeyError> {
        let cache = self.0.read();
        let found = cache.table::<ApiKey>().whose(&TokenHash::from_token(key)).map(|entry| &entry.record);
        let counting = found.filter(|found| cache.owner_counts(found.owner_id));
        counting.map(|found| found.id).ok_or_else(|| match key.parse::<ApiKeyId>() {
            Ok(_) => ApiKeyError::Id,
            Err(_) if is_well_formed(key) => ApiKeyError::Authtoken,
            Err(_) => ApiKeyError::Unknown,
        })
    }

    /// Whether an API key is there and its owner, if it has one, is active.
    #[must_use]
    pub fn key_counts(&self, id: ApiKeyId) -> bool {
        let cache = self.0.read();
        cache.table::<ApiKey>().get(id).is_some_and(|entry| cache.owner_counts(entry.record.owner_id))
    }
}
