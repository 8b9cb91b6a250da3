//! The live edge and a scripted host give the same outcomes, for policies that were thought of and for any others.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::outcome::{Outcome, OutcomeKind};
use policy_core::source::Source;
use policy_core::url::EndpointUrl;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::harness::{ClosedPort, Edge, Folder, connect_from, echo_device, exchange};
use crate::replay::assert_same_again;

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

/// Policies of random rules, beside those above.
const RANDOM: usize = 48;

/// A policy of conditions on the connection, and of everything that an edge runs.
fn policy_text() -> impl Strategy<Value = String> {
    let condition = prop::sample::select(vec![
        "conn.client_ip in ['127.0.0.1', '127.0.0.4']",
        "conn.client_ip.endsWith('2') || conn.client_ip.endsWith('3')",
        "inCidrRange(conn.client_ip, '127.0.0.2/31')",
        "!inCidrRange(conn.client_ip, '127.0.0.4/32')",
        "4 / (int(conn.client_ip.substring(8)) - 3) > -3",
        "endpoint.host == 'e'",
        "has(vars.a) && vars.a == '127.0.0.2'",
        "has(actions.ngrok.restrict_ips) && actions.ngrok.restrict_ips.action == 'deny'",
        "has(actions.ngrok.forward_internal) && actions.ngrok.forward_internal.url.contains('down')",
    ]);
    let network = "127\\.0\\.0\\.[0-7]/(29|3[0-2])";
    let list = || prop::collection::vec(network, 0..4).prop_map(|networks| networks.join(", "));
    let restrict = (any::<bool>(), list(), list()).prop_map(|(enforce, allow, deny)| {
        format!("{{type: restrict-ips, config: {{enforce: {enforce}, allow: [{allow}], deny: [{deny}]}}}}")
    });
    let host =
        prop::sample::select(vec!["up", "up", "down", "none", "${vars.a == '127.0.0.1' ? 'up' : 'down'}"]);
    let forward = (host, prop::sample::select(vec!["halt", "continue", "continue"]))
        .prop_map(|(host, on_error)| format!("{{type: forward-internal, config: {{url: \"tcp://{host}.internal:1\", on_error: {on_error}}}}}"));
    let other = prop::sample::select(vec![
        "{type: deny}",
        "{type: close-connection}",
        "{type: log, config: {metadata: {from: \"${conn.client_ip}\", b: [1, \"${5 / (int(conn.client_ip.substring(8)) - 2)}\"]}}}",
        "{type: log, config: {metadata: {a: 1}}}",
        "{type: set-vars, config: {vars: [{a: \"${conn.client_ip}\"}]}}",
    ]);
    let action = prop_oneof![3 => restrict, 4 => forward, 3 => other.prop_map(ToOwned::to_owned)];
    let rule = (prop::collection::vec(condition, 0..3), prop::collection::vec(action, 1..4));
    prop::collection::vec(rule, 1..5).prop_map(|rules| {
        let mut text = "on_tcp_connect:\n".to_owned();
        for (number, (conditions, actions)) in rules.into_iter().enumerate() {
            let conditions: Vec<_> = conditions.iter().map(|it| format!("\"{it}\"")).collect();
            text.push_str(&format!(
                "- name: r{number}\n  expressions: [{}]\n  actions:\n",
                conditions.join(", ")
            ));
            actions.iter().for_each(|action| text.push_str(&format!("  - {action}\n")));
        }
        text
    })
}

/// Those above, and random ones that compile.
fn policies() -> Vec<String> {
    let mut runner = TestRunner::default();
    let mut all: Vec<_> = POLICIES.iter().map(|text| (*text).to_owned()).collect();
    while all.len() < POLICIES.len() + RANDOM {
        let text = policy_text().new_tree(&mut runner).expect("a policy").current();
        // Lists that allow nobody, and actions behind one that ends.
        if load_policy(&Source::new("p.yml", text.clone()), &CheckOptions::default()).0.is_some() {
            all.push(text);
        }
    }
    all
}

