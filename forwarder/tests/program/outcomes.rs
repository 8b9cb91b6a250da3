//! The live edge and a scripted host give the same outcomes.

use std::net::Ipv4Addr;

use policy_core::check::load_policy;
use policy_core::compile::{CompileLimits, Program, compile};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;
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
    let mut expected = Vec::new();
    for (policy, address) in POLICIES.iter().zip(&addresses) {
        let program = program(policy);
        for &source in &sources {
            let heard = exchange(connect_from(source, *address), b"hello");
            let outcome = scripted(&program, source);
            let admitted = matches!(outcome, Outcome::Forwarded { .. });
            assert_eq!(heard, if admitted { &b"hello"[..] } else { b"" }, "{policy} from {source}");
            // An edge endpoint has no upstream: what falls through is closed as an error.
            expected.push(match outcome {
                Outcome::Upstream => "error",
                outcome => outcome.name(),
            });
        }
    }
    let events = edge.wait_for_events(expected.len());
    let mut found: Vec<_> = events
        .iter()
        .map(|event| {
            let object = &event["object"];
            let key = (object["endpoint"].as_str(), object["conn"]["client_ip"].as_str());
            (key, object["decision"].as_str().expect("a decision"))
        })
        .collect();
    // Events are written as connections end, not as they begin.
    let number = |(endpoint, source): (Option<&str>, Option<&str>)| {
        let endpoint: usize =
            endpoint.and_then(|name| name.get(1..)).and_then(|it| it.parse().ok()).expect("a name");
        (endpoint, source.map(ToOwned::to_owned))
    };
    found.sort_by_key(|&(key, _)| number(key));
    assert_eq!(found.into_iter().map(|(_, decision)| decision).collect::<Vec<_>>(), expected);
}

fn program(policy: &str) -> Program {
    let (checked, found) = load_policy(&Source::new("p.yml", policy));
    let checked = checked.unwrap_or_else(|| panic!("{found:?}"));
    compile(&checked, &CompileLimits::default()).expect("small")
}

fn scripted(program: &Program, source: Ipv4Addr) -> Outcome {
    let facts = Facts::new(source.into());
    program.on_tcp_connect(&facts).run(|effect, run| match effect {
        Effect::Forward(id) => match run.target(id).expect("its own id").host() {
            "up.internal" => Reply::Forwarded,
            "down.internal" => Reply::ForwardFailed(ForwardFailure::UpstreamUnreachable),
            _ => Reply::ForwardFailed(ForwardFailure::Offline),
        },
        _ => Reply::Logged,
    })
}
