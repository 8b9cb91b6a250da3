//! Any bytes as a policy, as configurations of edges and agents, and as IP policies: findings or a result, never
//! both; every finding inside the file, with help.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::agent::load_agent_files;
use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostics, Plain};
use policy_core::edge::load_edge;
use policy_core::ip_policies::load_ip_policies;
use policy_core::lint::{DocumentKind, lint_as};
use policy_core::named_file::NamedFile;
use policy_core::parse::decode;
use policy_core::url::{Binding, Scheme};

fuzz_target!(|bytes: &[u8]| {
    let (source, found) = decode("fuzz.yml", bytes.to_vec());
    if found.has_errors() {
        return;
    }
    let length = source.text().len();
    let sound = |found: &Diagnostics| {
        let inside = found.iter().all(|item| item.span.end as usize <= length && item.help.is_some());
        assert!(inside, "{}", Plain { source: &source, diagnostics: found });
    };
    // The first bytes choose the endpoint and how strictly to look.
    let choice = bytes.iter().take(8).fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let mut options = CheckOptions::default();
    options.endpoint.scheme = Scheme::ALL.get(choice % 5).copied();
    options.endpoint.binding = Binding::ALL.get(choice / 5 % 4).copied();
    options.endpoint.cloud = choice % 2 == 1;
    options.strict = choice % 7 == 1;
    options.lenient = choice % 7 == 2;
    let linted = lint_as(&source, DocumentKind::Policy, &options);
    assert!(linted.policy.is_none() || !linted.diagnostics.has_errors());
    sound(&linted.diagnostics);
    let _ = Plain { source: &source, diagnostics: &linted.diagnostics }.to_string();
    let (config, found) = load_edge(&source);
    assert!(config.is_none() || !found.has_errors());
    sound(&found);
    let loaded = load_agent_files(&source, &options, &mut |name| {
        NamedFile::new(name.to_owned(), Err("none".to_owned()))
    });
    assert!(loaded.usable.is_none() || !loaded.findings.has_errors());
    sound(&loaded.findings);
    let (lists, found) = load_ip_policies(&source);
    assert!(lists.is_none() || !found.has_errors());
    sound(&found);
});
