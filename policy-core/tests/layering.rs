//! The layers of the crate: each module uses only those before it, and the crate only pure dependencies.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules in layers, lowest first: a module may use its own layer and those before it.
const LAYERS: &[&[&str]] = &[
    &["source", "phase", "duration", "diagnostic", "digest", "json", "named_file"],
    &["lpm", "url", "cel"],
    &["ids", "ip_policy", "address_list"],
    &["parse", "variables", "resolve"],
    &["outcome", "exchange", "facts", "flow", "trace"],
    &["options"],
    &["reader"],
    &["schema"],
    &["run"],
    &["ir"],
    &["actions", "settings"],
    &["secret_names"],
    &["ip_policies", "model"],
    &["check"],
    &["endpoint_policy"],
    &["agent"],
    &["compile"],
    &["evaluate"],
    &["journey"],
    &["reference"],
    &["edge"],
    &["catalog", "lint"],
];

/// Uses that go up by purpose.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("variables", "RESULTS"),
    ("variables", "MORE_RESULTS"),
];

#[test]
fn modules_use_only_lower_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layer_of = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut uses = 0;
    for path in sources(&src) {
        let relative = path.strip_prefix(&src).expect("below src");
        let first = relative.components().next().expect("a name").as_os_str().to_str().expect("a name");
        let module = first.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = layer_of(module).unwrap_or_else(|| panic!("`{module}` has no layer"));
        let text = fs::read_to_string(&path).expect("readable");
        let production = text.split("#[cfg(test)]").next().expect("a first part");
        let code = production.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if EXCEPTIONS.contains(&(module, &used)) {
                    continue;
                }
                let layer =
                    layer_of(&used).unwrap_or_else(|| panic!("{}: `{used}` has no layer", path.display()));
                assert!(layer <= own, "{}: `{module}` uses `{used}`, which is above it", path.display());
                uses += 1;
            }
        }
    }
    assert!(uses > 50, "only {uses} uses found: the scan is broken");
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
