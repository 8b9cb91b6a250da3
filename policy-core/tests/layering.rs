//! The rooms of the crate: each uses only those before it, and the crate only pure dependencies.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the crate, lowest first: each uses only those before it.
const ROOMS: &[&str] = &[
    // What everybody speaks of.
    "source",
    "phase",
    "duration",
    "digest",
    "diagnostic",
    "json",
    "named_file",
    "lpm",
    "url",
    "resolve",
    // Expressions, documents, and what is known of them.
    "cel",
    "vocabulary",
    "parse",
    "flow",
    "ids",
    "outcome",
    "exchange",
    "trace",
    "facts",
    "ip_policy",
    "address_list",
    // Declared fields, what reads them, and how strictly.
    "options",
    "reader",
    "schema",
    // What actions may do while they run; instructions.
    "run",
    "ir",
    // What is declared with all of these, and the language as a whole.
    "actions",
    "settings",
    "variables",
    "language",
    "given",
    // Files, policies and configurations.
    "ip_policies",
    "model",
    "check",
    "endpoint_policy",
    "agent",
    // Programs, and what runs them.
    "compile",
    "evaluate",
    "journey",
    "reference",
    "edge",
    "lint",
    "catalog",
];

/// Rooms in an order have no circles. There are no exceptions: what a lower room has to know of a higher one is handed
/// to it (ADR 33).
#[test]
fn rooms_use_only_those_before_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut uses = 0;
    for path in sources(&src) {
        let room = room_of(path.strip_prefix(&src).expect("below src"));
        if room == "lib" {
            continue;
        }
        let own = place(&room).unwrap_or_else(|| panic!("`{room}` has no place"));
        for used in used_rooms(&production_code(&path)) {
            let other = place(&used).unwrap_or_else(|| panic!("{}: `{used}` has no place", path.display()));
            assert!(other <= own, "{}: `{room}` uses `{used}`, which is above it", path.display());
            uses += 1;
        }
    }
    assert!(uses > 500, "only {uses} uses found: the scan is broken");
}

/// The first part of a path below `src`.
fn room_of(relative: &Path) -> String {
    let first = relative.components().next().expect("a name").as_os_str().to_str().expect("a name");
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without its comments and its tests.
fn production_code(path: &Path) -> String {
    if path.file_name().is_some_and(|name| name == "tests.rs") {
        return String::new();
    }
    let text = fs::read_to_string(path).expect("readable");
    let production = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
    production.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The rooms that code names, as `crate::room` or within `crate::{…}`.
fn used_rooms(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').and_then(|list| list.split("};").next());
        // `a, b::{C, d::E}, f` has the rooms a, b and f.
        let mut depth = 0;
        let begins = list.unwrap_or(rest).split_inclusive([',', '{', '}']).filter(|part| {
            let top = depth == 0;
            match part.chars().last() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                _ => {}
            }
            top
        });
        let most = if list.is_some() { usize::MAX } else { 1 };
        let names = begins.take(most).map(|part| {
            part.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        });
        used.extend(names.filter(|name| !name.is_empty()));
    }
    used
}

#[test]
fn the_scan_sees_every_form_of_a_use() {
    let rooms = |code: &str| used_rooms(code).join(" ");
    assert_eq!(rooms("use crate::cel::{Env, Site};\ncrate::url::parse(crate::lpm::X)"), "cel url lpm");
    assert_eq!(rooms("use crate::{\n    a,\n    b::{C, d::E},\n    f::G,\n};\nuse std::fmt;"), "a b f");
    assert_eq!(rooms("pub(crate) fn x() {}"), "");
}

/// Words that are the name of an action and of something else, where they stand for the latter.
const OTHER_MEANINGS: &[(&str, &str)] = &[
    // Lists and rules of addresses.
    ("address_list.rs", "deny"),
    ("ip_policies.rs", "deny"),
    ("ip_policies/places.rs", "deny"),
    ("edge/agents.rs", "deny"),
    // How a phase ends.
    ("outcome.rs", "deny"),
    // Keys of configurations of agents.
    ("settings/agent.rs", "log"),
    ("agent/tunnels.rs", "oauth"),
];

