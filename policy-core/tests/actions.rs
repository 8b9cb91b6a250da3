//! Every action: its page, a policy that uses all of it, and its typical faults.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

use policy_core::actions::{NAMES, documentation};
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, Severity};
use policy_core::lint::{DocumentKind, lint_as};
use policy_core::model::read_policy;
use policy_core::parse::{Limits, parse};
use policy_core::source::Source;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/actions").join(name)
}

/// What is found in a policy, without notes.
fn found(name: &str, text: &str) -> Vec<(u32, String)> {
    let source = Source::new(name, text);
    let linted = lint_as(&source, DocumentKind::Policy, &CheckOptions::default());
    let worth = linted.diagnostics.iter().filter(|item| item.severity != Severity::Note);
    worth
        .map(|item| {
            let line = source.position(item.span.start).line;
            (line, format!("{name}:{line} {} {}", item.code.id, item.message))
        })
        .collect()
}

#[test]
fn the_examples_of_the_pages_are_right() {
    for name in NAMES {
        let page = documentation(name).expect("registered").page;
        let examples: Vec<_> = page.split("```yaml\n").skip(1).collect();
        // It does not exist yet.
        assert_eq!(examples.is_empty(), *name == "saml", "{name}");
        for example in examples {
            let text = example.split("```").next().expect("an end");
            assert!(text.contains(&format!("type: {name}")), "{name}: an example without the action");
            let found = found(&format!("docs/actions/{name}.md"), text);
            assert!(found.is_empty(), "{found:#?}\n{text}");
        }
    }
}

#[test]
fn a_policy_that_uses_all_of_an_action_is_right() {
    for name in NAMES.iter().filter(|name| **name != "saml") {
        let text = fs::read_to_string(fixture(&format!("{name}.yml"))).expect("a fixture");
        let found = found(&format!("{name}.yml"), &text);
        // A breaker that never trips is worth a warning, whatever else it says.
        let found: Vec<_> =
            found.iter().filter(|(_, text)| !text.contains("TP410 `circuit-breaker`")).collect();
        assert!(found.is_empty(), "{found:#?}");
        for field in documentation(name).expect("registered").fields {
            let key = field.path.rsplit('.').next().expect("a name").trim_end_matches("[]");
            assert!(text.contains(&format!("{key}:")), "{name}.yml does not use `{}`", field.path);
        }
    }
}

/// Each rule of a file of faults has one, in its lines.
#[test]
fn every_fault_is_found_in_its_rule() {
    let mut missed = Vec::new();
    for name in NAMES {
        let file = format!("{name}.faults.yml");
        let text = fs::read_to_string(fixture(&file)).expect("a fixture");
        let source = Source::new(&*file, text.clone());
        let document = parse(&source, &Limits::default(), &mut Diagnostics::default());
        let policy = read_policy(&document, &CheckOptions::default(), &mut Diagnostics::default());
        let found = found(&file, &text);
        let rules: Vec<_> = policy.phases.iter().flat_map(|phase| &phase.rules).collect();
        assert!(!rules.is_empty(), "{file}");
        let starts: Vec<u32> = rules.iter().map(|rule| source.position(rule.span.start).line).collect();
        for (at, rule) in rules.iter().enumerate() {
            let end = starts.get(at + 1).copied().unwrap_or(u32::MAX);
            let hit = found.iter().any(|(line, _)| (starts[at]..end).contains(line));
            let label = rule.name.as_ref().map_or("no name", |name| &*name.value);
            if !hit {
                missed.push(format!("{file}:{}: nothing is found in `{label}`", starts[at]));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
