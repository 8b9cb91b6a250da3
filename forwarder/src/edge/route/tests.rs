//! What a decision of the edge costs.

use std::path::Path;
use std::time::{Duration, Instant};

use agent_link::mux::ErrorCode;
use allocation_counter::measure;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::journey::Meter;
use policy_core::outcome::OutcomeKind;
use policy_core::source::Source;

use super::*;
use crate::base::random::Random;
use crate::edge::generation::{Generation, load};
use crate::edge::online::OnlineEndpoints;
use crate::edge::online::tests::online;

/// An edge with one endpoint, whose policy has rules with conditions before it refuses everyone else. They forward to
/// an endpoint of the configuration.
fn edge(rules: usize) -> Generation {
    edge_to("tcp://a.internal:22", rules)
}

fn edge_to(target: &str, rules: usize) -> Generation {
    let mut policy = String::new();
    for rule in 0..rules {
        policy.push_str(&format!(
            "- {{expressions: [\"inCidrRange(conn.client_ip, '10.{}.{}.0/24') && conn.client_port > 1023\"], \
             actions: [{{type: forward-internal, config: {{url: '{target}'}}}}]}}\n",
            rule >> 8,
            rule & 255
        ));
    }
    let policy = format!(
        "on_tcp_connect:\n{policy}- actions:\n  - {{type: restrict-ips, config: {{allow: [192.0.2.0/24]}}}}\n  - {{type: deny}}\n"
    );
    let config = "version: 1
endpoints: [{name: e, url: 'tcp://edge.example.com:9', listen: '127.0.0.1:0', traffic_policy_file: p.yml}]
internal_endpoints: [{url: 'tcp://a.internal:22', upstream: {url: 22}}]
";
    let read = |path: &Path| {
        let text = if path.ends_with("p.yml") { &policy } else { config };
        Ok(text.as_bytes().to_vec())
    };
    load(Path::new("edge.yml"), &read).expect("usable").0
}

fn facts<'g>(generation: &'g Generation, client: &str) -> Facts<'g> {
    let server = "192.0.2.1:9".parse().expect("an address");
    let client = client.parse().expect("an address");
    Facts::from_connection(client, server).at_endpoint(&generation.config.endpoints[0].url).seeded(1)
}

/// Allocations from the facts of a connection to the first leg that [`super::decide`] takes, and what became of it.
fn decide(generation: &Generation, online: &OnlineEndpoints, client: &str) -> (u64, OutcomeKind) {
    let (own, random) = (Arc::default(), Random::system());
    let at = "127.0.0.1:0".parse().expect("an address");
    let live = Live { timeout: Duration::from_secs(1), client: at, server: at, own: &own, random: &random };
    let map = Map { world: RoutingView { generation, online }, dial: &live };
    let mut decided = None;
    let counted = measure(|| {
        let facts = facts(generation, client);
        let mut journey = map.journey(&facts, Budget::for_connection(), Place::Public(0));
        decided = Some(match journey.start() {
            Leg::Reach(_) => OutcomeKind::Forward,
            Leg::Done if !journey.is_admitted() => OutcomeKind::Deny,
            other => panic!("{other:?}"),
        });
    });
    (counted.count_total, decided.expect("it does not wait"))
}

#[test]
fn the_decision_of_the_edge_allocates_nothing() {
    let online = OnlineEndpoints::default();
    for rules in [0, 1, 20, 2_000] {
        let generation = edge(rules);
        for client in ["192.0.2.7:5000", "198.51.100.1:5000", "[2001:db8::1]:5000", "10.0.0.1:80"] {
            let (allocations, outcome) = decide(&generation, &online, client);
            assert_eq!(outcome, OutcomeKind::Deny, "{rules} rules, {client}");
            assert_eq!(allocations, 0, "{rules} rules, {client}");
        }
        if rules > 0 {
            assert_eq!(
                decide(&generation, &online, "10.0.0.1:5000"),
                (0, OutcomeKind::Forward),
                "{rules} rules"
            );
        }
    }
}

/// Endpoints of agents, so many of them at a URL, beside others elsewhere.
fn of_agents(url: &str, members: usize, others: usize) -> OnlineEndpoints {
    let endpoints = OnlineEndpoints::default();
    let elsewhere =
        (0..others).map(|at| online(&format!("other{at}"), &format!("tcp://o{at}.internal:22"), false));
    let members = (0..members).map(|at| online(&at.to_string(), url, members > 1));
    elsewhere.chain(members).for_each(|it| endpoints.register(it).expect("free"));
    endpoints
}

/// One that is alone at its URL costs nothing, exact or a wildcard, among few or many. Several are a list.
#[test]
fn a_forward_to_an_agent_allocates_nothing() {
    let generation = edge_to("tcp://d.site.internal:22", 20);
    for url in ["tcp://d.site.internal:22", "tcp://*.site.internal:22", "tcp://*.internal:22"] {
        for (members, others, allocations) in [(1, 0, 0), (1, 20, 0), (2, 0, 1), (9, 20, 1)] {
            let online = of_agents(url, members, others);
            let decided = decide(&generation, &online, "10.0.0.1:5000");
            assert_eq!(
                decided,
                (allocations, OutcomeKind::Forward),
                "{members} at {url}, {others} elsewhere"
            );
        }
    }
}

