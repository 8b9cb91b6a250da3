//! `policy init`: what it writes can be checked and tested at once, and nothing that is there is touched.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "support/command.rs"]
mod command;

/// Checks and tests what was written; what was said.
fn checked(folder: &Path) -> String {
    let (code, out, err) = command::policy(folder, &["lint", "."]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = command::policy(folder, &["test", "--fail-under", "100", "."]);
    assert_eq!(code, Some(0), "{out}{err}");
    out
}

#[test]
fn what_is_written_passes_and_reaches_everything() {
    for args in [
        &["init"][..],
        &["init", "--ci", "gitlab", "--ci", "pre-commit", "--ci", "gitlab"],
        &["init", ".", "--allow", "198.51.100.0/24", "--allow", "10.0.0.9", "--allow", "198.51.100.0/24"],
        &["init", "--allow", "2001:db8::/16", "--forward", "tcp://gate.internal:3389", "--ci", "none"],
        &["init", "--allow", "0.0.0.0/0", "--allow", "::/0"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, out, err) = command::policy(folder.path(), args);
        assert_eq!((code, &*err), (Some(0), ""), "{args:?}: {out}");
        assert!(out.contains("wrote policy.yml\nwrote policy.test.yml\n"), "{out}");
        checked(folder.path());
        for line in out.lines().filter_map(|line| line.strip_prefix("wrote ")) {
            assert!(folder.path().join(line).is_file(), "{line}");
        }
    }
}

#[test]
fn the_defaults_have_no_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(command::policy(folder.path(), &["init", "site"]).0, Some(0));
    let (code, out, err) = command::policy(folder.path(), &["lint", "--deny-warnings", "site"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let job = fs::read_to_string(folder.path().join("site/.github/workflows/policy.yml")).expect("a job");
    assert!(job.contains("policy lint") && job.contains("policy test"), "{job}");
}

#[test]
fn nothing_is_overwritten_and_all_of_it_is_written_or_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("policy.test.yml"), "mine").expect("written");
    let (code, out, err) = command::policy(folder.path(), &["init"]);
    assert_eq!((code, &*out), (Some(2), ""), "{err}");
    assert!(err.contains("`policy.test.yml` is there already"), "{err}");
    assert!(!folder.path().join("policy.yml").exists() && !folder.path().join(".github").exists());
    assert_eq!(fs::read_to_string(folder.path().join("policy.test.yml")).expect("text"), "mine");
    // A file in the place of a folder.
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".github"), "mine").expect("written");
    let (code, _, err) = command::policy(folder.path(), &["init"]);
    assert!(code == Some(2) && err.contains("cannot write `.github/workflows/policy.yml`"), "{err}");
    assert!(!folder.path().join("policy.yml").exists(), "{err}");
}

#[cfg(unix)]
#[test]
fn no_link_leads_out() {
    use std::os::unix::fs::symlink;
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    symlink(other.path(), folder.path().join(".github")).expect("linked");
    let (code, _, err) = command::policy(folder.path(), &["init"]);
    assert!(code == Some(2) && err.contains("a link leads out of"), "{err}");
    assert!(!other.path().join("workflows").exists() && !folder.path().join("policy.yml").exists());
    // A link that leads nowhere is there.
    let folder = tempfile::tempdir().expect("a folder");
    symlink(other.path().join("new.yml"), folder.path().join("policy.yml")).expect("linked");
    let (code, _, err) = command::policy(folder.path(), &["init", "--ci", "none"]);
    assert!(code == Some(2) && err.contains("`policy.yml` is there already"), "{err}");
    assert!(!other.path().join("new.yml").exists());
}

#[test]
fn wrong_calls_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    for args in [
        &["init", "--allow", "10.0.0.0/33"][..],
        &["init", "--forward", "device1"],
        &["init", "--ci", "jenkins"],
    ] {
        let (code, _, err) = command::policy(folder.path(), args);
        assert!(code == Some(2) && err.starts_with("error: "), "{args:?}: {err}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
}

/// What a call gives may not fit: the policy is checked before anything is written.
#[test]
fn a_policy_with_errors_is_not_written() {
    for (forward, said) in [
        ("tcp://x.example:22", "the policy would have an error"),
        ("https://x.internal", "connections go to `tcp://` and `tls://` endpoints"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, out, err) = command::policy(folder.path(), &["init", "site", "--forward", forward]);
        assert_eq!((code, &*out), (Some(2), ""), "{err}");
        assert!(err.contains(said), "{err}");
        assert!(!folder.path().join("site").exists(), "nothing is made");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (code, _, err) = command::policy(folder.path(), &["init", "--ci", "none", "--ci", "gitlab"]);
    assert!(code == Some(2) && err.contains("contradict"), "{err}");
}

#[test]
fn folders_that_were_made_go_again_and_names_are_words_of_a_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("a")).expect("made");
    // A file in the place of a folder, which comes last.
    fs::write(folder.path().join("a/.github"), "mine").expect("written");
    let (code, _, err) = command::policy(folder.path(), &["init", "a"]);
    assert_eq!(code, Some(2), "{err}");
    assert_eq!(fs::read_dir(folder.path().join("a")).expect("a folder").count(), 1);
    let (code, out, _) = command::policy(folder.path(), &["init", "b/it's c"]);
    assert!(code == Some(0) && out.contains(r"policy lint 'b/it'\''s c' && "), "{out}");
}
