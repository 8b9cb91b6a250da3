//! The store and its copy in memory, kept in step: readers never wait for a disk, writers wait for each other.
//!
//! What gives power is first in the store, then in the copy. What takes power away is first in the copy, then it is
//! told, then it is stored, so that no disk holds it up; where the store fails it goes to the reserve, and where that
//! fails it waits in memory for the store. A session that enters its registry first and asks [`Identity::admits`]
//! afterwards therefore either learns that its credential is gone, or is in the registry when the notice comes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::acl::Acl;
use super::api_keys::ApiKey;
use super::cache::{Cache, CachedCredential};
use super::disk::DiskStore;
use super::error::StoreError;
use super::error::{IdentityError, Refusal};
use super::ids::{CredentialId, Ids, ServiceUserId};
use super::notice::{Notice, NoticeKind, Principal};
use super::records::{
    Credential, CredentialPatch, NewCredential, NewServiceUser, Rules, ServiceUser, ServiceUserPatch,
};
use super::store::{Change, Store, add};
use super::token::{Token, TokenHash, is_well_formed};

/// Notices a receiver may lie behind; one that lies further asks about all its sessions.
const NOTICES: usize = 1_024;
/// How often uses are written.
const USES_EVERY: Duration = Duration::from_secs(60);
/// How often the store is tried again after it has failed.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Credentials and API keys of a service user that are removed one by one.
const MAX_SINGLE_REMOVALS: usize = 64;

/// Service users and credentials. Cheap to clone; calls that change something wait for the disk.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Inner>);

/// A service user that is no more, and what went with it.
#[derive(Clone, Debug)]
pub struct RemovedServiceUser {
    /// The service user.
    pub user: ServiceUser,
    /// Its credentials.
    pub credentials: Vec<Credential>,
    /// Its API keys.
    pub api_keys: Vec<ApiKey>,
}

/// Records of each kind that an edge keeps: they are all in memory.
#[derive(Clone, Copy, Debug)]
struct Limits {
    service_users: usize,
    credentials: usize,
    api_keys: usize,
}

const LIMITS: Limits = Limits { service_users: 100_000, credentials: 100_000, api_keys: 1_000 };

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    limits: Limits,
    /// Held from before a change is stored until the copy has it, or the other way round.
    changes: Mutex<Changes>,
    cache: RwLock<Cache>,
    epoch: AtomicU64,
    notices: broadcast::Sender<Notice>,
    /// Its end ends the thread that writes uses.
    _running: SyncSender<()>,
}

/// What whoever changes something needs.
#[derive(Debug)]
struct Changes {
    ids: Ids,
    /// What counts already and is neither in the store nor in its reserve.
    unsaved: Vec<Change>,
}