/// A target with policies of its own takes a place among those whose policies wait.
#[test]
fn a_forward_to_an_endpoint_with_policies_allocates_a_place() {
    let admits = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [10.0.0.0/8]}}]}]";
    let source = Source::new("p.yml", admits);
    let program = compile(
        &load_policy(&source, &CheckOptions::default()).0.expect("no errors"),
        &CompileOptions::default(),
    );
    let program = Arc::new(program.expect("small"));
    let generation = edge_to("tcp://d.internal:22", 20);
    for policies in [1, 2] {
        let endpoints = OnlineEndpoints::default();
        let mut endpoint =
            Arc::into_inner(online("1", "tcp://d.internal:22", false)).expect("nobody else has it");
        endpoint.programs = vec![Arc::clone(&program); policies];
        endpoints.register(Arc::new(endpoint)).expect("free");
        assert_eq!(
            decide(&generation, &endpoints, "10.0.0.1:5000"),
            (1, OutcomeKind::Forward),
            "{policies} policies"
        );
    }
}

/// Alone or not: whose session ends is no endpoint any more, also before it is out of the table.
#[test]
fn an_endpoint_whose_session_ends_is_offline() {
    let generation = edge_to("tcp://d.internal:22", 1);
    for members in [1, 2] {
        let online = of_agents("tcp://d.internal:22", members, 0);
        online.all().iter().for_each(|it| it.opener.close(ErrorCode::Cancelled, ""));
        assert_eq!(decide(&generation, &online, "10.0.0.1:5000").1, OutcomeKind::Deny, "{members}");
    }
}

#[test]
fn a_refusal_allocates_the_same_however_many_rules_there_are() {
    let online = OnlineEndpoints::default();
    let refused = |rules: usize| {
        let generation = edge(rules);
        let presumed = Presumed { unreached: &[], reached: None };
        let world = RoutingView { generation: &generation, online: &online };
        let facts = facts(&generation, "198.51.100.1:5000");
        let decide = || decide_presumed(world, EntryPoint::Configured(0), &facts, presumed, Effort::Full);
        let route = decide().expect("it does not wait");
        assert_eq!((route.verdict.decision, route.ip_policy), (OutcomeKind::Deny, Some(false)));
        measure(|| drop(decide())).count_total
    };
    let one = refused(1);
    assert_eq!(refused(2_000), one);
    assert!(one <= 8, "{one} allocations: the texts of the verdict, and no more");
}

/// A chain of endpoints, each of which compiles a pattern for the connection before it forwards to the next.
fn chain(endpoints: usize) -> Generation {
    let policy = |next: usize| {
        format!(
            "on_tcp_connect: [{{expressions: [\"conn.client_ip.matches(r'\\\\pL{{1,9}}' + string(conn.client_port))\"], \
             actions: [{{type: deny}}]}}, {{actions: [{{type: forward-internal, config: {{url: 'tcp://d{next}.internal:22'}}}}]}}]"
        )
    };
    let mut config = format!(
        "version: 1\nendpoints: [{{name: e, url: 'tcp://e:9', listen: '127.0.0.1:0', traffic_policy: {{{}}}}}]\ninternal_endpoints:\n",
        policy(0)
    );
    for at in 0..endpoints {
        let own = if at + 1 < endpoints {
            format!(", traffic_policy: {{{}}}", policy(at + 1))
        } else {
            String::new()
        };
        config.push_str(&format!("- {{url: 'tcp://d{at}.internal:22', upstream: {{url: 22}}{own}}}\n"));
    }
    load(Path::new("edge.yml"), &|_| Ok(config.clone().into())).expect("usable").0
}

#[test]
fn all_hops_of_a_connection_share_one_budget() {
    let online = OnlineEndpoints::default();
    let decide = |endpoints: usize| {
        let generation = chain(endpoints);
        let world = RoutingView { generation: &generation, online: &online };
        let facts = facts(&generation, "198.51.100.1:5000");
        let presumed = Presumed { unreached: &[], reached: None };
        decide_presumed(world, EntryPoint::Configured(0), &facts, presumed, Effort::Full)
            .expect("it does not wait")
    };
    let short = decide(2);
    assert!(short.upstream.is_some() && !short.out_of_steps, "{:?}", short.verdict);
    // Each policy alone would have its steps; together they have not.
    let long = decide(14);
    assert!(long.upstream.is_none() && long.out_of_steps, "{:?}", long.verdict);
    assert!(long.hops.len() > 2, "{:?}", long.hops);
}

#[test]
fn what_the_policy_of_an_agent_takes_is_charged_to_its_authtoken() {
    let endpoint = online("1", "tcp://a.internal:22", false);
    let (share, now) = (Arc::clone(&endpoint.owner.share), Instant::now());
    let place = Place::Online(Arc::clone(&endpoint));
    let generation = edge(200);
    let EndpointPolicy::Program(program) = &generation.programs[0] else { panic!("not loaded") };
    let before = share.available(now);
    // What comes back while the test runs.
    let refilled = || u64::try_from(now.elapsed().as_micros()).expect("short") * 2 + 1;
    let mut budget = Budget::for_connection();
    let left = budget.begin(program, &place).expect("a fresh share");
    let base = program.base_steps();
    assert!(base >= 200 && share.available(now) <= before - base + refilled());
    budget.account(40_000, &place);
    let after = share.available(now);
    assert!(after <= before - base - 40_000 + refilled(), "{after}");
    assert_eq!(budget.left(&place), left - 40_000);
    // The edge's own look at an open connection is not at the expense of the authtoken.
    let mut again = Budget::again(Effort::Full);
    again.begin(program, &place).expect("steps");
    again.account(40_000, &place);
    assert!(share.available(now) >= after);
    share.charge(3 * before, now);
    let refused = Budget::for_connection().begin(program, &place).expect_err("its share is used up");
    assert!(refused.contains("of authtoken"), "{refused}");
    let own = Budget::for_connection().begin(program, &Place::Public(0));
    assert!(own.is_ok(), "policies of the configuration have none");
}
