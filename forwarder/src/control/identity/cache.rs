//! The copy of the store in memory, indexed for authentication.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use policy_core::lpm::Restriction;
use ulid::Ulid;

use super::acl::Acl;
use super::api_keys::ApiKey;
use super::error::Refusal;
use super::error::StoreError;
use super::ids::{ApiKeyId, CredentialId, RecordId, ServiceUserId};
use super::records::{Credential, Rules, ServiceUser};
use super::store::Records;
use super::token::TokenHash;

/// When a credential was used; shared by all versions of its record.
#[derive(Debug)]
pub(super) struct Uses {
    last_ms: AtomicI64,
    /// The last one that the store has.
    kept_ms: AtomicI64,
}

const NEVER: i64 = i64::MIN;

impl Uses {
    fn new(last: Option<Timestamp>) -> Self {
        let ms = last.map_or(NEVER, Timestamp::as_millisecond);
        Self { last_ms: AtomicI64::new(ms), kept_ms: AtomicI64::new(ms) }
    }

    /// Notes a use.
    pub(super) fn note(&self, now: Timestamp) {
        self.last_ms.fetch_max(now.as_millisecond(), Ordering::Relaxed);
    }

    fn last(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.last_ms.load(Ordering::Relaxed)).ok()
    }

    /// The last use, where the store does not have it yet.
    pub(super) fn not_kept(&self) -> Option<Timestamp> {
        self.last().filter(|last| last.as_millisecond() > self.kept_ms.load(Ordering::Relaxed))
    }

    /// Notes that the use of a time is on disk.
    pub(super) fn kept(&self, at: Timestamp) {
        self.kept_ms.fetch_max(at.as_millisecond(), Ordering::Relaxed);
    }
}

/// A credential with its rules read.
#[derive(Clone, Debug)]
pub(super) struct CachedCredential {
    pub(super) credential: Credential,
    pub(super) acl: Arc<Acl>,
    /// Where it counts; without it everywhere.
    pub(super) sources: Option<Restriction>,
    pub(super) uses: Arc<Uses>,
}

impl CachedCredential {
    /// An authtoken that was not used yet.
    pub(super) fn new(credential: Credential, rules: Rules) -> Self {
        let uses = Arc::new(Uses::new(credential.last_used_at));
        Self { credential, acl: Arc::new(rules.acl), sources: rules.sources, uses }
    }

    /// True if the credential counts for who comes from there.
    pub(super) fn permits(&self, source: IpAddr) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.permits(source))
    }

    /// The record with the time of the last use.
    pub(super) fn record(&self) -> Credential {
        Credential { last_used_at: self.uses.last(), ..self.credential.clone() }
    }
}

/// What has a secret, of which the hash is kept.
pub(super) trait Secret {
    /// What it is kept by.
    type Id: RecordId;

    /// Its id.
    fn id(&self) -> Self::Id;

    /// The hash of its secret.
    fn hash(&self) -> TokenHash;
}

impl Secret for CachedCredential {
    type Id = CredentialId;

    fn id(&self) -> CredentialId {
        self.credential.id
    }

    fn hash(&self) -> TokenHash {
        self.credential.sha256
    }
}

impl Secret for ApiKey {
    type Id = ApiKeyId;

    fn id(&self) -> ApiKeyId {
        self.id
    }

    fn hash(&self) -> TokenHash {
        self.sha256
    }
}

/// All of a kind, found by id and by the hash of their secret.
#[derive(Debug)]
pub(super) struct Secrets<S: Secret> {
    // INVARIANT: `put` and `remove` alone change these two, so that they hold the same.
    by_id: BTreeMap<S::Id, S>,
    by_hash: HashMap<TokenHash, S::Id>,
}

impl<S: Secret> Default for Secrets<S> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), by_hash: HashMap::new() }
    }
}

impl<S: Secret> Secrets<S> {
    /// All, by id.
    pub(super) const fn all(&self) -> &BTreeMap<S::Id, S> {
        &self.by_id
    }

