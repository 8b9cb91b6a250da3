//! Values that are known for one connection only: variables, results, rendered entries, targets and metadata.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::evaluate::{Evaluation, Mode, Recording};
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::{Facts, GivenFacts};
use policy_core::ip_policies::load_ip_policies;
use policy_core::outcome::Outcome;
use policy_core::source::Source;

fn program(rules: &str) -> Program {
    let (checked, found) = load_policy(&Source::new("p.yml", rules), &CheckOptions::default());
    let checked = checked.unwrap_or_else(|| panic!("{found:?}"));
    compile(&checked, &CompileOptions::default()).unwrap_or_else(|found| panic!("{found:?}"))
}

/// What happens to a client, in words: the outcome, the targets that were asked for, what was logged.
fn drive<M: Mode>(mut run: Evaluation<'_, M>) -> String {
    let mut said = Vec::new();
    let outcome = run.run(|effect, run| match effect {
        Effect::Forward(id) => {
            let target = run.target(id).expect("its own id").to_string();
            let failed = target.contains("offline");
            said.push(target);
            if failed { Reply::ForwardFailed(ForwardFailure::Offline) } else { Reply::Forwarded }
        }
        Effect::Log(id) => {
            said.push(serde_json::to_string(&**run.log(id).expect("its own id")).expect("plain"));
            Reply::Logged
        }
        _ => panic!("{effect:?}"),
    });
    if let Outcome::Forwarded { target, .. } = outcome {
        assert_eq!(run.target(target).map(ToString::to_string).as_ref(), said.last());
    }
    said.push(outcome.name().to_owned());
    if outcome.name() == "error" {
        said.push(run.reason().to_string());
    }
    said.join(" | ")
}

/// The same traced and untraced, which is the point.
fn decide(rules: &str, ip: &str) -> String {
    let program = program(rules);
    let mut given = GivenFacts::default();
    given.set("conn.client_port", "7").expect("a port");
    let facts = Facts::new(ip.parse().expect("an address")).with(&given);
    let untraced = drive(program.on_tcp_connect(&facts));
    assert_eq!(untraced, drive(program.on_tcp_connect_traced(&facts, Recording::default())), "{rules}");
    untraced
}

#[test]
fn variables_are_set_in_order_and_decide() {
    let rules = r#"
on_tcp_connect:
- actions:
  - type: set-vars
    config:
      vars:
      - port: "${conn.client_port}"
      - next: "${vars.port + 1}"
      - name: "n${vars.next}"
      - port: 9
      - all: {list: ["${vars.name}", 2], port: "${vars.port}"}
- expressions: ["vars.all.list[0] == 'n8' && vars.all.port == 9 && vars.next == 8"]
  actions: [{type: forward-internal, config: {url: "tcp://${vars.name}.internal:22"}}]
"#;
    assert_eq!(decide(rules, "10.0.0.1"), "tcp://n8.internal:22 | forward");
    let fails = r#"
on_tcp_connect:
- actions:
  - {type: set-vars, config: {vars: [{a: "${conn.client_port / (conn.client_port - 7)}"}]}}
  - {type: forward-internal, config: {url: "tcp://a.internal:22"}}
"#;
    let reason = "error | `conn.client_port / (conn.client_port - 7)` in `set-vars` (line 4) has no value: division by zero";
    assert_eq!(decide(fails, "10.0.0.1"), reason);
}

#[test]
fn entries_are_rendered_all_of_them_before_the_verdict() {
    let rules = |allow: &str, deny: &str| {
        format!(
            r#"
on_tcp_connect:
- actions:
  - {{type: set-vars, config: {{vars: [{{net: "${{conn.client_ip == '10.9.9.9' ? '10.0.0.0/8' : '192.0.2.0/24'}}"}}]}}}}
  - {{type: restrict-ips, config: {{allow: [{allow}], deny: [{deny}]}}}}
  - {{type: forward-internal, config: {{url: "tcp://a.internal:22"}}}}
"#
        )
    };
    let go = "tcp://a.internal:22 | forward";
    let allow = rules("\"${vars.net}\", \"2001:db8::/32\"", "");
    assert_eq!(decide(&allow, "10.9.9.9"), go);
    assert_eq!(decide(&allow, "10.9.9.8"), "deny");
    assert_eq!(decide(&allow, "2001:db8::1"), go);
    let deny = rules("0.0.0.0/0, \"::/0\"", "\"${vars.net}\"");
    assert_eq!(decide(&deny, "10.9.9.9"), "deny");
    assert_eq!(decide(&deny, "10.9.9.8"), go);
    // A bare address, and what is no network even where another entry has decided.
    assert_eq!(decide(&rules("\"${conn.client_ip}\"", ""), "10.9.9.8"), go);
    let bad = rules("0.0.0.0/0, \"::/0\"", "0.0.0.0/0, \"${vars.net + 'x'}\"");
    let said = "error | `restrict-ips` (line 5): `192.0.2.0/24x` is not a network: the prefix length is not a whole number";
    assert_eq!(decide(&bad, "10.9.9.8"), said);
    // What would be refused as it is written is refused as it is rendered.
    for (entry, why) in [
        ("${' ' + vars.net}", "the part before the slash is not an IPv4 or IPv6 address"),
        ("${vars.net + ' '}", "the prefix length is not a whole number"),
        ("10.0.0.0/0${conn.client_port - 7 + 8}", "the prefix length begins with a zero"),
        ("${''}", "it is empty"),
    ] {
        let decision = decide(&rules(&format!("0.0.0.0/0, \"{entry}\""), ""), "10.9.9.8");
        assert!(decision.starts_with("error") && decision.ends_with(why), "{entry}: {decision}");
    }
}

