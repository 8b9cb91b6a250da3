//! What docs/embedding.md promises about memory: what allocates, what does not, and how much programs take.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use allocation_counter::{AllocationInfo, measure};
use ipnetwork::IpNetwork;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{Facts, GivenFacts};
use policy_core::lpm::{AddressTable, LongestMatch, cidr};
use policy_core::source::Source;

fn program(text: &str) -> Program {
    let (policy, _) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
    compile(&policy.expect("no errors"), &CompileOptions::default()).expect("small")
}

#[test]
fn decisions_and_lookups_allocate_nothing() {
    let program = program(
        "on_tcp_connect:
  - expressions: [\"conn.geo.country_code in ['DE', 'FR'] && conn.client_port > 1023\"]
    actions:
      - {type: log, config: {metadata: {site: north}}}
      - {type: forward-internal, config: {url: 'tcp://a.internal:22', on_error: continue}}
  - actions:
      - {type: restrict-ips, config: {allow: [10.0.0.0/8, '2001:db8::/32'], deny: [10.1.0.0/16]}}
      - {type: forward-internal, config: {url: 'tcp://b.internal:22'}}
",
    );
    let mut given = GivenFacts::default();
    given.set("conn.geo.country_code", "DE").expect("a fact");
    let server = "192.0.2.1:22".parse().expect("an address");
    let mut outcomes = Vec::with_capacity(8);
    for (client, outcome) in [
        ("10.2.3.4", "forward"),
        ("10.1.3.4", "deny"),
        ("[2001:db8::1]", "forward"),
        ("[::ffff:10.2.3.4]", "forward"),
        ("192.0.2.7", "deny"),
    ] {
        let facts = Facts::from_connection(format!("{client}:5000").parse().expect("an address"), server);
        let facts = facts.with(&given);
        let mut found = None;
        let counted = measure(|| {
            found = Some(program.on_tcp_connect(&facts).run(|effect, run| match effect {
                Effect::Forward(id) if run.target(id).is_some_and(|url| url.host() == "b.internal") => {
                    Reply::Forwarded
                }
                Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
                _ => Reply::Logged,
            }));
        });
        assert_eq!(counted.count_total, 0, "{client}");
        assert_eq!(found.map(|found| found.name()), Some(outcome), "{client}");
        let counted = measure(|| {
            let decision = program.decide(&facts);
            std::hint::black_box((decision.outcome(), decision.target()));
        });
        assert_eq!(counted.count_total, 0, "{client}, in one call");
        outcomes.extend(found);
    }
    assert_eq!(outcomes.len(), 5);

    let networks = (0..5_000_u32)
        .map(|n| (Ipv4Addr::from(n << 10), n))
        .map(|(address, n)| (cidr(&format!("{address}/23")).expect("a CIDR").network, n));
    let table = LongestMatch::build(networks).expect("small");
    let counted = measure(|| {
        for bits in (0..u32::MAX).step_by(65_537) {
            std::hint::black_box(table.lookup(IpAddr::V4(bits.into())));
        }
    });
    assert_eq!(counted.count_total, 0);
}

const NUMBER: u32 = 100_000;

/// So many networks with what docs/embedding.md says of one, and a tenth more.
const fn promised(bytes: usize) -> usize {
    NUMBER as usize * bytes / 10 * 11
}

/// Every other /24.
fn alternating(n: u32) -> IpAddr {
    Ipv4Addr::from(0x0b00_0000 + (n << 9)).into()
}

/// /24s far from one another: the worst for tables of IPv4.
fn scattered(n: u32) -> IpAddr {
    Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1) & 0xffff_ff00).into()
}

/// Single hosts of IPv6, far from one another.
fn hosts(n: u32) -> IpAddr {
    let n = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Ipv6Addr::from(n >> 3 | 1 << 125).into()
}

fn kept(counted: AllocationInfo) -> usize {
    usize::try_from(counted.bytes_current).expect("kept")
}

