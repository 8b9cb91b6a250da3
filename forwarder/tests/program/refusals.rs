//! Refusals: what is not admitted gets nothing, and the event says why.

use std::io::Read;

use crate::harness::{
    ClosedPort, Edge, FORWARD, Folder, GUIDE, connect, connect_from, echo_device, edge_yml, exchange,
    guide_policy, rest_of, second_address,
};

#[test]
fn the_guides_first_policy_forwards_everybody() {
    let mut edge = Edge::in_front_of(echo_device(), FORWARD);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"hello");
    let event = &edge.wait_for_events(1)[0];
    assert_eq!(event["event_type"], "tcp_connection_closed.v0");
    assert!(event["event_id"].as_str().is_some_and(|id| id.starts_with("ev_")));
    let object = &event["object"];
    assert_eq!(object["decision"], "forward");
    assert_eq!(object["ip_policy"]["decision"], serde_json::Value::Null);
    assert_eq!(object["conn"]["client_ip"], "127.0.0.1");
    assert_eq!(object["conn"]["server_name"], "localhost");
    assert_eq!(object["at"]["line"], 3);
}

#[test]
fn the_guides_second_policy_admits_its_address_and_nobody_else() {
    let Some(second) = second_address() else { return };
    let mut edge = Edge::in_front_of(echo_device(), &guide_policy("127.0.0.1/32"));
    let address = edge.address("device1");
    assert_eq!(exchange(connect(address), b"hello"), b"hello");
    assert_eq!(exchange(connect_from(second, address), b"hello"), b"");
    let (admitted, object) = (edge.event_of("127.0.0.1"), edge.event_of("127.0.0.2"));
    assert_eq!(object["decision"], "deny");
    assert_eq!(object["ip_policy"]["decision"], "block");
    assert_eq!(object["reason"], "127.0.0.2 matches no allow entry");
    assert_eq!(object["conn"]["bytes_out"], 0);
    assert_eq!(object["target"], serde_json::Value::Null);
    assert_eq!(object["policy_sha256"], admitted["policy_sha256"]);
    assert_eq!(admitted["ip_policy"]["decision"], "allow");
}

/// The guide's policy as it is refuses this machine, although its client says nothing at all.
#[test]
fn the_decision_comes_before_any_byte() {
    let mut edge = Edge::in_front_of(echo_device(), GUIDE);
    let client = connect(edge.address("device1"));
    assert_eq!(rest_of(&client), b"");
    assert_eq!(edge.wait_for_events(1)[0]["object"]["decision"], "deny");
}

#[test]
fn an_unreachable_upstream_closes_and_says_why() {
    let upstream = ClosedPort::hold();
    let mut edge = Edge::in_front_of(upstream.address, FORWARD);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"");
    let events = edge.wait_for_events(1);
    let object = &events[0]["object"];
    assert_eq!(object["decision"], "error");
    let reason = object["reason"].as_str().expect("a reason");
    assert!(reason.contains(&upstream.address.to_string()) && reason.contains("refused"), "{reason}");
}

/// `on_error: continue` tries the next target; a name is looked up in the configuration and nowhere else.
#[test]
fn a_failed_forward_goes_on_to_the_next() {
    let folder = Folder::new();
    let more = format!("  - url: tcp://device2.internal:22\n    upstream: {{url: \"{}\"}}\n", echo_device());
    let closed = ClosedPort::hold();
    let edge_yml = edge_yml(closed.address, "").replace("events:", &format!("{more}events:"));
    folder.write("edge.yml", &edge_yml);
    let forward = |host: &str| {
        format!(
            "      - {{type: forward-internal, config: {{url: \"tcp://{host}:22\", on_error: continue}}}}\n"
        )
    };
    let policy = format!(
        "on_tcp_connect:\n  - actions:\n{}{}{}      - type: log\n        config: {{metadata: {{never: seen}}}}\n",
        forward("localhost.internal"),
        forward("device1.internal"),
        forward("device2.internal"),
    );
    folder.write("policy.yml", &policy);
    let mut edge = Edge::start(folder);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"hello");
    let events = edge.wait_for_events(1);
    assert_eq!(events[0]["object"]["target"], "tcp://device2.internal:22");
    assert_eq!(events[0]["object"]["hops"], serde_json::json!(["tcp://device2.internal:22"]));
    assert_eq!(events[0]["object"]["traffic_policy"]["logs"], serde_json::json!([]));
}

/// A policy that ends nothing closes on an endpoint without an upstream; what it logged is in the event.
#[test]
fn falling_through_closes() {
    let policy =
        "on_tcp_connect:\n  - actions:\n      - {type: log, config: {metadata: {seen: 1, by: [a, b]}}}\n";
    let mut edge = Edge::in_front_of(echo_device(), policy);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"");
    let events = edge.wait_for_events(1);
    let object = &events[0]["object"];
    assert_eq!(object["decision"], "error");
    assert!(object["reason"].as_str().expect("a reason").contains("ERR_NGROK_6029"));
    let logs = serde_json::json!([{"metadata": {"seen": 1, "by": ["a", "b"]}}]);
    assert_eq!(object["traffic_policy"]["logs"], logs);
}

