//! The whole edge under `kill -9`: after a start nothing confirmed is lost, nothing revoked is back, and the policy
//! that is served is the one that the file has.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{DEADLINE, connect, echo_device, exchange, wait_until};
use crate::site::{DEVICE, FORWARD, Site, edge_yml};
use crate::speaker::try_enter;

const ROUNDS: u64 = 8;
const DENY: &str = "on_tcp_connect: [{actions: [{type: deny}]}]\n";

/// Calls the admin API; `None` if the edge was gone before it had answered.
fn call(socket: &Path, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nngrok-version: 2\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).ok()? };
    Some((status, body))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Lives,
    /// Its revocation was begun, and nobody knows.
    Either,
    Gone,
}

/// What was confirmed, by the id of the credential.
type Journal = BTreeMap<String, (String, Fate)>;

/// Makes and revokes tokens until the edge is gone.
fn write(socket: &Path, journal: &Mutex<Journal>) {
    for round in 0_u64.. {
        let Some((201, made)) = call(socket, "POST", "/credentials", r#"{"acl":["bind:*.internal"]}"#) else {
            return;
        };
        let text = |key: &str| made[key].as_str().expect("a text").to_owned();
        let (id, token) = (text("id"), text("token"));
        journal.lock().expect("whole").insert(id.clone(), (token, Fate::Lives));
        if round % 2 == 0 {
            continue;
        }
        let set = |fate| journal.lock().expect("whole").get_mut(&id).expect("made").1 = fate;
        set(Fate::Either);
        match call(socket, "DELETE", &format!("/credentials/{id}"), "") {
            Some((204, _)) => set(Fate::Gone),
            Some(other) => panic!("{other:?}"),
            None => return,
        }
    }
}

/// All credentials that the edge has.
fn credentials(site: &Site) -> Vec<String> {
    site.list("authtoken").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn an_edge_that_is_killed_loses_nothing_and_brings_nothing_back() {
    let rounds = std::env::var("FAULT_KILLS").map_or(ROUNDS, |text| text.parse().expect("a number"));
    let mut site = Site::start(FORWARD, "");
    site.edge.folder.write("edge.yml", &edge_yml(site.agents, site.public, ""));
    let kept = site.token(&[]);
    let device = echo_device().to_string();
    let mut agent = Some(site.agent(&kept, &device, &DEVICE));
    let socket = site.edge.folder.path("state/admin.sock");
    let journal = Mutex::new(Journal::new());
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    for round in 0..rounds {
        let policies = if round % 2 == 0 { &[FORWARD][..] } else { &[FORWARD, DENY] };
        thread::scope(|scope| {
            scope.spawn(|| write(&socket, &journal));
            scope.spawn(|| write(&socket, &journal));
            // The policy changes all the time, as a file that is put in the place of the other.
            let edge = &site.edge;
            for policy in policies {
                let new = edge.folder.write("new.yml", policy);
                std::fs::rename(new, edge.folder.path("policy.yml")).expect("the same folder");
                edge.signal("HUP");
            }
            // Not for the machine, but to meet every part of a write.
            thread::sleep(Duration::from_micros(20_000 + round * 37_123 % 300_000));
            edge.signal("KILL");
        });
        let policy = std::fs::read_to_string(site.edge.folder.path("policy.yml")).expect("there");
        site.edge.restart();
        site.edge.wait_for_admin();
        let there = credentials(&site);
        let mut journal = journal.lock().expect("whole");
        for (id, (_, fate)) in journal.iter_mut() {
            match (*fate, there.contains(id)) {
                (Fate::Either, lives) => *fate = if lives { Fate::Lives } else { Fate::Gone },
                (fate, lives) => assert_eq!(fate == Fate::Lives, lives, "round {round}: {id} is {fate:?}"),
            }
        }
        // The list says what it says: what counts is who is let in. Few, since guesses have to wait.
        for fate in [Fate::Lives, Fate::Gone] {
            let newest = journal.values().rev().filter(|(_, is)| *is == fate).take(3);
            for (token, _) in newest {
                let entered = try_enter(&site.edge, site.agents, Ipv4Addr::LOCALHOST, token);
                let entered = runtime.block_on(entered).is_ok();
                assert_eq!(entered, fate == Fate::Lives, "round {round}: a token that is {fate:?}");
            }
        }
        // The endpoint is free for an agent that starts now; the other one would wait its turn. The policy is that of
        // the file.
        agent = None;
        wait_until("the other agent to be gone", || site.list("endpoint").is_empty().then_some(()));
        agent.replace(site.agent(&kept, &device, &DEVICE));
        let heard = exchange(connect(site.public), b"who");
        assert_eq!(heard.as_slice(), if policy == FORWARD { &b"who"[..] } else { b"" }, "round {round}");
    }
    let journal = journal.lock().expect("whole");
    let count = |fate| journal.values().filter(|(_, is)| *is == fate).count();
    println!("{rounds} kills: {} tokens live, {} are gone", count(Fate::Lives), count(Fate::Gone));
    assert!(count(Fate::Lives) > 0 && count(Fate::Gone) > 0, "the kills came too early to show anything");
    drop(agent);
}
