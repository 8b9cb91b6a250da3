//! What `policy diff` says of changes: in real Git repositories, on public policies, and of calls that ask nothing.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

#[path = "support/command.rs"]
mod command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `git`, which reads no configuration but the repository's.
fn git(folder: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args).current_dir(folder);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.output().expect("git runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// True if `git` is not there: then what needs it is skipped, unless it is required.
fn is_without_git() -> bool {
    let missing = Command::new("git").arg("--version").output().is_err();
    assert!(!missing || std::env::var_os("REQUIRE_LINUX_TOOLS").is_none(), "git is required");
    if missing {
        eprintln!("skipped: git is not here");
    }
    missing
}

/// A repository with the policy of the example on `main`, and a branch for each change of it.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).expect("made");
    git(folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    let example = root().join("fixtures/pull-request");
    let commit = |from: &str| {
        fs::copy(example.join(from).join("site.yml"), policies.join("site.yml")).expect("copied");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "--quiet", "--message", from]);
    };
    commit("base");
    for head in ["narrowing", "equal", "widening"] {
        git(folder.path(), &["checkout", "--quiet", "-b", head, "main"]);
        commit(head);
    }
    folder
}

/// The comment on each pull request of the example, and which is stopped.
#[test]
fn a_pull_request_is_commented_as_the_example_says() {
    if is_without_git() {
        return;
    }
    let folder = repository();
    for (head, expected) in [("narrowing", 0), ("equal", 0), ("widening", 1)] {
        let range = format!("main...{head}");
        let call = ["diff", &range, "--format", "markdown", "--", "policies/site.yml"];
        let (code, out, err) = command::policy(folder.path(), &call);
        assert_eq!((code, &*err), (Some(expected), ""), "{head}");
        let golden = root().join("fixtures/pull-request").join(head).join("comment.md");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&golden, &out).expect("written");
        }
        assert_eq!(out, fs::read_to_string(golden).expect("the comment"), "{head}");
        // The same from a folder below, and with a path that goes up.
        let below = folder.path().join("policies");
        let (code, again, _) =
            command::policy(&below, &["diff", &range, "--format", "json", "--", "site.yml"]);
        assert_eq!(code, Some(expected), "{again}");
        let (code, up, _) =
            command::policy(&below, &["diff", &range, "--format", "json", "--", "../policies/site.yml"]);
        assert_eq!(code, Some(expected), "{up}");
    }
}

fn json_of(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let (code, out, err) = command::policy(folder, &[&["diff", "--format", "json"], args].concat());
    assert!(matches!(code, Some(0 | 1)), "{args:?}: {err}");
    (code, serde_json::from_str(&out).expect("JSON"))
}

/// `...` looks from where the branch left, `..` at both as they are, and one revision at the file as it is now.
#[test]
fn revisions_are_those_that_git_means() {
    if is_without_git() {
        return;
    }
    let folder = repository();
    let path = folder.path();
    git(path, &["checkout", "--quiet", "main"]);
    // What main gains meanwhile is nothing that the branch takes away.
    let policy = fs::read_to_string(path.join("policies/site.yml")).expect("read");
    fs::write(path.join("policies/site.yml"), policy.replace("\"AT\"]", "\"AT\", \"CH\"]")).expect("written");
    let (_, now) = json_of(path, &["HEAD", "--", "policies/site.yml"]);
    assert_eq!(now["verdict"], json!("widens"));
    git(path, &["commit", "--quiet", "--all", "--message", "more"]);
    let (code, since) = json_of(path, &["main...equal", "--", "policies/site.yml"]);
    assert_eq!((code, &since["verdict"]), (Some(0), &json!("equal")));
    let (code, tips) = json_of(path, &["main..equal", "--", "policies/site.yml"]);
    assert_eq!((code, &tips["verdict"]), (Some(0), &json!("narrows")));
    // A side that is left out is HEAD, here main.
    let of_head = json_of(path, &["..equal", "--", "policies/site.yml"]).1;
    let sources = |it: &Value| it["closed"]["regions"][0]["sources"].clone();
    assert_eq!((sources(&of_head), &of_head["verdict"]), (sources(&tips), &tips["verdict"]));
    // A policy that is not there lets nobody in.
    git(path, &["checkout", "--quiet", "--orphan", "empty"]);
    git(path, &["rm", "--quiet", "-r", "--force", "."]);
    git(path, &["commit", "--quiet", "--allow-empty", "--message", "empty"]);
    let (code, new) = json_of(path, &["empty..main", "--", "policies/site.yml"]);
    assert_eq!(
        (code, &new["verdict"], &new["old"]["policy_sha256"]),
        (Some(1), &json!("widens"), &Value::Null)
    );
    let (code, gone) = json_of(path, &["main..empty", "--", "policies/site.yml"]);
    assert_eq!((code, &gone["verdict"]), (Some(0), &json!("narrows")));
}

