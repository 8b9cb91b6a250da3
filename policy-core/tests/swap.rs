//! 10,000 rebuilds and swaps under readers that decide all the time: no decision mixes two programs, no reader goes
//! back, and no byte stays behind.
//!
//! Memory is counted, not estimated: each thread counts the bytes it takes and gives back, and the sum over all
//! threads is what a round left behind. Nothing depends on time: now and then the writer waits until every reader
//! has seen its newest program.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

use allocation_counter::measure;
use arc_swap::ArcSwap;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Digest, Program, compile};
use policy_core::evaluate::Recording;
use policy_core::exchange::{Effect, Reply};
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::source::Source;

const ROUNDS: u64 = 10;
const CYCLES: u64 = 1_000;
const READERS: usize = 3;
/// Cycles after which the writer waits for every reader.
const MEETING: u64 = 100;

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}

/// The policy of a generation, and what it must decide.
struct Expected {
    generation: u64,
    text: String,
    target: String,
    admitted: Vec<IpAddr>,
    refused: Vec<IpAddr>,
}

impl Expected {
    /// A random policy: one to sixty networks, so that tables have several layouts, and often conditions, deny
    /// entries, a log and further rules. The generation is its seed.
    fn new(generation: u64) -> Self {
        let mut random = Random(generation);
        let address = |text: String| text.parse::<IpAddr>().expect("an address");
        let (mut admitted, mut refused) = (Vec::new(), vec![]);
        let (mut allow, mut deny) = (Vec::new(), Vec::new());
        let max = if random.below(8) == 0 { 60 } else { 6 };
        for _ in 0..=random.below(max) {
            let (a, b) = (random.below(256), random.below(256));
            match random.below(3) {
                0 => {
                    allow.push(format!("'2001:db8:{a:x}{b:02x}::/48'"));
                    admitted.push(address(format!("2001:db8:{a:x}{b:02x}::{a:x}")));
                }
                _ => {
                    allow.push(format!("10.{a}.{b}.0/24"));
                    admitted.push(address(format!("10.{a}.{b}.1")));
                }
            }
            if random.below(8) == 0 {
                deny.push(format!("10.{a}.{b}.240/28"));
                refused.push(address(format!("10.{a}.{b}.250")));
            }
        }
        refused.push(address(format!("192.0.2.{}", random.below(256))));
        refused.push(address(format!("2001:db9::{:x}", random.below(65_536))));

        let target = format!("tcp://g{generation}.internal:22");
        let mut text = "on_tcp_connect:\n".to_owned();
        let mut add = |line: String| writeln!(text, "{line}").expect("a text grows");
        for rule in 0..random.below(3) {
            let network = random.below(256);
            add(format!("  - name: g{generation} other {rule}"));
            add(format!("    expressions: [\"inCidrRange(conn.client_ip, '172.{rule}.{network}.0/24')\"]"));
            add("    actions: [{type: close-connection}]".to_owned());
        }
        add(format!("  - name: g{generation}"));
        if random.below(2) == 0 {
            add(format!("    expressions: [conn.client_port > {}]", random.below(1_000)));
        }
        add("    actions:".to_owned());
        if random.below(2) == 0 {
            add(format!("      - {{type: log, config: {{metadata: {{generation: {generation}}}}}}}"));
        }
        let (allow, deny) = (allow.join(", "), deny.join(", "));
        add(format!("      - {{type: restrict-ips, config: {{allow: [{allow}], deny: [{deny}]}}}}"));
        add(format!("      - {{type: forward-internal, config: {{url: '{target}'}}}}"));
        Self { generation, text, target, admitted, refused }
    }

    fn build(&self) -> Program {
        let source = Source::new(format!("g{}.yml", self.generation), self.text.clone());
        let (policy, found) = load_policy(&source, &CheckOptions::default());
        let errors: Vec<_> = found.iter().map(|finding| &finding.message).collect();
        let policy = policy.unwrap_or_else(|| panic!("{errors:?} in\n{}", self.text));
        compile(&policy, &CompileOptions::default()).expect("small")
    }

    /// Everything a program says must be of this generation. `turn` chooses the addresses that are asked about.
    fn check(&self, program: &Program, turn: usize) {
        assert_eq!(program.policy_sha256(), Digest::from_text(&self.text));
        assert!(program.literal_targets().all(|url| url.to_string() == self.target));
        for rule in program.rules(Phase::OnTcpConnect) {
            assert!(rule.name().is_some_and(|name| name.split(' ').next() == Some(&self.rule())));
        }
        for (addresses, admits) in [(&self.admitted, true), (&self.refused, false)] {
            let address = addresses.get(turn % addresses.len()).expect("some");
            self.decide(program, *address, admits);
        }
    }

    fn check_listing(&self, program: &Program) {
        let listing = program.listing().to_string();
        assert!(listing.starts_with(&format!("program of {}.yml\n", self.rule())), "{listing}");
        assert!(listing.contains(&format!("forward {}", self.target)), "{listing}");
    }

