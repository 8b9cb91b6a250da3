//! Files outside: a checkout may hold links to any file of the machine, and configurations may name any. Nothing that
//! stands in one is printed, in no format, and none makes the command wait.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Exit code and everything the command says in a folder, the job summary of GitHub included.
fn run(folder: &Path, args: &[&str], stdin: &str) -> (Option<i32>, String) {
    let summary = tempfile::NamedTempFile::new().expect("a file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_policy"))
        .args(args)
        .current_dir(folder)
        .env("SECRET_TOKEN", "sk_secret")
        .env("GITHUB_STEP_SUMMARY", summary.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // One that reads nothing has gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let summary = fs::read_to_string(summary.path()).expect("readable");
    (output.status.code(), text(output.stdout) + &text(output.stderr) + &summary)
}

/// A folder `site` with links out of it, beside a file with a secret.
fn site() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let site = root.path().join("site");
    fs::create_dir(&site).expect("a folder");
    fs::create_dir(root.path().join("other")).expect("a folder");
    let secret = "on_tcp_connect: [{actions: [{type: sk_secret, sk_secret: 1}]}]\nsk_secret: 1\n";
    fs::write(root.path().join("secret.yml"), secret).expect("written");
    fs::write(root.path().join("other/x.yml"), secret).expect("written");
    symlink("/proc/self/environ", site.join("env.yml")).expect("a link");
    symlink("../secret.yml", site.join("up.yml")).expect("a link");
    symlink("../other", site.join("folder")).expect("a link");
    fs::write(site.join("policy.yml"), "on_tcp_connect: [{actions: [{type: dney}]}]\n").expect("written");
    symlink("policy.yml", site.join("inside.yml")).expect("a link");
    root
}

#[test]
fn a_search_leaves_out_links_that_lead_out() {
    let root = site();
    for format in ["text", "json", "github"] {
        let args = ["lint", "--format", format, "."];
        let (code, said) = run(&root.path().join("site"), &args, "");
        assert!(code == Some(1) && !said.contains("sk_secret"), "{said}");
        assert!(said.contains("env.yml"), "{said}");
        // A link that stays below the folder is a file like any other.
        assert!(said.contains("inside.yml") && said.contains("unknown action `dney`"), "{said}");
    }
    let (_, said) = run(&root.path().join("site"), &["lint", "."], "");
    assert!(said.contains("skipped `env.yml`: a link that leads outside of `.`\n"), "{said}");
    assert!(said.contains("skipped `up.yml`") && said.contains("checked 2 files"), "{said}");
    let (_, said) = run(root.path(), &["lint", "site"], "");
    assert!(said.contains("skipped `site/up.yml`: a link that leads outside of `site`\n"), "{said}");
}

#[test]
fn a_file_by_name_is_told_of_and_not_shown() {
    let root = site();
    let site = root.path().join("site");
    let edge = "version: 1\nendpoints: [{name: a, url: \"tcp://e:1\", traffic_policy_file: ../secret.yml}]\n";
    fs::write(site.join("edge.yml"), edge).expect("written");
    fs::write(site.join("edge2.yml"), edge.replace("../secret", "up")).expect("written");
    let absolute = root.path().join("secret.yml").display().to_string();
    fs::write(site.join("edge3.yml"), edge.replace("../secret.yml", &absolute)).expect("written");
    let agent = "version: 3\nagent: {}\nendpoints: [{name: a, url: \"tcp://e.example:1\", upstream: {url: 22}, \
                 traffic_policy_file: ../secret.yml}]\n";
    fs::write(site.join("ngrok.yml"), agent).expect("written");
    fs::write(site.join("ip.yml"), "[{id: ipp_a, files: [{path: ../secret.yml, action: deny}]}]")
        .expect("written");
    for file in
        ["env.yml", "up.yml", "folder/x.yml", "edge.yml", "edge2.yml", "edge3.yml", "ngrok.yml", "ip.yml"]
    {
        for format in ["text", "json", "github"] {
            let (code, said) = run(&site, &["lint", "--format", format, file], "");
            assert!(code == Some(1) && said.contains("TP"), "{file}: {said}");
            assert!(!said.contains("sk_secret"), "{file}: {said}");
        }
        let absolute = site.join(file).display().to_string();
        // The folder was named by the caller: only a link at the end of a path leads elsewhere.
        if !file.contains('/') {
            let (_, said) = run(root.path(), &["lint", &absolute], "");
            assert!(!said.contains("sk_secret"), "{file}: {said}");
        }
    }
    for args in [
        &["eval", "up.yml", "--ip", "10.0.0.1"][..],
        &["compile", "up.yml"],
        &["reach", "up.yml"],
        &["lint", "--kind", "list", "up.yml"],
        &["lint", "--ip-policies", "up.yml", "policy.yml"],
        &["lint", "--ip-policies", "ip.yml", "policy.yml"],
        &["lint", "folder"],
        &["lint", "folder/"],
    ] {
        let (code, said) = run(&site, args, "");
        assert!(code != Some(0) && said.contains("TP") && !said.contains("sk_secret"), "{args:?}: {said}");
    }
    // Who names the file itself sees it.
    let (_, said) = run(&site, &["lint", "../secret.yml"], "");
    assert!(said.contains("unknown action `sk_secret`"), "{said}");
}

#[test]
fn nothing_waits_and_what_the_caller_opened_is_read() {
    let root = site();
    let site = root.path().join("site");
    mknodat(CWD, site.join("pipe.yml"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
    for args in [
        &["lint", "pipe.yml"][..],
        &["lint", "--kind", "list", "pipe.yml"],
        &["eval", "pipe.yml", "--ip", "10.0.0.1"],
        &["lint", "--ip-policies", "pipe.yml", "policy.yml"],
        &["lint", "/dev/zero"],
    ] {
        let (code, said) = run(&site, args, "");
        assert!(code == Some(2) && said.contains("it is not a regular file"), "{args:?}: {said}");
    }
    let edge = "version: 1\nendpoints: [{name: a, url: \"tcp://e:1\", traffic_policy_file: pipe.yml}]\n";
    fs::write(site.join("edge.yml"), edge).expect("written");
    fs::write(site.join("ip.yml"), "[{id: ipp_a, files: [{path: pipe.yml, action: deny}]}]")
        .expect("written");
    for file in ["edge.yml", "ip.yml"] {
        let (_, said) = run(&site, &["lint", file], "");
        assert!(said.contains("`pipe.yml`: it is not a regular file"), "{said}");
    }
    for path in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        let (code, said) = run(&site, &["lint", path], "on_tcp_connect: [{actions: [{type: dney}]}]\n");
        assert!(code == Some(1) && said.contains("unknown action `dney`"), "{path}: {said}");
    }
}

/// Lists of addresses too: of a link that leads out no line is shown, and of many lines a few are named.
#[test]
fn lines_of_lists_elsewhere_are_not_shown() {
    let (site, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let list = other.path().join("list");
    fs::write(&list, "secret line\n".repeat(1_000)).expect("written");
    symlink(&list, site.path().join("ips")).expect("linked");
    fs::write(site.path().join("p.yml"), "on_tcp_connect: [{actions: [{type: deny}]}]\n").expect("written");
    let (code, said) = run(site.path(), &["eval", "p.yml", "--ips", "ips"], "");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("ips:1: the line is not an address") && !said.contains("secret"), "{said}");
    assert!(said.contains("1000 of the lines could not be evaluated, 990 of them not named here"), "{said}");
    assert!(said.lines().count() < 20, "{said}");
}
