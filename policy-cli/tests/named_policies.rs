//! Policy files that a configuration names: their findings are shown if they lie below its folder, wherever the
//! command runs.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

const EDGE: &str = "version: 1\nendpoints: [{name: a, url: \"tcp://e:1\", traffic_policy_file: POLICY}]\n";
const FAULTY: &str = "on_tcp_connect: [{actions: [{type: dney}]}]\n";

/// What the command prints in a folder.
fn lint(folder: &Path, file: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_policy")).args(["lint", file]).current_dir(folder).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn only_what_lies_below_the_configuration_is_shown() {
    let root = tempfile::tempdir().expect("a folder");
    let site = root.path().join("site");
    fs::create_dir(&site).expect("a folder");
    fs::write(site.join("policy.yml"), FAULTY).expect("written");
    fs::write(site.join("edge.yml"), EDGE.replace("POLICY", "policy.yml")).expect("written");
    fs::write(root.path().join("outside.yml"), FAULTY).expect("written");
    fs::write(site.join("other.yml"), EDGE.replace("POLICY", "../outside.yml")).expect("written");
    for (folder, file) in [(&*site, "edge.yml"), (root.path(), "site/edge.yml")] {
        let text = lint(folder, file);
        assert!(text.contains("TP452") && text.contains("unknown action `dney`"), "{text}");
    }
    let text = lint(&site, "other.yml");
    assert!(text.contains("TP452") && !text.contains("dney"), "{text}");
}
