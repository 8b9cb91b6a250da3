//! Expressions: parse and check, beside the peer that can only parse.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::expect_used, reason = "bench data is valid")]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use policy_core::cel::{CelLimits, Env, EvalLimits, NoHost, parse};
use policy_core::diagnostic::Diagnostics;
use policy_core::parse::{Limits, NodeKind, NodeRef};
use policy_core::phase::Phase;
use policy_core::source::Source;
use policy_core::variables;

const OURS: &str = include_str!("../../fixtures/expressions/bench.txt");

/// The expressions of public policies where they are at hand, else our own; each once, with its phase.
fn expressions() -> (&'static str, Vec<(Phase, String)>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let mut found = Vec::new();
    for entry in fs::read_dir(corpus).into_iter().flatten().flatten() {
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let document = policy_core::parse::parse(
            &Source::new("t", text),
            &Limits::default(),
            &mut Diagnostics::default(),
        );
        if let Some(root) = document.root() {
            collect(root, Phase::OnHttpRequest, &mut found);
        }
    }
    let name = if found.is_empty() { "fixtures" } else { "corpus" };
    if found.is_empty() {
        let lines = OURS.lines().filter(|line| !line.starts_with('#'));
        let read = |line: &str| {
            let (phase, text) = line.split_once(' ')?;
            Some((Phase::from_name(phase)?, text.to_owned()))
        };
        found.extend(lines.filter_map(read));
    }
    found.sort();
    found.dedup();
    (name, found)
}

fn collect(node: NodeRef<'_>, phase: Phase, found: &mut Vec<(Phase, String)>) {
    match node.kind() {
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(items) => items.iter().for_each(|item| collect(item, phase, found)),
        NodeKind::Mapping(entries) => {
            for (key, value) in entries.iter() {
                let NodeKind::Scalar(key) = key.kind() else { continue };
                match value.kind() {
                    NodeKind::Sequence(items) if key.text == "expressions" => {
                        for item in items.iter() {
                            if let NodeKind::Scalar(text) = item.kind() {
                                found.push((phase, text.text.to_owned()));
                            }
                        }
                    }
                    _ => collect(value, Phase::from_name(key.text).unwrap_or(phase), found),
                }
            }
        }
    }
}

fn env(phase: Phase) -> &'static Env {
    variables::env(variables::Site { phase: Some(phase), ..variables::Site::default() })
}

/// The time of each expression alone, at the median and at the worst.
fn spread(expressions: &[(Phase, String)], run: impl Fn(&(Phase, String))) -> (Duration, Duration) {
    const ROUNDS: u32 = 200;
    let mut times: Vec<Duration> = Vec::new();
    for expression in expressions {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| run(black_box(expression)));
        times.push(start.elapsed() / ROUNDS);
    }
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (middle, times.last().copied().unwrap_or_default())
}

fn texts(criterion: &mut Criterion) {
    let (name, expressions) = expressions();
    let checked = |it: &(Phase, String)| drop(black_box(env(it.0).check(&it.1)));
    let parsed = |it: &(Phase, String)| {
        drop(black_box(parse(&it.1, &CelLimits::default(), &mut Diagnostics::default())));
    };
    let peer = |it: &(Phase, String)| drop(black_box(cel::Program::compile(&it.1)));
    for (what, (median, worst)) in [
        ("policy-core, parse and check", spread(&expressions, checked)),
        ("policy-core, parse", spread(&expressions, parsed)),
        ("cel 0.15, parse", spread(&expressions, peer)),
    ] {
        println!("{name}, {} expressions: {what}: median {median:?}, worst {worst:?}", expressions.len());
    }
    let mut group = criterion.benchmark_group(format!("cel/text/{name}"));
    group.throughput(Throughput::Elements(expressions.len() as u64));
    group.bench_function("policy-core/parse+check", |bench| {
        bench.iter(|| expressions.iter().for_each(checked))
    });
    group.bench_function("policy-core/parse", |bench| bench.iter(|| expressions.iter().for_each(parsed)));
    group.bench_function("cel/parse", |bench| bench.iter(|| expressions.iter().for_each(peer)));
    group.finish();
}

/// The tree interpreter, which is the reference and not the fast one, beside the peer's.
fn evaluation(criterion: &mut Criterion) {
    let text = "cel.bind(l, lists.range(20).map(x, x * 2), l.exists(x, x == 38) && l.filter(x, x > 10).size() == 14)";
    let peer_text = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(x, x * 2).filter(x, x > 10).size() == 4";
    let (ours, _) = Env::standard().check(text);
    let (same, _) = Env::standard().check(peer_text);
    let (ours, same) = (ours.expect("checked"), same.expect("checked"));
    let program = cel::Program::compile(peer_text).expect("parsed");
    let context = cel::Context::default();
    let mut group = criterion.benchmark_group("cel/evaluate");
    // As written, since both are constant and would be folded.
    group.bench_function("policy-core/lists-and-macros", |bench| {
        bench.iter(|| ours.explain(&mut NoHost, EvalLimits::default(), 0).0.is_ok())
    });
    group.bench_function("policy-core/macros", |bench| {
        bench.iter(|| same.explain(&mut NoHost, EvalLimits::default(), 0).0.is_ok());
    });
    group.bench_function("cel/macros", |bench| bench.iter(|| program.execute(&context).is_ok()));
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = texts, evaluation
}
criterion_main!(all);
