//! The live edge and a scripted host give the same outcomes.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::outcome::{Outcome, OutcomeKind};
use policy_core::source::Source;

use crate::harness::{ClosedPort, Edge, Folder, connect_from, echo_device, exchange};

/// Policies that reach every way to end; each runs live and scripted from several addresses.
const POLICIES: &[&str] = &[
    "on_tcp_connect:\n- actions: [{type: deny}]\n",
    "on_tcp_connect:\n- actions: [{type: close-connection}]\n",
    "on_tcp_connect:\n- actions: [{type: log, config: {metadata: {a: 1}}}]\n",
    "on_tcp_connect:\n- actions: [{type: forward-internal, config: {url: tcp://up.internal:1}}]\n",
    "on_tcp_connect:\n- actions: [{type: forward-internal, config: {url: tcp://down.internal:1}}]\n",
    "on_tcp_connect:\n- actions: [{type: forward-internal, config: {url: tcp://none.internal:1}}]\n",
    "on_tcp_connect:\n- actions:\n  - {type: forward-internal, config: {url: tcp://down.internal:1, on_error: continue}}\n  - {type: forward-internal, config: {url: tcp://up.internal:1}}\n",
    "on_tcp_connect:\n- actions:\n  - {type: forward-internal, config: {url: tcp://down.internal:1, on_error: continue}}\n",
    "on_tcp_connect:\n- actions:\n  - {type: restrict-ips, config: {allow: [127.0.0.0/30], deny: [127.0.0.2/32]}}\n  - {type: forward-internal, config: {url: tcp://up.internal:1}}\n",
    "on_tcp_connect:\n- actions:\n  - {type: restrict-ips, config: {enforce: false, allow: [127.0.0.1/32]}}\n  - {type: forward-internal, config: {url: tcp://up.internal:1}}\n",
    "on_tcp_connect:\n- actions:\n  - {type: restrict-ips, config: {allow: [127.0.0.2/31]}}\n- name: second\n  actions:\n  - {type: restrict-ips, config: {allow: [0.0.0.0/0], deny: [127.0.0.3/32]}}\n  - {type: forward-internal, config: {url: tcp://up.internal:1}}\n",
    "on_tcp_connect:\n- expressions: [\"conn.client_ip in ['127.0.0.1', '127.0.0.3']\"]\n  actions: [{type: forward-internal, config: {url: tcp://up.internal:1}}]\n- actions: [{type: deny}]\n",
    "on_tcp_connect:\n- name: guarded\n  expressions:\n  - inCidrRange(conn.client_ip, '127.0.0.0/30')\n  - 4 / (int(conn.client_ip.substring(8)) - 3) > -3\n  actions: [{type: forward-internal, config: {url: tcp://up.internal:1}}]\n- name: rest\n  actions: [{type: close-connection}]\n",
    "on_tcp_connect:\n- expressions: [\"4 / (int(conn.client_ip.substring(8)) - 3) > 0 || conn.client_ip == '127.0.0.3'\"]\n  actions: [{type: forward-internal, config: {url: tcp://up.internal:1}}]\n- expressions: [\"conn.client_ip.matches('[.]1$')\"]\n  actions: [{type: log, config: {metadata: {a: 1}}}]\n",
];