#[test]
fn targets_are_internal_or_nothing() {
    let rule = |url: &str| {
        format!(
            "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: \"{url}\", on_error: continue}}}}, {{type: deny}}]}}]"
        )
    };
    assert_eq!(
        decide(&rule("tcp://d${conn.client_port}.internal:22"), "10.0.0.1"),
        "tcp://d7.internal:22 | forward"
    );
    assert_eq!(
        decide(&rule("tcp://${'offline'}.internal:22"), "10.0.0.1"),
        "tcp://offline.internal:22 | deny",
        "it continues after a failure"
    );
    for (url, why) in [
        ("tcp://a.${'example.com'}:22", "`tcp://a.example.com:22` is not an internal endpoint"),
        ("tcp://${'*'}.internal:22", "`tcp://*.internal:22` is not an internal endpoint"),
        ("${'tcp://a.internal'}", "`tcp://a.internal` has no port"),
    ] {
        let said = decide(&rule(url), "10.0.0.1");
        assert_eq!(said, format!("error | `forward-internal` (line 1): {why}"));
    }
}

#[test]
fn results_are_left_behind_and_asked_for() {
    let rules = r#"
on_tcp_connect:
- expressions: ["has(actions.ngrok.restrict_ips)"]
  actions: [{type: close-connection}]
- actions: [{type: restrict-ips, config: {enforce: false, allow: [10.0.0.0/8, 10.1.0.0/16, "::/0"], deny: [10.2.0.0/16]}}]
- actions:
  - type: log
    config:
      metadata:
        did: "${actions.ngrok.restrict_ips.action} ${actions.ngrok.restrict_ips.matched_cidr} ${actions.ngrok.restrict_ips.error.code}"
  - {type: forward-internal, config: {url: "tcp://offline.internal:22", on_error: continue}}
- expressions: ["actions.ngrok.forward_internal.error.code == 'ERR_NGROK_3200'", "actions.ngrok.log.metadata.did.startsWith('deny')"]
  actions: [{type: deny}]
- actions: [{type: forward-internal, config: {url: "tcp://b.internal:22"}}]
"#;
    let (offline, b) = ("tcp://offline.internal:22", "tcp://b.internal:22 | forward");
    assert_eq!(decide(rules, "10.1.0.1"), format!("{{\"did\":\"allow 10.1.0.0/16 \"}} | {offline} | {b}"));
    let denied = format!("{{\"did\":\"deny 10.2.0.0/16 ERR_NGROK_3203\"}} | {offline} | deny");
    assert_eq!(decide(rules, "10.2.0.1"), denied);
    let nothing = format!("{{\"did\":\"deny  ERR_NGROK_3203\"}} | {offline} | deny");
    assert_eq!(decide(rules, "192.0.2.1"), nothing);
}

#[test]
fn logged_values_keep_their_types_and_faults_stand_in_their_place() {
    let rules = r#"
on_tcp_connect:
- actions: [{type: log, config: {metadata: {n: "${1 + 1}", l: ["${[1, 'a']}", "x ${{'k': 1}}"], bad: "${1 / (conn.client_port - 7)}"}}}]
"#;
    let said = r#"{"n":2,"l":[[1,"a"],"x {\"k\":1}"],"bad":"no value: division by zero"} | upstream"#;
    assert_eq!(decide(rules, "10.0.0.1"), said);
}

