//! What cannot be reached: the client is let go in time, and the event says why.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::lines::Tells;
use crate::harness::{ClosedPort, Edge, Folder, Unanswering, connect, echo_device, exchange, rest_of};
use crate::site::Site;

/// Of edge and agents.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

struct Way {
    name: &'static str,
    target: &'static str,
}

const WAYS: [Way; 7] = [
    Way { name: "refused", target: "refused.internal" },
    Way { name: "silent", target: "silent.internal" },
    Way { name: "nobody", target: "nobody.internal" },
    Way { name: "agent-refused", target: "agent-refused.internal" },
    Way { name: "agent-silent", target: "agent-silent.internal" },
    Way { name: "agent-killed", target: "agent-killed.internal" },
    Way { name: "agent-stopped", target: "agent-stopped.internal" },
];

/// What the event of an endpoint's one connection says: how it was decided, and how it ended.
fn said(edge: &Edge, endpoint: &str) -> String {
    let of = |event: &Value| event["object"]["endpoint"] == endpoint;
    let event = crate::harness::wait_until(endpoint, || edge.events().into_iter().find(of));
    let text = |name: &str| event["object"][name].as_str().unwrap_or_default().to_owned();
    format!("{}: {}; {}", text("decision"), text("reason"), text("end"))
}

#[test]
fn whoever_cannot_be_served_is_let_go_in_time_and_is_told_apart() {
    let (closed, silent, folder) = (ClosedPort::hold(), Unanswering::hold(), Folder::new());
    let mut endpoints = String::new();
    for Way { name, target } in &WAYS {
        let policy = format!(
            "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"tcp://{target}:22\"}}}}]}}]\n"
        );
        folder.write(&format!("{name}.yml"), &policy);
        endpoints.push_str(&format!("  - {{name: {name}, url: \"tcp://localhost:20022\", listen: \"127.0.0.1:0\", traffic_policy_file: {name}.yml}}\n"));
    }
    folder.write(
        "edge.yml",
        &format!(
            "version: 1
agents: {{listen: \"127.0.0.1:0\", names: [localhost]}}
limits: {{connect_timeout: 1s}}
endpoints:
{endpoints}internal_endpoints:
  - {{url: \"tcp://refused.internal:22\", upstream: {{url: \"{}\"}}}}
  - {{url: \"tcp://silent.internal:22\", upstream: {{url: \"{}\"}}}}
events: [{{type: file, path: events.jsonl}}]
",
            closed.address, silent.address
        ),
    );
    let mut edge = Edge::start(folder);
    let addresses = WAYS.map(|way| edge.address(way.name));
    let agents = edge.agents_address();
    edge.wait_for_admin();
    let site = Site { edge, agents, public: addresses[0] };
    let token = site.token(&[]);
    let start = |upstream: &str, name: &str| {
        let config = format!(
            "version: 3
agent: {{connect_url: \"localhost:{}\", connect_cas: \"{}\", web_addr: false, log: stderr, connect_timeout: 1s, metadata: {name}}}
endpoints: [{{name: device, url: \"tcp://{name}.internal:22\", upstream: {{url: \"{upstream}\"}}}}]
",
            site.agents.port(),
            site.edge.folder.path("state/ca/ca.pem").display()
        );
        let config = site.edge.folder.write(&format!("{name}-agent.yml"), &config);
        let mut command = crate::harness::forwarder();
        command.args(["agent", "start", "--all", "--config"]).arg(config);
        let agent = crate::site::Agent::start(command, &token);
        agent.wait_for(Tells::Online);
        agent
    };
    let _refused = start(&closed.address.to_string(), "agent-refused");
    let _silent = start(&silent.address.to_string(), "agent-silent");
    let killed = start(&echo_device().to_string(), "agent-killed");
    let open = |at: usize| {
        let mut open = connect(addresses[at]);
        open.write_all(b"?").expect("taken");
        open.read_exact(&mut [0]).expect("answered");
        open
    };
    let through_killed = open(5);
    drop(killed);
    assert_eq!(rest_of(&through_killed), b"");
    let _stopped = start(&echo_device().to_string(), "agent-stopped");
    let through_stopped = open(6);
    let session =
        site.list("session").into_iter().find(|it| it["metadata"] == "agent-stopped").expect("its session");
    site.admin(&["session", "stop", session["id"].as_str().expect("an id")]);
    assert_eq!(rest_of(&through_stopped), b"");
    for (way, address) in WAYS.iter().zip(addresses).take(5) {
        let begun = Instant::now();
        assert!(exchange(connect(address), b"anybody?").is_empty(), "{}", way.name);
        println!("{} is let go after {:?}", way.name, begun.elapsed());
        // Not of the essence how much later: a machine may be busy.
        assert!(begun.elapsed() < 20 * CONNECT_TIMEOUT, "{} hangs", way.name);
    }
    let said = WAYS.map(|way| said(&site.edge, way.name));
    said.iter().for_each(|said| println!("{said}"));
    for (at, one) in said.iter().enumerate() {
        assert!(!said[..at].contains(one), "`{one}` is said of two");
    }
    for (said, part) in said.iter().zip([
        "refused",
        "no answer in time",
        "offline",
        "the upstream failed: connection refused",
        "the upstream failed: timed out",
        "its endpoint went offline: the connection was closed",
        "its endpoint went offline: its agent ended the session: the agent stops",
    ]) {
        assert!(said.contains(part), "`{said}` says nothing of `{part}`");
    }
}