    fn rule(&self) -> String {
        format!("g{}", self.generation)
    }

    fn decide(&self, program: &Program, address: IpAddr, admits: bool) {
        let server = "192.0.2.1:22".parse().expect("an address");
        let facts = Facts::from_connection((address, 50_000).into(), server);
        let mut run = program.on_tcp_connect(&facts);
        let outcome = run.run(|effect, run| match effect {
            Effect::Forward(id) => {
                assert_eq!(run.target(id).map(ToString::to_string).as_ref(), Some(&self.target));
                Reply::Forwarded
            }
            _ => Reply::Logged,
        });
        let reason = run.reason().to_string();
        match outcome {
            Outcome::Forwarded { .. } if admits => {
                assert!(reason.contains("is in the allow entry"), "{reason}")
            }
            Outcome::Denied { .. } if !admits => {
                let is_refusal =
                    ["matches no allow entry", "is in the deny entry"].iter().any(|it| reason.contains(it));
                assert!(is_refusal, "{reason}");
            }
            other => panic!("{address} in {}: {other:?}, {reason}", self.rule()),
        }
        // The code as it was written is of the same program.
        let mut traced = program.on_tcp_connect_traced(&facts, Recording::default());
        let same = traced.run(|effect, _| match effect {
            Effect::Forward(_) => Reply::Forwarded,
            _ => Reply::Logged,
        });
        assert_eq!(same, outcome);
    }
}

/// What a round left behind, and how many programs the readers saw.
#[derive(Debug)]
struct Left {
    bytes: i64,
    allocations: i64,
    seen: u64,
}

/// Builds and swaps the generations from `first` on, and in the end the resting one.
fn round(current: &ArcSwap<Program>, resting: &Expected, first: u64, cycles: u64) -> Left {
    let is_over = AtomicBool::new(false);
    let newest: Vec<AtomicU64> = (0..READERS).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        let is_over = &is_over;
        let readers: Vec<_> = newest
            .iter()
            .map(|newest| {
                scope.spawn(move || {
                    // What a thread takes once, for its first load, is not what a round leaves behind.
                    drop(current.load());
                    let mut seen = 0;
                    let counted = measure(|| seen = read(current, newest, is_over));
                    (counted, seen)
                })
            })
            .collect();

        let mut counted = measure(|| {
            let mut replaced: Vec<Weak<Program>> = Vec::new();
            for generation in first..first + cycles {
                let program = Arc::new(Expected::new(generation).build());
                replaced.push(Arc::downgrade(&current.swap(program)));
                if generation % MEETING == 0 {
                    for (newest, reader) in newest.iter().zip(&readers) {
                        while newest.load(Ordering::Acquire) < generation && !reader.is_finished() {
                            thread::yield_now();
                        }
                    }
                    // Whoever decides with the newest program keeps none before it.
                    assert!(replaced.drain(..).all(|program| program.upgrade().is_none()));
                }
            }
            is_over.store(true, Ordering::Release);
        });
        let mut seen = 0;
        for reader in readers {
            let (of_reader, programs) = reader.join().expect("no torn read");
            counted += of_reader;
            seen += programs;
        }
        counted += measure(|| current.store(Arc::new(resting.build())));
        Left { bytes: counted.bytes_current, allocations: counted.count_current, seen }
    })
}

/// Reads until the round is over; the number of programs that were seen.
fn read(current: &ArcSwap<Program>, newest: &AtomicU64, is_over: &AtomicBool) -> u64 {
    let (mut seen, mut turn, mut expected) = (0, 0_usize, Expected::new(0));
    while !is_over.load(Ordering::Acquire) {
        let program = current.load();
        let name = program.file().strip_prefix('g').and_then(|name| name.strip_suffix(".yml"));
        let generation = name.and_then(|name| name.parse().ok()).expect("a generation");
        assert!(generation >= expected.generation, "a reader went back");
        if generation > expected.generation {
            expected = Expected::new(generation);
            seen += 1;
        }
        if turn % 8 == 0 {
            expected.check_listing(&program);
        }
        expected.check(&program, turn);
        turn += 1;
        drop(program);
        newest.store(generation, Ordering::Release);
        thread::yield_now();
    }
    seen
}

#[test]
fn ten_thousand_swaps_tear_nothing_and_leave_nothing() {
    let resting = Expected::new(0);
    let current = ArcSwap::from_pointee(resting.build());
    // Tables that are made once for all programs.
    round(&current, &resting, 1, 2 * MEETING);
    for number in 1..=ROUNDS {
        let left = round(&current, &resting, number * CYCLES, CYCLES);
        assert_eq!((left.bytes, left.allocations), (0, 0), "round {number}: {left:?}");
        let meetings = CYCLES / MEETING * u64::try_from(READERS).expect("small");
        assert!(left.seen >= meetings, "round {number}: {left:?}");
    }
}
