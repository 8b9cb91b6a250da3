//! Any bytes: decoding and parsing end, and every node's place lies in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::diagnostic::Diagnostics;
use policy_core::parse::{Limits, NodeKind, Plain, decode, parse};

fuzz_target!(|bytes: &[u8]| {
    let (source, found) = decode("fuzz.yml", bytes.to_vec());
    if found.has_errors() {
        return;
    }
    let mut found = Diagnostics::default();
    let document = parse(&source, &Limits::default(), &mut found);
    let end = u32::try_from(source.text().len()).expect("bounded");
    let mut open: Vec<_> = document.root().into_iter().collect();
    let mut visited = 0;
    while let Some(node) = open.pop() {
        visited += 1;
        assert!(visited <= 8_000_000, "the budgets bound every walk");
        assert!(node.span().start <= node.span().end && node.span().end <= end);
        match node.kind() {
            NodeKind::Scalar(scalar) => drop(Plain::from_scalar(scalar)),
            NodeKind::Sequence(items) => open.extend(items.iter()),
            NodeKind::Mapping(entries) => open.extend(entries.iter().flat_map(|(key, value)| [key, value])),
        }
    }
});