impl Identity {
    /// Opens the embedded store of a state folder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Self::with_store(Arc::new(DiskStore::open(state_dir)?))
    }

    /// Reads a store, which nothing else may change from now on.
    ///
    /// # Errors
    /// [`StoreError`]; also if the system gives no thread.
    pub fn with_store(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        Self::with_limits(store, LIMITS)
    }

    fn with_limits(store: Arc<dyn Store>, limits: Limits) -> Result<Self, StoreError> {
        let cache = Cache::from_records(store.load()?)?;
        let (running, ended) = sync_channel(0);
        let inner = Arc::new(Inner {
            store,
            limits,
            changes: Mutex::new(Changes { ids: Ids::after(cache.newest()), unsaved: Vec::new() }),
            cache: RwLock::new(cache),
            epoch: AtomicU64::new(0),
            notices: broadcast::channel(NOTICES).0,
            _running: running,
        });
        let weak: Weak<Inner> = Arc::downgrade(&inner);
        let thread = std::thread::Builder::new().name("identity".to_owned()).spawn(move || {
            let mut written = Instant::now();
            while ended.recv_timeout(RETRY_EVERY) == Err(RecvTimeoutError::Timeout) {
                let Some(inner) = weak.upgrade() else { return };
                inner.save();
                if written.elapsed() >= USES_EVERY {
                    written = Instant::now();
                    inner.write_uses();
                }
            }
        });
        thread.map_err(StoreError::new)?;
        Ok(Self(inner))
    }

    /// Who a token is of that came from `source`. Waits for no disk.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn authenticate(&self, token: &str, source: IpAddr, now: Timestamp) -> Result<Principal, Refusal> {
        if !is_well_formed(token) {
            return Err(Refusal::Malformed);
        }
        let hash = TokenHash::from_token(token);
        let cache = self.0.read();
        let entry = cache.by_token(&hash, now)?;
        if !entry.permits(source) {
            return Err(Refusal::Source);
        }
        entry.uses.note(now);
        Ok(Principal {
            credential: entry.credential.id,
            owner: entry.credential.owner_id,
            acl: Arc::clone(&entry.acl),
            expires_at: entry.credential.expires_at,
        })
    }

    /// The credential of an authtoken, whether or not it counts; `None` if there is none, or none any more.
    #[must_use]
    pub fn whose(&self, token: &str) -> Option<CredentialId> {
        is_well_formed(token).then(|| self.0.read().whose(&TokenHash::from_token(token))).flatten()
    }

    /// Whether a credential counts now for a session from `source`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn admits(&self, id: CredentialId, source: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        let cache = self.0.read();
        if cache.by_id(id, now)?.permits(source) { Ok(()) } else { Err(Refusal::Source) }
    }

    /// What a credential may bind now; `None` if it is not valid any more.
    #[must_use]
    pub fn acl(&self, id: CredentialId, now: Timestamp) -> Option<Arc<Acl>> {
        self.0.read().by_id(id, now).ok().map(|entry| Arc::clone(&entry.acl))
    }

    /// Moves whenever a credential is revoked or changes its rules; expiry alone moves nothing.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::SeqCst)
    }

    /// Notices from now on; a receiver that lags must ask about all its sessions.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Service users that are older than `before`, newest first.
    #[must_use]
    pub fn service_users(&self, before: Option<ServiceUserId>, limit: usize) -> Vec<ServiceUser> {
        let cache = self.0.read();
        older(&cache.service_users, before).take(limit).cloned().collect()
    }

    /// A service user.
    #[must_use]
    pub fn service_user(&self, id: ServiceUserId) -> Option<ServiceUser> {
        self.0.read().service_users.get(&id).cloned()
    }

    /// Credentials that are older than `before`, newest first.
    #[must_use]
    pub fn credentials(&self, before: Option<CredentialId>, limit: usize) -> Vec<Credential> {
        let cache = self.0.read();
        older(cache.credentials.all(), before).take(limit).map(CachedCredential::record).collect()
    }

    /// A credential.
    #[must_use]
    pub fn credential(&self, id: CredentialId) -> Option<Credential> {
        self.0.read().credentials.all().get(&id).map(CachedCredential::record)
    }

    /// Whose a credential is, and what people call that: the service user with its name, or the credential itself with
    /// its description.
    #[must_use]
    pub fn owner(&self, id: CredentialId) -> Option<(String, String)> {
        let found = self.credential(id)?;
        Some(match found.owner_id.and_then(|id| self.service_user(id)) {
            Some(user) => (user.id.to_string(), user.name),
            None => (id.to_string(), found.description),
        })
    }

    /// Makes a service user.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed.
    pub fn create_service_user(
        &self,
        new: NewServiceUser,
        now: Timestamp,
    ) -> Result<ServiceUser, IdentityError> {
        let mut changes = self.0.write_lock();
        room(self.0.read().service_users.len(), self.0.limits.service_users, "service users")?;
        let id = ServiceUserId(changes.ids.next());
        let user = ServiceUser { id, name: new.name, active: new.active, created_at: to_seconds(now) };
        user.check()?;
        self.0.store_first(&mut changes, Change::PutServiceUser(user.clone()))?;
        self.0.change(|cache| cache.service_users.insert(id, user.clone()));
        Ok(user)
    }

    /// Changes a service user; one that is no longer active takes the power of its credentials with it.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn update_service_user(
        &self,
        id: ServiceUserId,
        patch: ServiceUserPatch,
    ) -> Result<ServiceUser, IdentityError> {
        let mut changes = self.0.write_lock();
        let old = self.service_user(id).ok_or(IdentityError::NotFound)?;
        let new = old.patched(patch);
        new.check()?;
        let put = Change::PutServiceUser(new.clone());
        let dies = old.active && !new.active;
        if !dies {
            self.0.store_first(&mut changes, put.clone())?;
        }
        self.0.change(|cache| cache.service_users.insert(id, new.clone()));
        if dies {
            let owned = self.0.read().owned_by(id).map(|entry| entry.credential.id).collect();
            self.0.notify(NoticeKind::Died, owned);
            self.0.store_after(&mut changes, vec![put])?;
        }
        Ok(new)
    }

    /// A service user with its credentials and API keys.
    #[must_use]
    pub fn with_owned(&self, id: ServiceUserId) -> Option<RemovedServiceUser> {
        let cache = self.0.read();
        let user = cache.service_users.get(&id).cloned()?;
        let of_owner = |key: &&ApiKey| key.owner_id == Some(id);
        Some(RemovedServiceUser {
            user,
            credentials: cache.owned_by(id).map(CachedCredential::record).collect(),
            api_keys: cache.api_keys.all().values().filter(of_owner).cloned().collect(),
        })
    }

    /// Deletes a service user with its credentials and API keys; returns them as they were.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn delete_service_user(&self, id: ServiceUserId) -> Result<RemovedServiceUser, IdentityError> {
        let mut changes = self.0.write_lock();
        let removed = self.with_owned(id).ok_or(IdentityError::NotFound)?;
        let (credentials, api_keys) = (&removed.credentials, &removed.api_keys);
        self.0.change(|cache| {
            cache.service_users.remove(&id);
            credentials.iter().for_each(|it| cache.credentials.remove(it.id));
            api_keys.iter().for_each(|it| cache.api_keys.remove(it.id));
        });
        self.0.notify(NoticeKind::Died, credentials.iter().map(|it| it.id).collect());
        let mut removals = if credentials.len().saturating_add(api_keys.len()) > MAX_SINGLE_REMOVALS {
            vec![Change::RemoveOwned(id)]
        } else {
            let credentials = credentials.iter().map(|it| Change::RemoveCredential(it.id));
            credentials.chain(api_keys.iter().map(|it| Change::RemoveApiKey(it.id))).collect()
        };
        removals.push(Change::RemoveServiceUser(id));
        self.0.store_after(&mut changes, removals)?;
        Ok(removed)
    }

    /// Makes a credential; its token is shown here and never again.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed.
    pub fn create_credential(
        &self,
        new: NewCredential,
        now: Timestamp,
    ) -> Result<(Credential, Token), IdentityError> {
        let mut changes = self.0.write_lock();
        room(self.0.read().credentials.all().len(), self.0.limits.credentials, "credentials")?;
        let id = CredentialId(changes.ids.next());
        let token = Token::draw(id).map_err(IdentityError::Random)?;
        let credential = Credential {
            id,
            description: new.description,
            metadata: new.metadata,
            acl: new.acl,
            allow_cidrs: new.allow_cidrs,
            deny_cidrs: new.deny_cidrs,
            owner_id: new.owner_id,
            created_at: to_seconds(now),
            expires_at: new.expires_at,
            last_used_at: None,
            sha256: TokenHash::from_token(token.reveal()),
        };
        let rules = credential.check()?;
        if credential.is_expired(now) {
            return Err(invalid("`expires_at` is in the past"));
        }
        if credential.owner_id.is_some_and(|owner| self.service_user(owner).is_none()) {
            return Err(invalid("`owner_id` names no service user"));
        }
        self.0.store_first(&mut changes, Change::PutCredential(Box::new(credential.clone())))?;
        self.0.change(|cache| cache.credentials.put(CachedCredential::new(credential.clone(), rules)));
        Ok((credential, token))
    }

    /// Changes a credential. An empty list in place of rules is refused, since it would permit everything.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn update_credential(
        &self,
        id: CredentialId,
        patch: CredentialPatch,
    ) -> Result<Credential, IdentityError> {
        let mut changes = self.0.write_lock();
        let old = self.0.read().credentials.all().get(&id).cloned().ok_or(IdentityError::NotFound)?;
        old.credential.check_patch(&patch)?;
        let new = old.credential.patched(patch);
        let Rules { acl, sources } = new.check()?;
        let put = Change::PutCredential(Box::new(new.clone()));
        let may_narrow = new.may_narrow(&old.credential);
        if !may_narrow {
            self.0.store_first(&mut changes, put.clone())?;
        }
        let changed = may_narrow || new.expires_at != old.credential.expires_at;
        let entry = CachedCredential { credential: new, acl: Arc::new(acl), sources, uses: old.uses };
        let record = entry.record();
        self.0.change(|cache| cache.credentials.put(entry));
        if changed {
            self.0.notify(NoticeKind::Changed, vec![id]);
        }
        if may_narrow {
            self.0.store_after(&mut changes, vec![put])?;
        }
        Ok(record)
    }

    /// Deletes a credential, which revokes its token; returns it as it was.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn delete_credential(&self, id: CredentialId) -> Result<Credential, IdentityError> {
        let mut changes = self.0.write_lock();
        let credential = self.credential(id).ok_or(IdentityError::NotFound)?;
        self.0.change(|cache| cache.credentials.remove(id));
        self.0.notify(NoticeKind::Died, vec![id]);
        self.0.store_after(&mut changes, vec![Change::RemoveCredential(id)])?;
        Ok(credential)
    }

    /// Tries to store what is not stored yet, as a running edge does every few seconds; true if nothing is left.
    pub fn save(&self) -> bool {
        self.0.save()
    }

    /// Writes when authtokens were last used.
    #[cfg(test)]
    pub(super) fn write_uses(&self) {
        self.0.write_uses();
    }
}

