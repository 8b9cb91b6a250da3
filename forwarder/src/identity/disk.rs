//! The store of one edge: the file `identity.redb` in its state folder.
//!
//! Tables hold JSON by the number of the ULID, so that a later version can add fields. A commit is on the disk
//! before it returns; after a crash the file is as the last commit left it.

use std::fmt;
use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use jiff::Timestamp;
use redb::backends::FileBackend;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api_keys::ApiKey;
use super::ids::CredentialId;
use super::records::{Credential, ServiceUser};
use super::store::{Change, Records, Store, StoreError};

const SERVICE_USERS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("service_users");
const CREDENTIALS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("credentials");
/// Milliseconds since 1970; apart from the credentials, so that a note of a use never undoes a change.
const LAST_USED: TableDefinition<'_, u128, i64> = TableDefinition::new("last_used");
const API_KEYS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("api_keys");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const VERSION: u64 = 1;
/// All records of a large edge; the default would take a gigabyte.
const CACHE_BYTES: usize = 8 << 20;

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::new(error)
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
    database: Database,
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").finish_non_exhaustive()
    }
}

impl DiskStore {
    /// Opens or makes `identity.redb` (0600) in a folder.
    ///
    /// # Errors
    /// [`StoreError`]: the file system's, a file in use by another process, or one of a later version.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("identity.redb");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| StoreError::new(format!("`{}`: {error}", path.display())))?;
        // A file of an earlier day may be open to others.
        file.set_permissions(Permissions::from_mode(0o600)).map_err(StoreError::new)?;
        let mut builder = redb::Builder::new();
        let database = builder.set_cache_size(CACHE_BYTES).create_with_backend(FileBackend::new(file)?)?;
        let write = database.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            let version = meta.get("version")?.map(|version| version.value());
            if version.is_some_and(|version| version != VERSION) {
                return Err(StoreError::new(
                    "`identity.redb` was written by another version of this program",
                ));
            }
            meta.insert("version", VERSION)?;
            write.open_table(SERVICE_USERS)?;
            write.open_table(CREDENTIALS)?;
            write.open_table(LAST_USED)?;
            // A file of an earlier version has none.
            write.open_table(API_KEYS)?;
        }
        write.commit()?;
        // The name of a new file is safe only once its folder is.
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::new)?;
        Ok(Self { database })
    }
}

fn to_json(record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(StoreError::new)
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(StoreError::new)
}

fn key(id: CredentialId) -> u128 {
    id.0.into()
}

impl Store for DiskStore {
    fn load(&self) -> Result<Records, StoreError> {
        let read = self.database.begin_read()?;
        let mut records = Records::default();
        for row in read.open_table(SERVICE_USERS)?.iter()? {
            records.service_users.push(from_json::<ServiceUser>(row?.1.value())?);
        }
        let last_used = read.open_table(LAST_USED)?;
        for row in read.open_table(CREDENTIALS)?.iter()? {
            let mut credential: Credential = from_json(row?.1.value())?;
            let used = last_used.get(key(credential.id))?;
            credential.last_used_at = used.and_then(|at| Timestamp::from_millisecond(at.value()).ok());
            records.credentials.push(credential);
        }
        for row in read.open_table(API_KEYS)?.iter()? {
            records.api_keys.push(from_json::<ApiKey>(row?.1.value())?);
        }
        Ok(records)
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut write = self.database.begin_write()?;
        // The default today; a promise does not rest on a default.
        write.set_durability(Durability::Immediate)?;
        {
            let mut service_users = write.open_table(SERVICE_USERS)?;
            let mut credentials = write.open_table(CREDENTIALS)?;
            let mut last_used = write.open_table(LAST_USED)?;
            let mut api_keys = write.open_table(API_KEYS)?;
            for change in changes {
                match change {
                    Change::PutServiceUser(user) => {
                        service_users.insert(u128::from(user.id.0), &*to_json(user)?)?;
                    }
                    Change::RemoveServiceUser(id) => {
                        service_users.remove(u128::from(id.0))?;
                    }
                    Change::PutCredential(credential) => {
                        credentials.insert(key(credential.id), &*to_json(credential)?)?;
                    }
                    Change::RemoveCredential(id) => {
                        credentials.remove(key(*id))?;
                        last_used.remove(key(*id))?;
                    }
                    Change::Used(id, at) => {
                        if credentials.get(key(*id))?.is_some() {
                            last_used.insert(key(*id), at.as_millisecond())?;
                        }
                    }
                    Change::PutApiKey(api_key) => {
                        api_keys.insert(u128::from(api_key.id.0), &*to_json(api_key)?)?;
                    }
                    Change::RemoveApiKey(id) => {
                        api_keys.remove(u128::from(id.0))?;
                    }
                }
            }
        }
        write.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;
    use crate::identity::{ApiKeyId, ServiceUserId, TokenHash};

    fn credential() -> Credential {
        Credential {
            id: CredentialId(Ulid::generate()),
            description: "gate".to_owned(),
            metadata: String::new(),
            acl: vec!["bind:a.internal".to_owned()],
            allow_cidrs: vec!["10.0.0.0/8".to_owned()],
            deny_cidrs: Vec::new(),
            owner_id: Some(ServiceUserId(Ulid::generate())),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Some(Timestamp::UNIX_EPOCH),
            last_used_at: None,
            sha256: TokenHash::of("token"),
        }
    }

    #[test]
    fn records_come_back_and_the_file_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = DiskStore::open(folder.path()).expect("new");
        let (mut one, two) = (credential(), credential());
        let used = Timestamp::from_second(5).expect("in range");
        store
            .apply(&[
                Change::PutCredential(Box::new(one.clone())),
                Change::PutCredential(Box::new(two.clone())),
                Change::Used(one.id, used),
            ])
            .expect("written");
        store.apply(&[Change::RemoveCredential(two.id), Change::Used(two.id, used)]).expect("written");
        drop(store);
        let path = folder.path().join("identity.redb");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("ours");
        let store = DiskStore::open(folder.path()).expect("again");
        one.last_used_at = Some(used);
        assert_eq!(store.load().expect("readable").credentials, [one]);
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn api_keys_come_back_also_in_a_file_of_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = DiskStore::open(folder.path()).expect("new");
        let write = store.database.begin_write().expect("a transaction");
        assert!(write.delete_table(API_KEYS).expect("deletable"), "an earlier version made none");
        write.commit().expect("committed");
        drop(store);
        let store = DiskStore::open(folder.path()).expect("again");
        assert!(store.load().expect("readable").api_keys.is_empty());
        let key = || ApiKey {
            id: ApiKeyId(Ulid::generate()),
            description: "robot".to_owned(),
            metadata: String::new(),
            owner_id: None,
            created_at: Timestamp::UNIX_EPOCH,
            sha256: TokenHash::of("key"),
        };
        let (one, two) = (key(), key());
        let changes = [Change::PutApiKey(one.clone()), Change::PutApiKey(two.clone())];
        store.apply(&changes).expect("written");
        store.apply(&[Change::RemoveApiKey(two.id)]).expect("written");
        assert_eq!(store.load().expect("readable").api_keys, [one]);
    }

    #[test]
    fn a_file_in_use_or_of_another_version_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = DiskStore::open(folder.path()).expect("new");
        assert!(DiskStore::open(folder.path()).is_err());
        let write = store.database.begin_write().expect("a transaction");
        write.open_table(META).expect("there").insert("version", 2).expect("written");
        write.commit().expect("committed");
        drop(store);
        let error = DiskStore::open(folder.path()).expect_err("version 2");
        assert!(error.to_string().contains("another version"), "{error}");
    }
}
