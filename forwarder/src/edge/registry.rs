//! Tables of what may have to end: open connections, and sessions of agents.
//!
//! Whoever enters looks afterwards whether it may stay, and whoever changes what that depends on sweeps afterwards. The
//! lock of the table lies between: whichever comes first, one of the two sees the other, and nobody stays who may not.
//! `tests/loom.rs` compiles this file and tries every order of the steps.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};

use crate::edge::sync::{Mutex, MutexGuard};

/// The table.
#[derive(Debug)]
pub(crate) struct Registry<T> {
    table: Mutex<Table<T>>,
}

#[derive(Debug)]
struct Table<T> {
    next: u64,
    entries: BTreeMap<u64, Arc<T>>,
}

/// A place in the table; left when dropped.
pub(crate) struct Registration<'p, T> {
    registry: &'p Registry<T>,
    id: u64,
    entry: Arc<T>,
}

impl<T> Deref for Registration<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.entry
    }
}

impl<T> Drop for Registration<'_, T> {
    fn drop(&mut self) {
        self.registry.table().entries.remove(&self.id);
    }
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { table: Mutex::new(Table { next: 0, entries: BTreeMap::new() }) }
    }
}

impl<T> Registry<T> {
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        // No code panics while it holds the lock, and the table is whole between any two statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters, and then looks whether it may stay.
    pub(crate) fn register(&self, entry: T, look: impl FnOnce(&T)) -> Registration<'_, T> {
        self.register_among(entry, |_, _| {}, look)
    }

    /// The same, but first `meets` those who are there already, all in one step: of two who register at once, one meets
    /// the other.
    pub(crate) fn register_meeting(
        &self,
        entry: T,
        mut meets: impl FnMut(&T, &T),
        look: impl FnOnce(&T),
    ) -> Registration<'_, T> {
        let meet_all =
            |entry: &T, table: &Table<T>| table.entries.values().for_each(|other| meets(entry, other));
        self.register_among(entry, meet_all, look)
    }

    fn register_among(
        &self,
        entry: T,
        first: impl FnOnce(&T, &Table<T>),
        look: impl FnOnce(&T),
    ) -> Registration<'_, T> {
        let entry = Arc::new(entry);
        let mut table = self.table();
        first(&entry, &table);
        let id = table.next;
        table.next += 1;
        table.entries.insert(id, Arc::clone(&entry));
        drop(table);
        // INVARIANT: after it has entered; a sweep that does not find it has changed before this look.
        look(&entry);
        Registration { registry: self, id, entry }
    }

    /// Changes what decides who may stay, and then tells everybody, outside of the lock; counts for whom `ends` says
    /// that it has ended.
    pub(crate) fn revalidate<C>(&self, change: impl FnOnce() -> C, ends: impl Fn(&C, &T) -> bool) -> usize {
        let changed = change();
        // INVARIANT: after the change; who is not among them looks when it is done.
        self.all().iter().filter(|entry| ends(&changed, entry)).count()
    }

    /// All that are there, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.table().entries.values().map(Arc::clone).collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table().entries.len()
    }
}
