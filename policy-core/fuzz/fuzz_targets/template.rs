//! Any text as a template: an answer with places inside the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::cel::FieldType;
use policy_core::phase::Phase;
use policy_core::variables;

fuzz_target!(|text: &str| {
    let env =
        variables::env(variables::Site { phase: Some(Phase::OnHttpRequest), ..variables::Site::default() });
    for field in [FieldType::Text, FieldType::Any] {
        let (template, found) = env.check_template(text, field);
        assert_eq!(template.is_none(), found.has_errors());
        for item in found.iter() {
            assert!(text.get(item.span.to_range()).is_some() && item.help.is_some(), "{item:?}");
        }
    }
});