/// What an action is called, where its results stand and what it does is said in its file: no machine, listing, digest
/// or check asks for it by name.
#[test]
fn actions_are_known_by_name_in_their_files_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut in_actions) = (Vec::new(), 0);
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).expect("below src").to_str().expect("a name").to_owned();
        let text = fs::read_to_string(&path).expect("readable");
        let production = text.split("#[cfg(test)]").next().expect("a first part");
        for line in production.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let quoted =
                policy_core::actions::NAMES.iter().filter(|name| line.contains(&format!("\"{name}\"")));
            let mut words: Vec<&str> = quoted.copied().collect();
            if line.contains("\"actions.ngrok.") {
                words.push("actions.ngrok.");
            }
            if relative.starts_with("actions") {
                in_actions += words.len();
                continue;
            }
            words.retain(|word| !OTHER_MEANINGS.contains(&(relative.as_str(), *word)));
            found.extend(words.iter().map(|word| format!("{relative}: {word}: {}", line.trim())));
        }
        let variants =
            production.split("ActionConfig::").skip(1).filter(|rest| rest.starts_with(char::is_uppercase));
        if !relative.starts_with("actions") {
            found.extend(variants.map(|rest| {
                format!("{relative}: ActionConfig::{}", rest.split(['(', ' ']).next().unwrap_or_default())
            }));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(in_actions > 40, "only {in_actions} names found: the scan is broken");
}

/// The engine is embedded in edges: no runtime, clock or network may creep in with a dependency. The address tables
/// know nothing of policies.
#[test]
fn dependencies_are_pinned() {
    let core = [
        "base64",
        "crc",
        "flate2",
        "granit-parser",
        "ipnetwork",
        "jiff",
        "md-5",
        "nom",
        "policy-lpm",
        "regex",
        "serde",
        "serde_json",
        "sha1",
        "sha2",
        "strsim",
        "xxhash-rust",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(dependencies(root), core);
    assert_eq!(dependencies(&root.join("lpm")), ["ipnetwork"]);
}

/// The names of what a package depends on, beside what its tests need.
fn dependencies(package: &Path) -> Vec<String> {
    let manifest = fs::read_to_string(package.join("Cargo.toml")).expect("readable");
    let (_, rest) = manifest.split_once("[dependencies]\n").expect("a section");
    let section = rest.split("\n[").next().expect("an end");
    let names = section.lines().filter_map(|line| line.split(['.', ' ']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Files stay small enough to read in one go.
#[test]
fn files_keep_to_their_budget() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["policy-core/src", "policy-core/lpm/src", "policy-cli/src", "forwarder/src"] {
        for path in sources(&root.join(folder)) {
            let lines = fs::read_to_string(&path).expect("readable").lines().count();
            assert!(lines <= 800, "{} has {lines} lines", path.display());
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let (mut out, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                out.push(path);
            }
        }
    }
    out
}

/// A host may keep programs and evaluations across threads and waits.
#[test]
fn programs_and_evaluations_cross_threads() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send + Copy + 'static>() {}
    shared::<policy_core::compile::Program>();
    shared::<policy_core::lpm::LongestMatch>();
    shared::<policy_core::lpm::AddressTables>();
    shared::<policy_core::cel::Predicate>();
    shared::<policy_core::cel::Expression>();
    shared::<policy_core::facts::Facts<'static>>();
    shared::<policy_core::facts::GivenFacts>();
    shared::<policy_core::evaluate::Evaluation<'static>>();
    shared::<
        policy_core::evaluate::Evaluation<
            'static,
            policy_core::evaluate::AsWritten<policy_core::evaluate::Recording>,
        >,
    >();
    shared::<policy_core::diagnostic::Diagnostics>();
    shared::<policy_core::exchange::Reply>();
    sent::<policy_core::exchange::Step>();
    sent::<policy_core::outcome::Outcome>();
}
