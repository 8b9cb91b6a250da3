//! Policies that decide nothing: what `policy eval` says of them.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

#[test]
fn who_falls_through_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "on_tcp_connect:\n  - expressions: [conn.client_port == 1]\n    actions: [{type: deny}]\n";
    fs::write(folder.path().join("p.yml"), text).expect("writable");
    let ask = |more: &[&str]| {
        let call = ["eval", "p.yml", "--ip", "203.0.113.42", "--set", "conn.client_port=2"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
        let output = command.args(call).args(more).current_dir(folder.path()).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let (_, text) = ask(&[]);
    assert!(text.starts_with("no decision: an endpoint without an upstream of its own closes"), "{text}");
    let (code, json) = ask(&["--format", "json", "--expect", "allow"]);
    assert!(
        code == Some(1)
            && json.contains("\"outcome\":\"upstream\"")
            && json.contains("\"falls_through\":true"),
        "{json}"
    );
    let (code, json) = ask(&["--format", "json", "--expect", "allow", "--has-upstream"]);
    assert!(code == Some(0) && !json.contains("falls_through"), "{json}");
}
