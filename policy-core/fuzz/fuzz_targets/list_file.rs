//! Any bytes as a list file: networks or errors, never both; every finding inside the text that is kept, with help;
//! and where the pieces are cut does not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::diagnostic::Plain;
use policy_core::ip_policies::{ListReader, LoadedList};

fn read(bytes: &[u8], piece: usize) -> LoadedList {
    let mut reader = ListReader::new("fuzz.txt").up_to(100);
    bytes.chunks(piece).for_each(|piece| reader.feed(piece));
    reader.finish()
}

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, usize::MAX);
    assert_eq!(whole.networks.is_some(), !whole.findings.has_errors());
    let length = whole.source.text().len();
    let inside = whole.findings.iter().all(|item| item.span.end as usize <= length && item.help.is_some());
    let told = |list: &LoadedList| Plain { source: &list.source, diagnostics: &list.findings }.to_string();
    assert!(inside, "{}", told(&whole));
    for piece in [1, 1 + usize::from(bytes.first().copied().unwrap_or_default())] {
        let other = read(bytes, piece);
        assert_eq!(other.networks, whole.networks);
        assert_eq!(told(&other), told(&whole));
        assert_eq!(other.source.text(), whole.source.text());
    }
});
