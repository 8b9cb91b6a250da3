//! `--target` and `--expect` of `policy eval`, for targets that are written and for those that `${…}` gives; and what
//! its JSON holds.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

/// Exit code and both outputs of `policy eval`.
fn eval(policy: &str, args: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.yml");
    fs::write(&file, policy).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let output = command.arg("eval").arg(&file).args(["--ip", "10.0.0.1"]).args(args).output();
    let output = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

fn forward(url: &str) -> String {
    format!(
        "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"{url}\", on_error: continue}}}}, \
         {{type: deny}}]}}]\n"
    )
}

#[test]
fn a_rendered_target_can_be_offline() {
    let policy = forward("tcp://t${conn.client_port - 6}.internal:22");
    let port = ["--set", "conn.client_port=7"];
    let (_, said) = eval(&policy, &port);
    assert!(said.contains("change it with `--target tcp://t1.internal:22=offline`"), "{said}");
    let with = |args: &[&str]| eval(&policy, &[&port[..], args].concat());
    let offline = ["--target", "tcp://t1.internal:22=offline"];
    let (code, said) = with(&offline);
    assert!(code == Some(0) && said.starts_with("deny"), "{said}");
    let (code, _) = with(&["--expect", "forward:tcp://t1.internal:22"]);
    assert_eq!(code, Some(0));
    // What no policy can forward to is a typing error still.
    let (code, said) = with(&["--target", "tcp://t1.example:22=offline"]);
    assert!(code == Some(2) && said.contains("its targets: `tcp://t${…}.internal:22`\n"), "{said}");
    // Nor what the written parts of this one rule out.
    for url in ["tcp://u1.internal:22", "tcp://tx.internal:22", "tcp://t1.internal:23"] {
        let (code, said) = with(&["--expect", &format!("forward:{url}")]);
        assert!(code == Some(2) && said.contains("never forwards to"), "{url}: {said}");
    }
    let (code, said) = eval(&forward("tcp://a.internal:22"), &offline);
    assert!(code == Some(2) && said.contains("its targets: `tcp://a.internal:22`\n"), "{said}");
    let (code, said) = eval("on_tcp_connect: [{actions: [{type: deny}]}]", &offline);
    assert!(code == Some(2) && said.contains("it forwards nowhere"), "{said}");
}

#[test]
fn json_holds_nothing_raw_that_steers() {
    let policy = "on_tcp_connect: [{name: \"a\\u202Eb\\x9B\\u2028\", actions: [{type: deny}]}]";
    let (code, said) = eval(policy, &["--format", "json"]);
    assert!(code == Some(0) && said.contains(r#""rule":"a\u202eb\u009b\u2028""#), "{said}");
}

/// The text says what JSON has in `effects`: that a forward failed before, and why.
#[test]
fn failed_forwards_before_the_outcome_are_told() {
    let rest = "config: {status_code: 503}";
    let policy = format!(
        "on_http_request: [{{actions: [{{type: forward-internal, config: {{url: 'https://site.internal', on_error: continue}}}}, \
         {{type: custom-response, {rest}}}]}}]\n"
    );
    for (state, failed) in [
        ("offline", "https://site.internal is offline"),
        ("refused", "the upstream of https://site.internal does not answer"),
        ("slow", "the upstream of https://site.internal does not answer"),
    ] {
        let target = format!("https://site.internal={state}");
        let (code, said) = eval(&policy, &["--url", "https://app.example.com/", "--target", &target]);
        let lines = format!("  because `custom-response` answered\n  after a failed forward: {failed}\n");
        assert!(code == Some(0) && said.contains(&lines), "{said}");
    }
    // Not twice.
    let (_, said) = eval(
        "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: 'tcp://a.internal:22'}}]}]\n",
        &["--target", "tcp://a.internal:22=offline"],
    );
    assert!(said.contains("because tcp://a.internal:22 is offline\n") && !said.contains("after a"), "{said}");
}

/// A server behind TCP answers with no status.
#[test]
fn only_servers_over_http_respond() {
    let (code, said) =
        eval(&forward("tcp://a.internal:22"), &["--target", "tcp://a.internal:22=respond:503"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("--target: tcp://a.internal:22 takes connections and answers with no status"),
        "{said}"
    );
    assert!(said.contains("write `tcp://a.internal:22=online`, or `offline`, `refused` or `slow`"), "{said}");
}
