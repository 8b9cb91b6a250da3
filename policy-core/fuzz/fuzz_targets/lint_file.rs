//! Any bytes as a policy and as an edge configuration: findings or a program, never both.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::Plain;
use policy_core::edge::load_edge;
use policy_core::lint::{DocumentKind, lint};
use policy_core::parse::decode;

fuzz_target!(|bytes: &[u8]| {
    let (source, found) = decode("fuzz.yml", bytes.to_vec());
    if found.has_errors() {
        return;
    }
    let linted = lint(&source, Some(DocumentKind::Policy), &CheckOptions::default());
    assert!(linted.policy.is_none() || !linted.diagnostics.has_errors());
    assert!(linted.diagnostics.iter().all(|item| item.help.is_some()));
    let _ = Plain { source: &source, diagnostics: &linted.diagnostics }.to_string();
    let (config, found) = load_edge(&source);
    assert!(config.is_none() || !found.has_errors());
});
