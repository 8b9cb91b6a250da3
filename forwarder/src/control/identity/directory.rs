//! The store and its copy in memory, kept in step: readers never wait for a disk, writers wait for each other.
//!
//! What gives power is first in the store, then in the copy. What takes power away is first in the copy, then it is
//! told, then it is stored, so that no disk holds it up; where the store fails it goes to the reserve, and where that
//! fails it waits in memory for the store. A session that enters its registry first and asks [`Identity::validate`]
//! afterwards therefore either learns that its credential is gone, or is in the registry when the notice comes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::cache::Entry;
use super::disk::DiskStore;
use super::error::{IdentityError, StoreError};
use super::ids::{CredentialId, Ids, RecordId};
use super::kinds::{Cache, Change, Kind, Records, ServiceUser};
use super::notice::{Notice, NoticeKind};
use super::record::invalid;
use super::store::{Store, add};

/// Notices a receiver may lie behind; one that lies further asks about all its sessions.
const NOTICES: usize = 1_024;
/// How often uses are written.
const USES_EVERY: Duration = Duration::from_secs(60);
/// How often the store is tried again after it has failed.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Records of a service user that are removed one by one.
const MAX_SINGLE_REMOVALS: usize = 64;

/// Service users and what they own. Cheap to clone; calls that change something wait for the disk.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Inner>);

/// A record that is no more, and what went with it.
#[derive(Clone, Debug)]
pub struct Removed<R> {
    /// The record.
    pub record: R,
    /// What it owned.
    pub owned: Records,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    /// Records of a kind, where the kind itself permits more.
    at_most: usize,
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
        Self::with_at_most(store, usize::MAX)
    }

    fn with_at_most(store: Arc<dyn Store>, at_most: usize) -> Result<Self, StoreError> {
        let cache = Cache::from_records(store.load()?)?;
        let (running, ended) = sync_channel(0);
        let inner = Arc::new(Inner {
            store,
            at_most,
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

    /// Records of a kind that are older than `before`, newest first.
    #[must_use]
    pub fn page<R: Kind>(&self, before: Option<R::Id>, limit: usize) -> Vec<R> {
        self.0.read().table::<R>().older(before).take(limit).map(Entry::shown).collect()
    }

    /// A record.
    #[must_use]
    pub fn find<R: Kind>(&self, id: R::Id) -> Option<R> {
        self.0.read().table::<R>().get(id).map(Entry::shown)
    }

    /// Makes a record; its secret, if it has one, is shown here and never again.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed.
    pub fn create<R: Kind>(&self, new: R::New, now: Timestamp) -> Result<(R, R::Secret), IdentityError> {
        let mut changes = self.0.write_lock();
        let max = R::MAX.min(self.0.at_most);
        if self.0.read().table::<R>().len() >= max {
            return Err(IdentityError::Full { what: R::NAME, max });
        }
        let (record, secret) = R::make(R::Id::from_number(changes.ids.next()), new, to_seconds(now))?;
        record.check()?;
        let rules = record.rules()?;
        record.check_new(now)?;
        if record.owner().is_some_and(|owner| self.find::<ServiceUser>(owner).is_none()) {
            return Err(invalid("`owner_id` names no service user"));
        }
        self.0.store_first(&mut changes, record.clone().put())?;
        self.0.change(|cache| R::table_mut(cache).put(Entry::new(record.clone(), rules)));
        Ok((record, secret))
    }

    /// Changes a record. What takes power away counts first.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn update<R: Kind>(&self, id: R::Id, patch: R::Patch) -> Result<R, IdentityError> {
        let mut changes = self.0.write_lock();
        let old = self.0.read().table::<R>().get(id).cloned().ok_or(IdentityError::NotFound)?;
        let new = old.record.patched(patch)?;
        new.check()?;
        let entry = old.changed(new.clone(), new.rules()?);
        let shown = entry.shown();
        let takes_away = new.takes_away(&old.record);
        if !takes_away {
            self.0.store_first(&mut changes, new.clone().put())?;
        }
        self.0.change(|cache| R::table_mut(cache).put(entry));
        if let Some(kind) = new.told(&old.record) {
            let credentials = self.0.read().credentials(&new);
            self.0.notify(kind, credentials);
        }
        if takes_away {
            self.0.store_after(&mut changes, vec![new.put()])?;
        }
        Ok(shown)
    }

    /// What a deletion would remove.
    #[must_use]
    pub fn removable<R: Kind>(&self, id: R::Id) -> Option<Removed<R>> {
        let cache = self.0.read();
        let record = cache.table::<R>().get(id)?.shown();
        let owned = record.owns().map(|owner| cache.owned_by(owner)).unwrap_or_default();
        Some(Removed { record, owned })
    }

    /// Deletes a record with all that it owns; returns them as they were.
    ///
    /// # Errors
    /// [`IdentityError`]; then nothing has changed, but for [`IdentityError::NotDurable`].
    pub fn delete<R: Kind>(&self, id: R::Id) -> Result<Removed<R>, IdentityError> {
        let mut changes = self.0.write_lock();
        let removed = self.removable::<R>(id).ok_or(IdentityError::NotFound)?;
        let Removed { record, owned } = &removed;
        let credentials = self.0.read().credentials(record);
        self.0.change(|cache| {
            R::table_mut(cache).remove(id);
            cache.remove_all(owned);
        });
        self.0.notify(NoticeKind::Died, credentials);
        let mut removals = owned.removals();
        if let Some(owner) = record.owns().filter(|_| removals.len() > MAX_SINGLE_REMOVALS) {
            removals = vec![Change::RemoveOwned(owner)];
        }
        removals.push(R::remove(id));
        self.0.store_after(&mut changes, removals)?;
        Ok(removed)
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
                tracing::info!(stored, "all changes of service users, authtokens and API keys are stored");
                true
            }
            Err(error) => {
                tracing::debug!(
                    "cannot store changes of service users, authtokens and API keys yet: {error}"
                );
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
        let uses = self.read().uses_not_kept();
        if uses.is_empty() {
            return;
        }
        let changes: Vec<_> = uses.iter().map(|(change, ..)| change.clone()).collect();
        match self.store.apply(&changes) {
            Ok(()) => uses.iter().for_each(|(_, at, uses)| uses.kept(*at)),
            Err(error) => tracing::warn!("cannot store when authtokens were last used: {error}"),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.save() {
            tracing::error!(
                "changes of service users, authtokens or API keys could not be stored; see the log before"
            );
        }
        self.write_uses();
    }
}

mod api_keys;
mod authtokens;
#[cfg(test)]
mod tests;
