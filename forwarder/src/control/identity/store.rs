//! Where records are kept: a trait, so that a database shared by edges can take the place of the file.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::api_keys::ApiKey;
use super::error::StoreError;
use super::ids::{ApiKeyId, CredentialId, ServiceUserId};
use super::records::{Credential, Record, ServiceUser};

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

/// One change of a store. Making one twice is the same as making it once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Change {
    /// Writes a service user, new or old.
    PutServiceUser(ServiceUser),
    /// Removes a service user.
    RemoveServiceUser(ServiceUserId),
    /// Removes the credentials and API keys of a service user, however many those are.
    RemoveOwned(ServiceUserId),
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

impl Change {
    /// What it is about: of two changes with the same, the later one counts.
    pub(super) const fn subject(&self) -> (u8, Ulid) {
        match self {
            Self::PutServiceUser(user) => (0, user.id.0),
            Self::RemoveServiceUser(id) => (0, id.0),
            Self::RemoveOwned(id) => (1, id.0),
            Self::PutCredential(credential) => (2, credential.id.0),
            Self::RemoveCredential(id) => (2, id.0),
            Self::Used(id, _) => (3, id.0),
            Self::PutApiKey(key) => (4, key.id.0),
            Self::RemoveApiKey(id) => (4, id.0),
        }
    }

    /// True if it leaves nothing but a gap.
    pub(super) const fn is_deletion(&self) -> bool {
        match self {
            Self::RemoveServiceUser(_)
            | Self::RemoveOwned(_)
            | Self::RemoveCredential(_)
            | Self::RemoveApiKey(_) => true,
            Self::PutServiceUser(_) | Self::PutCredential(_) | Self::Used(..) | Self::PutApiKey(_) => false,
        }
    }
}

/// Adds a change to others that wait; what it makes needless goes.
pub(super) fn add(waiting: &mut Vec<Change>, change: Change) {
    waiting.retain(|other| other.subject() != change.subject());
    waiting.push(change);
}

impl Records {
    /// Makes a change.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::PutServiceUser(user) => put(&mut self.service_users, user.clone()),
            Change::RemoveServiceUser(id) => remove(&mut self.service_users, *id),
            Change::RemoveOwned(id) => {
                remove_owned(&mut self.credentials, *id);
                remove_owned(&mut self.api_keys, *id);
            }
            Change::PutCredential(credential) => {
                let old = self.credentials.iter().find(|it| it.id == credential.id);
                let last_used_at = old.and_then(|old| old.last_used_at);
                put(&mut self.credentials, Credential { last_used_at, ..(**credential).clone() });
            }
            Change::RemoveCredential(id) => remove(&mut self.credentials, *id),
            Change::Used(id, at) => {
                let used = self.credentials.iter_mut().filter(|it| it.id == *id);
                used.for_each(|it| it.last_used_at = Some(*at));
            }
            Change::PutApiKey(key) => put(&mut self.api_keys, key.clone()),
            Change::RemoveApiKey(id) => remove(&mut self.api_keys, *id),
        }
    }
}

fn put<R: Record>(records: &mut Vec<R>, record: R) {
    remove(records, record.id());
    records.push(record);
}

fn remove<R: Record>(records: &mut Vec<R>, id: R::Id) {
    records.retain(|it| it.id() != id);
}

fn remove_owned<R: Record>(records: &mut Vec<R>, owner: ServiceUserId) {
    records.retain(|it| it.owner() != Some(owner));
}

/// Keeps records. Calls may wait for a disk.
pub trait Store: fmt::Debug + Send + Sync {
    /// Reads everything.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&self) -> Result<Records, StoreError>;

    /// Makes all changes or none, after those that wait in the reserve; once this returns they survive a crash. A
    /// store that has failed tries again with the next call.
    ///
    /// # Errors
    /// [`StoreError`].
    fn apply(&self, changes: &[Change]) -> Result<(), StoreError>;

    /// Keeps changes where there is room also on a full disk; once this returns they survive a crash, and
    /// [`Self::load`] has them.
    ///
    /// # Errors
    /// [`StoreError`]; always where a store has no such place.
    fn reserve(&self, _changes: &[Change]) -> Result<(), StoreError> {
        Err(StoreError::new("there is no reserve"))
    }

    /// Whether changes wait in the reserve.
    fn is_behind(&self) -> bool {
        false
    }
}
