//! The guide's second policy: lint, compile, and a whole decision beside a hand-written one.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "bench data is valid")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use benches::policies::{GUIDE, TEN_RULES as TEN_TCP_RULES, decide, guide_admits, program};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::lint::lint;
use policy_core::source::Source;

/// Ten rules over three phases, with twelve actions and fifteen expressions.
const TEN_RULES: &str = include_str!("../../fixtures/bench/ten-rules.yml");

fn texts(criterion: &mut Criterion) {
    let source = Source::new("device1.yml", GUIDE);
    let checked = load_policy(&source, &CheckOptions::default()).0.expect("valid");
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(GUIDE.len() as u64));
    group.bench_function("lint", |bench| {
        bench.iter(|| lint(black_box(&source), None, &CheckOptions::default()))
    });
    group.bench_function("compile", |bench| {
        bench.iter(|| compile(black_box(&checked), &CompileOptions::default()));
    });
    group.finish();
    let source = Source::new("ten-rules.yml", TEN_RULES);
    let mut group = criterion.benchmark_group("text/ten-rules");
    group.throughput(Throughput::Bytes(TEN_RULES.len() as u64));
    group.bench_function("lint", |bench| {
        bench.iter(|| lint(black_box(&source), None, &CheckOptions::default()));
    });
    group.finish();
    // The bar of the same name also pays for the allocator that counts.
    let source = Source::new("ten-tcp-rules.yml", TEN_TCP_RULES);
    let mut group = criterion.benchmark_group("text/ten-tcp-rules");
    group.throughput(Throughput::Bytes(TEN_TCP_RULES.len() as u64));
    group.bench_function("check", |bench| {
        bench.iter(|| load_policy(black_box(&source), &CheckOptions::default()));
    });
    group.bench_function("check+compile", |bench| {
        bench.iter(|| {
            let checked = load_policy(black_box(&source), &CheckOptions::default()).0.expect("valid");
            compile(&checked, &CompileOptions::default())
        });
    });
    group.finish();
}

fn decisions(criterion: &mut Criterion) {
    let program = program(GUIDE);
    let sources: Vec<IpAddr> =
        ["203.0.113.42", "198.51.100.1", "e680:5791:be4c:5739:d959:7b94:6d54:d4b4", "2001:db8::1"]
            .map(|text| text.parse().expect("an address"))
            .into();
    let engine = |address: IpAddr| decide(&program, address).is_admitted();
    for &source in &sources {
        assert_eq!(engine(source), guide_admits(source), "{source}");
    }
    let mut group = criterion.benchmark_group("decide/guide");
    group.throughput(Throughput::Elements(sources.len() as u64));
    group.bench_function("policy-core", |bench| {
        bench.iter(|| sources.iter().filter(|source| engine(**black_box(source))).count());
    });
    group.bench_function("hand-written", |bench| {
        bench.iter(|| sources.iter().filter(|source| guide_admits(**black_box(source))).count());
    });
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = texts, decisions
}
criterion_main!(all);
