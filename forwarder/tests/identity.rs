//! The identity store under `kill -9`: nothing confirmed is lost, nothing revoked is back.
//!
//! The writer is this test binary itself, started again with a folder in its environment. It says what it is
//! about to do and what is done on standard output, which the test reads to the end after each kill.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "program/required.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod required;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use forwarder::control::identity::{
    AuthtokenError, Credential, CredentialId, Identity, NewCredential, NewServiceUser, ServiceUser,
    ServiceUserId,
};
use jiff::Timestamp;
use required::{LINUX_TOOLS, required};

const FOLDER: &str = "FORWARDER_TEST_IDENTITY_FOLDER";
const FULL_FOLDER: &str = "FORWARDER_TEST_FULL_FOLDER";
const KILLS: u64 = 25;

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "@ {line}").and_then(|()| out.flush()).expect("somebody reads");
}

/// Not a test of its own: what the killed process does.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let identity = Identity::open(Path::new(&folder)).expect("the store opens after every kill");
    say("open");
    let now = Timestamp::now();
    for round in 0_u64.. {
        let owner = NewServiceUser { name: format!("site {round}"), active: true };
        let owner = identity.create::<ServiceUser>(owner, now).expect("written").0.id;
        let mut made = Vec::new();
        for number in 0..4 {
            let new = NewCredential {
                metadata: "x".repeat(number * 900),
                owner_id: Some(owner),
                ..NewCredential::default()
            };
            let (credential, token) = identity.create::<Credential>(new, now).expect("written");
            say(&format!("created {} {owner} {}", credential.id, token.reveal()));
            identity
                .authenticate(token.reveal(), [127, 0, 0, 1].into(), Timestamp::now())
                .expect("it is alive");
            made.push(credential.id);
        }
        for id in &made[..2] {
            say(&format!("revoking {id}"));
            identity.delete::<Credential>(*id).expect("written");
            say(&format!("revoked {id}"));
        }
        if round % 3 == 0 {
            say(&format!("deleting {owner}"));
            identity.delete::<ServiceUser>(owner).expect("written");
            say(&format!("deleted {owner}"));
        }
    }
}

/// Not a test of its own either: a process that may write no page of the store, and revokes what there is.
#[test]
fn revoker() {
    let Some(folder) = std::env::var_os(FULL_FOLDER) else { return };
    let identity = Identity::open(Path::new(&folder)).expect("the store opens on a full disk");
    say("open");
    let credentials = identity.page::<Credential>(None, usize::MAX);
    for credential in credentials {
        say(&format!("revoking {}", credential.id));
        identity.delete::<Credential>(credential.id).expect("kept in the reserve");
        say(&format!("revoked {}", credential.id));
    }
    // Until it is killed, or whoever would do that has ended.
    let _ = std::io::stdin().read(&mut [0]);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Lives,
    /// The revocation was begun and not confirmed.
    Either,
    Gone,
}

struct Known {
    owner: ServiceUserId,
    token: String,
    fate: Fate,
}

#[derive(Default)]
struct Journal(BTreeMap<CredentialId, Known>);

impl Journal {
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["created", id, owner, token] => {
                let known = Known {
                    owner: owner.parse().expect("an id"),
                    token: token.to_owned(),
                    fate: Fate::Lives,
                };
                self.0.insert(id.parse().expect("an id"), known);
            }
            ["revoking", id] => self.set(id.parse().expect("an id"), Fate::Either),
            ["revoked", id] => self.set(id.parse().expect("an id"), Fate::Gone),
            ["deleting", owner] => self.set_owned(owner, Fate::Either),
            ["deleted", owner] => self.set_owned(owner, Fate::Gone),
            ["open"] => {}
            _ => panic!("{line}"),
        }
    }

    fn set(&mut self, id: CredentialId, fate: Fate) {
        self.0.get_mut(&id).expect("was created").fate = fate;
    }

    fn set_owned(&mut self, owner: &str, fate: Fate) {
        let owner: ServiceUserId = owner.parse().expect("an id");
        let owned = self.0.values_mut().filter(|it| it.owner == owner && it.fate != Fate::Gone);
        owned.for_each(|it| it.fate = fate);
    }

    /// Compares with the store; what was open is settled by what the store says.
    fn compare(&mut self, identity: &Identity) {
        let now = Timestamp::now();
        for (id, known) in &mut self.0 {
            let answer = identity
                .authenticate(&known.token, [127, 0, 0, 1].into(), now)
                .map(|principal| principal.credential);
            match known.fate {
                Fate::Lives => assert_eq!(answer, Ok(*id), "confirmed and lost"),
                Fate::Gone => assert_eq!(answer, Err(AuthtokenError::Unknown), "revoked and back"),
                Fate::Either => known.fate = if answer.is_ok() { Fate::Lives } else { Fate::Gone },
            }
            assert_eq!(identity.find::<Credential>(*id).is_some(), known.fate == Fate::Lives);
        }
    }
}