/// What `bytes` says of a table is what it takes, and networks take no more than the page says.
#[test]
fn sizes_are_as_told() {
    type Shape = (fn(u32) -> IpAddr, u8, usize);
    let shapes: [Shape; 3] = [(alternating, 24, 11), (scattered, 24, 43), (hosts, 128, 48)];
    for (address, prefix, bytes) in shapes {
        let network = |n| IpNetwork::new(address(n), prefix).expect("a network");
        let mut table = None;
        let counted = measure(|| table = LongestMatch::build((0..NUMBER).map(|n| (network(n), 1))).ok());
        let (told, kept_bytes) = (table.expect("small").bytes(), kept(counted));
        assert!(kept_bytes <= told && told <= kept_bytes + 1_000, "{kept_bytes} kept, {told} told");

        let mut text = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [\n".to_owned();
        for n in 0..NUMBER {
            writeln!(text, "  '{}',", network(n)).expect("a text grows");
        }
        text.push_str("]}}]}]\n");
        let (policy, _) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
        let policy = policy.expect("no errors");
        let mut built = None;
        let counted = measure(|| built = compile(&policy, &CompileOptions::default()).ok());
        let program = built.expect("small");
        let tables: usize = program.address_tables().map(AddressTable::bytes).sum();
        let number = usize::try_from(NUMBER).expect("small");
        let (kept, peak) = (kept(counted), usize::try_from(counted.bytes_max).expect("small"));
        println!(
            "a network of {}: {} bytes in LongestMatch, {} in the tables of a program, {} of it in all, {} while it is compiled",
            network(7),
            told / number,
            tables / number,
            kept / number,
            peak / number
        );
        assert!(told <= promised(bytes) && tables <= promised(bytes), "{told} {tables}");
        assert!(kept - tables <= promised(28), "{tables} {kept}");
        assert!(peak <= 4 * kept, "{peak}");
    }
}

/// The memory of a program is that of its policy: nothing in it depends on the order of a hash table.
#[test]
fn a_policy_takes_the_same_memory_every_time() {
    let rule = |n: u32| {
        format!(
            "- {{expressions: [\"inCidrRange(conn.client_ip, '10.0.{n}.0/24') && conn.client_port > {n}\", \"conn.geo.country_code in ['DE', 'C{n}']\"], \
             actions: [{{type: log, config: {{metadata: {{n: {n}, m: x}}}}}}, {{type: forward-internal, config: {{url: 'tcp://d{n}.internal:22'}}}}]}}\n"
        )
    };
    let rules: String = (0..200).map(rule).collect();
    let lists: String = (0..2_000).map(|n| format!("'{}/24', ", scattered(n))).collect();
    let text = format!(
        "on_tcp_connect:\n{rules}- actions: [{{type: restrict-ips, config: {{allow: [{lists}'2001:db8::/32']}}}}]\n"
    );
    let built = || {
        let mut built = None;
        let counted = measure(|| built = Some(program(&text)));
        let built = built.expect("compiled");
        let tables: Vec<_> = built.address_tables().map(AddressTable::bytes).collect();
        (kept(counted), built.memory_bytes(), tables)
    };
    // What is made once for all programs is no part of one.
    built();
    let first = built();
    assert!(first.0 > 50_000, "{first:?}");
    assert_eq!(first, built());
}

/// Each class would have its own copy of what is left of the condition.
#[test]
fn code_counts_what_its_conditions_hold() {
    let words: Vec<_> = (0..600).map(|at| format!("'{at}'")).collect();
    let parts: Vec<_> =
        (0..60).map(|at| format!("conn.client_ip == '10.0.0.{at}' && conn.client_port == 9")).collect();
    let text = format!(
        "on_tcp_connect: [{{expressions: [\"{} || conn.geo.city in [{}]\"], actions: [{{type: deny}}]}}]",
        parts.join(" || "),
        words.join(", ")
    );
    // What is made once for all programs is no part of one: without this, the test would count it when it runs first.
    drop(program(&text));
    let mut kept = None;
    let counted = measure(|| kept = Some(program(&text)));
    let classes: Vec<_> = kept.iter().flat_map(Program::address_tables).map(AddressTable::classes).collect();
    assert_eq!(classes, [61]);
    assert!(counted.bytes_current < 550_000, "{} bytes", counted.bytes_current);
}

/// Budgets over many programs rest on what a program says of itself.
#[test]
fn programs_tell_what_they_take() {
    let rules = |rule: &dyn Fn(u32) -> String| {
        let rules: Vec<_> = (0..2_000).map(rule).collect();
        format!("on_tcp_connect:\n{}", rules.join(""))
    };
    let policies = [
        rules(&|n| {
            format!(
                "- {{expressions: [\"inCidrRange(conn.client_ip, '10.{}.{}.0/24')\"], actions: [{{type: log, config: {{metadata: {{n: {n}}}}}}}]}}\n",
                n >> 8,
                n & 255
            )
        }),
        rules(&|n| {
            format!(
                "- {{expressions: [\"conn.client_port == {n} || conn.server_port + {n} in [1, 2, 3, 4, 5, 6]\"], actions: [{{type: deny}}]}}\n"
            )
        }),
        rules(&|n| {
            format!(
                "- {{name: rule {n}, actions: [{{type: restrict-ips, config: {{enforce: false, allow: [10.{}.{}.0/24, 192.0.2.{}]}}}}]}}\n",
                n >> 8,
                n & 255,
                n & 255
            )
        }),
        format!(
            "on_tcp_connect:\n- {{expressions: [{}], actions: [{{type: deny}}]}}\n",
            (0..40)
                .map(|n| format!("\"conn.client_ip.matches('^(a|b{n}){{1,200}}$')\""))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ];
    for text in policies {
        drop(program(&text));
        let mut kept_program = None;
        let counted = measure(|| kept_program = Some(program(&text)));
        let (took, told) = (kept(counted), kept_program.expect("compiled").memory_bytes());
        println!("{took} bytes taken, {told} told: {}", text.chars().take(120).collect::<String>());
        // Patterns keep states while they match, which this program has not done yet.
        assert!(
            told >= took / 2 && told <= took * 3,
            "{took} bytes taken, {told} told: {}",
            text.chars().take(200).collect::<String>()
        );
    }
}