#[test]
fn live_and_scripted_agree() {
    let folder = Folder::new();
    let closed = ClosedPort::hold();
    let policies = policies();
    let mut config = "version: 1\nendpoints:\n".to_owned();
    for (number, policy) in policies.iter().enumerate() {
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
    let addresses: Vec<_> = (0..policies.len()).map(|number| edge.address(&format!("p{number}"))).collect();

    let sources: Vec<_> = (1..=4).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    let mut expected = HashMap::new();
    for (policy, address) in policies.iter().zip(&addresses) {
        let program = program(policy);
        let number = expected.len() / sources.len() + 1;
        let endpoint = EndpointUrl::parse(&format!("tcp://e:{number}")).expect("a URL");
        for &source in &sources {
            let heard = exchange(connect_from(source, *address), b"hello");
            let scripted = Scripted::run(&program, policy, source, &endpoint);
            let admitted = scripted.decision == OutcomeKind::Forward;
            assert_eq!(heard, if admitted { &b"hello"[..] } else { b"" }, "{policy} from {source}");
            expected.insert((address.port(), source.to_string()), scripted);
        }
    }
    let events = edge.wait_for_events(expected.len());
    assert_eq!(events.len(), expected.len());
    assert_same_again(&edge, events.len());
    for event in events {
        let object = &event["object"];
        let conn = &object["conn"];
        let port = conn["server_port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let client = conn["client_ip"].as_str().expect("an address").to_owned();
        let scripted = &expected[&(port, client)];
        assert_eq!(object["decision"], scripted.decision.name(), "{}\n{object}", scripted.policy);
        assert_eq!(object["rule"].as_str(), scripted.rule.as_deref(), "{object}");
        assert_eq!(object["at"]["line"].as_u64(), scripted.line.map(u64::from), "{object}");
        assert_eq!(object["target"].as_str(), scripted.target.as_deref(), "{object}");
        // The edge adds details that only it can know, such as the error of a dial.
        let reason = object["reason"].as_str().expect("a reason");
        assert!(reason.starts_with(&scripted.reason), "{object}\n{}", scripted.reason);
        assert_eq!(object["traffic_policy"]["logs"], scripted.logs, "{object}");
        assert_eq!(object["policy_sha256"].as_str(), Some(&*scripted.policy_sha256), "{object}");
    }
}

/// What a scripted host finds out.
struct Scripted {
    policy: String,
    decision: OutcomeKind,
    rule: Option<String>,
    line: Option<u32>,
    target: Option<String>,
    reason: String,
    /// As they stand in the event.
    logs: serde_json::Value,
    policy_sha256: String,
}

impl Scripted {
    fn run(program: &Program, policy: &str, source: Ipv4Addr, endpoint: &EndpointUrl) -> Self {
        let facts = Facts::new(source.into()).at_endpoint(endpoint);
        let mut run = program.on_tcp_connect(&facts);
        let mut logs = Vec::new();
        let outcome = run.run(|effect, run| match effect {
            Effect::Log(id) => {
                logs.push(json!({ "metadata": **run.log(id).expect("its own id") }));
                Reply::Logged
            }
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
            policy: policy.to_owned(),
            // An edge endpoint has no upstream: what falls through is closed as an error.
            decision: if outcome == Outcome::Upstream { OutcomeKind::Error } else { outcome.kind() },
            rule: rule.and_then(|rule| rule.name()).map(ToOwned::to_owned),
            line: position.map(|position| position.line),
            target,
            reason: run.reason().to_string(),
            logs: logs.into(),
            policy_sha256: program.policy_sha256().to_string(),
        }
    }
}

fn program(policy: &str) -> Program {
    let (checked, found) = load_policy(&Source::new("p.yml", policy), &CheckOptions::default());
    let checked = checked.unwrap_or_else(|| panic!("{found:?}"));
    compile(&checked, &CompileOptions::default()).expect("small")
}
