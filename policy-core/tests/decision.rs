//! The digest of what a program decides: equal however a policy is written, different where it decides differently.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use ipnetwork::IpNetwork;
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::source::Source;
use proptest::prelude::*;

fn digest(policy: &str) -> String {
    let (checked, found) = load_policy(&Source::new("p.yml", policy), &CheckOptions::default());
    let checked = checked.unwrap_or_else(|| panic!("{policy}\n{found:?}"));
    compile(&checked, &CompileOptions::default()).expect("small").decision_sha256().to_string()
}

fn conditional(expressions: &[&str]) -> String {
    let items: Vec<_> = expressions.iter().map(|text| format!("\"{text}\"")).collect();
    format!(
        "on_tcp_connect:\n- expressions: [{}]\n  actions: [{{type: forward-internal, config: {{url: \"tcp://a.internal:22\"}}}}]\n- actions: [{{type: deny}}]\n",
        items.join(", ")
    )
}

#[test]
fn conditions_may_be_joined_or_apart() {
    let (port, net) = ("conn.client_port > 1024", "inCidrRange(conn.client_ip, '10.0.0.0/8')");
    let (server, text) = ("conn.server_port == 22", "conn.client_ip.startsWith('10.')");
    let joined = digest(&conditional(&[&format!("{port} && {net} && {server}")]));
    assert_eq!(joined, digest(&conditional(&[port, net, server])));
    assert_eq!(joined, digest(&conditional(&[net, &format!("({port})  &&{server}")])));
    assert_eq!(
        joined,
        digest(&conditional(&[port, "inCidrRanges(conn.client_ip, ['10.128.0.0/9', '10.0.0.0/9'])", server]))
    );
    for other in [
        vec![port, net],
        vec!["conn.client_port > 1023", net, server],
        vec!["conn.client_port >= 1024", net, server],
        vec![port, "inCidrRange(conn.client_ip, '10.0.0.0/9')", server],
        vec![port, net, server, text],
        vec![port, "!inCidrRange(conn.client_ip, '10.0.0.0/8')", server],
    ] {
        assert_ne!(joined, digest(&conditional(&other)), "{other:?}");
    }
}

#[test]
fn what_lists_and_conditions_say_alike_is_alike() {
    let forward = "{type: forward-internal, config: {url: \"tcp://a.internal:22\"}}";
    let by_list = format!(
        "on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{allow: [10.0.0.0/8, \"2001:db8::/32\"]}}}}, {forward}]}}]"
    );
    let by_condition = format!(
        "on_tcp_connect:\n- expressions: [\"!inCidrRanges(conn.client_ip, ['2001:db8::/32', '10.0.0.0/8'])\"]\n  actions: [{{type: deny}}]\n- actions: [{forward}]\n"
    );
    assert_eq!(digest(&by_list), digest(&by_condition));
    assert_ne!(digest(&by_list), digest(&by_list.replace("a.internal", "b.internal")));
    assert_ne!(
        digest(&by_list),
        digest(&by_list.replace("tcp://a.internal:22\"", "tcp://a.internal:22\", on_error: continue"))
    );
    // A rule that no address can reach, and a dry run that nobody looks at, decide nothing.
    let more = by_list.replace(
        forward,
        &format!("{{type: restrict-ips, config: {{enforce: false, allow: [192.0.2.0/24]}}}}, {forward}"),
    );
    assert_eq!(digest(&by_list), digest(&more));
}

/// Values of different shapes are told apart, whatever stands in them.
#[test]
fn shapes_of_values_are_told_apart() {
    let with = |value: &str| {
        digest(&format!(
            "on_tcp_connect:\n- actions: [{{type: set-vars, config: {{vars: [{{x: {value}}}]}}}}]\n- expressions: [\"'a' in vars.x\"]\n  actions: [{{type: deny}}]\n"
        ))
    };
    assert_ne!(with("[\"a${conn.client_ip}\"]"), with("{a: \"${conn.client_ip}\"}"));
    assert_ne!(with("[\"a${conn.client_ip}\"]"), with("[\"a\", \"${conn.client_ip}\"]"));
}

fn networks() -> impl Strategy<Value = Vec<IpNetwork>> {
    let v4 = (any::<u16>(), 8..31_u8).prop_map(|(net, length)| {
        IpNetwork::new(std::net::Ipv4Addr::from(u32::from(net) << 16 | 0x0a00).into(), length)
            .expect("a length")
    });
    let v6 = (any::<u16>(), 16..127_u8).prop_map(|(net, length)| {
        let bits = (0x2001_0db8_u128 << 96) | (u128::from(net) << 48);
        IpNetwork::new(std::net::Ipv6Addr::from(bits).into(), length).expect("a length")
    });
    prop::collection::vec(prop_oneof![v4, v6], 1..10)
}

fn listed(allow: &[IpNetwork]) -> String {
    let items: Vec<_> = allow.iter().map(|it| format!("\"{}/{}\"", it.network(), it.prefix())).collect();
    format!(
        "on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{allow: [{}]}}}}, {{type: forward-internal, config: {{url: \"tcp://a.internal:22\"}}}}]}}]",
        items.join(", ")
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Lists split into halves, repeated and reordered say the same; a list with one address less does not.
    #[test]
    fn lists_may_be_written_in_any_way(list in networks()) {
        let mut other: Vec<IpNetwork> = Vec::new();
        for network in &list {
            let half = IpNetwork::new(network.network(), network.prefix() + 1).expect("longer");
            let upper = IpNetwork::new(network.broadcast(), network.prefix() + 1).expect("longer");
            other.extend([upper, half, upper]);
        }
        other.reverse();
        prop_assert_eq!(digest(&listed(&list)), digest(&listed(&other)));
        let more: IpNetwork = "203.0.113.7/32".parse().expect("a network");
        let mut wider = list.clone();
        wider.push(more);
        let held = list.iter().any(|network| network.contains(more.ip()));
        prop_assert_eq!(digest(&listed(&list)) == digest(&listed(&wider)), held);
    }
}