fn start(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "writer", "--nocapture"]).env(FOLDER, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts")
}

#[test]
fn nothing_confirmed_is_lost_and_nothing_revoked_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::default();
    for kill in 0..KILLS {
        let mut child = start(folder.path());
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // The harness of the child says things too.
        let mut next = || lines.by_ref().find_map(|line| Some(line.ok()?.split_once("@ ")?.1.to_owned()));
        assert_eq!(next().as_deref(), Some("open"), "the writer did not start");
        // Kills fall into all parts of a round, wherever a commit stands.
        std::thread::sleep(Duration::from_micros(3_000 + kill * 1_709));
        child.kill().expect("it runs");
        while let Some(line) = next() {
            journal.note(&line);
        }
        child.wait().expect("it ends");
        let identity = Identity::open(folder.path()).expect("the store opens after a kill");
        journal.compare(&identity);
    }
    let count = |fate| journal.0.values().filter(|it| it.fate == fate).count();
    println!("{} live, {} gone", count(Fate::Lives), count(Fate::Gone));
    assert!(count(Fate::Lives) > 0 && count(Fate::Gone) > 0, "the kills came too early to show anything");
}

/// A process for which no file has more than a page: the store cannot be written, and the reserve has room.
fn start_on_full_disk(prlimit: &Path, folder: &Path) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(prlimit).arg("--fsize=4096");
    command.arg(std::env::current_exe().expect("this binary")).args(["--exact", "revoker", "--nocapture"]);
    command
        .env(FULL_FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn what_is_revoked_on_a_full_disk_is_not_back() {
    let prlimit = ["/usr/bin/prlimit", "/bin/prlimit"].map(Path::new).into_iter().find(|it| it.is_file());
    let Some(prlimit) = required(LINUX_TOOLS, prlimit, "there is no prlimit") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut journal = Journal::default();
    for kill in 0..KILLS {
        let identity = Identity::open(folder.path()).expect("the store opens after a kill");
        journal.compare(&identity);
        // The first change merges what is in the reserve.
        let owner = NewServiceUser { name: "site".to_owned(), active: true };
        let owner = identity.create::<ServiceUser>(owner, Timestamp::now()).expect("written").0.id;
        while identity.page::<Credential>(None, 40).len() < 40 {
            let (made, token) =
                identity.create::<Credential>(NewCredential::default(), Timestamp::now()).expect("written");
            journal.note(&format!("created {} {owner} {}", made.id, token.reveal()));
        }
        drop(identity);
        let mut child = start_on_full_disk(prlimit, folder.path());
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut next = || lines.by_ref().find_map(|line| Some(line.ok()?.split_once("@ ")?.1.to_owned()));
        assert_eq!(next().as_deref(), Some("open"), "the revoker did not start");
        // Kills fall between all revocations.
        std::thread::sleep(Duration::from_micros(kill * 1_709));
        child.kill().expect("it runs");
        while let Some(line) = next() {
            journal.note(&line);
        }
        child.wait().expect("it ends");
    }
    let identity = Identity::open(folder.path()).expect("the store opens after a kill");
    journal.compare(&identity);
    let gone = journal.0.values().filter(|it| it.fate == Fate::Gone).count();
    println!("{gone} gone");
    assert!(gone > 0, "the kills came too early to show anything");
}
