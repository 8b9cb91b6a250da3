//! What an edge has written is decided again as it was: every decision, rule and reason, also those of targets.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::Value;

use crate::beside::policy_beside;
use crate::harness::{ClosedPort, Edge, Folder, connect_from, echo_device, exchange, forwarder};

/// Replays the events of an edge against its own configuration: nothing changes and nothing is left out.
pub(crate) fn assert_same_again(edge: &Edge, events: usize) {
    let policy = policy_beside(forwarder().get_program().as_ref());
    let output = Command::new(policy)
        .args(["replay", "edge.yml", "--log", "events.jsonl", "--format", "json", "--fail-on", "any"])
        .current_dir(edge.folder.path(""))
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (what, count) in [("decided", events), ("same", events), ("lines", events)] {
        assert_eq!(report[what], count, "{what}: {shown}");
    }
    for what in ["other_reason", "undecided", "unreadable", "skipped"] {
        assert_eq!(report[what]["count"], 0, "{what}: {shown}");
    }
}

#[test]
fn targets_own_policies_decide_again_as_they_did() {
    let folder = Folder::new();
    let closed = ClosedPort::hold();
    folder.write(
        "edge.yml",
        &format!(
            "version: 1
endpoints:
- name: ssh
  url: tcp://edge.example.com:20022
  listen: 127.0.0.1:0
  traffic_policy:
    on_tcp_connect:
    - name: not here
      expressions: [\"conn.client_ip == '127.0.0.5'\"]
      actions: [{{type: close-connection}}]
    - name: way
      actions:
      - {{type: forward-internal, config: {{url: 'tcp://gate.internal:22', on_error: continue}}}}
      - {{type: forward-internal, config: {{url: 'tcp://spare.internal:22'}}}}
internal_endpoints:
- url: tcp://gate.internal:22
  upstream: {{url: \"{device}\"}}
  traffic_policy:
    on_tcp_connect:
    - name: list
      actions: [{{type: restrict-ips, config: {{deny: [127.0.0.2/32], allow: [127.0.0.0/8]}}}}]
    - name: elsewhere
      expressions: [\"conn.client_ip == '127.0.0.3'\"]
      actions: [{{type: forward-internal, config: {{url: 'tcp://none.internal:22'}}}}]
    - name: broken
      expressions: [\"conn.client_ip == '127.0.0.4'\"]
      actions: [{{type: forward-internal, config: {{url: 'tcp://down.internal:22', on_error: continue}}}}, {{type: deny}}]
    - name: dead
      expressions: [\"conn.client_ip == '127.0.0.6'\"]
      actions: [{{type: forward-internal, config: {{url: 'tcp://down.internal:22'}}}}]
- {{url: 'tcp://down.internal:22', upstream: {{url: \"{down}\"}}}}
- {{url: 'tcp://spare.internal:22', upstream: {{url: \"{device}\"}}}}
events: [{{type: file, path: events.jsonl}}]
",
            device = echo_device(),
            down = closed.address,
        ),
    );
    let mut edge = Edge::start(folder);
    let address = edge.address("ssh");
    let sources: Vec<_> = (1..=6).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    for source in &sources {
        exchange(connect_from(*source, address), b"hello");
    }
    let events = edge.wait_for_events(sources.len());
    let decisions: Vec<_> = events.iter().map(|event| event["object"]["decision"].to_string()).collect();
    for kind in ["forward", "deny", "close", "error"] {
        assert!(decisions.contains(&format!("\"{kind}\"")), "{kind}: {decisions:?}");
    }
    assert!(
        events.iter().any(|event| event["object"]["failed_forwards"][0]["error_code"] == "ERR_NGROK_3210")
    );
    assert_same_again(&edge, events.len());
}
