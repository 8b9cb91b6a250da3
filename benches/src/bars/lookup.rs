//! Lookups in the full Internet tables.

use super::drive::{latency, throughput};
use super::{Bar, Gate};
use crate::data::probes::Draw;
use crate::data::tables::{IDS, with_as_numbers};
use crate::peers::{LcTrie, Longest, Ours, Ranges, TreeBitmap};

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    let dir = [(Draw::Random, 1.8, 1.4), (Draw::InPrefix, 4.0, 3.0), (Draw::Zipf, 3.0, 2.0)];
    let v4 = dir.map(|(draw, gate, stretch)| against_dir(draw, Gate::AtMost(gate, stretch)));
    let v6 = [
        v6_throughput(Draw::InPrefix, Gate::AtMost(0.4, 0.25)),
        v6_latency(Draw::InPrefix, Gate::AtMost(0.8, 0.55)),
        v6_throughput(Draw::Zipf, Gate::AtMost(0.6, 0.4)),
    ];
    let told = Draw::ALL
        .into_iter()
        .flat_map(|draw| [against::<LcTrie>(draw), against::<TreeBitmap>(draw), against::<Ranges>(draw)]);
    let wide = Draw::ALL.map(with_wide_values);
    v4.into_iter().chain(Draw::ALL.map(against_trie)).chain(v6).chain(wide).chain(told).collect()
}

/// What values cost that are many and wide.
fn with_wide_values(draw: Draw) -> Bar {
    let name = format!("lookup/v4/{} with AS numbers ÷ with {IDS} ids", draw.name());
    Bar::new(name, Gate::AtMost(2.5, 2.0), "×", move |context| {
        let table = context.v4();
        let (probes, wide) = (table.probes(draw), Ours::build(&with_as_numbers(&table.entries)));
        context.meter.ratios(
            probes.len(),
            || throughput(probes, |address| wide.v4(address)),
            || throughput(probes, |address| table.ours.v4(address)),
        )
    })
}

/// Beside a peer without a gate of its own: told, and not judged.
fn against<P: Longest>(draw: Draw) -> Bar {
    let name = format!("lookup/v4/{} faster than {}", draw.name(), P::NAME);
    Bar::new(name, Gate::AtLeast(0.0, 4.0), "×", move |context| {
        let table = context.v4();
        let (probes, peer) = (table.probes(draw), P::build(&table.entries));
        let samples = context.meter.equal_ratios(
            probes.len(),
            || throughput(probes, |address| table.ours.v4(address)),
            || throughput(probes, |address| peer.v4(address)),
        );
        samples.inverted()
    })
}

fn against_dir(draw: Draw, gate: Gate) -> Bar {
    Bar::new(format!("lookup/v4/{} ÷ dir-24-8", draw.name()), gate, "×", move |context| {
        let (table, dir) = (context.v4(), context.dir24());
        let probes = table.probes(draw);
        context.meter.equal_ratios(
            probes.len(),
            || throughput(probes, |address| table.ours.v4(address)),
            || throughput(probes, |address| dir.v4(address)),
        )
    })
}

fn against_trie(draw: Draw) -> Bar {
    let name = format!("lookup/v4/{} faster than prefix-trie", draw.name());
    Bar::new(name, Gate::AtLeast(2.5, 4.0), "×", move |context| {
        let table = context.v4();
        let probes = table.probes(draw);
        let samples = context.meter.equal_ratios(
            probes.len(),
            || throughput(probes, |address| table.ours.v4(address)),
            || throughput(probes, |address| table.trie.v4(address)),
        );
        samples.inverted()
    })
}

fn v6_throughput(draw: Draw, gate: Gate) -> Bar {
    Bar::new(format!("lookup/v6/{} ÷ prefix-trie", draw.name()), gate, "×", move |context| {
        let table = context.v6();
        let probes = table.probes(draw);
        context.meter.equal_ratios(
            probes.len(),
            || throughput(probes, |address| table.ours.v6(address)),
            || throughput(probes, |address| table.trie.v6(address)),
        )
    })
}

fn v6_latency(draw: Draw, gate: Gate) -> Bar {
    Bar::new(format!("lookup/v6/{} latency ÷ prefix-trie", draw.name()), gate, "×", move |context| {
        let table = context.v6();
        let probes = table.probes(draw);
        context.meter.equal_ratios(
            probes.len(),
            || latency(probes, |address| table.ours.v6(address)),
            || latency(probes, |address| table.trie.v6(address)),
        )
    })
}