/// ngrok's API shows seconds.
fn to_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// What is older than `before`, newest first. O(log records) to the first.
fn older<K: Ord, V>(records: &BTreeMap<K, V>, before: Option<K>) -> impl Iterator<Item = &V> {
    let end = before.map_or(Bound::Unbounded, Bound::Excluded);
    records.range((Bound::Unbounded, end)).rev().map(|(_, record)| record)
}

/// Refuses one more of what there is enough of.
fn room(there: usize, max: usize, what: &'static str) -> Result<(), IdentityError> {
    if there < max { Ok(()) } else { Err(IdentityError::Full { what, max }) }
}

fn invalid(message: &str) -> IdentityError {
    IdentityError::Invalid { code: None, message: message.to_owned() }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, Cache> {
        // No code panics while it changes the cache.
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores what gives power, which counts once that is done.
    fn store_first(&self, changes: &mut Changes, change: Change) -> Result<(), StoreError> {
        if changes.unsaved.is_empty() {
            return self.store.apply(&[change]);
        }
        let mut all = changes.unsaved.clone();
        add(&mut all, change);
        self.store.apply(&all)?;
        changes.unsaved.clear();
        Ok(())
    }

    /// Stores what counts already.
    fn store_after(&self, changes: &mut Changes, new: Vec<Change>) -> Result<(), IdentityError> {
        new.into_iter().for_each(|change| add(&mut changes.unsaved, change));
        let Err(error) = self.store.apply(&changes.unsaved) else {
            changes.unsaved.clear();
            return Ok(());
        };
        self.reserve(changes);
        if changes.unsaved.is_empty() {
            tracing::warn!("a revocation is kept in the reserve: {error}");
            return Ok(());
        }
        tracing::error!(changes = changes.unsaved.len(), "a revocation is not durable: {error}");
        Err(IdentityError::NotDurable(error))
    }

    /// Keeps in the reserve what has room there.
    fn reserve(&self, changes: &mut Changes) {
        if self.store.reserve(&changes.unsaved).is_ok() {
            changes.unsaved.clear();
        } else if changes.unsaved.len() > 1 {
            changes.unsaved.retain(|change| self.store.reserve(std::slice::from_ref(change)).is_err());
        }
    }

    /// Tries to store what is not stored yet; true if nothing is left.
    fn save(&self) -> bool {
        let mut changes = self.write_lock();
        if changes.unsaved.is_empty() && !self.store.is_behind() {
            return true;
        }
        match self.store.apply(&changes.unsaved) {
            Ok(()) => {
                let stored = std::mem::take(&mut changes.unsaved).len();
                tracing::info!(stored, "all changes of credentials are stored");
                true
            }
            Err(error) => {
                tracing::debug!("changes of credentials cannot be stored yet: {error}");
                if !changes.unsaved.is_empty() {
                    self.reserve(&mut changes);
                }
                false
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cache) -> T) {
        change(&mut self.cache.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn notify(&self, kind: NoticeKind, credentials: Vec<CredentialId>) {
        if credentials.is_empty() {
            return;
        }
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        // Without a receiver there is no session either.
        let _ = self.notices.send(Notice { epoch, kind, credentials: credentials.into() });
    }

    /// Writes the uses that the store does not have, in one commit.
    fn write_uses(&self) {
        let not_kept = |entry: &CachedCredential| {
            entry.uses.not_kept().map(|at| (entry.credential.id, at, Arc::clone(&entry.uses)))
        };
        let uses: Vec<_> = self.read().credentials.all().values().filter_map(not_kept).collect();
        if uses.is_empty() {
            return;
        }
        let changes: Vec<_> = uses.iter().map(|(id, at, _)| Change::Used(*id, *at)).collect();
        match self.store.apply(&changes) {
            Ok(()) => uses.iter().for_each(|(_, at, uses)| uses.kept(*at)),
            Err(error) => tracing::warn!("when credentials were last used is not kept: {error}"),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.save() {
            tracing::error!("changes of credentials could not be stored; see the log before");
        }
        self.write_uses();
    }
}

mod api_keys;
#[cfg(test)]
mod tests;
