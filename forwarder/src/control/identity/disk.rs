//! The store of one edge: the file `identity.redb` in its state folder, and a reserve beside it.
//!
//! Tables hold JSON by the number of the ULID, so that a later version can add fields. A commit is on the disk
//! before it returns; after a crash the file is as the last commit left it.
//!
//! redb takes nothing more after a failed write. The file is then closed, and opened again for the next change. Opening
//! writes nothing that is there already; where the disk has no room even for a repair, the file is read in memory.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::ids::{RecordId, ServiceUserId};
use super::journal::Journal;
use super::kinds::{Change, Kind, Records, Source, TABLES, Target};
use super::record::Record;
use super::store::{Store, add};
use crate::control::private;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION: u64 = 1;
/// The newest entry of the journal that the tables have.
const JOURNAL: &str = "journal";
const NAME: &str = "identity.redb";
/// All records of a large edge; the default would take a gigabyte.
const CACHE_BYTES: usize = 8 << 20;
/// More than the records of a full edge take: what is read in memory where nothing can be written.
const MAX_READ_BYTES: u64 = 1 << 30;

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::new(redb::Error::from(error))
            }
        }
    )*};
}

from_redb!(
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

/// The embedded store.
pub struct DiskStore {
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Nothing after a failure.
    database: Option<Database>,
    /// Nothing where the disk had no room for it yet.
    journal: Option<Journal>,
    /// What is in the journal and not in the tables.
    waiting: Vec<Change>,
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").finish_non_exhaustive()
    }
}

