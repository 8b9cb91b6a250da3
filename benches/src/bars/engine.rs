//! Whole decisions beside hand-written ones, and what it takes to get there from a text.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::{IpNetwork, Ipv4Network};
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::lint::lint;
use policy_core::lpm::{AddressTables, RangeSet, TableLimits};
use policy_core::source::Source;

use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::data::Random;
use crate::policies::{
    self, ByHand, GUIDE, GUIDE_ADMITTED, TEN_RULES, TwentyRules, decide, decided, guide_admits,
};

/// How many sources take turns: so many that nobody learns their order.
const SOURCES: usize = 1 << 16;

/// Compilations to one sample, which are too short to be timed alone.
const COMPILATIONS: u32 = 50;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    vec![
        guide("predictable", Gate::AtMost(3.0, 2.0), |number| vec![GUIDE_ADMITTED; number]),
        guide("random", Gate::AtMost(5.0, 3.0), policies::guide_sources),
        guide_inlined("predictable", |number| vec![GUIDE_ADMITTED; number]),
        guide_inlined("random", policies::guide_sources),
        Bar::new("engine/guide policy allocations", Gate::AtMost(0.0, 0.0), "", |context| {
            allocations(context, GUIDE, &policies::guide_sources(1 << 10))
        }),
        Bar::new("engine/20 rules ÷ hand-written", Gate::AtMost(3.0, 1.5), "×", twenty_rules),
        Bar::new("engine/20 rules allocations", Gate::AtMost(0.0, 0.0), "", |context| {
            let rules = TwentyRules::new();
            allocations(context, &rules.text(), &rules.sources(1 << 10))
        }),
        Bar::new("engine/check and compile 10 rules", Gate::AtMost(200.0, 50.0), "µs", |context| {
            // The allocator that counts takes its part; `benches/engine.rs` measures the same without one.
            let source = Source::new("ten-tcp-rules.yml", TEN_RULES);
            let (options, compile_options) = (CheckOptions::default(), CompileOptions::default());
            let once = || {
                let (policy, found) = load_policy(black_box(&source), &options);
                let program = policy.and_then(|policy| compile(&policy, &compile_options).ok());
                assert!(found.is_empty() && program.is_some(), "{found:?}");
                black_box(program).is_some()
            };
            let many = || (0..COMPILATIONS).map(|_| u64::from(once())).sum();
            scaled(context.meter.seconds(many), 1e6 / f64::from(COMPILATIONS))
        }),
        Bar::new("engine/build of 1,000,000 CIDRs in 1,000 lists", Gate::AtMost(1.0, 0.5), "s", many_lists),
        Bar::new("engine/lint of 900,000 CIDRs", Gate::AtMost(3.0, 1.0), "s", |context| {
            let source = long_list(context);
            let mut samples = context.meter.seconds(|| linted(&source));
            samples.note = format!("{} bytes", source.text().len());
            samples
        }),
        Bar::new("engine/lint of 900,000 CIDRs, memory", Gate::AtMost(600.0, 200.0), "MB", |context| {
            let source = long_list(context);
            let (_, memory) = context.meter.memory(|| linted(&source));
            // The text itself was there before.
            let peak = usize::try_from(memory.peak).unwrap_or(usize::MAX);
            Samples::one(megabytes(peak.saturating_add(source.text().len())), String::new())
        }),
    ]
}

/// Beside the same by hand, which is called as any policy would be: through a pointer, and with a host that knows the way.
fn guide(which: &str, gate: Gate, sources: fn(usize) -> Vec<IpAddr>) -> Bar {
    let name = format!("engine/guide policy, {which} sources ÷ hand-written");
    Bar::new(name, gate, "×", move |context| {
        let (program, sources) = (policies::program(GUIDE), sources(context.number(SOURCES)));
        let by_hand = policies::guide_by_hand();
        let forwarded = |source| {
            let mut host = black_box(|_: &str| true);
            let verdict = black_box(&by_hand)(source, &mut host);
            verdict != ByHand::Denied && verdict != ByHand::Failed
        };
        for &source in &sources {
            assert_eq!(decide(&program, source).is_admitted(), forwarded(source), "{source}");
        }
        context.meter.equal_ratios(
            sources.len(),
            || count(&sources, |source| decide(&program, source).is_admitted()),
            || count(&sources, forwarded),
        )
    })
}

