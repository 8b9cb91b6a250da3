//! API keys, for the admin API over a network. Who holds one may do everything that the API can do.
//!
//! Source: ngrok API reference, API keys (2026-08-07).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::control::identity::error::IdentityError;
use crate::control::identity::ids::{ServiceUserId, id};
use crate::control::identity::record::{Record, check_notes};
use crate::control::identity::token::{Token, TokenHash};

id!(
    /// The id of an API key, `ak_…`.
    ApiKeyId,
    "ak_"
);

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// For people, at most 255 characters.
    pub description: String,
    /// For machines, at most 4,096 characters.
    pub metadata: String,
    /// Whose it is; it counts only while its owner is active.
    pub owner_id: Option<ServiceUserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The hash of the key.
    pub sha256: TokenHash,
}

/// What makes an API key.
#[derive(Clone, Debug, Default)]
pub struct NewApiKey {
    /// For people.
    pub description: String,
    /// For machines.
    pub metadata: String,
    /// Whose it is.
    pub owner_id: Option<ServiceUserId>,
}

/// What changes an API key; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyPatch {
    /// A new description.
    pub description: Option<String>,
    /// New metadata.
    pub metadata: Option<String>,
}

impl Record for ApiKey {
    const TABLE: &'static str = "api_keys";
    const NAME: &'static str = "API keys";
    const MAX: usize = 1_000;

    type Id = ApiKeyId;
    type New = NewApiKey;
    type Patch = ApiKeyPatch;
    type Secret = Token;
    type Rules = ();

    fn id(&self) -> ApiKeyId {
        self.id
    }

    fn owner(&self) -> Option<ServiceUserId> {
        self.owner_id
    }

    fn hash(&self) -> Option<TokenHash> {
        Some(self.sha256)
    }

    /// The key begins with its whole id, `ak_` included, so that nobody takes it for an authtoken.
    fn make(id: ApiKeyId, new: NewApiKey, created_at: Timestamp) -> Result<(Self, Token), IdentityError> {
        let token = Token::draw(id).map_err(IdentityError::Random)?;
        let NewApiKey { description, metadata, owner_id } = new;
        let sha256 = TokenHash::from_token(token.reveal());
        Ok((Self { id, description, metadata, owner_id, created_at, sha256 }, token))
    }

    fn patched(&self, patch: ApiKeyPatch) -> Result<Self, IdentityError> {
        let mut new = self.clone();
        new.description = patch.description.unwrap_or(new.description);
        new.metadata = patch.metadata.unwrap_or(new.metadata);
        Ok(new)
    }

    fn check(&self) -> Result<(), IdentityError> {
        check_notes(&self.description, &self.metadata)
    }

    fn rules(&self) -> Result<(), IdentityError> {
        Ok(())
    }
}