#[test]
fn what_cannot_be_asked_is_told() {
    if is_without_git() {
        return;
    }
    let folder = repository();
    let path = folder.path();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("site.yml", path.join("policies/link.yml")).expect("linked");
        git(path, &["add", "."]);
        git(path, &["commit", "--quiet", "--message", "link"]);
    }
    git(path, &["clone", "--quiet", "--depth=1", &format!("file://{}", path.display()), "shallow"]);
    let site = "policies/site.yml";
    let calls: &[(&[&str], &str)] = &[
        (&["nope..main", "--", site], "there is no revision `nope`"),
        (&["main...nope", "--", site], "there is no revision `nope`"),
        (&["main..--output=x", "--", site], "there is no revision"),
        (&["main..equal", "--", "policies/sit.yml"], "no such policy on either side"),
        (&["main..equal", "--", "policies"], "not a file"),
        (&["main", "equal", "--", site], "main..equal"),
        (&["main"], "compared with what?"),
        (&["main..equal", "--keep", "192.0.2.1", "--", site], "reaches nothing"),
        (&["-", "-"], "one policy only"),
        #[cfg(unix)]
        (&["HEAD", "--", "/etc/passwd"], "not below"),
        #[cfg(unix)]
        (&["HEAD..HEAD", "--", "policies/link.yml"], "symbolic link"),
    ];
    for (call, says) in calls {
        let (code, out, err) = command::policy(path, &[&["diff"], *call].concat());
        assert!(code == Some(2) && out.is_empty() && err.contains(says), "{call:?}: {code:?} {err}");
    }
    let (code, _, err) = command::policy(&path.join("shallow"), &["diff", "HEAD~1..HEAD", "--", site]);
    assert!(code == Some(2) && err.contains("fetch-depth: 0"), "{err}");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (code, _, err) = command::policy(elsewhere.path(), &["diff", "main..x", "--", site]);
    assert!(code == Some(2) && err.contains("no Git repository"), "{err}");
}

#[test]
fn the_exit_code_follows_from_what_is_to_be_ruled_out() {
    let example = root().join("fixtures/pull-request");
    let ask = |head: &str, more: &[&str]| {
        let new = format!("{head}/site.yml");
        command::policy(&example, &[&["diff", "base/site.yml", &new], more].concat()).0
    };
    for (head, fail_on, expected) in [
        ("narrowing", "widen", 0),
        ("narrowing", "narrow", 1),
        ("narrowing", "any", 1),
        ("equal", "any", 0),
        ("widening", "widen", 1),
        ("widening", "narrow", 0),
    ] {
        assert_eq!(ask(head, &["--fail-on", fail_on]), Some(expected), "{head} {fail_on}");
    }
    // The way in that is kept.
    assert_eq!(ask("narrowing", &["--keep", "203.0.113.1"]), Some(0));
    assert_eq!(ask("narrowing", &["--keep", "203.0.113.1", "--keep", "203.0.113.64"]), Some(1));
    assert_eq!(ask("narrowing", &["--keep", "203.0.113.0/25"]), Some(1));
    // Only some sources.
    assert_eq!(ask("widening", &["--from", "198.51.100.0/24"]), Some(0));
}

/// Every policy below a folder against itself, and against one that is changed in each way of a few.
fn check_all(folder: &Path) -> [usize; 3] {
    let edits =
        [("/32", "/31"), ("/24", "/25"), ("allow:", "deny:"), ("== '", "!= '"), ("type: deny", "type: log")];
    let (mut counts, mut folders) = ([0; 3], vec![folder.to_owned()]);
    let changed = tempfile::tempdir().expect("a folder");
    let changed = changed.path().join("changed.yml");
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Some(file) = path.to_str().filter(|it| it.ends_with(".yml") || it.ends_with(".yaml")) else {
                continue;
            };
            let ask = |new: &str| {
                command::policy(&root(), &["diff", "--has-upstream", "--format", "json", file, new])
            };
            let (code, out, err) = ask(file);
            if code == Some(2) {
                continue;
            }
            let answer: Value = serde_json::from_str(&out).expect(&err);
            assert_eq!((code, &answer["verdict"]), (Some(0), &json!("equal")), "{file}");
            counts[0] += 1;
            let text = fs::read_to_string(&path).expect("read");
            for (from, to) in edits.iter().filter(|(from, _)| text.contains(from)) {
                fs::write(&changed, text.replacen(from, to, 1)).expect("written");
                let (code, out, err) = ask(changed.to_str().expect("text"));
                // A witness that the engine decides otherwise would be 3.
                assert!(matches!(code, Some(0..=2)), "{file} {from}: {err}");
                if code != Some(2) {
                    let answer: Value = serde_json::from_str(&out).expect("JSON");
                    counts[if answer["verdict"] == json!("equal") { 1 } else { 2 }] += 1;
                }
            }
        }
    }
    counts
}

#[test]
fn policies_are_equal_to_themselves_and_changes_are_shown() {
    let [asked, equal, changed] = check_all(&root().join("fixtures"));
    assert!(asked >= 5 && changed >= 3, "{asked} policies, {equal} edits without effect, {changed} with one");
}

#[test]
fn public_policies_are_equal_to_themselves_and_changes_are_shown() {
    let corpus = root().join("../shared/corpus");
    if !corpus.is_dir() {
        eprintln!("skipped: the corpus is not here");
        return;
    }
    let [asked, equal, changed] = check_all(&corpus);
    assert!(asked > 0 && changed > 0, "{asked} policies, {equal} edits without effect, {changed} with one");
}
