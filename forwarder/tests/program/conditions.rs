//! Conditions on live connections: what the edge knows, what it refuses to guess, what a reload changes.

use std::io::{Read, Write};

use crate::harness::lines::{Tells, count};
use crate::harness::{Edge, Folder, connect, echo_device, edge_yml, exchange, forwarder, rest_of};

fn guarded(expressions: &[&str]) -> String {
    let items: Vec<_> = expressions.iter().map(|text| format!("      - \"{text}\"\n")).collect();
    format!(
        "on_tcp_connect:\n  - name: guarded\n    expressions:\n{}    actions:\n      - type: forward-internal\n        \
         config: {{url: tcp://device1.internal:22}}\n  - actions: [{{type: deny}}]\n",
        items.concat()
    )
}

/// Every fact that an edge is said to know has a value there, of a connection that is really made.
#[test]
fn the_edge_knows_its_facts() {
    let policy = guarded(&[
        "conn.client_ip == '127.0.0.1' && conn.server_ip == '127.0.0.1'",
        "conn.client_port > 0 && conn.server_port > 0 && conn.client_port != conn.server_port",
        "endpoint.url == 'tcp://localhost:20022' && endpoint.addr == 'localhost:20022'",
        "endpoint.host == 'localhost' && endpoint.port == 20022 && endpoint.protocol == 'tcp'",
        "timestamp(time.now) - conn.ts.start >= duration('0s')",
        "timestamp(time.now) - conn.ts.start < duration('1h')",
        "rand.int(5, 5) == 5 && rand.double() < 1.0 && [rand.int(), rand.int()].all(x, x in [0, 1])",
    ]);
    let mut edge = Edge::in_front_of(echo_device(), &policy);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"hello");
    let event = &edge.wait_for_events(1)[0]["object"];
    assert_eq!(event["decision"], "forward", "{event}");
    assert_eq!(event["rule"], "guarded", "{event}");
}

/// A condition without a value admits nobody, and the event says which and why.
#[test]
fn a_condition_without_a_value_closes() {
    let policy = guarded(&["conn.client_port / (conn.client_port - conn.client_port) == 1"]);
    let mut edge = Edge::in_front_of(echo_device(), &policy);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"");
    let event = &edge.wait_for_events(1)[0]["object"];
    assert_eq!(event["decision"], "error", "{event}");
    assert_eq!(event["rule"], "guarded", "{event}");
    assert_eq!(event["at"]["line"], 4, "{event}");
    let reason = event["reason"].as_str().expect("a reason");
    assert!(reason.ends_with("(line 4) has no value: division by zero"), "{reason}");
    assert_eq!(event["conn"]["bytes_out"], 0, "{event}");
}

/// What needs data that this edge does not have is refused beforehand: such a rule would close every connection.
#[test]
fn an_edge_without_a_source_does_not_start() {
    for (expression, said) in [
        ("conn.geo.country_code == 'DE'", "error[TP603]: the policy reads `conn.geo.country_code` (line "),
        (
            "'com.github' in conn.client_ip.categories",
            "error[TP603]: the policy reads `conn.client_ip.categories` (line ",
        ),
        ("conn.tls.sni == 'a'", "error[TP209]: `conn.tls.sni` has no value on tcp endpoints"),
        ("secrets.get('a', 'b') == 'c'", "error[TP601]: `secrets.get` in an expression is not supported"),
        (
            "actions.ngrok.restrict_ips.action == 'deny'",
            "error[TP411]: `actions.ngrok.restrict_ips` has no value",
        ),
    ] {
        let folder = Folder::new();
        let config = folder.write("edge.yml", &edge_yml(1, ""));
        folder.write("policy.yml", &guarded(&[expression]));
        for (args, code) in [(&["edge", "--config"][..], 2), (&["check"], 1)] {
            let output = forwarder().args(args).arg(&config).output().expect("it runs");
            let text = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(code), "{expression}: {text}");
            assert!(text.contains(said), "{expression}: {text}");
            assert_eq!(count(&text, Tells::Listening), 0, "{expression}: {text}");
        }
    }
}

/// A reload revalidates open connections by the new conditions; random draws stay what they were.
#[test]
fn a_reload_judges_by_the_new_conditions() {
    let mut edge =
        Edge::in_front_of(echo_device(), &guarded(&["conn.client_port > 0", "rand.int(0, 1000000) >= 0"]));
    let address = edge.address("device1");
    let mut client = connect(address);
    client.write_all(b"hello").expect("open");
    let mut heard = [0; 5];
    client.read_exact(&mut heard).expect("admitted");
    // The same decision again: the connection stays.
    edge.folder.write("policy.yml", &guarded(&["conn.client_port > 1", "rand.int(0, 1000000) >= 0"]));
    edge.signal("HUP");
    edge.wait_for(Tells::Reloaded);
    client.write_all(b"again").expect("open");
    client.read_exact(&mut heard).expect("still admitted");
    edge.folder.write("policy.yml", &guarded(&["conn.client_ip != '127.0.0.1'"]));
    edge.signal("HUP");
    edge.wait_for(Tells::Reloaded);
    assert_eq!(rest_of(&client), b"");
    assert_eq!(edge.event_of("127.0.0.1")["end"], "the new policy refuses it");
    assert_eq!(exchange(connect(address), b"hello"), b"");
}

/// Variables, rendered entries, targets and metadata are those of each connection.
#[test]
fn values_of_a_connection_decide_and_are_logged() {
    let policy = "on_tcp_connect:
  - actions:
      - type: set-vars
        config: {vars: [{site: \"${conn.client_ip == '127.0.0.1' ? 'device1' : 'nowhere'}\"}]}
      - type: log
        config: {metadata: {site: \"${vars.site}\", port: \"${conn.client_port > 0}\", bad: \"${1 / (endpoint.port - 20022)}\"}}
      - type: restrict-ips
        config: {allow: [\"${conn.server_ip}/32\"]}
      - type: forward-internal
        config: {url: \"tcp://${vars.site}.internal:22\"}
";
    let mut edge = Edge::in_front_of(echo_device(), policy);
    assert_eq!(exchange(connect(edge.address("device1")), b"hello"), b"hello");
    let event = &edge.wait_for_events(1)[0]["object"];
    assert_eq!(event["decision"], "forward", "{event}");
    let logs = serde_json::json!([
        {"metadata": {"site": "device1", "port": true, "bad": "no value: division by zero"}}
    ]);
    assert_eq!(event["traffic_policy"]["logs"], logs);
    let reason = event["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("127.0.0.1 is in the allow entry 127.0.0.1/32, which an expression gave"),
        "{reason}"
    );
}
