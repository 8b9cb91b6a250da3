//! The conformance cases of the CEL specification, where they are at hand: every expression that has a value
//! is read without a fault, and prints as a text that reads again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

use policy_core::cel::{CelLimits, parse, print};
use policy_core::diagnostic::Diagnostics;

#[test]
fn expressions_with_a_value_are_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cel/conformance.json");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: there are no conformance cases at {}", path.display());
        return;
    };
    let cases: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut read = 0;
    let mut faults = Vec::new();
    for case in cases["tests"].as_array().expect("a list") {
        if !case["expect"]["error"].is_null() {
            continue;
        }
        let text = case["expr"].as_str().expect("a text");
        let mut found = Diagnostics::default();
        let ast = parse(text, &CelLimits::default(), &mut found);
        let printed = print(&ast);
        let again = print(&parse(&printed, &CelLimits::default(), &mut found));
        if found.is_empty() && again == printed {
            read += 1;
        } else {
            let all: Vec<_> = found.iter().map(|item| &item.message).collect();
            faults.push(format!("{}: {text} -> {printed} {all:?}", case["id"]));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), read + faults.len(), faults.join("\n"));
    assert!(read > 900, "{read} cases");
}
