//! `policy` without arguments: the commands it names can be run.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// What `policy` says in a folder with these files.
fn said(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("writable");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_policy")).current_dir(folder.path()).output();
    String::from_utf8(output.expect("it runs").stdout).expect("text")
}

#[test]
fn the_next_commands_are_about_what_is_there() {
    let old = ("a.yml", "on_http_request: [{actions: [{type: deny}]}]\n");
    let broken = ("b.yml", "on_tcp_connect: [{actions: [{type: dney}]}]\n");
    let sound = ("c.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    let all = said(&[old, broken, sound]);
    assert!(
        all.contains("policy eval c.yml --ip 203.0.113.42") && !all.contains("policy eval a.yml"),
        "{all}"
    );
    // A code that was found.
    let code = all.split("policy explain ").last().and_then(|rest| rest.split_whitespace().next());
    assert!(code.is_some_and(|code| all.contains(&format!("[{code}]:"))), "{all}");
    let good = said(&[sound]);
    assert!(good.contains("policy explain restrict-ips") && !good.contains("policy explain TP"), "{good}");
}