    /// Adds or replaces one.
    pub(super) fn put(&mut self, one: S) {
        self.by_hash.insert(one.hash(), one.id());
        self.by_id.insert(one.id(), one);
    }

    /// Removes one.
    pub(super) fn remove(&mut self, id: S::Id) {
        if let Some(one) = self.by_id.remove(&id) {
            self.by_hash.remove(&one.hash());
        }
    }

    /// Whose a secret is, whether or not it counts. The hashes in the map are compared in constant time.
    pub(super) fn whose(&self, hash: &TokenHash) -> Option<S::Id> {
        self.by_hash.get(hash).copied()
    }
}

/// Everything, as the store has it.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub(super) service_users: BTreeMap<ServiceUserId, ServiceUser>,
    pub(super) credentials: Secrets<CachedCredential>,
    pub(super) api_keys: Secrets<ApiKey>,
}

impl Cache {
    /// The copy of what the store holds.
    pub(super) fn from_records(records: Records) -> Result<Self, StoreError> {
        let mut cache = Self::default();
        for user in records.service_users {
            cache.service_users.insert(user.id, user);
        }
        for credential in records.credentials {
            let rules = credential.check();
            let rules = rules.map_err(|error| StoreError::new(format!("`{}`: {error}", credential.id)))?;
            cache.credentials.put(CachedCredential::new(credential, rules));
        }
        for key in records.api_keys {
            cache.api_keys.put(key);
        }
        Ok(cache)
    }

    /// The newest id of all.
    pub(super) fn newest(&self) -> Ulid {
        let user = self.service_users.keys().next_back().map(|id| id.0);
        let credential = self.credentials.all().keys().next_back().map(|id| id.0);
        let api_key = self.api_keys.all().keys().next_back().map(|id| id.0);
        user.max(credential).max(api_key).unwrap_or_default()
    }

    /// The key that has this hash, if it counts.
    pub(super) fn by_key(&self, hash: &TokenHash) -> Option<ApiKeyId> {
        self.api_keys.whose(hash).filter(|id| self.key_counts(*id))
    }

    /// Whether a key is there and its owner, if it has one, is active.
    pub(super) fn key_counts(&self, id: ApiKeyId) -> bool {
        self.api_keys.all().get(&id).is_some_and(|key| key.owner_id.is_none_or(|owner| self.is_active(owner)))
    }

    fn is_active(&self, owner: ServiceUserId) -> bool {
        self.service_users.get(&owner).is_some_and(|owner| owner.active)
    }

    /// The authtokens of a service user.
    pub(super) fn owned_by(&self, owner: ServiceUserId) -> impl Iterator<Item = &CachedCredential> {
        self.credentials.all().values().filter(move |entry| entry.credential.owner_id == Some(owner))
    }

    /// The authtoken of a hash, if it is valid now.
    pub(super) fn by_token(&self, hash: &TokenHash, now: Timestamp) -> Result<&CachedCredential, Refusal> {
        let entry = self.credentials.whose(hash).and_then(|id| self.credentials.all().get(&id));
        self.alive(entry.ok_or(Refusal::Unknown)?, now)
    }

    /// Whose an authtoken is, whether or not it counts.
    pub(super) fn whose(&self, hash: &TokenHash) -> Option<CredentialId> {
        self.credentials.whose(hash)
    }

    /// The authtoken of an id, if it is valid now.
    pub(super) fn by_id(&self, id: CredentialId, now: Timestamp) -> Result<&CachedCredential, Refusal> {
        self.alive(self.credentials.all().get(&id).ok_or(Refusal::Unknown)?, now)
    }

    fn alive<'e>(
        &self,
        entry: &'e CachedCredential,
        now: Timestamp,
    ) -> Result<&'e CachedCredential, Refusal> {
        if entry.credential.owner_id.is_some_and(|id| !self.is_active(id)) {
            Err(Refusal::OwnerInactive)
        } else if entry.credential.is_expired(now) {
            Err(Refusal::Expired)
        } else {
            Ok(entry)
        }
    }
}