#[test]
fn live_and_scripted_agree() {
    let folder = Folder::new();
    let closed = ClosedPort::hold();
    let mut config = "version: 1\nendpoints:\n".to_owned();
    for (number, policy) in POLICIES.iter().enumerate() {
        folder.write(&format!("{number}.yml"), policy);
        config.push_str(&format!(
            "  - {{name: p{number}, url: \"tcp://e:{}\", listen: \"127.0.0.1:0\", traffic_policy_file: {number}.yml}}\n",
            number + 1
        ));
    }
    config.push_str(&format!(
        "internal_endpoints:\n  - {{url: \"tcp://up.internal:1\", upstream: {{url: \"{}\"}}}}\n  \
         - {{url: \"tcp://down.internal:1\", upstream: {{url: \"{}\"}}}}\n\
         events: [{{type: file, path: events.jsonl}}]\n",
        echo_device(),
        closed.address,
    ));
    folder.write("edge.yml", &config);
    let mut edge = Edge::start(folder);
    let addresses: Vec<_> = (0..POLICIES.len()).map(|number| edge.address(&format!("p{number}"))).collect();

    let sources: Vec<_> = (1..=4).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    let mut expected = HashMap::new();
    for (policy, address) in POLICIES.iter().zip(&addresses) {
        let program = program(policy);
        for &source in &sources {
            let heard = exchange(connect_from(source, *address), b"hello");
            let scripted = Scripted::run(&program, source);
            let admitted = scripted.decision == OutcomeKind::Forward;
            assert_eq!(heard, if admitted { &b"hello"[..] } else { b"" }, "{policy} from {source}");
            expected.insert((address.port(), source.to_string()), scripted);
        }
    }
    let events = edge.wait_for_events(expected.len());
    assert_eq!(events.len(), expected.len());
    for event in events {
        let object = &event["object"];
        let conn = &object["conn"];
        let port = conn["server_port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let client = conn["client_ip"].as_str().expect("an address").to_owned();
        let scripted = &expected[&(port, client)];
        assert_eq!(object["decision"], scripted.decision.name(), "{object}");
        assert_eq!(object["rule"].as_str(), scripted.rule.as_deref(), "{object}");
        assert_eq!(object["at"]["line"].as_u64(), scripted.line.map(u64::from), "{object}");
        assert_eq!(object["target"].as_str(), scripted.target.as_deref(), "{object}");
        // The edge adds details that only it can know, such as the error of a dial.
        let reason = object["reason"].as_str().expect("a reason");
        assert!(reason.starts_with(&scripted.reason), "{object}\n{}", scripted.reason);
        assert_eq!(object["policy_sha256"].as_str(), Some(&*scripted.policy_sha256), "{object}");
    }
}

/// What a scripted host finds out.
struct Scripted {
    decision: OutcomeKind,
    rule: Option<String>,
    line: Option<u32>,
    target: Option<String>,
    reason: String,
    policy_sha256: String,
}

impl Scripted {
    fn run(program: &Program, source: Ipv4Addr) -> Self {
        let facts = Facts::new(source.into());
        let mut run = program.on_tcp_connect(&facts);
        let outcome = run.run(|effect, run| match effect {
            Effect::Forward(id) => match run.target(id).expect("its own id").host() {
                "up.internal" => Reply::Forwarded,
                "down.internal" => Reply::ForwardFailed(ForwardFailure::UpstreamUnreachable),
                _ => Reply::ForwardFailed(ForwardFailure::Offline),
            },
            _ => Reply::Logged,
        });
        let action = outcome.by().and_then(|by| program.action(by));
        let condition = run.failed_condition().map(|(condition, _)| condition);
        let rule = action.and_then(|action| action.rule()).or(condition.and_then(|it| it.rule()));
        let position = action.map(|action| action.position()).or(condition.map(|it| it.position()));
        let target = match outcome {
            Outcome::Forwarded { target, .. } => run.target(target).map(ToString::to_string),
            _ => None,
        };
        Self {
            // An edge endpoint has no upstream: what falls through is closed as an error.
            decision: if outcome == Outcome::Upstream { OutcomeKind::Error } else { outcome.kind() },
            rule: rule.and_then(|rule| rule.name()).map(ToOwned::to_owned),
            line: position.map(|position| position.line),
            target,
            reason: run.reason().to_string(),
            policy_sha256: program.policy_sha256().to_string(),
        }
    }
}

fn program(policy: &str) -> Program {
    let (checked, found) = load_policy(&Source::new("p.yml", policy), &CheckOptions::default());
    let checked = checked.unwrap_or_else(|| panic!("{found:?}"));
    compile(&checked, &CompileOptions::default()).expect("small")
}
