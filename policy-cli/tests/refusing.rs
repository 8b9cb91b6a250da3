//! Whoever refuses more than before is never stopped by a finding: the policy loads, and everybody is refused.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

const FORWARD: &str = "{type: forward-internal, config: {url: \"tcp://a.internal:22\"}}";

/// Exit code and both outputs of the command in a folder.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_policy")).args(args).current_dir(folder).output();
    let output = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

#[test]
fn a_policy_that_refuses_everybody_loads_and_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let list =
        "{type: restrict-ips, config: {allow: [10.0.0.0/8, \"2001:db8::/32\"], deny: [0.0.0.0/0, \"::/0\"]}}";
    let named =
        "{type: restrict-ips, config: {allow: [10.0.0.0/8, \"2001:db8::/32\"], ip_policies: [ipp_feed]}}";
    let only = "{type: restrict-ips, config: {ip_policies: [ipp_feed]}}";
    file("feed.txt", "0.0.0.0/1\n128.0.0.0/1\n::/0\n");
    file("ip.yml", "[{id: ipp_feed, files: [{path: feed.txt, action: deny}]}]");
    for (rules, code, more) in [
        (format!("{{actions: [{list}, {FORWARD}]}}"), "TP434", &[][..]),
        (format!("{{actions: [{named}, {FORWARD}]}}"), "TP434", &["--ip-policies", "ip.yml"]),
        // The last allowed network of an IP policy was taken away.
        (format!("{{actions: [{only}, {FORWARD}]}}"), "TP434", &["--ip-policies", "ip.yml"]),
        (format!("{{actions: [{{type: deny}}]}}, {{actions: [{FORWARD}]}}"), "TP404", &[]),
    ] {
        file("policy.yml", &format!("on_tcp_connect: [{rules}]\n"));
        let (exit, said) = run(folder.path(), &[&["lint", "policy.yml"], more].concat());
        assert!(exit == Some(0) && said.contains(&format!("warning[{code}]")), "{rules}\n{said}");
        for ip in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "192.0.2.1"] {
            let eval = [&["eval", "policy.yml", "--ip", ip, "--expect", "deny"], more].concat();
            let (exit, said) = run(folder.path(), &eval);
            assert!(exit == Some(0) && said.starts_with("deny: "), "{rules} {ip}\n{said}");
        }
    }
    // Without any `allow` it is the mistake of somebody who wants the opposite.
    for config in ["", ", config: {allow: []}", ", config: {deny: [10.0.0.0/8]}"] {
        file("policy.yml", &format!("on_tcp_connect: [{{actions: [{{type: restrict-ips{config}}}]}}]\n"));
        let (exit, said) = run(folder.path(), &["lint", "policy.yml"]);
        assert!(exit == Some(1) && said.contains("error[TP434]"), "{config}\n{said}");
    }
}
