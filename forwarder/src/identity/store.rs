//! Where records are kept: a trait, so that a database shared by edges can take the place of the file.

use std::fmt;

use jiff::Timestamp;

use super::api_keys::ApiKey;
use super::ids::{ApiKeyId, CredentialId, ServiceUserId};
use super::records::{Credential, ServiceUser};

/// All that a store holds.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// The service users, in any order.
    pub service_users: Vec<ServiceUser>,
    /// The credentials, in any order, with the time of their last use.
    pub credentials: Vec<Credential>,
    /// The API keys, in any order.
    pub api_keys: Vec<ApiKey>,
}

/// One change of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Writes a service user, new or old.
    PutServiceUser(ServiceUser),
    /// Removes a service user.
    RemoveServiceUser(ServiceUserId),
    /// Writes a credential, new or old, without the time of its last use.
    PutCredential(Box<Credential>),
    /// Removes a credential and the time of its last use.
    RemoveCredential(CredentialId),
    /// Writes when a credential was last used, where there is such a credential.
    Used(CredentialId, Timestamp),
    /// Writes an API key, new or old.
    PutApiKey(ApiKey),
    /// Removes an API key.
    RemoveApiKey(ApiKeyId),
}

/// Keeps records. Calls may wait for a disk.
pub trait Store: fmt::Debug + Send + Sync {
    /// Reads everything.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&self) -> Result<Records, StoreError>;

    /// Makes all changes or none; once this returns they survive a crash.
    ///
    /// # Errors
    /// [`StoreError`].
    fn apply(&self, changes: &[Change]) -> Result<(), StoreError>;
}

/// A store that cannot be read or written.
#[derive(Debug)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps what a store met.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the identity store failed: {}", self.0)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
