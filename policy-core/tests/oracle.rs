//! The compiled engine against the naive one, and the address table against linear lists, at every boundary.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::evaluate::{Record, Recording};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{Facts, GivenFacts};
use policy_core::lpm::{AddressTable, LongestMatch, RangeSet, TableLimits, TestId, cidr};
use policy_core::outcome::{Fault, Outcome};
use policy_core::reference::{NaiveOutcome, network_contains, on_tcp_connect};
use policy_core::source::Source;
use proptest::prelude::*;

/// Addresses from a few crowded corners, so that prefixes nest, touch, repeat and overlap.
fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = prop_oneof![
        (0..8_u32).prop_map(|low| 0x0a00_0000 + low),
        (0..1_024_u32).prop_map(|low| 0x0aff_fe00 + low),
        (0..4_u32),
        (0..4_u32).prop_map(|low| u32::MAX - low),
        any::<u32>(),
    ];
    let v6 = prop_oneof![
        (0..8_u128).prop_map(|low| 0x2001_0db8 << 96 | low),
        (0..4_u128),
        (0..4_u128).prop_map(|low| u128::MAX - low),
        // The mapped block and its neighbours.
        (0..8_u128).prop_map(|low| (0xffff_u128 << 32) + low),
        (0..8_u128).prop_map(|low| (0xfffe_ffff_ffff_u128) - low),
        (0..8_u128).prop_map(|low| (0x1_0000_0000_0000_u128) + low),
        any::<u128>(),
    ];
    prop_oneof![
        3 => v4.prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        2 => v6.prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
    ]
}

/// A prefix with host bits as they come.
fn network() -> impl Strategy<Value = IpNetwork> {
    (address(), 0..=128_u8, any::<bool>()).prop_map(|(address, length, long)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        // Half of them long: short ones swallow everything.
        let length = if long { most - length % 12 } else { length % (most + 1) };
        IpNetwork::new(address, length).expect("a length of its family")
    })
}

fn networks() -> impl Strategy<Value = Vec<IpNetwork>> {
    prop::collection::vec(network(), 0..12)
}

