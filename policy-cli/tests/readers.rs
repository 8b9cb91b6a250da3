//! Readers that go away, and outputs that cannot be written: every command ends with the code of its answer, or with 3, and
//! never panics.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::io::pipe;
use std::path::Path;
use std::process::{Command, Stdio};

const CASES: &str = "policy: p.yml\ncases: [{name: one, ip: 192.0.2.1, expect: {deny: true}}]\n";
const EVENT: &str = r#"{"event_type":"tcp_connection_closed.v0","event_timestamp":"2026-12-01T10:00:00Z","object":{"conn":{"bytes_in":1,"bytes_out":1,"client_ip":"192.0.2.1","client_port":5000,"server_port":22,"start_ts":"2026-12-01T10:00:00Z"},"ip_policy":{"decision":null},"endpoint":"ssh","decision":"deny","rule":null,"at":null,"reason":"`deny` refuses","policy_sha256":"00","target":null,"hops":[]}}
"#;

/// Calls with the codes of their answers.
const CALLS: &[(&[&str], i32)] = &[
    (&["eval", "p.yml", "--ip", "192.0.2.1"], 0),
    (&["eval", "p.yml", "--ip", "192.0.2.1", "--expect", "allow"], 1),
    (&["eval", "p.yml", "--ip", "192.0.2.1", "--explain"], 0),
    (&["eval", "p.yml", "--ip", "192.0.2.1", "--format", "json"], 0),
    (&["test", "p.test.yml"], 0),
    (&["test", "p.test.yml", "--format", "junit"], 0),
    (&["lint", "p.yml", "bad.yml"], 1),
    (&["lint", "p.yml", "--format", "json"], 0),
    (&["replay", "p.yml", "--log", "events.jsonl"], 0),
    (&["explain", "TP433"], 0),
    (&["compile", "p.yml"], 0),
    (&["reach", "p.yml"], 0),
    (&["reach", "p.yml", "--format", "json"], 0),
    (&["completions", "bash"], 0),
    (&["man"], 0),
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("p.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    write("bad.yml", "on_tcp_connect: [{actions: [{type: dney}]}]\n");
    write("p.test.yml", CASES);
    write("events.jsonl", EVENT);
    folder
}

fn run(folder: &Path, args: &[&str], stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let output = command.args(args).current_dir(folder).stdout(stdout).output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn a_reader_that_has_gone_changes_no_code() {
    let folder = folder();
    for (args, code) in CALLS {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let (found, err) = run(folder.path(), args, writer);
        assert_eq!(found, Some(*code), "{args:?}: {err}");
        assert!(!err.contains("panicked") && !err.contains("cannot write"), "{args:?}: {err}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_told() {
    let folder = folder();
    if fs::metadata("/dev/full").is_err() {
        assert!(std::env::var_os("REQUIRE_LINUX_TOOLS").is_none(), "there is no /dev/full");
        return;
    }
    for (args, _) in CALLS {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let (found, err) = run(folder.path(), args, full);
        assert!(found == Some(3) && err.contains("cannot write the output"), "{args:?}: {found:?} {err}");
    }
}
