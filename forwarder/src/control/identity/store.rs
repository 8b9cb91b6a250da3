//! Where records are kept: a trait, so that a database shared by edges can take the place of the file.

use std::convert::Infallible;
use std::fmt;

use jiff::Timestamp;

use super::error::StoreError;
use super::ids::ServiceUserId;
use super::kinds::{Change, Kind, Records, Target};

/// Adds a change to others that wait; what it makes needless goes.
pub(super) fn add(waiting: &mut Vec<Change>, change: Change) {
    waiting.retain(|other| other.subject() != change.subject());
    waiting.push(change);
}

impl Records {
    /// Makes a change.
    pub(super) fn apply(&mut self, change: &Change) {
        let Ok(()) = change.make(self);
    }
}

impl Target for Records {
    type Error = Infallible;

    fn put<R: Kind>(&mut self, record: &R) -> Result<(), Infallible> {
        let (records, mut record) = (R::of_mut(self), record.clone());
        let old = records.iter().position(|it| it.id() == record.id()).map(|at| records.swap_remove(at));
        let used = old.and_then(|mut old| *old.last_used()?);
        if let Some(last) = record.last_used() {
            *last = used;
        }
        records.push(record);
        Ok(())
    }

    fn remove<R: Kind>(&mut self, id: R::Id) -> Result<(), Infallible> {
        R::of_mut(self).retain(|it| it.id() != id);
        Ok(())
    }

    fn remove_owned<R: Kind>(&mut self, owner: ServiceUserId) -> Result<(), Infallible> {
        R::of_mut(self).retain(|it| it.owner() != Some(owner));
        Ok(())
    }

    fn used<R: Kind>(&mut self, id: R::Id, at: Timestamp) -> Result<(), Infallible> {
        let used = R::of_mut(self).iter_mut().find(|it| it.id() == id);
        if let Some(last) = used.and_then(R::last_used) {
            *last = Some(at);
        }
        Ok(())
    }
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
