//! Policies that take many steps: what `policy eval` says where only its explanation runs out of them.
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
fn an_explanation_that_takes_too_many_steps_is_no_fault_of_the_policy() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("p.yml"), policy()).expect("writable");
    let edge = "version: 1\nendpoints: [{name: e, url: 'tcp://e.example:22', traffic_policy_file: p.yml}]\n";
    fs::write(folder.path().join("edge.yml"), edge).expect("writable");
    let ask = |file: &str, address: &str| {
        let call = ["eval", file, "--ip", address, "--set", "conn.client_port=5"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
        let output = command.args(call).current_dir(folder.path()).output().expect("it runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    for file in ["p.yml", "edge.yml"] {
        let (code, text) = ask(file, "192.0.2.1");
        assert!(code == Some(3) && text.contains("an edge decides close"), "{file}: {text}");
        // Where the first rule applies, there is nothing that takes long.
        let (code, text) = ask(file, "10.1.2.3");
        assert_eq!((code, &*text), (Some(0), ""), "{file}");
    }
}
