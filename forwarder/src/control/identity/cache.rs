//! Records of a kind in memory, found by id and by the hash of secrets.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use ulid::Ulid;

use super::error::StoreError;
use super::ids::{RecordId, ServiceUserId};
use super::record::Record;
use super::token::TokenHash;

/// When a record was used; shared by all versions of it.
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

    fn last(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.last_ms.load(Ordering::Relaxed)).ok()
    }

    /// The last use, where the store does not have it yet.
    fn not_kept(&self) -> Option<Timestamp> {
        self.last().filter(|last| last.as_millisecond() > self.kept_ms.load(Ordering::Relaxed))
    }

    /// Notes that the use of a time is on disk.
    pub(super) fn kept(&self, at: Timestamp) {
        self.kept_ms.fetch_max(at.as_millisecond(), Ordering::Relaxed);
    }
}

/// A record with its rules read.
#[derive(Clone, Debug)]
pub(super) struct Entry<R: Record> {
    /// The record as it was written.
    pub(super) record: R,
    /// What was read from it.
    pub(super) rules: R::Rules,
    /// Nothing where the kind does not keep it.
    uses: Option<Arc<Uses>>,
}

impl<R: Record> Entry<R> {
    /// One that was not used since the store was read.
    pub(super) fn new(mut record: R, rules: R::Rules) -> Self {
        let last = record.last_used().and_then(|last| *last);
        let uses = R::USES.map(|_| Arc::new(Uses::new(last)));
        Self { record, rules, uses }
    }

    /// The same one, changed.
    pub(super) fn changed(&self, record: R, rules: R::Rules) -> Self {
        Self { record, rules, uses: self.uses.clone() }
    }

    /// The record with the time of its last use.
    pub(super) fn shown(&self) -> R {
        let mut record = self.record.clone();
        if let (Some(last), Some(uses)) = (record.last_used(), &self.uses) {
            *last = uses.last();
        }
        record
    }

    /// Notes a use.
    pub(super) fn note_use(&self, now: Timestamp) {
        if let Some(uses) = &self.uses {
            uses.last_ms.fetch_max(now.as_millisecond(), Ordering::Relaxed);
        }
    }
}

/// All of a kind.
#[derive(Debug)]
pub struct Table<R: Record> {
    // INVARIANT: `put` and `remove` alone change these two, so that they hold the same, but for those without a secret.
    by_id: BTreeMap<R::Id, Entry<R>>,
    by_hash: HashMap<TokenHash, R::Id>,
}

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), by_hash: HashMap::new() }
    }
}

impl<R: Record> Table<R> {
    /// The copy of what a store holds.
    pub(super) fn from_records(records: Vec<R>) -> Result<Self, StoreError> {
        let mut table = Self::default();
        for record in records {
            let rules = record.rules();
            let rules = rules.map_err(|error| StoreError::new(format!("`{}`: {error}", record.id())))?;
            table.put(Entry::new(record, rules));
        }
        Ok(table)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// One of them.
    pub(super) fn get(&self, id: R::Id) -> Option<&Entry<R>> {
        self.by_id.get(&id)
    }

    /// What is older than `before`, newest first. O(log records) to the first.
    pub(super) fn older(&self, before: Option<R::Id>) -> impl Iterator<Item = &Entry<R>> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_id.range((Bound::Unbounded, end)).rev().map(|(_, entry)| entry)
    }

    /// The number of the newest one.
    pub(super) fn newest(&self) -> Option<Ulid> {
        self.by_id.keys().next_back().map(|id| id.number())
    }

    /// Those of a service user, by id. O(records).
    pub(super) fn owned_by(&self, owner: ServiceUserId) -> impl Iterator<Item = &Entry<R>> {
        self.by_id.values().filter(move |entry| entry.record.owner() == Some(owner))
    }

    /// Whose a secret is, whether or not it counts. The hashes in the map are compared in constant time.
    pub(super) fn whose(&self, hash: &TokenHash) -> Option<&Entry<R>> {
        self.by_hash.get(hash).and_then(|id| self.by_id.get(id))
    }

    /// Adds or replaces one.
    pub(super) fn put(&mut self, entry: Entry<R>) {
        let id = entry.record.id();
        if let Some(hash) = entry.record.hash() {
            self.by_hash.insert(hash, id);
        }
        self.by_id.insert(id, entry);
    }

    /// Removes one.
    pub(super) fn remove(&mut self, id: R::Id) {
        let removed = self.by_id.remove(&id);
        if let Some(hash) = removed.and_then(|entry| entry.record.hash()) {
            self.by_hash.remove(&hash);
        }
    }

    /// The uses that the store does not have: of which record, when, and where that is noted.
    pub(super) fn uses_not_kept(&self) -> impl Iterator<Item = (R::Id, Timestamp, &Arc<Uses>)> {
        self.by_id.values().filter_map(|entry| {
            let uses = entry.uses.as_ref()?;
            Some((entry.record.id(), uses.not_kept()?, uses))
        })
    }
}
