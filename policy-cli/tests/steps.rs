//! Policies that take many steps as they are written and few as an edge runs them.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// Rules of which an edge leaves out all for an address outside of 10.0.0.0/8, and whose conditions, as they are written,
/// take more steps together than a connection has.
fn policy() -> String {
    let heavy = "lists.range(500).all(x, lists.range(200).all(y, x + y + conn.client_port >= 0))";
    let rule = format!(
        "- expressions: [\"{heavy}\", \"inCidrRange(conn.client_ip, '10.0.0.0/8')\"]\n  actions: [{{type: deny}}]\n"
    );
    format!("on_tcp_connect:\n{}- actions: [{{type: close-connection}}]\n", rule.repeat(6))
}

#[test]
fn an_explanation_may_take_more_steps_than_the_decision() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("p.yml"), policy()).expect("writable");
    let edge = "version: 1\nendpoints: [{name: e, url: 'tcp://e.example:22', traffic_policy_file: p.yml}]\n";
    fs::write(folder.path().join("edge.yml"), edge).expect("writable");
    for (file, address, decided) in [
        ("p.yml", "192.0.2.1", "close"),
        ("edge.yml", "192.0.2.1", "close"),
        ("p.yml", "10.1.2.3", "deny"),
        ("edge.yml", "10.1.2.3", "deny"),
    ] {
        let call = ["eval", file, "--ip", address, "--set", "conn.client_port=5", "--explain"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
        let output = command.args(call).current_dir(folder.path()).output().expect("it runs");
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
        assert_eq!((output.status.code(), &*err), (Some(0), ""), "{file} {address}");
        assert!(out.contains(decided), "{file} {address}: {out}");
    }
}
