//! Membership in one list: `lookup/<entries>/<peer>`.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::time::Duration;

use benches::data::{addresses, networks};
use benches::peers::{Linear, Membership, Table, Trie};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

const PROBES: usize = 4_096;

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
    targets = lookup, build
}
criterion_main!(all);
