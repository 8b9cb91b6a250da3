//! The store on a disk, and what a disk without room does to it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use ulid::Ulid;

use super::*;
use crate::control::identity::{ApiKey, ApiKeyId, Credential, CredentialId, ServiceUserId, TokenHash};

mod earlier;

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
        sha256: TokenHash::from_token("token"),
    }
}

fn begin_write(store: &DiskStore) -> WriteTransaction {
    let state = store.state();
    state.database.as_ref().expect("open").begin_write().expect("a transaction")
}

fn put(credential: &Credential) -> Change {
    credential.clone().put()
}

fn ids(store: &DiskStore) -> Vec<CredentialId> {
    let mut ids: Vec<_> = store.load().expect("readable").credentials.iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn what_waits_in_the_reserve_counts_from_the_next_start_on_and_is_merged_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("new");
    let (one, two, three) = (credential(), credential(), credential());
    store.apply(&[put(&one), put(&two), put(&three)]).expect("written");
    let narrowed = Credential { acl: vec!["bind:b.internal".to_owned()], ..two.clone() };
    store.reserve(&[Change::RemoveCredential(one.id)]).expect("room");
    store.reserve(&[put(&narrowed)]).expect("room");
    let expected = {
        let mut ids = [two.id, three.id];
        ids.sort_unstable();
        ids
    };
    let acl = |store: &DiskStore| {
        let records = store.load().expect("readable");
        records.credentials.into_iter().find(|it| it.id == two.id).expect("there").acl
    };
    // Not merged, as if the process was killed here.
    drop(store);
    let store = DiskStore::open(folder.path()).expect("again");
    assert!(store.is_behind());
    assert_eq!((&*ids(&store), acl(&store)), (&expected[..], narrowed.acl.clone()));
    // What is in the journal goes before what comes later.
    store.apply(&[put(&two)]).expect("written");
    assert!(!store.is_behind());
    drop(store);
    let store = DiskStore::open(folder.path()).expect("again");
    assert!(!store.is_behind(), "what the tables have is not made again");
    assert_eq!((&*ids(&store), acl(&store)), (&expected[..], two.acl.clone()));
    store.reserve(&[Change::RemoveOwned(three.owner_id.expect("an owner"))]).expect("room");
    assert_eq!(ids(&store), [two.id]);
    store.apply(&[]).expect("merged");
    drop(store);
    let store = DiskStore::open(folder.path()).expect("again");
    assert_eq!((store.is_behind(), ids(&store)), (false, vec![two.id]));
}

#[test]
fn a_file_that_cannot_be_opened_is_read_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("new");
    let one = credential();
    store.apply(&[put(&one)]).expect("written");
    // As a crash leaves it, with a repair to be done.
    let bytes = std::fs::read(folder.path().join(NAME)).expect("readable");
    drop(store);
    std::fs::write(folder.path().join(NAME), &bytes).expect("written");
    let records = in_memory(folder.path()).and_then(|database| load(&database)).expect("readable");
    assert_eq!(records.credentials, [one]);
    assert_eq!(std::fs::read(folder.path().join(NAME)).expect("readable"), bytes, "nothing is written");
}

#[test]
fn a_start_writes_nothing_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(DiskStore::open(folder.path()).expect("new"));
    let before = |name: &str| std::fs::read(folder.path().join(name)).expect("there");
    let (store, reserve) = (before(NAME), before(crate::control::identity::journal::NAME));
    let open = DiskStore::open(folder.path()).expect("again");
    assert!(is_complete(open.state().database.as_ref().expect("open")).expect("readable"));
    drop(open);
    assert_eq!(before(NAME).len(), store.len());
    assert_eq!(before(crate::control::identity::journal::NAME), reserve);
}

#[test]
fn records_come_back_and_the_file_is_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("new");
    let (mut one, two) = (credential(), credential());
    let used = Timestamp::from_second(5).expect("in range");
    store.apply(&[one.clone().put(), two.clone().put(), Change::Used(one.id, used)]).expect("written");
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
    let write = begin_write(&store);
    assert!(write.delete_table(table("api_keys")).expect("deletable"), "an earlier version made none");
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
        sha256: TokenHash::from_token("key"),
    };
    let (one, two) = (key(), key());
    let changes = [one.clone().put(), two.clone().put()];
    store.apply(&changes).expect("written");
    store.apply(&[Change::RemoveApiKey(two.id)]).expect("written");
    assert_eq!(store.load().expect("readable").api_keys, [one]);
}

#[test]
fn a_file_in_use_or_of_another_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("new");
    assert!(DiskStore::open(folder.path()).is_err());
    let write = begin_write(&store);
    write.open_table(META).expect("there").insert("version", 2).expect("written");
    write.commit().expect("committed");
    drop(store);
    let error = DiskStore::open(folder.path()).expect_err("version 2");
    assert!(error.to_string().contains("another version"), "{error}");
}

/// A disk may be so full at a start that there is no room for a reserve; what is kept in it later counts all the same.
#[test]
fn a_reserve_that_comes_later_goes_on_behind_what_was_merged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = DiskStore::open(folder.path()).expect("new");
    let (one, two) = (credential(), credential());
    let put = |it: &Credential| it.clone().put();
    store.apply(&[put(&one), put(&two)]).expect("written");
    store.reserve(&[Change::RemoveCredential(one.id)]).expect("room");
    store.apply(&[]).expect("merged");
    // As after a start without room for it.
    std::fs::remove_file(folder.path().join("identity.reserve")).expect("there");
    store.state().journal = None;
    store.apply(&[put(&two)]).expect("written, and the reserve is made");
    store.reserve(&[Change::RemoveCredential(two.id)]).expect("room");
    drop(store);
    let store = DiskStore::open(folder.path()).expect("again");
    assert_eq!(store.load().expect("readable").credentials, [], "a revocation that was confirmed stays");
}
