//! Any text as an expression: an answer, places inside the text, and what reads prints and reads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::cel::{CelLimits, parse, print};
use policy_core::diagnostic::Diagnostics;

fuzz_target!(|text: &str| {
    let mut found = Diagnostics::default();
    let ast = parse(text, &CelLimits::default(), &mut found);
    for item in found.iter() {
        assert!(text.get(item.span.to_range()).is_some() && item.help.is_some());
    }
    if found.is_empty() {
        let printed = print(&ast);
        let mut again = Diagnostics::default();
        // Printing adds spaces and parentheses: the limits of the text do not hold for what is printed.
        let mut wide = CelLimits::default();
        (wide.bytes, wide.depth) = (1 << 20, 256);
        let reread = parse(&printed, &wide, &mut again);
        assert!(again.is_empty(), "{printed}");
        assert_eq!(print(&reread), printed);
    }
});