/// The target's own policy runs with the client's address; its refusal is final.
#[test]
fn the_targets_policy_may_refuse() {
    let Some(second) = second_address() else { return };
    let folder = Folder::new();
    let inner = guide_policy("127.0.0.1/32").replace("\n  - actions:\n      - type: forward-internal", "\n#");
    let inner = inner.split("\n#").next().expect("the restriction").to_owned();
    folder.write("inner.yml", &format!("{inner}\n"));
    let edge_yml = edge_yml(echo_device(), "");
    let edge_yml = edge_yml.replace("}\nevents:", "}\n    traffic_policy_file: inner.yml\nevents:");
    folder.write("edge.yml", &edge_yml);
    let outer = guide_policy("127.0.0.0/8").replace(":22\n", ":22\n          on_error: continue\n");
    folder.write("policy.yml", &outer);
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    assert_eq!(exchange(connect(address), b"hello"), b"hello");
    assert_eq!(exchange(connect_from(second, address), b"hello"), b"");
    let refused = edge.event_of("127.0.0.2");
    assert_eq!(refused["decision"], "deny");
    assert_eq!(refused["ip_policy"]["decision"], "block");
    let file = refused["at"]["file"].as_str().expect("a file");
    assert!(file.ends_with("inner.yml"), "{file}");
    assert_eq!(refused["hops"], serde_json::json!(["tcp://device1.internal:22"]));
}

/// Two internal endpoints that forward to one another end at the hop limit.
#[test]
fn a_loop_of_forwards_ends() {
    let folder = Folder::new();
    let to = |host: &str| FORWARD.replace("device1.internal", host);
    folder.write("policy.yml", &to("a.internal"));
    folder.write("a.yml", &to("b.internal"));
    // An unconditional circle would be refused beforehand.
    let back =
        to("a.internal").replacen("- actions:", "- expressions: [conn.client_port > 0]\n    actions:", 1);
    folder.write("b.yml", &back);
    let internal = |name: &str| {
        format!(
            "  - url: tcp://{name}.internal:22\n    upstream: {{url: 1}}\n    traffic_policy_file: {name}.yml\n"
        )
    };
    let more = format!("{}{}events:", internal("a"), internal("b"));
    folder.write("edge.yml", &edge_yml(9, "limits: {max_hops: 7}\n").replace("events:", &more));
    let mut edge = Edge::start(folder);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"");
    let events = edge.wait_for_events(1);
    let object = &events[0]["object"];
    assert_eq!(object["reason"], "the chain of forwards is too long at tcp://b.internal:22");
    assert_eq!(object["hops"].as_array().map(Vec::len), Some(7));
}

/// Policies that forward to themselves in several ways are not tried in numbers that grow with every level.
#[test]
fn a_tree_of_forwards_ends_soon() {
    let folder = Folder::new();
    let forwards = "      - {type: forward-internal, config: {url: \"tcp://device1.internal:22\", on_error: continue}}\n";
    let policy = format!("on_tcp_connect:\n  - actions:\n{}", forwards.repeat(8));
    folder.write("policy.yml", &policy);
    let closed = ClosedPort::hold();
    let config = edge_yml(closed.address, "limits: {max_hops: 100}\n");
    let config = config.replace("}\nevents:", "}\n    traffic_policy_file: policy.yml\nevents:");
    folder.write("edge.yml", &config);
    let mut edge = Edge::start(folder);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"");
    assert_eq!(edge.event_of("127.0.0.1")["decision"], "error");
}

/// More clients than slots: the rest waits and is served when a slot is free; nothing is admitted twice.
#[test]
fn clients_beyond_the_limit_wait_their_turn() {
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(echo_device(), "limits: {max_connections: 1}\n"));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let address = edge.address("device1");
    let mut first = connect(address);
    std::io::Write::write_all(&mut first, b"x").expect("sent");
    let mut byte = [0; 1];
    first.read_exact(&mut byte).expect("echoed");

    let mut second = connect(address);
    std::io::Write::write_all(&mut second, b"y").expect("sent");
    let told = &edge.wait_for_events(1)[0];
    assert_eq!(told["event_type"], "connections_waiting.v0");
    let waiting = serde_json::json!({"endpoint": "device1", "open": 1, "limit": "limits.max_connections"});
    assert_eq!(told["object"], waiting);
    // Nothing of the second client can be served before the first is through: its event comes first.
    drop(first);
    second.read_exact(&mut byte).expect("now it is its turn");
    assert_eq!(&byte, b"y");
    let first = &edge.wait_for_events(2)[1]["object"]["conn"];
    drop(second);
    let second = &edge.wait_for_events(3)[2]["object"]["conn"];
    let time = |conn: &serde_json::Value, key: &str| conn[key].as_str().expect("a time").to_owned();
    assert!(time(second, "end_ts") >= time(first, "end_ts"));
}

/// Whoever is refused at full speed fills no disk, and nobody is left out.
#[test]
fn refusals_that_come_too_fast_are_counted() {
    const VISITS: usize = 300;
    let mut edge = Edge::in_front_of(echo_device(), "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    let address = edge.address("device1");
    for _ in 0..VISITS {
        assert_eq!(exchange(connect(address), b"?"), b"");
    }
    edge.signal("TERM");
    assert_eq!(edge.wait_for_exit().code(), Some(0));
    let events = edge.events();
    let (single, summaries): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| event["event_type"] == "tcp_connection_closed.v0");
    let counted: u64 = summaries
        .iter()
        .map(|event| {
            let object = &event["object"];
            assert_eq!(event["event_type"], "tcp_connections_refused.v0");
            assert_eq!((&object["endpoint"], &object["decision"]), (&"device1".into(), &"deny".into()));
            assert_eq!(object["top_sources"][0]["network"], "127.0.0.1/32");
            object["count"].as_u64().expect("a number")
        })
        .sum();
    assert_eq!(single.len() as u64 + counted, VISITS as u64);
    assert!(counted > 0, "{} events of their own", single.len());
}