/// First and last address of a network and their neighbours, in every spelling.
fn boundaries(networks: &[IpNetwork]) -> Vec<IpAddr> {
    let mut out = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    for network in networks {
        match network {
            IpNetwork::V4(v4) => {
                let (first, last) = (u32::from(v4.network()), u32::from(v4.broadcast()));
                for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                    let address = Ipv4Addr::from(bits);
                    out.extend([IpAddr::V4(address), IpAddr::V6(address.to_ipv6_mapped())]);
                }
            }
            IpNetwork::V6(v6) => {
                let (first, last) = (u128::from(v6.network()), u128::from(v6.broadcast()));
                for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                    out.push(Ipv6Addr::from(bits).into());
                }
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_the_linear_list(
        lists in prop::collection::vec((networks(), networks()), 1..5),
        more in prop::collection::vec(address(), 8),
    ) {
        let sets: Vec<_> = lists
            .iter()
            .map(|(allow, deny)| {
                let set = |list: &[IpNetwork]| RangeSet::from_networks(list.iter().copied());
                set(allow).without(&set(deny))
            })
            .collect();
        let table = AddressTable::build(&sets, TableLimits::default()).expect("small");
        let all: Vec<_> = lists.iter().flat_map(|(allow, deny)| [allow.clone(), deny.clone()].concat()).collect();
        for probe in boundaries(&all).into_iter().chain(more) {
            let class = table.class(probe);
            for (number, (allow, deny)) in (0..).zip(&lists) {
                let holds = |list: &[IpNetwork]| list.iter().any(|it| network_contains(*it, probe));
                let expected = holds(allow) && !holds(deny);
                prop_assert_eq!(table.contains(class, TestId(number)), expected, "{} in test {}", probe, number);
                prop_assert_eq!(sets[number as usize].contains(probe), expected, "{} in set {}", probe, number);
            }
        }
    }

    /// The longest match against a walk over the list; of equal prefixes the last counts.
    #[test]
    fn the_longest_match_is_the_linear_list(
        list in prop::collection::vec((network(), 0..9_u32), 0..60),
        more in prop::collection::vec(address(), 8),
    ) {
        let table = LongestMatch::build(list.iter().copied()).expect("small");
        // As the table takes them: a mapped prefix is the IPv4 prefix.
        let length = |network: &IpNetwork| cidr(&network.to_string()).expect("its own text").network.prefix();
        let networks: Vec<_> = list.iter().map(|(network, _)| *network).collect();
        let ranges: Vec<_> = table.ranges().collect();
        for probe in boundaries(&networks).into_iter().chain(more) {
            let holding = list.iter().filter(|(network, _)| network_contains(*network, probe));
            let expected = holding.max_by_key(|(network, _)| length(network)).map(|(_, value)| *value);
            prop_assert_eq!(table.lookup(probe), expected, "{}", probe);
            prop_assert_eq!(table.contains(probe), expected.is_some());
            let canonical = probe.to_canonical();
            let range = ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&canonical));
            prop_assert_eq!(range.map(|(_, _, value)| *value), expected, "{} in the ranges", probe);
        }
    }

    /// The regions cover each family without gap or overlap, and no two neighbours are alike.
    #[test]
    fn regions_partition_the_address_space(lists in prop::collection::vec(networks(), 0..4)) {
        let sets: Vec<_> = lists.iter().map(|list| RangeSet::from_networks(list.iter().copied())).collect();
        let table = AddressTable::build(&sets, TableLimits::default()).expect("small");
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        for (v6, end) in [(false, u128::from(u32::MAX)), (true, u128::MAX)] {
            let regions: Vec<_> = table.regions().filter(|(first, ..)| first.is_ipv6() == v6).collect();
            prop_assert_eq!(bits(regions[0].0), 0);
            prop_assert_eq!(bits(regions[regions.len() - 1].1), end);
            for pair in regions.windows(2) {
                prop_assert_eq!(bits(pair[0].1) + 1, bits(pair[1].0));
                prop_assert_ne!(pair[0].2, pair[1].2);
            }
        }
    }

    /// Equal sets give equal tables, however their lists are written: split, repeated, in any order.
    #[test]
    fn the_table_is_canonical(list in networks(), seed in any::<u64>()) {
        let mut other = Vec::new();
        for network in &list {
            let most = if network.is_ipv4() { 32 } else { 128 };
            match network.prefix() {
                length if length < most && seed % 2 == 0 => {
                    let half = IpNetwork::new(network.network(), length + 1).expect("longer");
                    let upper = IpNetwork::new(half.broadcast(), length).expect("same length").broadcast();
                    other.push(IpNetwork::new(upper, length + 1).expect("longer"));
                    other.push(half);
                }
                _ => other.extend([*network, *network]),
            }
        }
        other.reverse();
        let build = |list: &[IpNetwork]| {
            AddressTable::build(&[RangeSet::from_networks(list.iter().copied())], TableLimits::default())
        };
        // Splitting a /95 that ends in the mapped block makes a mapped /96, which is IPv4 by the rule.
        let plain = |list: &[IpNetwork]| list.iter().all(|it| it.is_ipv4() || it.prefix() != 95);
        prop_assume!(plain(&list));
        prop_assert_eq!(build(&list), build(&other));
    }

    #[test]
    fn networks_of_a_set_cover_it_exactly(list in networks()) {
        let set = RangeSet::from_networks(list.iter().copied());
        // A cover may hold the mapped block as an IPv6 network, which reads back as IPv4: keep to what does not.
        let mapped = |it: &IpNetwork| it.is_ipv6() && it.prefix() < 96;
        prop_assume!(!list.iter().any(mapped));
        prop_assert_eq!(RangeSet::from_networks(set.to_networks()), set);
    }

    #[test]
    fn cidr_texts_mean_what_the_bits_say(network in network(), probe in address()) {
        let entry = cidr(&network.to_string()).expect("its own text");
        prop_assert_eq!(network_contains(entry.network, probe), network_contains(network, probe));
        prop_assert_eq!(entry.host_bits, network.network() != network.ip());
    }

    /// A rule that a fact rules out is passed over just where the naive engine finds it false.
    #[test]
    fn rules_are_passed_over_as_the_naive_engine_finds_them_false(
        policy in gated(),
        values in given(),
        online in any::<[bool; 3]>(),
        seed in any::<u64>(),
    ) {
        let (checked, found) = load_policy(&Source::new("p.yml", policy.clone()), &CheckOptions::default());
        prop_assert!(checked.is_some(), "{}\n{:?}", policy, found);
        let checked = checked.expect("checked");
        let mut options = CompileOptions::default();
        options.code = 0;
        let program = compile(&checked, &options).expect("small");
        let mut given = GivenFacts::default();
        for (path, value) in GATED.into_iter().zip(values) {
            value.into_iter().for_each(|value| given.set(path, value).expect("of its type"));
        }
        let facts = Facts::new(Ipv4Addr::new(10, 0, 0, 1).into()).with(&given).seeded(seed);
        let is_online = |host: &str| online[usize::from(host.as_bytes()[0] - b'a')];
        let mut run = program.on_tcp_connect(&facts);
        let outcome = run.run(|effect, run| match effect {
            Effect::Forward(id) if run.target(id).is_some_and(|url| is_online(url.host())) => Reply::Forwarded,
            _ => Reply::ForwardFailed(ForwardFailure::Offline),
        });
        let naive = on_tcp_connect(checked.policy(), &facts, |url| is_online(url.host()));
        let same = match (outcome, &naive) {
            (Outcome::Forwarded { by, .. }, NaiveOutcome::Forwarded(_, at)) => by.index() == *at,
            (Outcome::Failed { fault: Fault::Condition(id), .. }, NaiveOutcome::NoCondition(at)) =>
                program.condition(id).and_then(|it| it.rule()).is_some_and(|rule| rule.id().index() == *at),
            (Outcome::Upstream, NaiveOutcome::Upstream) => true,
            _ => false,
        };
        prop_assert!(same, "{}\n{:?}: {:?}, naive {:?}", policy, values, outcome, naive);
    }

    #[test]
    fn the_program_is_the_naive_engine(
        policy in policy_text(),
        probes in prop::collection::vec(address(), 6),
        offline in any::<[bool; 3]>(),
        seed in any::<u64>(),
    ) {
        let (checked, found) = load_policy(&Source::new("p.yml", policy.clone()), &CheckOptions::default());
        // Lists that allow nobody and actions behind a terminator are refused, as they should be.
        let Some(checked) = checked else {
            prop_assert!(found.iter().all(|it| it.severity.name() != "error"
                || ["TP434", "TP404", "TP411", "TP412", "TP413", "TP414"].contains(&it.code.id)), "{}\n{:?}", policy, found);
            return Ok(());
        };
        let program = compile(&checked, &CompileOptions::default()).expect("small");
        let mut options = CompileOptions::default();
        options.code = 0;
        let masked = compile(&checked, &options).expect("small");
        let entries = checked.policy().rules(policy_core::phase::Phase::OnTcpConnect).flat_map(|rule| &rule.actions);
        let entries: Vec<_> = entries.filter_map(|action| match &action.config {
            policy_core::actions::ActionConfig::RestrictIps(it) =>
                Some(it.allow.iter().chain(&it.deny).map(|item| item.value).collect::<Vec<_>>()),
            _ => None,
        }).flatten().collect();
        let mut given = GivenFacts::default();
        given.set("conn.client_port", "5000").expect("a port");
        let online = |host: &str| offline.get(usize::from(host.as_bytes()[0].wrapping_sub(b'a'))) != Some(&true);
        for probe in boundaries(&entries).into_iter().chain(probes) {
            let facts = Facts::new(probe).with(&given).seeded(seed);
            let host = |effect, target: Option<&str>| match effect {
                Effect::Forward(_) if online(target.expect("its own id")) => Reply::Forwarded,
                Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
                _ => Reply::Logged,
            };
            let mut run = program.on_tcp_connect_traced(&facts, Recording::default());
            let outcome = run.run(|effect, run| match effect {
                Effect::Forward(id) => host(effect, run.target(id).map(|url| url.host())),
                _ => host(effect, None),
            });
            let reason = run.reason().to_string();
            let forwarded = match outcome {
                Outcome::Forwarded { target, .. } => run.target(target).cloned(),
                _ => None,
            };
            let verdict = run.last_address_test();
            let trace = run.into_trace();
            let last_test = trace.records.iter().rev().find_map(|record| match record {
                Record::Test { action, admitted } => Some((*action, *admitted)),
                _ => None,
            });
            prop_assert_eq!(verdict, last_test, "{}", policy);
            let last = matches!(trace.records.last(), Some(Record::Outcome(last)) if *last == outcome);
            prop_assert!(last);
            for (code, program) in [("bodies", &program), ("masks", &masked)] {
                let mut run = program.on_tcp_connect(&facts);
                let untraced = run.run(|effect, run| match effect {
                    Effect::Forward(id) => host(effect, run.target(id).map(|url| url.host())),
                    _ => host(effect, None),
                });
                prop_assert_eq!(outcome, untraced, "{}: {}", code, policy);
                prop_assert_eq!(verdict, run.last_address_test(), "{}: {}", code, policy);
            }
            let naive = on_tcp_connect(checked.policy(), &facts, |url| online(url.host()));
            let same = match (outcome, &naive) {
                (Outcome::Forwarded { by, .. }, NaiveOutcome::Forwarded(url, at)) =>
                    forwarded.as_ref() == Some(url) && by.index() == *at,
                (Outcome::Denied { by }, NaiveOutcome::Denied(at))
                | (Outcome::Closed { by }, NaiveOutcome::Closed(at))
                | (Outcome::Failed { by: Some(by), .. }, NaiveOutcome::Failed(at)) => by.index() == *at,
                (Outcome::Failed { fault: Fault::Condition(id), .. }, NaiveOutcome::NoCondition(at)) =>
                    program.condition(id).and_then(|it| it.rule()).is_some_and(|rule| rule.id().index() == *at),
                (Outcome::Upstream, NaiveOutcome::Upstream) => true,
                _ => false,
            };
            prop_assert!(same, "{}\n{} gives {:?}, naive {:?}", policy, probe, outcome, naive);
            // A refusal names the entry that refused, and it holds the address.
            if let (Outcome::Denied { .. }, Some(entry)) = (outcome, reason.split(" is in the deny entry ").nth(1)) {
                let network = entry.split(' ').next().expect("a word").trim_end_matches(',').parse().expect("a network");
                prop_assert!(network_contains(network, probe), "{}", reason);
            }
        }
    }
}

