//! The compiled engine against the naive one, at every boundary of the networks of a policy.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../lpm/tests/support/addresses.rs"]
mod addresses;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use addresses::{address, boundaries, network};
use ipnetwork::IpNetwork;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::evaluate::{Record, Recording};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{Facts, GivenFacts};
use policy_core::ir::Decision;
use policy_core::outcome::{Fault, Outcome};
use policy_core::reference::{NaiveOutcome, network_contains, on_tcp_connect};
use policy_core::source::Source;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

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
        // Lists that allow nobody and actions after a terminator are refused, as they should be.
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
            let trace = run.trace();
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
                (Outcome::Denied { by }, NaiveOutcome::Denied(None, at))
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Where the class decides, many at once are decided as one by one; and the reasons of a class differ in the address
    /// and the entry alone, so that one stands for all.
    #[test]
    fn many_sources_are_decided_as_each_alone(
        policy in prop_oneof![3 => by_class(), 1 => policy_text()],
        probes in prop::collection::vec(address(), 6),
        seed in any::<u64>(),
    ) {
        let reads_class_alone = policy.starts_with("# by class");
        let Ok(program) = Program::from_policy("p.yml", policy.clone()) else { return Ok(()) };
        let networks = policy.split('"').filter_map(|text| text.parse().ok());
        let probes: Vec<_> = boundaries(&networks.collect::<Vec<_>>()).into_iter().chain(probes).collect();
        let mut given = GivenFacts::default();
        given.set("conn.client_port", "5000").expect("a port");
        let facts = |client| Facts::new(client).with(&given).seeded(seed);
        prop_assert!(!reads_class_alone || program.deciding_table().is_some(), "{}", policy);
        let Some(table) = program.deciding_table() else { return Ok(()) };
        let mut outcomes = vec![Outcome::Upstream; probes.len()];
        let decided = program.by_source(facts(probes[0])).map(|mut many| many.decide_each(&probes, &mut outcomes));
        let mut known: HashMap<_, (IpAddr, String)> = HashMap::new();
        for (probe, outcome) in probes.iter().zip(outcomes) {
            let facts = facts(*probe);
            let decision = program.decide(&facts);
            prop_assert!(decided.is_none() || outcome == decision.outcome(), "{} {}: {:?}", policy, probe, outcome);
            let reason = decision.reason();
            let list = reason.list_of().and_then(|by| program.action(by)?.address_list());
            let entry = list.map(|list| match list.decide(*probe) {
                Decision::Allowed(entry) | Decision::Denied(entry) => Some(entry.position),
                Decision::NotAllowed => None,
            });
            let (text, target) = (reason.to_string(), decision.target().map(ToString::to_string));
            let rest = match list {
                Some(_) => text.strip_prefix(&probe.to_canonical().to_string()).expect("it begins with the client"),
                None => &*text,
            };
            let said = format!("{:?} {target:?} {rest}", decision.outcome());
            let (first, of_first) = known.entry((table.class(*probe), entry)).or_insert((*probe, said.clone()));
            prop_assert_eq!(&*of_first, &said, "{}: {} and {}", policy, first, probe);
        }
    }
}

/// Policies that read nothing of the address but its class.
fn by_class() -> impl Strategy<Value = String> {
    let list = || prop::collection::vec(network(), 1..5);
    let quoted = |networks: &[_]| {
        networks.iter().map(|it: &IpNetwork| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
    };
    let restrict = (any::<bool>(), list(), list()).prop_map(move |(enforce, allow, deny)| {
        let (allow, deny) = (quoted(&allow), quoted(&deny));
        format!("{{type: restrict-ips, config: {{enforce: {enforce}, allow: [{allow}], deny: [{deny}]}}}}")
    });
    let other = prop::sample::select(vec![
        "{type: forward-internal, config: {url: 'tcp://a.internal:22', on_error: continue}}",
        "{type: forward-internal, config: {url: 'tcp://${vars.v}.internal:22', on_error: continue}}",
        "{type: set-vars, config: {vars: [{v: '${string(conn.client_port)}'}]}}",
        "{type: log, config: {metadata: {port: '${string(conn.client_port)}'}}}",
        "{type: deny}",
    ]);
    let condition = prop::sample::select(vec![
        "true",
        "conn.client_port > 1024",
        "conn.server_port == 22",
        "conn.client_ip == '10.0.0.3' || conn.client_ip in ['0.0.0.1', '2001:db8::2']",
        "!conn.client_ip.isPrivateIp() && conn.client_port == 5000",
        "inCidrRange(conn.client_ip, '10.0.0.0/30') || conn.server_port == 22",
        "!(rand.double() < 0.5)",
        "has(vars.v) && string(vars.v).startsWith('50')",
    ]);
    let rule = (condition, prop_oneof![2 => restrict, 1 => other.prop_map(str::to_owned)]);
    prop::collection::vec(rule, 1..5).prop_map(|rules| {
        let rule =
            |(condition, action)| format!("- expressions: [\"{condition}\"]\n  actions:\n  - {action}\n");
        format!("# by class\non_tcp_connect:\n{}", rules.into_iter().map(rule).collect::<String>())
    })
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
