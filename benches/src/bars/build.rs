//! Building the full Internet tables: time, memory while building, memory after.

use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::data::tables::{Entry, with_as_numbers};
use crate::peers::{Longest as _, Ours, TrieMap};

/// Bytes that a table of the Internet may keep for each prefix, of IPv4 or of both families.
pub const MAX_KEPT: f64 = 6.5;
/// The same of IPv6 alone.
pub const MAX_KEPT_V6: f64 = 14.0;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    vec![
        Bar::new("memory/v4 kept", Gate::AtMost(MAX_KEPT, 4.5), "B/prefix", |context| {
            kept(context, &context.v4().entries)
        }),
        Bar::new("memory/v6 kept", Gate::AtMost(MAX_KEPT_V6, 8.0), "B/prefix", |context| {
            kept(context, &context.v6().entries)
        }),
        Bar::new("memory/v4 with AS numbers kept", Gate::AtMost(MAX_KEPT, 5.5), "B/prefix", |context| {
            kept(context, &with_as_numbers(&context.v4().entries))
        }),
        Bar::new(
            "memory/v4 and v6 with AS numbers kept",
            Gate::AtMost(MAX_KEPT, 6.2),
            "B/prefix",
            |context| {
                let both = [&*context.v4().entries, &*context.v6().entries].concat();
                kept(context, &with_as_numbers(&both))
            },
        ),
        Bar::new("memory/v4 peak of the build", Gate::AtMost(50.0, 25.0), "B/prefix", |context| {
            let entries = &context.v4().entries;
            let (_, memory) = context.meter.memory(|| Ours::build(entries));
            let (_, trie) = context.meter.memory(|| TrieMap::build(entries));
            let note = format!("prefix-trie {:.1}", per(trie.peak, entries));
            Samples::one(per(memory.peak, entries), note)
        }),
        Bar::new("build/v4 ÷ prefix-trie", Gate::AtMost(1.5, 0.8), "×", |context| {
            let entries = &context.v4().entries;
            let first = entries.first().map(|(network, _)| network.network());
            let ours = |table: Ours| u64::from(first.is_some_and(|address| table.find(address).is_some()));
            let theirs =
                |table: TrieMap| u64::from(first.is_some_and(|address| table.find(address).is_some()));
            context.meter.equal_ratios(1, || ours(Ours::build(entries)), || theirs(TrieMap::build(entries)))
        }),
    ]
}

fn kept(context: &Context, entries: &[Entry]) -> Samples {
    let (ours, memory) = context.meter.memory(|| Ours::build(entries));
    let (_, trie) = context.meter.memory(|| TrieMap::build(entries));
    let bytes = per(ours.bytes() as u64, entries);
    let note = format!("{bytes:.1} by its own account; prefix-trie {:.1}", per(trie.kept, entries));
    Samples::one(per(memory.kept, entries), note)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn per(bytes: u64, entries: &[Entry]) -> f64 {
    bytes as f64 / entries.len().max(1) as f64
}
