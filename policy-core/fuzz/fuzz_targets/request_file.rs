//! Any text as a request file, a response file, an entry of a HAR file, categories, or scenarios: something or errors, never both; every
//! finding inside the text; and what was read can be decided about.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::categories::load_categories;
use policy_core::diagnostic::{Diagnostics, Plain};
use policy_core::requests::{load_request, load_response};
use policy_core::scenarios::load_scenarios;
use policy_core::source::Source;

fn check<T>(source: &Source, (loaded, found): (Option<T>, Diagnostics)) -> Option<T> {
    let length = source.text().len();
    let told = || Plain { source, diagnostics: &found }.to_string();
    assert!(found.iter().all(|item| item.span.end as usize <= length), "{}", told());
    assert!(loaded.is_none() || !found.has_errors(), "{}", told());
    loaded
}

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.yml", text);
    for entry in [None, Some(1), Some(text.len() % 5)] {
        if let Some(request) = check(&source, load_request(&source, entry)) {
            assert!(request.facts().is_ok(), "{request:?}");
        }
        check(&source, load_response(&source, entry));
    }
    if let Some(scenarios) = check(&source, load_scenarios(&source)) {
        let steps = scenarios.cases.iter().flat_map(|case| &case.steps);
        steps.for_each(|step| assert!(step.repeat > 0 && step.asked.ips.is_some()));
    }
    if let Some(categories) = check(&source, load_categories(&source)) {
        for address in ["203.0.113.9", "::ffff:10.0.0.1", "2001:db8::1"] {
            let _ = categories.of(address.parse().expect("an address"));
        }
    }
});
