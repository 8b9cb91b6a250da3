//! A state as an earlier program left it: what it holds, and that the same is written for it, byte for byte.
//!
//! `fixtures/identity/` was written by an edge whose disk was full and which was then killed: its store is not closed,
//! and the reserve has entries of each form.

use std::fmt::Write as _;
use std::io::Read as _;

use crate::control::identity::disk::*;
use crate::control::identity::{ApiKey, Credential, ServiceUser, journal};

fn fixture(name: &str) -> Vec<u8> {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/identity"));
    std::fs::read(fixtures.join(name)).expect("there")
}

fn unpacked(name: &str) -> Vec<u8> {
    let (packed, mut bytes) = (fixture(&format!("{name}.gz")), Vec::new());
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes).expect("packed");
    bytes
}

/// A folder with the state.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [NAME, journal::NAME] {
        std::fs::write(folder.path().join(name), unpacked(name)).expect("written");
    }
    folder
}

/// A line a record, in the order of their ids.
fn lines<R: Record>(mut records: Vec<R>, used: impl Fn(&R) -> Option<Timestamp>) -> String {
    records.sort_by_key(Record::id);
    records.iter().fold(String::new(), |mut lines, record| {
        let json = String::from_utf8(to_json(record).expect("writable")).expect("text");
        let used = used(record).map(|at| format!(" used {at}")).unwrap_or_default();
        writeln!(lines, "{} {json}{used}", R::TABLE).expect("writable");
        lines
    })
}

fn all(store: &DiskStore) -> String {
    let records = store.load().expect("readable");
    lines(records.service_users, |_| None)
        + &lines(records.credentials, |it| it.last_used_at)
        + &lines(records.api_keys, |_| None)
}

#[test]
fn it_holds_the_same_before_and_after_the_reserve_is_merged() {
    let folder = folder();
    let expected = String::from_utf8(fixture("records.txt")).expect("text");
    let store = DiskStore::open(folder.path()).expect("a state of ours");
    assert!(store.is_behind());
    assert_eq!(all(&store), expected);
    store.apply(&[]).expect("merged");
    assert!(!store.is_behind());
    drop(store);
    assert_eq!(all(&DiskStore::open(folder.path()).expect("again")), expected);
}

/// How many records of a kind there are, each of which would be written as it stands there.
fn written_alike<R: Record>(database: &Database, name: &str) -> usize {
    let read = database.begin_read().expect("readable");
    let table = read.open_table(TableDefinition::<u128, &[u8]>::new(name)).expect("there");
    let rows = table.iter().expect("readable").map(|row| row.expect("readable"));
    let alike = rows.map(|(number, json)| {
        let record: R = from_json(json.value()).expect("a record");
        assert_eq!(number.value(), key(record.id()));
        assert_eq!(to_json(&record).expect("writable"), json.value());
    });
    alike.count()
}

#[test]
fn its_records_would_be_written_as_they_are() {
    let folder = folder();
    let store = DiskStore::open(folder.path()).expect("a state of ours");
    let state = store.state();
    let database = state.database.as_ref().expect("open");
    assert_eq!(written_alike::<ServiceUser>(database, "service_users"), 5);
    assert_eq!(written_alike::<Credential>(database, "credentials"), 71);
    assert_eq!(written_alike::<ApiKey>(database, "api_keys"), 4);
}

/// The JSON of the entries of a reserve.
fn entries(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut entries = Vec::new();
    loop {
        let length = u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
        if length == 0 {
            return entries;
        }
        let end = 28 + usize::try_from(length).expect("short");
        entries.push(&bytes[28..end]);
        bytes = &bytes[end..];
    }
}

#[test]
fn its_reserve_would_be_written_as_it_is() {
    let before = unpacked(journal::NAME);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journal, none) = Journal::open(folder.path()).expect("new");
    assert!(none.is_empty());
    for json in entries(&before) {
        journal.append(&from_json::<Vec<Change>>(json).expect("changes")).expect("room");
    }
    assert_eq!((journal.newest(), entries(&before).len()), (6, 6));
    assert!(std::fs::read(folder.path().join(journal::NAME)).expect("there") == before);
}

/// Forms that no fixture has: nothing that gives power waits in a reserve.
#[test]
fn what_is_never_in_a_reserve_has_its_form_too() {
    let key = r#"{"id":"ak_01M8TRPNNX5GNY5GRMMBPHF4QR","description":"robot","metadata":"m","owner_id":null,"created_at":"2026-12-02T06:57:33Z","sha256":"jj6gu2K4X1KxVSWi2eUB5jVCKp2sfVLiaKnlJNaCgw8"}"#;
    let used = r#"["cr_01M8TRPMFJXE6RW86JNQTR39J4","2026-12-02T06:57:46.206Z"]"#;
    let json = format!(r#"[{{"PutApiKey":{key}}},{{"Used":{used}}}]"#);
    let changes: Vec<Change> = from_json(json.as_bytes()).expect("changes");
    assert_eq!(to_json(&changes).expect("writable"), json.as_bytes());
}
