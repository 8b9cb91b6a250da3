//! What a refused connection costs the edge, by the number of rules of its policy. A measurement, by its own command:
//! `cargo test --release -p forwarder --test program -- --ignored --nocapture costs`.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};

use crate::harness::{Edge, Folder, edge_yml, rest_of};
use crate::process::processor_ticks;

const CONNECTIONS: u32 = 6_000;
const ROUNDS: usize = 7;
/// Ticks of the system's clock for processes, in microseconds.
const TICK_MICROS: f64 = 10_000.0;
/// The cost of many rules over that of one.
const MAX_RATIO: f64 = 1.5;

const FORWARD: &str = "{type: forward-internal, config: {url: 'tcp://device1.internal:22'}}";

/// Rules of one kind, each a condition and the actions before it forwards, in front of a list that refuses everybody
/// here.
fn policy(rules: u32, kind: fn(u32) -> (String, String)) -> String {
    let mut text = "on_tcp_connect:\n".to_owned();
    for rule in 0..rules {
        let (condition, actions) = kind(rule);
        writeln!(text, "- {{expressions: [\"{condition}\"], actions: [{actions}{FORWARD}]}}")
            .expect("a text grows");
    }
    text.push_str("- {actions: [{type: restrict-ips, config: {allow: [192.0.2.0/24]}}, {type: deny}]}\n");
    text
}

/// A network for each rule.
fn network(rule: u32) -> String {
    format!("10.{}.{}.0/24", rule >> 8, rule & 255)
}

/// Microseconds of the edge's processor for a connection that it refuses.
fn cost(policy: &str) -> f64 {
    let folder = Folder::new();
    // Events of a flood are counted, not written: that is the same for every policy.
    folder.write("edge.yml", &edge_yml(SocketAddr::from(([127, 0, 0, 1], 1)), ""));
    folder.write("policy.yml", policy);
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    let visit = |count: u32| {
        for _ in 0..count {
            let stream = TcpStream::connect(address).expect("accepted");
            assert_eq!(rest_of(&stream), b"");
        }
    };
    visit(CONNECTIONS / 6);
    let before = processor_ticks(edge.id());
    visit(CONNECTIONS);
    let ticks = processor_ticks(edge.id()) - before;
    f64::from(u32::try_from(ticks).expect("short")) * TICK_MICROS / f64::from(CONNECTIONS)
}

#[test]
#[ignore = "a measurement, by its own command"]
fn a_refused_connection_costs_about_the_same_with_2000_rules() {
    type Kind = fn(u32) -> (String, String);
    let kinds: [(&str, Kind); 5] = [
        ("an address and a port", |n| {
            let condition =
                format!("inCidrRange(conn.client_ip, '{}') && conn.client_port > 1023", network(n));
            (condition, String::new())
        }),
        ("a port", |n| (format!("conn.client_port == {}", n + 1), String::new())),
        ("a range of ports", |n| (format!("conn.client_port < {}", n + 1), String::new())),
        ("a port and an address", |n| {
            let condition =
                format!("conn.server_port == {} && inCidrRange(conn.client_ip, '{}')", n + 1, network(n));
            (condition, String::new())
        }),
        ("a port, with a list of its own", |n| {
            let list = format!("{{type: restrict-ips, config: {{allow: [{}]}}}}, ", network(n));
            (format!("conn.server_port == {}", n + 1), list)
        }),
    ];
    for (kind, rule) in kinds {
        let (one, many) = (policy(1, rule), policy(2_000, rule));
        let mut pairs: Vec<_> = (0..ROUNDS).map(|_| (cost(&one), cost(&many))).collect();
        pairs.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let ratios: Vec<_> = pairs.iter().map(|(one, many)| format!("{:.2}", many / one)).collect();
        let (one, many) = pairs[ROUNDS / 2];
        println!(
            "rules that test {kind}: {one:.0} µs with 1, {many:.0} µs with 2,000; ratios {}",
            ratios.join(" ")
        );
        assert!(many / one <= MAX_RATIO, "{kind}: {one} and {many} µs");
    }
}