/// Facts that conditions of [`gated`] ask for; each may be missing.
const GATED: [&str; 4] = ["conn.client_port", "conn.server_port", "conn.geo.country_code", "conn.geo.city"];

fn given() -> impl Strategy<Value = [Option<&'static str>; 4]> {
    let one = |values: &'static [&'static str]| prop::option::weighted(0.8, prop::sample::select(values));
    let values = [
        one(&["5000", "5001", "22"]),
        one(&["22", "443"]),
        one(&["DE", "FR", "IT"]),
        one(&["Berlin", "Frankfurt am Main", "Freiburg im Breisgau"]),
    ];
    values.prop_map(|values| values)
}

/// Rules of which most are passed over by a fact, and what may stand between them.
fn gated() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "conn.client_port == 5000",
        "conn.client_port < 5001",
        "conn.client_port <= 5000",
        "conn.client_port > 5000",
        "conn.client_port >= 5001",
        "conn.client_port != 5000",
        "conn.client_port == 5000 && conn.server_port == 22",
        "conn.client_port == 22 || conn.client_port >= 5001",
        "conn.client_port == 22 || conn.server_port == 443",
        "conn.geo.country_code == 'DE'",
        "conn.geo.country_code in ['DE', 'IT']",
        "conn.geo.country_code == 'FR' && conn.client_port / (conn.server_port - 22) == 0",
        "conn.geo.city in ['Berlin', 'Frankfurt am Main']",
        "conn.geo.city == 'Frankfurt am Main' || conn.geo.city == 'Berlin'",
        "conn.client_ip == '10.0.0.1' && conn.client_port == 5000",
        "conn.client_port / (conn.server_port - 22) == 1",
        "rand.double() < 0.5",
        "rand.double() < 0.5 && conn.client_port == 22",
        "conn.client_port == 22 && rand.double() < 0.5",
    ]);
    let rule = (prop::collection::vec(condition, 1..4), 0..3_u8);
    prop::collection::vec(rule, 1..8).prop_map(|rules| {
        let mut text = "on_tcp_connect:\n".to_owned();
        for (conditions, host) in rules {
            let items: Vec<_> = conditions.iter().map(|it| format!("\"{it}\"")).collect();
            let host = char::from(b'a' + host);
            text.push_str(&format!(
                "- expressions: [{}]\n  actions:\n  - {{type: forward-internal, config: {{url: \"tcp://{host}.internal:22\", on_error: continue}}}}\n",
                items.join(", ")
            ));
        }
        text
    })
}

