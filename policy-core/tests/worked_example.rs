//! The action that CONTRIBUTING.md adds by example, compiled and run as the page has it.
//!
//! A copy of the crate gets the file and the two lines of the page, and a test of its own. Compiling takes longer than
//! all other tests together, so this one runs where `REQUIRE_WORKED_EXAMPLE` is set.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a user of the new action does: one rule marks, the next one reads the mark.
const USE: &str = r#"
use policy_core::{compile::Program, facts::Facts, reference};

#[test]
fn a_later_rule_reads_the_result_of_the_new_action() {
    let text = r"
on_tcp_connect:
  - actions:
      - type: mark
        config:
          label: from ${conn.client_ip}
  - expressions: ['actions.ngrok.mark.label == ''from 192.0.2.1''']
    actions: [{type: forward-internal, config: {url: 'tcp://a.internal:22'}}]
  - actions: [{type: deny}]
";
    let program = Program::from_policy("p.yml", text).expect("right");
    for (ip, outcome) in [("192.0.2.1", "forward"), ("192.0.2.2", "deny")] {
        let facts = Facts::new(ip.parse().expect("an address"));
        assert_eq!(program.decide(&facts).outcome().name(), outcome, "{ip}");
        let mut traced = program.on_tcp_connect_traced(&facts, policy_core::evaluate::Recording::default());
        let decided = traced.run(|_, _| policy_core::exchange::Reply::Forwarded);
        assert_eq!(decided.name(), outcome, "{ip}");
        let source = policy_core::source::Source::new("p.yml", text);
        let (policy, _) = policy_core::check::load_policy(&source, &policy_core::check::CheckOptions::default());
        let naive = reference::on_tcp_connect(policy.expect("right").policy(), &facts, |_| true);
        assert!(format!("{naive:?}").to_lowercase().contains(if outcome == "deny" { "denied" } else { "forwarded" }));
    }
    let listing = program.listing().to_string();
    assert!(listing.contains("mark"), "{listing}");
    let other = Program::from_policy("p.yml", text.replace("from $", "of $")).expect("right");
    assert_ne!(program.decision_sha256(), other.decision_sha256());
    let early = "on_tcp_connect: [{expressions: ['actions.ngrok.mark.label == ''a'''], actions: [{type: deny}]}]";
    assert!(Program::from_policy("p.yml", early).is_err(), "a result is read before it can be there");
}
"#;

#[test]
fn the_worked_example_compiles_and_runs_as_it_stands() {
    if std::env::var_os("REQUIRE_WORKED_EXAMPLE").is_none() {
        eprintln!("skipped: set REQUIRE_WORKED_EXAMPLE to compile the example of CONTRIBUTING.md");
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).expect("readable");
    let (_, section) = page.split_once("## Adding an action").expect("the section");
    let blocks: Vec<&str> =
        section.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).take(2).collect();
    let [action, lines] = blocks[..] else { panic!("two blocks of code") };

    let copy = root.join("target/worked-example");
    let _ = fs::remove_dir_all(copy.join("policy-core"));
    for folder in ["policy-core/src", "policy-core/docs", "policy-core/lpm/src", "docs"] {
        copy_folder(&root.join(folder), &copy.join(folder));
    }
    for file in [
        "Cargo.lock",
        "rust-toolchain.toml",
        "clippy.toml",
        "policy-core/Cargo.toml",
        "policy-core/lpm/Cargo.toml",
    ] {
        if root.join(file).exists() {
            fs::copy(root.join(file), copy.join(file)).expect("copied");
        }
    }
    let workspace = fs::read_to_string(root.join("Cargo.toml")).expect("readable");
    let members = workspace.lines().find(|line| line.starts_with("members")).expect("its members");
    // It runs for a moment: what is not optimised is there sooner.
    let alone =
        workspace.replace(members, "members = [\"policy-core\"]").replace("opt-level = 1", "opt-level = 0");
    fs::write(copy.join("Cargo.toml"), alone).expect("written");
    // Nor does it need what the other tests need.
    let manifest = copy.join("policy-core/Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("readable");
    let (before, others) = text.split_once("[dev-dependencies]\n").expect("what tests need");
    let after = others.split_once("\n\n").map_or("", |(_, after)| after);
    fs::write(&manifest, format!("{before}{after}")).expect("written");

    fs::write(copy.join("policy-core/src/actions/mark.rs"), action).expect("written");
    fs::write(copy.join("docs/actions/mark.md"), "# mark\n").expect("written");
    let registry = copy.join("policy-core/src/actions.rs");
    let mut text = fs::read_to_string(&registry).expect("readable");
    for line in lines.lines() {
        let before = if line.starts_with("mod ") { "mod oauth;" } else { "    oauth::OAuth," };
        assert!(text.contains(before), "`{before}` is the line after");
        text = text.replace(before, &format!("{line}\n{before}"));
    }
    fs::write(&registry, text).expect("written");
    fs::create_dir_all(copy.join("policy-core/tests")).expect("a folder");
    fs::write(copy.join("policy-core/tests/mark.rs"), USE).expect("written");

    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["test", "--offline", "-p", "policy-core", "--features", "reference", "--test", "mark"])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", target_folder())
        // Set where times are asked for; to build with it would build everything again.
        .env_remove("RUSTC_BOOTSTRAP")
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&ran.stderr) + String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

/// The folder that this test was built into: what the crate depends on is there already.
fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("its path");
    own.ancestors().nth(3).expect("target/debug/deps").to_owned()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
