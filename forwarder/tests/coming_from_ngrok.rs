//! docs/coming-from-ngrok.md: its files are those of fixtures, the one of version 3 says the same as that of version 2
//! and can be used, and every command of ours that it names exists. `policy lint` of both files is run with the page's
//! other `console` blocks.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "program/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;

use std::path::{Path, PathBuf};

use harness::forwarder;
use policy_core::agent::{AgentConfig, Upstream, load_agent};
use policy_core::check::CheckOptions;
use policy_core::compile::{CompileOptions, compile};
use policy_core::endpoint_policy::PolicySource;
use policy_core::source::Source;

const PAGE: &str = include_str!("../../docs/coming-from-ngrok.md");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files on the page: name and text. Each names itself in its first line.
fn files() -> Vec<(&'static str, &'static str)> {
    let blocks = PAGE.split("```yaml\n# ").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().split_once('\n').unwrap()).collect()
}

#[test]
fn the_files_are_those_that_are_checked() {
    let files = files();
    assert_eq!(files.len(), 2);
    for (name, shown) in files {
        let file = std::fs::read_to_string(repository().join(name)).expect("readable");
        assert_eq!(file, shown, "{name}");
    }
}

#[test]
fn the_file_of_version_3_can_be_used_and_that_of_version_2_cannot() {
    for (name, _) in files() {
        let check = |args: &[&str]| {
            let output = forwarder().args(args).args(["--config", name]).current_dir(repository()).output();
            output.expect("it runs")
        };
        let checked = check(&["agent", "config", "check"]);
        let said = [checked.stdout, checked.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let is_new = name.ends_with("version3.yml");
        assert_eq!(checked.status.code(), Some(i32::from(!is_new)), "{name}: {said}");
        assert_eq!(
            said.contains("error: `tunnels` are not served: write them as `endpoints`"),
            !is_new,
            "{said}"
        );
        assert_eq!(said.contains("warning[TP465]"), !is_new, "{name}: {said}");
        if !is_new {
            // It says that tunnels are to be written as endpoints.
            let refused = check(&["agent", "start", "--all"]);
            assert_eq!(refused.status.code(), Some(2));
            assert!(String::from_utf8_lossy(&refused.stderr).contains("`endpoints`"));
        }
    }
}

/// Where an endpoint goes, by its name, and the digest of what its policy decides.
type Served = (String, Upstream, Option<String>);

fn served(config: &AgentConfig) -> Vec<Served> {
    let decides = |policy: &Option<PolicySource>| {
        let policy = policy.as_ref()?;
        let PolicySource::Inline(policy) = policy else { panic!("a policy of its own") };
        let program = compile(policy, &CompileOptions::default()).expect("it runs");
        Some(program.decision_sha256().to_string())
    };
    let tunnels = config.tunnels.iter().map(|it| (&it.name.value, &it.upstream.value, &it.policy));
    let endpoints = config.endpoints.iter().map(|it| (&it.name.value, &it.upstream.value, &it.policy));
    let all = tunnels.chain(endpoints);
    all.map(|(name, upstream, policy)| (name.to_string(), upstream.clone(), decides(policy))).collect()
}

#[test]
fn both_files_say_the_same() {
    let configs = files().into_iter().map(|(name, text)| {
        let (config, found) = load_agent(&Source::new(name, text), &CheckOptions::default());
        config.unwrap_or_else(|| panic!("{name}: {found:?}"))
    });
    let [old, new] = configs.collect::<Vec<_>>().try_into().expect("two files");
    assert_eq!((old.version, new.version), (2, 3));
    let edge = |config: &AgentConfig| {
        let settings = &config.agent;
        (settings.connect_url.as_ref().expect("an edge").value.clone(), settings.connect_cas.clone())
    };
    assert_eq!(edge(&old), edge(&new));
    let same = served(&new);
    assert_eq!(served(&old), same);
    assert!(same.len() == 2 && same[0].2.is_some());
}

/// The commands in backticks: their words up to the first value, and their options.
fn commands() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let spans = PAGE.split('`').skip(1).step_by(2);
    let ours = spans.filter_map(|span| span.strip_prefix("forwarder "));
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    ours.map(|command| {
        let (options, words): (Vec<_>, Vec<_>) =
            command.split_whitespace().partition(|word| word.starts_with("--"));
        (words.into_iter().take_while(is_word).collect(), options)
    })
    .collect()
}

#[test]
fn every_command_of_ours_exists_with_its_options() {
    let commands = commands();
    assert!(commands.len() > 10, "the scan is broken");
    for (words, options) in commands {
        let output = forwarder().args(&words).arg("--help").output().expect("it runs");
        let (command, said) = (words.join(" "), String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "there is no command `forwarder {command}`");
        for option in options {
            assert!(said.contains(option), "`forwarder {command}` has no {option}:\n{said}");
        }
    }
}