/// A policy in YAML with rules of every supported action.
fn policy_text() -> impl Strategy<Value = String> {
    let list = |key: &'static str| {
        prop::collection::vec(network(), 0..6).prop_map(move |networks| {
            let items: Vec<_> = networks.iter().map(|it| format!("\"{it}\"")).collect();
            format!("{key}: [{}]", items.join(", "))
        })
    };
    let dynamic =
        prop::sample::select(vec!["", "", "", "", "\"${vars.v}\"", "\"${conn.client_ip}/9\", \"${vars.v}\""]);
    let restrict = (any::<bool>(), list("allow"), list("deny"), dynamic, any::<bool>());
    let restrict = restrict.prop_map(|(enforce, allow, deny, dynamic, denies)| {
        let add = |list: String| list.replace('[', if dynamic.is_empty() { "[" } else { "[DYNAMIC, " });
        let (allow, deny) = if denies { (allow, add(deny)) } else { (add(allow), deny) };
        let text = format!("{{type: restrict-ips, config: {{enforce: {enforce}, {allow}, {deny}}}}}");
        text.replace("DYNAMIC, ]", "DYNAMIC]").replace("DYNAMIC", dynamic)
    });
    let forward = (0..3_u8, prop_oneof![Just("halt"), Just("continue")]).prop_map(|(host, on_error)| {
        let host = char::from(b'a' + host);
        format!(
            "{{type: forward-internal, config: {{url: \"tcp://{host}.internal:22\", on_error: {on_error}}}}}"
        )
    });
    let action = prop_oneof![
        6 => restrict,
        4 => forward,
        1 => Just("{type: deny}".to_owned()),
        1 => Just("{type: close-connection}".to_owned()),
        1 => Just("{type: log, config: {metadata: {a: 1, b: \"${5 / (conn.client_port - conn.client_port)}\"}}}".to_owned()),
        1 => prop::sample::select(vec!["${conn.client_ip}", "${conn.client_ip}/24", "10.0.0.0/30", "b"])
            .prop_map(|text| format!("{{type: set-vars, config: {{vars: [{{v: \"{text}\"}}]}}}}")),
        1 => Just("{type: forward-internal, config: {url: \"tcp://${vars.v}.internal:22\", on_error: continue}}".to_owned()),
    ];
    let condition = prop::sample::select(vec![
        "conn.client_port > 1024",
        "conn.client_port < 1024 || conn.client_ip.contains('.')",
        "conn.server_port == 22",
        "conn.client_ip.startsWith('10.') || inCidrRange(conn.client_ip, '::/0')",
        "!conn.client_ip.isPrivateIp()",
        "conn.client_port / (conn.client_port - 5000) == 1",
        "['a', 'b'].exists(x, conn.client_ip.endsWith(x))",
        "conn.client_ip == '10.0.0.3' || conn.client_ip in ['0.0.0.1', '2001:db8::2']",
        "inCidrRange(conn.client_ip, '10.0.0.0/30') && conn.client_port > 1024",
        "conn.server_port == 22 && !inCidrRanges(conn.client_ip, ['10.0.0.0/31', '2001:db8::/126'])",
        "conn.client_ip != '10.0.0.1'",
        "rand.double() < 0.5",
        "!(rand.double() < 0.5) && inCidrRange(conn.client_ip, '10.0.0.0/8')",
        "has(vars.v) && string(vars.v).startsWith('10.')",
        "has(actions.ngrok.restrict_ips) && actions.ngrok.restrict_ips.action == 'deny'",
        "actions.ngrok.restrict_ips.matched_cidr.endsWith('/32')",
        "has(actions.ngrok.forward_internal) && actions.ngrok.forward_internal.url.contains('a.internal')",
        "rand.int(0, 1) == 1 && inCidrRange(conn.client_ip, '10.0.0.0/8')",
        "inCidrRange(conn.client_ip, '10.0.0.0/8') ? conn.server_port == 1 : rand.double() < 0.7",
    ]);
    let rule = (prop::collection::vec(condition, 0..3), prop::collection::vec(action, 1..3));
    prop::collection::vec(rule, 1..4).prop_map(|rules| {
        let mut text = "on_tcp_connect:\n".to_owned();
        for (conditions, rule) in rules {
            let items: Vec<_> = conditions.iter().map(|it| format!("\"{it}\"")).collect();
            text.push_str(&format!("- expressions: [{}]\n  actions:\n", items.join(", ")));
            rule.iter().for_each(|action| text.push_str(&format!("  - {action}\n")));
        }
        text
    })
}
