//! The examples run to their ends, and docs/embedding.md names them.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../examples/decide_on_accept.rs"]
mod decide_on_accept;
#[path = "../examples/effect_host.rs"]
mod effect_host;
#[path = "../examples/hot_swap.rs"]
mod hot_swap;
#[path = "../examples/own_facts.rs"]
mod own_facts;

const EXAMPLES: &[(&str, &str)] = &[
    ("decide_on_accept", include_str!("../examples/decide_on_accept.rs")),
    ("effect_host", include_str!("../examples/effect_host.rs")),
    ("hot_swap", include_str!("../examples/hot_swap.rs")),
    ("own_facts", include_str!("../examples/own_facts.rs")),
];

const PAGE: &str = include_str!("../../docs/embedding.md");

#[test]
fn an_edge_decides_on_accept() {
    decide_on_accept::main().expect("it runs");
}

#[test]
fn programs_are_swapped_under_load() {
    hot_swap::main().expect("it runs");
}

#[test]
fn a_host_performs_effects() {
    effect_host::main().expect("it runs");
}

#[test]
fn facts_come_from_own_sources() {
    own_facts::main().expect("it runs");
}

/// Every example is here, says its command, and is named on the page.
#[test]
fn all_examples_are_run_and_documented() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let files = std::fs::read_dir(folder).expect("readable");
    let mut names: Vec<_> = files
        .map(|file| file.expect("readable").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    assert_eq!(names, EXAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, text) in EXAMPLES {
        assert!(text.contains(&format!("//! cargo run -p policy-core --example {name}\n")), "{name}");
        assert!(PAGE.contains(&format!("policy-core/examples/{name}.rs")), "{name}");
    }
}
