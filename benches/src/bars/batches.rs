//! Many addresses at once: lookups, decisions, and the command that decides lists.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use policy_core::compile::Program;
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;

use super::drive::throughput;
use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::data::Random;
use crate::data::probes::Draw;
use crate::peers::{LcTrie, Longest, TreeBitmap, TrieMap};
use crate::policies::{self, GUIDE, TwentyRules, decide};

/// How many sources take turns.
const SOURCES: usize = 1 << 16;
/// Addresses that are handed over at once, as `eval --ips` does.
const AT_ONCE: usize = 1_024;
/// Addresses of the file that the command decides.
const LINES: usize = 2_000_000;
/// Cases of a scenario file.
const CASES: usize = 10_000;

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    let mut bars = vec![
        each_against_one(Draw::Random, Gate::AtLeast(1.3, 1.6)),
        each_against_one(Draw::InPrefix, Gate::AtLeast(0.0, 1.3)),
        each_against_one(Draw::Zipf, Gate::AtLeast(0.0, 1.3)),
        each_against_one_v6(Draw::InPrefix),
        Bar::new("lookup/v4/random batch", Gate::AtLeast(0.0, 150.0), "M/s", |context| {
            let table = context.v4();
            let probes = table.probes(Draw::Random);
            context.meter.millions_per_second(probes.len(), || table.ours.v4_each(probes, AT_ONCE))
        }),
        each_against::<TrieMap>(),
        each_against::<TreeBitmap>(),
        each_against::<LcTrie>(),
    ];
    bars.extend([
        Bar::new("batch/decisions, guide policy", Gate::AtLeast(5.0, 50.0), "M/s", |context| {
            decisions(context, GUIDE, &policies::guide_sources(context.number(SOURCES)))
        }),
        Bar::new("batch/decisions, 20 rules", Gate::AtLeast(5.0, 50.0), "M/s", |context| {
            let rules = TwentyRules::new();
            decisions(context, &rules.text(), &rules.sources(context.number(SOURCES)))
        }),
        Bar::new(
            "batch/decisions, 20 rules faster than one by one",
            Gate::AtLeast(0.0, 2.0),
            "×",
            |context| {
                let rules = TwentyRules::new();
                against_one(context, &rules.text(), &rules.sources(context.number(SOURCES)))
            },
        ),
        Bar::new("batch/decisions allocations", Gate::AtMost(0.0, 0.0), "", allocations),
        Bar::new("batch/eval --ips, guide policy", Gate::AtLeast(1.0, 3.0), "M/s", command),
        Bar::new("batch/test, 10,000 cases", Gate::AtMost(1.0, 0.3), "s", cases),
    ]);
    bars
}

fn each_against_one(draw: Draw, gate: Gate) -> Bar {
    Bar::new(format!("lookup/v4/{} batch faster than one by one", draw.name()), gate, "×", move |context| {
        let table = context.v4();
        let probes = table.probes(draw);
        let samples = context.meter.equal_ratios(
            probes.len(),
            || table.ours.v4_each(probes, AT_ONCE),
            || throughput(probes, |address| table.ours.v4(address)),
        );
        samples.inverted()
    })
}

fn each_against_one_v6(draw: Draw) -> Bar {
    let name = format!("lookup/v6/{} batch faster than one by one", draw.name());
    Bar::new(name, Gate::AtLeast(0.0, 1.3), "×", move |context| {
        let table = context.v6();
        let probes = table.probes(draw);
        let samples = context.meter.equal_ratios(
            probes.len(),
            || table.ours.v6_each(probes, AT_ONCE),
            || throughput(probes, |address| table.ours.v6(address)),
        );
        samples.inverted()
    })
}

/// Beside a peer, which has no lookup of many: told, and not judged.
fn each_against<P: Longest>() -> Bar {
    let name = format!("lookup/v4/random batch faster than {} one by one", P::NAME);
    Bar::new(name, Gate::AtLeast(0.0, 10.0), "×", move |context| {
        let table = context.v4();
        let (probes, peer) = (table.probes(Draw::Random), P::build(&table.entries));
        let samples = context.meter.equal_ratios(
            probes.len(),
            || table.ours.v4_each(probes, AT_ONCE),
            || throughput(probes, |address| peer.v4(address)),
        );
        samples.inverted()
    })
}

/// The number of the action that decided about each, summed up.
#[allow(clippy::expect_used, reason = "bench policies read the class alone")]
fn all_at_once<'r>(program: &'r Program, sources: &'r [IpAddr]) -> impl FnMut() -> u64 + 'r {
    let first = sources.first().copied().expect("a source");
    let mut decisions = program.by_source(Facts::new(first)).expect("it reads the class alone");
    let mut outcomes = vec![Outcome::Upstream; sources.len()];
    move || {
        decisions.decide_each(black_box(sources), &mut outcomes);
        outcomes.iter().map(|outcome| number(*outcome)).sum()
    }
}