impl DiskStore {
    /// Opens or makes `identity.redb` and `identity.reserve` (0600) in a folder.
    ///
    /// # Errors
    /// [`StoreError`]: the file system's, a file in use by another process, or one of a later version. A full disk is
    /// none where there are files already.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        private::folder(folder).map_err(StoreError::new)?;
        let is_old = folder.join(NAME).exists();
        let database = match open_file(folder) {
            Ok(database) => Some(database),
            Err(error) if is_old && error.is_io() => {
                tracing::error!("{error}; it is read and cannot be changed now");
                None
            }
            Err(error) => return Err(error),
        };
        let mut state = State { database, journal: None, waiting: Vec::new() };
        match state.open_journal(folder) {
            Err(error) if error.is_full() => {
                tracing::warn!("no reserve for revocations on a full disk: {error}");
            }
            opened => opened?,
        }
        Ok(Self { folder: folder.to_owned(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reads the file, in memory where it cannot be opened.
    fn read<T>(
        &self,
        folder: &Path,
        read: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.database {
            Some(database) => read(database),
            None => read(&in_memory(folder)?),
        }
    }

    /// Makes changes in the file, after those that wait.
    fn write(&mut self, folder: &Path, changes: &[Change]) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_file(folder)?,
        };
        let newest = self.journal.as_ref().filter(|_| !self.waiting.is_empty()).map(Journal::newest);
        // One that failed is not used again.
        commit(&database, self.waiting.iter().chain(changes), newest)?;
        self.database = Some(database);
        self.waiting.clear();
        match &mut self.journal {
            Some(journal) => journal.rewind(),
            // There was no room for it.
            None => {
                if let Err(error) = self.open_journal(folder) {
                    tracing::debug!("still no reserve: {error}");
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// Opens the journal, behind all that was ever merged: a number that was used before would be taken for merged.
    fn open_journal(&mut self, folder: &Path) -> Result<(), StoreError> {
        let (mut journal, entries) = Journal::open(folder).map_err(StoreError::new)?;
        let merged = self.read(folder, merged)?;
        journal.after(merged);
        for (_, changes) in entries.into_iter().filter(|(number, _)| *number > merged) {
            changes.into_iter().for_each(|change| add(&mut self.waiting, change));
        }
        self.journal = Some(journal);
        Ok(())
    }
}

fn open_file(folder: &Path) -> Result<Database, StoreError> {
    let path = folder.join(NAME);
    let mut options = OpenOptions::new();
    let file = private::open(&path, options.read(true).write(true).create(true).truncate(false));
    let file = file.map_err(|error| StoreError::new(named(&path, error)))?;
    let mut builder = redb::Builder::new();
    let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?)?;
    if is_complete(&database)? {
        return Ok(database);
    }
    let write = database.begin_write()?;
    write.open_table(META)?.insert("version", VERSION)?;
    // A file of an earlier version has not all of them.
    for (name, uses) in TABLES {
        write.open_table(table(name))?;
        if let Some(uses) = uses {
            write.open_table(table_of_uses(uses))?;
        }
    }
    write.commit()?;
    // The name of a new file is safe only once its folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::new)?;
    Ok(database)
}

fn named(path: &Path, error: std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// Whether all tables are there, and of this version: then nothing has to be written.
fn is_complete(database: &Database) -> Result<bool, StoreError> {
    let read = database.begin_read()?;
    let version = match read.open_table(META) {
        Ok(meta) => meta.get("version")?.map(|version| version.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if version.is_some_and(|version| version != VERSION) {
        return Err(StoreError::new("`identity.redb` was written by another version of this program"));
    }
    let there = |opened: Result<(), TableError>| match opened {
        Ok(()) => Ok(true),
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(StoreError::from(error)),
    };
    let mut complete = version.is_some();
    for (name, uses) in TABLES {
        complete &= there(read.open_table(table(name)).map(drop))?;
        if let Some(uses) = uses {
            complete &= there(read.open_table(table_of_uses(uses)).map(drop))?;
        }
    }
    Ok(complete)
}

/// The file as it is on the disk, repaired in memory if need be; what is written to it is lost.
fn in_memory(folder: &Path) -> Result<Database, StoreError> {
    let path = folder.join(NAME);
    let file = private::open(&path, OpenOptions::new().read(true));
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(MAX_READ_BYTES + 1).read_to_end(&mut bytes));
    let read = read.map_err(|error| StoreError::new(named(&path, error)))?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_READ_BYTES) {
        return Err(StoreError::new(format!("`{}` is too large to be read in memory", path.display())));
    }
    let backend = InMemoryBackend::new();
    let failed = |error| StoreError::new(std::io::Error::other(format!("{error:?}")));
    backend.set_len(u64::try_from(read).unwrap_or(u64::MAX)).map_err(failed)?;
    backend.write(0, &bytes).map_err(failed)?;
    drop(bytes);
    let mut builder = redb::Builder::new();
    let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
    if is_complete(&database)? {
        return Ok(database);
    }
    Err(StoreError::new("`identity.redb` is not complete"))
}

fn merged(database: &Database) -> Result<u64, StoreError> {
    let merged = database.begin_read()?.open_table(META)?.get(JOURNAL)?.map(|number| number.value());
    Ok(merged.unwrap_or_default())
}

impl StoreError {
    /// True if there is no room on the disk, or none that this process may use.
    fn is_full(&self) -> bool {
        let error = std::error::Error::source(self);
        error.and_then(|error| error.downcast_ref::<std::io::Error>()).is_some_and(private::is_full)
    }

    /// True for what the file system said, through redb or not.
    fn is_io(&self) -> bool {
        let error = std::error::Error::source(self);
        let of_redb = error.and_then(|error| error.downcast_ref::<redb::Error>());
        of_redb.is_some_and(|error| matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo))
            || self.is_full()
    }
}

fn to_json(record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(StoreError::new)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(StoreError::new)
}

/// The records of a kind, by the numbers of their ids.
const fn table(name: &str) -> TableDefinition<'_, u128, &'static [u8]> {
    TableDefinition::new(name)
}

/// When the records of a kind were last used, in milliseconds since 1970.
const fn table_of_uses(name: &str) -> TableDefinition<'_, u128, i64> {
    TableDefinition::new(name)
}

fn key(id: impl RecordId) -> u128 {
    id.number().into()
}

/// The records of a table.
fn rows<R: Record>(table: &impl ReadableTable<u128, &'static [u8]>) -> Result<Vec<R>, StoreError> {
    table.iter()?.map(|row| from_json(row?.1.value())).collect()
}

fn load(database: &Database) -> Result<Records, StoreError> {
    Records::from_source(&database.begin_read()?)
}

impl Source for ReadTransaction {
    type Error = StoreError;

    fn all<R: Kind>(&self) -> Result<Vec<R>, StoreError> {
        let mut records: Vec<R> = rows(&self.open_table(table(R::TABLE))?)?;
        let Some(uses) = R::USES else { return Ok(records) };
        let uses = self.open_table(table_of_uses(uses))?;
        for record in &mut records {
            let used = uses.get(key(record.id()))?;
            if let Some(last) = record.last_used() {
                *last = used.and_then(|at| Timestamp::from_millisecond(at.value()).ok());
            }
        }
        Ok(records)
    }
}

/// Makes changes in one commit. `newest` is the number of the newest entry of the journal among them.
fn commit<'c>(
    database: &Database,
    changes: impl Iterator<Item = &'c Change>,
    newest: Option<u64>,
) -> Result<(), StoreError> {
    let mut write = database.begin_write()?;
    // The default today; a promise does not rest on a default.
    write.set_durability(Durability::Immediate)?;
    for change in changes {
        change.make(&mut write)?;
    }
    if let Some(newest) = newest {
        write.open_table(META)?.insert(JOURNAL, newest)?;
    }
    write.commit()?;
    Ok(())
}

impl Target for WriteTransaction {
    type Error = StoreError;

    fn put<R: Kind>(&mut self, record: &R) -> Result<(), StoreError> {
        self.open_table(table(R::TABLE))?.insert(key(record.id()), &*to_json(record)?)?;
        Ok(())
    }

    fn remove<R: Kind>(&mut self, id: R::Id) -> Result<(), StoreError> {
        self.open_table(table(R::TABLE))?.remove(key(id))?;
        if let Some(uses) = R::USES {
            self.open_table(table_of_uses(uses))?.remove(key(id))?;
        }
        Ok(())
    }

    fn remove_owned<R: Kind>(&mut self, owner: ServiceUserId) -> Result<(), StoreError> {
        let mut records: Vec<R> = rows(&self.open_table(table(R::TABLE))?)?;
        records.retain(|record| record.owner() == Some(owner));
        records.iter().try_for_each(|record| self.remove::<R>(record.id()))
    }

    fn used<R: Kind>(&mut self, id: R::Id, at: Timestamp) -> Result<(), StoreError> {
        let Some(uses) = R::USES else { return Ok(()) };
        if self.open_table(table(R::TABLE))?.get(key(id))?.is_some() {
            self.open_table(table_of_uses(uses))?.insert(key(id), at.as_millisecond())?;
        }
        Ok(())
    }
}

impl Store for DiskStore {
    fn load(&self) -> Result<Records, StoreError> {
        let state = self.state();
        let mut records = state.read(&self.folder, load)?;
        state.waiting.iter().for_each(|change| records.apply(change));
        Ok(records)
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut state = self.state();
        if changes.is_empty() && state.waiting.is_empty() {
            return Ok(());
        }
        state.write(&self.folder, changes)
    }

    fn reserve(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut state = self.state();
        let journal = state.journal.as_mut().ok_or_else(|| StoreError::new("there is no reserve"))?;
        journal.append(changes).map_err(StoreError::new)?;
        changes.iter().for_each(|change| add(&mut state.waiting, change.clone()));
        Ok(())
    }

    fn is_behind(&self) -> bool {
        !self.state().waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
