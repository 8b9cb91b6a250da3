//! What a decision of the edge costs.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;

use super::*;
use crate::generation::load;

/// An edge with one endpoint, whose policy has rules with conditions before it refuses everyone else.
fn edge(rules: usize) -> Generation {
    let mut policy = String::new();
    for rule in 0..rules {
        policy.push_str(&format!(
            "- {{expressions: [\"inCidrRange(conn.client_ip, '10.{}.{}.0/24') && conn.client_port > 1023\"], \
             actions: [{{type: forward-internal, config: {{url: 'tcp://a.internal:22'}}}}]}}\n",
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
    Facts::of_connection(client, server).at_endpoint(generation.url_text(0)).seeded(1)
}

/// Allocations from the facts of a connection to the decision of its policy, as [`Host::run`] makes it.
fn decide(generation: &Generation, online: &OnlineEndpoints, client: &str) -> (u64, Outcome) {
    let presumed = Presumed { unreached: &[], reached: None };
    let world = World { generation, online };
    let mut host = Host { world, dial: &presumed, budget: Budget::of_connection(), notes: Notes::default() };
    let mut ended = None;
    let counted = measure(|| {
        let facts = facts(generation, client);
        let EndpointPolicy::Program(program) = &generation.programs[0] else { panic!("not loaded") };
        let steps = host.budget.begin(program, None).expect("the first");
        let mut run = program.on_tcp_connect(&facts);
        run.set_steps_left(steps);
        let driven = pin!(host.drive(&mut run, None, &facts));
        if let Poll::Ready((outcome, _)) = driven.poll(&mut Context::from_waker(Waker::noop())) {
            ended = Some(outcome);
        }
    });
    (counted.count_total, ended.expect("it does not wait"))
}

#[test]
fn the_decision_of_the_edge_allocates_nothing() {
    let online = OnlineEndpoints::default();
    for rules in [0, 1, 20, 2_000] {
        let generation = edge(rules);
        for client in ["192.0.2.7:5000", "198.51.100.1:5000", "[2001:db8::1]:5000", "10.0.0.1:80"] {
            let (allocations, outcome) = decide(&generation, &online, client);
            assert_eq!(outcome.name(), "deny", "{rules} rules, {client}");
            assert_eq!(allocations, 0, "{rules} rules, {client}");
        }
        if rules > 0 {
            assert_eq!(decide(&generation, &online, "10.0.0.1:5000").1.name(), "forward");
        }
    }
}

#[test]
fn a_refusal_costs_the_same_however_many_rules_there_are() {
    let online = OnlineEndpoints::default();
    let refused = |rules: usize| {
        let generation = edge(rules);
        let presumed = Presumed { unreached: &[], reached: None };
        let world = World { generation: &generation, online: &online };
        let facts = facts(&generation, "198.51.100.1:5000");
        let judge = || judge_presumed(world, Entry::Configured(0), &facts, presumed, Effort::Full);
        let route = judge().expect("it does not wait");
        assert_eq!((route.verdict.decision, route.ip_policy), ("deny", Some(false)));
        measure(|| drop(judge())).count_total
    };
    let one = refused(1);
    assert_eq!(refused(2_000), one);
    assert!(one <= 8, "{one} allocations: the texts of the verdict, and no more");
}