fn number(outcome: Outcome) -> u64 {
    outcome.by().map_or(0, |by| by.index() as u64 + 1)
}

fn decisions(context: &Context, text: &str, sources: &[IpAddr]) -> Samples {
    let program = policies::program(text);
    context.meter.millions_per_second(sources.len(), all_at_once(&program, sources))
}

fn against_one(context: &Context, text: &str, sources: &[IpAddr]) -> Samples {
    let program = policies::program(text);
    let one_by_one = || sources.iter().map(|source| number(decide(&program, *black_box(source)))).sum();
    context.meter.equal_ratios(sources.len(), all_at_once(&program, sources), one_by_one).inverted()
}

fn allocations(context: &Context) -> Samples {
    let rules = TwentyRules::new();
    let (program, sources) = (policies::program(&rules.text()), rules.sources(1 << 10));
    let mut all = all_at_once(&program, &sources);
    // The decisions about the first of each class are there.
    all();
    let (_, memory) = context.meter.memory(|| black_box(all()));
    #[allow(clippy::cast_precision_loss, reason = "few")]
    Samples::one(memory.allocations as f64, format!("{} decisions", sources.len()))
}

/// The command as it was built beside this bench; without it nothing is measured.
fn command(context: &Context) -> Samples {
    let Some(policy) = policy_command() else {
        let note = "not measured: `cargo build --release -p policy-cli` builds the command".to_owned();
        return Samples { values: Vec::new(), note };
    };
    match decide_file(context, &policy) {
        Ok(samples) => samples,
        Err(error) => Samples { values: Vec::new(), note: format!("not measured: {error}") },
    }
}

/// `policy test` over as many cases as a file of them may have in practice, start included.
fn cases(context: &Context) -> Samples {
    let run = || -> std::io::Result<Samples> {
        let Some(policy) = policy_command() else {
            return Err(std::io::Error::other("`cargo build --release -p policy-cli` builds the command"));
        };
        let folder = tempfile::tempdir()?;
        let (rules, file) = (folder.path().join("device1.yml"), folder.path().join("device1.test.yml"));
        std::fs::write(&rules, GUIDE)?;
        let mut text = String::from("policy: device1.yml\ncases:\n");
        for (at, address) in addresses(CASES).lines().enumerate() {
            let admitted = address.parse() == Ok(policies::GUIDE_ADMITTED);
            let expect = if admitted { "allow" } else { "deny" };
            let _ = writeln!(text, "  - {{name: case {at}, ip: \"{address}\", expect: {{{expect}: true}}}}");
        }
        std::fs::write(&file, text)?;
        let mut failed = 0;
        let mut samples = context.meter.seconds(|| {
            let mut command = Command::new(&policy);
            command.arg("test").arg("--only-failures").arg(&file);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            failed += usize::from(!status.is_ok_and(|status| status.success()));
            0
        });
        if failed > 0 {
            return Err(std::io::Error::other("the command failed"));
        }
        samples.note += &format!("; {CASES} cases, start included");
        Ok(samples)
    };
    run().unwrap_or_else(|error| Samples { values: Vec::new(), note: format!("not measured: {error}") })
}

/// `policy` in the folder of this bench, or above it.
pub(super) fn policy_command() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    own.ancestors().skip(1).take(2).map(|folder| folder.join("policy")).find(|path| path.is_file())
}

fn decide_file(context: &Context, policy: &PathBuf) -> std::io::Result<Samples> {
    let folder = tempfile::tempdir()?;
    let (rules, list) = (folder.path().join("device1.yml"), folder.path().join("sources.txt"));
    std::fs::write(&rules, GUIDE)?;
    let number = context.number(LINES);
    std::fs::File::create(&list)?.write_all(addresses(number).as_bytes())?;
    let mut failed = 0;
    let run = || {
        let mut command = Command::new(policy);
        command.arg("eval").arg(&rules).arg("--ips").arg(&list).args(["--format", "json"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        failed += usize::from(!status.is_ok_and(|status| status.success()));
        0
    };
    let mut samples = context.meter.millions_per_second(number, run);
    samples.note += &format!("; {number} lines to the null device, start included");
    if failed > 0 {
        samples = Samples { values: Vec::new(), note: "not measured: the command failed".to_owned() };
    }
    Ok(samples)
}

/// Random addresses, one in sixteen of IPv6, and some that the policy admits.
fn addresses(number: usize) -> String {
    let mut random = Random::new(33);
    let mut text = String::new();
    for _ in 0..number {
        let address: IpAddr = match random.below(16) {
            0 => std::net::Ipv6Addr::from(0x2000_u128 << 112 | random.wide() >> 4).into(),
            1 => policies::GUIDE_ADMITTED,
            _ => std::net::Ipv4Addr::from(u32::try_from(random.next() >> 32).unwrap_or(0)).into(),
        };
        let _ = writeln!(text, "{address}");
    }
    text
}
