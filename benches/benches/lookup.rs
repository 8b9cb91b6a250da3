//! Membership in one list, `lookup/<entries>/<peer>`, and the longest match in tables, `longest/<table>/<draw>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::time::Duration;

use benches::bars::drive::{Probe, throughput};
use benches::data::generated::{self, SMALL_V4, SMALL_V6};
use benches::data::probes::{self, Draw};
use benches::data::tables::{self, Entry};
use benches::data::{addresses, networks};
use benches::floors::{L1Load, RawLoad};
use benches::peers::{
    Dir24, LcTrie, Linear, Longest, LongestLinear, Membership, Ours, Ranges, Table, TreeBitmap, Trie, TrieMap,
};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

const PROBES: usize = 4_096;

/// Whether the run only shows that everything works, so that small tables do.
fn quick() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

fn origin() -> &'static str {
    if quick() { "generated" } else { tables::origin() }
}

fn lookup(criterion: &mut Criterion) {
    for entries in [2, 16, 256, 10_000, 100_000] {
        let list = networks(entries, 7);
        let probes = addresses(&list, PROBES, 11);
        let mut group = criterion.benchmark_group(format!("lookup/{entries}"));
        group.throughput(Throughput::Elements(PROBES as u64));
        peer::<Table>(&mut group, &list, &probes);
        peer::<Trie>(&mut group, &list, &probes);
        // A linear walk of a long list takes longer than anybody waits.
        if entries <= 256 {
            peer::<Linear>(&mut group, &list, &probes);
        }
        group.finish();
    }
}

fn peer<P: Membership>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    list: &[ipnetwork::IpNetwork],
    probes: &[std::net::IpAddr],
) {
    let peer = P::build(list);
    group.bench_function(P::NAME, |bench| {
        bench.iter(|| probes.iter().filter(|probe| peer.contains(**black_box(probe))).count());
    });
}

/// Addresses to look up, by the way they were drawn.
type Draws<A> = [(Draw, Vec<A>); 3];

fn full_v4(criterion: &mut Criterion) {
    let (table, number) =
        if quick() { (generated::table(&SMALL_V4), PROBES) } else { (tables::internet_v4(), probes::NUMBER) };
    let name = format!("longest/{}-v4-{}", origin(), table.len());
    let draws = Draw::ALL.map(|draw| (draw, probes::v4(draw, &table, number, 40)));
    let load = RawLoad::new(&table);
    loops(criterion, &name, "one load", &draws, |address| load.v4(address));
    peer_v4::<Dir24>(criterion, &name, &table, &draws);
    peer_v4::<Ours>(criterion, &name, &table, &draws);
    peer_v4::<TrieMap>(criterion, &name, &table, &draws);
    peer_v4::<TreeBitmap>(criterion, &name, &table, &draws);
    peer_v4::<LcTrie>(criterion, &name, &table, &draws);
    peer_v4::<Ranges>(criterion, &name, &table, &draws);
}

fn full_v6(criterion: &mut Criterion) {
    let (table, number) =
        if quick() { (generated::table(&SMALL_V6), PROBES) } else { (tables::internet_v6(), probes::NUMBER) };
    let name = format!("longest/{}-v6-{}", origin(), table.len());
    let draws = Draw::ALL.map(|draw| (draw, probes::v6(draw, &table, number, 60)));
    peer_v6::<Ours>(criterion, &name, &table, &draws);
    peer_v6::<TrieMap>(criterion, &name, &table, &draws);
    peer_v6::<TreeBitmap>(criterion, &name, &table, &draws);
    peer_v6::<LcTrie>(criterion, &name, &table, &draws);
    peer_v6::<Ranges>(criterion, &name, &table, &draws);
}

fn small(criterion: &mut Criterion) {
    for entries in [1, 2, 4, 8, 16, 256] {
        let list: Vec<Entry> = (1..).zip(networks(entries, 7)).map(|(id, network)| (network, id)).collect();
        let name = format!("longest/small-{entries}");
        let draws = Draw::ALL.map(|draw| (draw, probes::v4(draw, &list, PROBES, 16)));
        let load = L1Load::new();
        loops(criterion, &name, "one L1 load", &draws, |address| load.v4(address));
        peer_v4::<Ours>(criterion, &name, &list, &draws);
        peer_v4::<LongestLinear>(criterion, &name, &list, &draws);
        peer_v4::<TrieMap>(criterion, &name, &list, &draws);
        peer_v4::<Ranges>(criterion, &name, &list, &draws);
    }
}

fn peer_v4<P: Longest>(
    criterion: &mut Criterion,
    name: &str,
    table: &[Entry],
    draws: &Draws<std::net::Ipv4Addr>,
) {
    let peer = P::build(table);
    loops(criterion, name, P::NAME, draws, |address| peer.v4(address));
}

fn peer_v6<P: Longest>(
    criterion: &mut Criterion,
    name: &str,
    table: &[Entry],
    draws: &Draws<std::net::Ipv6Addr>,
) {
    let peer = P::build(table);
    loops(criterion, name, P::NAME, draws, |address| peer.v6(address));
}

/// Independent lookups of all draws.
fn loops<A: Probe>(
    criterion: &mut Criterion,
    name: &str,
    peer: &str,
    draws: &Draws<A>,
    find: impl Fn(A) -> Option<u32>,
) {
    for (draw, probes) in draws {
        let mut group = criterion.benchmark_group(format!("{name}/{}", draw.name()));
        group.throughput(Throughput::Elements(probes.len() as u64)).sample_size(10);
        group.bench_function(peer, |bench| bench.iter(|| throughput(black_box(probes), &find)));
        group.finish();
    }
}

fn build(criterion: &mut Criterion) {
    let list = networks(100_000, 7);
    let mut group = criterion.benchmark_group("build/100000");
    group.sample_size(10);
    group.bench_function(Table::NAME, |bench| bench.iter(|| Table::build(black_box(&list))));
    group.bench_function(Trie::NAME, |bench| bench.iter(|| Trie::build(black_box(&list))));
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = lookup, build, small, full_v4, full_v6
}
criterion_main!(all);
