//! API keys, for the admin API over a network. Who holds one may do everything that the API can do.
//!
//! Source: ngrok API reference, API keys (2026-08-07).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::IdentityError;
use super::ids::{ApiKeyId, ServiceUserId};
use super::records::{Record, check_notes};
use super::token::TokenHash;
use policy_core::ngrok::{ERR_NGROK_203, ERR_NGROK_206, ERR_NGROK_208, NgrokCode};

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

impl Record for ApiKey {
    const TABLE: &'static str = "api_keys";

    type Id = ApiKeyId;

    fn id(&self) -> ApiKeyId {
        self.id
    }

    fn owner(&self) -> Option<ServiceUserId> {
        self.owner_id
    }
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

impl ApiKey {
    /// Refuses texts that are too long.
    pub(super) fn check(&self) -> Result<(), IdentityError> {
        check_notes(&self.description, &self.metadata)
    }

    /// The key with some fields changed.
    pub(super) fn patched(&self, patch: ApiKeyPatch) -> Self {
        let mut new = self.clone();
        new.description = patch.description.unwrap_or(new.description);
        new.metadata = patch.metadata.unwrap_or(new.metadata);
        new
    }
}

/// Why a text is no API key that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// It is an authtoken, or has the form of one.
    Authtoken,
    /// It is the id of a key.
    Id,
    /// No key is like it, or its service user is not active.
    Unknown,
}

impl KeyRefusal {
    /// ngrok's code of this error.
    #[must_use]
    pub fn code(self) -> NgrokCode {
        match self {
            Self::Authtoken => ERR_NGROK_206,
            Self::Id => ERR_NGROK_208,
            Self::Unknown => ERR_NGROK_203,
        }
    }
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authtoken => "this is an authtoken; the API takes an API key",
            Self::Id => "this is the id of an API key; the API takes the key itself",
            Self::Unknown => "unknown, expired or deleted API key",
        })
    }
}

impl std::error::Error for KeyRefusal {}
