//! What `policy lint` prints of findings.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// What `policy lint` prints of a file in a format.
fn lint(text: &str, format: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ngrok.yml");
    fs::write(&file, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let output = command.current_dir(&folder).args(["lint", "ngrok.yml", "--format", format]).output();
    String::from_utf8(output.expect("it runs").stdout).expect("text")
}

/// The places behind the arrows.
fn arrows(text: &str) -> Vec<String> {
    let out = lint(text, "text");
    let lines = out.lines().filter_map(|line| line.trim_start().strip_prefix("--> ngrok.yml:"));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_arrow_names_the_place_of_the_finding() {
    let repeated = "on_tcp_connect:\n  - name: a\n    actions: [{type: deny}]\n    name: b\n";
    assert_eq!(arrows(repeated), ["4:5"]);
    let one_line = "on_tcp_connect:\n  - actions: [{type: deny}, {type: log, config: {metadata: {a: 1}}}]\n";
    assert_eq!(arrows(one_line), ["2:36"]);
    let across = "on_tcp_connect:\n  - actions: [{type: deny}]\n  - actions: [{type: close-connection}]\n";
    assert_eq!(arrows(across), ["3:22"]);
    // Too far apart to be shown in one piece.
    let far = format!(
        "on_tcp_connect:\n  - actions: [{{type: deny}}]\n{}  - actions: [{{type: close-connection}}]\n",
        "  # …\n".repeat(2_000)
    );
    assert_eq!(arrows(&far), ["2003:22"]);
    assert!(lint(&far, "text").contains("::: ngrok.yml:2:22"));
}