#[test]
fn ip_policies_decide_with_their_file_and_are_refused_without() {
    let rules = r#"
on_tcp_connect:
- actions:
  - {type: restrict-ips, config: {allow: [192.0.2.0/24], ip_policies: [ipp_office]}}
  - {type: forward-internal, config: {url: "tcp://a.internal:22"}}
"#;
    let file = "- {id: ipp_office, rules: [{cidr: 10.0.0.0/8, action: allow}, {cidr: 10.3.0.0/16, action: deny}, {cidr: \"::/0\", action: allow}]}";
    let (policies, found) = load_ip_policies(&Source::new("i.yml", file));
    let policies = Arc::new(policies.unwrap_or_else(|| panic!("{found:?}")));
    let mut check = CheckOptions::default();
    check.ip_policies = Some(Arc::clone(&policies));
    let (checked, found) = load_policy(&Source::new("p.yml", rules), &check);
    let checked = checked.unwrap_or_else(|| panic!("{found:?}"));
    let refused = compile(&checked, &CompileOptions::default()).expect_err("unknown");
    assert!(refused.iter().any(|item| item.code.id == "TP437"), "{refused:?}");
    let mut options = CompileOptions::default();
    options.ip_policies = Some(policies);
    let program = compile(&checked, &options).expect("known");
    let mut of = |file: &str| {
        let (policies, _) = load_ip_policies(&Source::new("i.yml", file));
        options.ip_policies = policies.map(Arc::new);
        let program = compile(&checked, &options).expect("known");
        (program.policy_sha256(), program.program_sha256())
    };
    let halves = file.replace(
        "{cidr: 10.0.0.0/8, action: allow}",
        "{cidr: 10.128.0.0/9, action: allow}, {cidr: 10.0.0.0/9, action: allow}",
    );
    let more = file.replace("10.3.0.0/16", "10.3.0.0/15");
    let mut digests = [file, &halves, &more].map(&mut of).into_iter();
    let (policy, bound) = digests.next().expect("three");
    assert_eq!((policy, bound), (program.policy_sha256(), program.program_sha256()));
    assert_eq!(digests.next(), Some((policy, bound)), "lists that hold the same");
    let (same, other) = digests.next().expect("three");
    assert!(same == policy && other != bound, "another list is another program, by the same text");
    for (ip, said) in
        [("10.0.0.1", "forward"), ("10.3.0.1", "deny"), ("192.0.2.9", "forward"), ("8.8.8.8", "deny")]
    {
        let facts = Facts::new(ip.parse().expect("an address"));
        assert!(drive(program.on_tcp_connect(&facts)).ends_with(said), "{ip}");
        assert!(drive(program.on_tcp_connect_traced(&facts, Recording::default())).ends_with(said), "{ip}");
    }
}

/// Variables that hold themselves again and again: deep, wide by sharing, or long. Each ends as an error, soon.
#[test]
fn values_of_a_run_are_bounded() {
    let program = |first: &str, step: &dyn Fn(usize) -> String, steps: usize, last: &str| {
        let vars: String = (0..steps).map(|n| format!("      - {}\n", step(n))).collect();
        let rules = format!(
            "on_tcp_connect:\n- actions:\n  - type: set-vars\n    config:\n      vars:\n      - {first}\n{vars}  - {last}\n  - {{type: forward-internal, config: {{url: \"tcp://a.internal:22\"}}}}\n"
        );
        decide(&rules, "10.0.0.1")
    };
    let log = "{type: log, config: {metadata: {m: \"${vars.a}\"}}}";
    let deep = program("a: x", &|_| "a: [\"${vars.a}\"]".to_owned(), 3_000, log);
    assert!(deep.starts_with("error | ") && deep.contains("64 levels"), "{deep}");
    let wide = program("a: x", &|_| "a: [\"${vars.a}\", \"${vars.a}\"]".to_owned(), 60, log);
    assert!(wide.contains("larger than 4194304 bytes"), "{wide}");
    let long = program("a: xxxxxxxxxxxxxxxx", &|_| "a: \"${vars.a}${vars.a}\"".to_owned(), 30, log);
    assert!(long.starts_with("error | "), "{long}");
    let many =
        program(&format!("a: {}", "x".repeat(60_000)), &|n| format!("b{n}: \"${{vars.a}}x\""), 3_000, log);
    assert!(many.contains("larger than 4194304 bytes"), "{many}");
    let types = program(
        "a0: x",
        &|n| format!("a{}: [\"${{vars.a{n}}}\"]", n + 1),
        3_000,
        "{type: log, config: {metadata: {m: 1}}}",
    );
    assert!(types.starts_with("error | "), "{types}");
    // What is logged is as large as it may be written.
    let logged = program(&format!("a: {}", "x".repeat(20_000)), &|_| "b: 1".to_owned(), 1, log);
    assert!(logged.contains("no value: it is too large"), "{logged}");
}