/// Beside the one comparison that it comes down to, put into the loop: told, and not judged.
fn guide_inlined(which: &str, sources: fn(usize) -> Vec<IpAddr>) -> Bar {
    let name = format!("engine/guide policy, {which} sources ÷ inlined comparison");
    Bar::new(name, Gate::AtMost(f64::INFINITY, 2.0), "×", move |context| {
        let (program, sources) = (policies::program(GUIDE), sources(context.number(SOURCES)));
        for &source in &sources {
            assert_eq!(decide(&program, source).is_admitted(), guide_admits(source), "{source}");
        }
        context.meter.equal_ratios(
            sources.len(),
            || count(&sources, |source| decide(&program, source).is_admitted()),
            || count(&sources, guide_admits),
        )
    })
}

fn count(sources: &[IpAddr], admits: impl Fn(IpAddr) -> bool) -> u64 {
    sources.iter().map(|source| u64::from(admits(*black_box(source)))).sum()
}

fn twenty_rules(context: &Context) -> Samples {
    let rules = TwentyRules::new();
    let (program, by_hand) = (policies::program(&rules.text()), rules.by_hand());
    let sources = rules.sources(context.number(SOURCES));
    for &source in &sources {
        assert_eq!(decided(&program, source), by_hand.decided(source), "{source}");
    }
    let mut samples = context.meter.equal_ratios(
        sources.len(),
        || sources.iter().map(|source| decided(&program, *black_box(source)) as u64).sum(),
        || sources.iter().map(|source| by_hand.decided(*black_box(source)) as u64).sum(),
    );
    let classes = program.address_tables().map(|table| table.classes());
    let note = format!("; {:?} classes, {} ranges by hand", classes.collect::<Vec<_>>(), by_hand.ranges());
    samples.note += &note;
    samples
}

fn allocations(context: &Context, text: &str, sources: &[IpAddr]) -> Samples {
    let program = policies::program(text);
    let all = || sources.iter().map(|source| decided(&program, *source)).sum::<usize>();
    let (_, memory) = context.meter.memory(|| black_box(all()));
    #[allow(clippy::cast_precision_loss, reason = "few")]
    Samples::one(memory.allocations as f64, format!("{} decisions", sources.len()))
}

/// The sets of all lists and their table; no list is like another.
fn many_lists(context: &Context) -> Samples {
    let number = if context.meter.quick { 20 } else { 1_000 };
    let mut random = Random::new(1_000);
    let mut network = |_| {
        let bits = u32::try_from(random.next() >> 32).unwrap_or(0);
        let length = u8::try_from(20 + random.below(9)).unwrap_or(24);
        let network = Ipv4Network::new(Ipv4Addr::from(bits), length).ok()?;
        Ipv4Network::new(network.network(), length).ok().map(IpNetwork::V4)
    };
    let lists: Vec<Vec<IpNetwork>> =
        (0..number).map(|_| (0..number).filter_map(&mut network).collect()).collect();
    let mut built = None;
    let mut samples = context.meter.seconds(|| {
        let tests: Vec<_> = lists.iter().map(|list| RangeSet::from_networks(list.iter().copied())).collect();
        built = AddressTables::build(&tests, TableLimits::default()).ok();
        u64::from(built.is_some())
    });
    let Some(tables) = built else {
        return Samples { values: Vec::new(), note: "over the budget of a table".to_owned() };
    };
    let classes: usize = tables.iter().map(|table| table.classes()).sum();
    samples.note =
        format!("{:.1} MB, {} tables, {classes} classes", megabytes(tables.bytes()), tables.iter().count());
    samples
}

/// A policy with one list as long as most of the Internet table.
fn long_list(context: &Context) -> Source {
    let mut text =
        "on_tcp_connect:\n  - actions:\n      - type: restrict-ips\n        config:\n          allow:\n"
            .to_owned();
    for (network, _) in context.v4().entries.iter().take(900_000) {
        let _ = writeln!(text, "            - {network}");
    }
    Source::new("long.yml", text)
}

fn linted(source: &Source) -> u64 {
    let linted = lint(source, None, &CheckOptions::default());
    assert!(linted.policy.is_some(), "{:?}", linted.diagnostics.iter().next());
    linted.diagnostics.iter().count() as u64
}

fn scaled(mut samples: Samples, factor: f64) -> Samples {
    samples.values.iter_mut().for_each(|value| *value *= factor);
    samples
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
