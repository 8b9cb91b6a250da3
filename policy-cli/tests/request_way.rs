//! Requests of `policy eval` along the way of a configuration: what policies change is seen by those behind them, and what
//! answers passes those on the way back.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use policy_core::journey::Steps;
use serde_json::{Value, json};

#[path = "support/command.rs"]
mod command;

const AGENT: &str = "version: 3
agent: {}
endpoints:
- name: front
  url: https://app.example.com
  upstream: {url: http://localhost:9}
  traffic_policy:
    on_tcp_connect:
    - actions: [{type: restrict-ips, config: {allow: [203.0.113.0/24]}}]
    on_http_request:
    - actions: [{type: set-vars, config: {vars: [{who: front}]}}]
    - expressions: [\"req.url.path.startsWith('/limited')\"]
      actions: [{type: rate-limit, config: {name: limit, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [conn.client_ip]}}]
    - expressions: [\"!req.url.path.startsWith('/here')\"]
      actions:
      - {type: add-headers, config: {headers: {x-way: front}}}
      - {type: request-body-find-replace, config: {replacements: [{from: a, to: b}]}}
      - {type: forward-internal, config: {url: 'https://${req.url.query_params[\"to\"][0]}.internal', on_error: continue}}
      - {type: custom-response, config: {status_code: 503, body: nobody}}
    on_http_response:
    - actions: [{type: add-headers, config: {headers: {x-back: 'front ${res.status_code}'}}}]
- name: api
  url: https://api.internal
  bindings: [internal]
  upstream: {url: http://localhost:8080}
  traffic_policy:
    on_http_request:
    - expressions: [\"'x-key' in req.headers\"]
      actions: [{type: add-headers, config: {headers: {x-secret: \"${secrets.get('v', 'k')}\"}}}]
    - actions: [{type: log, config: {metadata: {way: '${req.headers[\"x-way\"][0]}'}}}]
    on_http_response:
    - actions:
      - {type: response-body-find-replace, config: {replacements: [{from: old, to: new}]}}
      - {type: add-headers, config: {headers: {x-back: api}}}
- name: one
  url: https://pool.internal
  bindings: [internal]
  pooling_enabled: true
  upstream: {url: http://localhost:1}
- name: two
  url: https://pool.internal
  bindings: [internal]
  pooling_enabled: true
  upstream: {url: http://localhost:2}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("ngrok.yml", AGENT);
    write("answer.yml", "status_code: 201\nheaders: {content-type: text/plain}\nbody: an old page\n");
    write(
        "events.yml",
        "status_code: 200\nheaders: {content-type: text/event-stream}\nbody: \"data: a\\n\\n\"\n",
    );
    folder
}

/// What is answered to a request.
fn ask(more: &[&str]) -> Value {
    ask_in(folder().path(), more)
}

fn ask_in(folder: &Path, more: &[&str]) -> Value {
    let base = ["eval", "ngrok.yml", "--ip", "203.0.113.9", "--format", "json"];
    let (code, out, err) = command::policy(folder, &[&base, more].concat());
    assert_eq!(code, Some(0), "{more:?}: {err}");
    serde_json::from_str(&out).expect("JSON")
}

/// Why a call cannot be answered.
fn refused(more: &[&str]) -> String {
    let (code, _, err) =
        command::policy(folder().path(), &[&["eval", "ngrok.yml", "--ip", "203.0.113.9"], more].concat());
    assert_eq!(code, Some(2), "{more:?}: {err}");
    err
}

const API: &str = "https://app.example.com/?to=api";

#[test]
fn changes_go_on_and_answers_come_back() {
    let it = ask(&["--url", API, "--body", "aha", "--response", "answer.yml"]);
    assert_eq!((&it["outcome"], &it["target"]), (&json!("forward"), &json!("https://api.internal")), "{it}");
    assert_eq!((&it["request"]["body"], &it["response"]["status"]), (&json!("bhb"), &json!(201)), "{it}");
    assert_eq!(it["response"]["body"], json!("an new page"), "{it}");
    // The innermost first.
    let back = it["response"]["headers"].as_array().expect("a list");
    let back: Vec<_> = back.iter().filter(|it| it[0] == "x-back").map(|it| &it[1]).collect();
    assert_eq!(back, [&json!("api"), &json!("front 201")], "{it}");
    let logged = it["effects"].as_array().expect("a list").iter().find(|effect| effect["effect"] == "log");
    assert_eq!(logged.map(|it| &it["metadata"]["way"]), Some(&json!("front")), "{it}");
    assert_eq!(it["way"]["upstream"], json!("http://localhost:8080"));
    assert!(it.get("assumed").is_none_or(|it| *it == json!([])), "{it}");
}

#[test]
fn servers_fail_and_fallbacks_answer() {
    for state in ["offline", "refused", "slow"] {
        let it = ask(&["--url", API, "--target", &format!("https://api.internal={state}")]);
        assert_eq!(
            (&it["outcome"], &it["response"]["status"]),
            (&json!("respond"), &json!(503)),
            "{state}: {it}"
        );
        assert_eq!(it["response"]["body"], json!("nobody"), "{it}");
    }
    let it = ask(&["--url", API, "--target", "https://api.internal=respond:502"]);
    assert_eq!((&it["outcome"], &it["response"]["status"]), (&json!("forward"), &json!(502)), "{it}");
    let it = ask(&["--url", "https://app.example.com/here"]);
    assert_eq!(
        (&it["outcome"], &it["way"]["upstream"]),
        (&json!("upstream"), &json!("http://localhost:9")),
        "{it}"
    );
    assert_eq!(it["assumed"], json!(["answered_200"]), "{it}");
}

#[test]
fn what_the_way_asks_is_named_or_given() {
    let said = refused(&["--url", API, "-H", "x-key: 1"]);
    assert!(said.contains("--secret v/k=…"), "{said}");
    let it = ask(&["--url", API, "-H", "x-key: 1", "--secret", "v/k=sesame"]);
    assert!(it.to_string().contains("(secret)") && !it.to_string().contains("sesame"), "{it}");
}

#[test]
fn where_a_request_comes_in_is_its_url_or_named() {
    let it = ask(&["--url", "https://api.internal/", "-H", "x-way: none"]);
    assert_eq!(it["way"]["endpoint"], json!("https://api.internal"), "{it}");
    let said = refused(&["--url", "https://other.example.com/"]);
    assert!(
        said.contains("no endpoint of `ngrok.yml` serves https://other.example.com; it has `front`"),
        "{said}"
    );
    let it = ask(&["--url", "https://other.example.com/here", "--endpoint", "front"]);
    assert_eq!(it["outcome"], json!("upstream"), "{it}");
}

/// Two public endpoints, each with an answer of its own.
const TWO: &str = "version: 3
agent: {}
endpoints:
- name: one
  url: https://one.example.com
  upstream: {url: http://localhost:1}
- name: two
  url: https://two.example.com
  upstream: {url: http://localhost:2}
  traffic_policy: {on_http_request: [{actions: [{type: custom-response, config: {status_code: 202}}]}]}
";

/// Of several endpoints the URL of a request chooses, wherever the request stands.
#[test]
fn requests_of_files_and_cases_come_in_at_their_urls() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("two.yml", TWO);
    write("request.yml", "url: https://two.example.com/\n");
    let call = ["eval", "two.yml", "--ip", "203.0.113.9"];
    let with = |more: &[&str]| command::policy(folder.path(), &[&call, more].concat());
    let (code, out, err) = with(&["--request", "request.yml", "--expect", "respond:202"]);
    assert!(code == Some(0) && out.contains("way: https://two.example.com\n"), "{out}{err}");
    for (more, why) in [
        (
            &["--url", "https://nobody.example.com/"][..],
            "no endpoint of `two.yml` serves https://nobody.example.com; it has `one` (https://one.example.com), \
             `two` (https://two.example.com)",
        ),
        (&[], "`two.yml` has several endpoints; name one with `--endpoint`"),
    ] {
        let (code, _, err) = with(more);
        assert!(code == Some(2) && err.contains(why), "{more:?}: {err}");
    }
    write(
        "two.test.yml",
        "policy: two.yml
cases:
  - name: each
    ip: 203.0.113.9
    request: {url: 'https://two.example.com/'}
    expect: {respond: 202}
    then:
      - {request: {url: 'https://one.example.com/'}, expect: {upstream: true}}
  - name: of a file
    ip: 203.0.113.9
    request: request.yml
    expect: {respond: 202}
",
    );
    let (code, out, err) = command::policy(folder.path(), &["test", "two.test.yml"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

/// A public endpoint that the edge does not bring online takes no requests there, whether it is named or its URL is asked.
#[test]
fn endpoints_that_are_not_online_take_no_requests() {
    let folder = folder();
    let policy = "{on_tcp_connect: [{actions: [{type: deny}]}]}";
    let edge = format!(
        "version: 1\nendpoints: [{{name: ssh, url: 'tcp://edge.example.com:20022', listen: 127.0.0.1:0, traffic_policy: {policy}}}]\nagents: {{listen: 127.0.0.1:0, names: [edge.example.com]}}\n"
    );
    fs::write(folder.path().join("edge.yml"), edge).expect("written");
    let call = [
        "eval",
        "edge.yml",
        "--agent",
        "ngrok.yml",
        "--ip",
        "203.0.113.9",
        "--url",
        "https://app.example.com/here",
    ];
    for more in [&[][..], &["--endpoint", "front"]] {
        let (code, _, err) = command::policy(folder.path(), &[&call, more].concat());
        assert!(code == Some(2) && err.contains("error: --endpoint: the edge does not bring"), "{err}");
    }
}

#[test]
fn other_draws_of_pools_are_not_tried() {
    let it = ask(&["--url", "https://app.example.com/?to=pool"]);
    assert_eq!((&it["outcome"], &it["all_drawn"]), (&json!("forward"), &json!(false)), "{it}");
}

/// The policy of the target sees the stream of its server, the one that forwards what that one lets through; the one whose
/// condition has no value for an event ends the stream.
#[test]
fn events_pass_the_policies_on_their_way_back() {
    let folder = folder();
    let rules = |from: &str, to: &str| {
        format!(
            "    on_event_stream_message:
    - actions: [{{type: sse-find-replace, config: {{replacements: [{{from: '{from}', to: '{to}'}}]}}}}]
    - expressions: [\"int(actions.ngrok.sse_find_replace.replacements[0].matched_content) > 9\"]
      actions: [{{type: sse-find-replace, config: {{replacements: [{{from: large, to: small}}]}}}}]
"
        )
    };
    let agent = AGENT
        .replace("- name: api", &format!("{}- name: api", rules("[1-6]", "b")))
        .replace("- name: one", &format!("{}- name: one", rules("[0-9]", "$0$0")))
        .replace("- {type: response-body-find-replace, config: {replacements: [{from: old, to: new}]}}", "");
    fs::write(folder.path().join("ngrok.yml"), agent).expect("written");
    let ask = |events: [&str; 3], length: &str| {
        let events = events.map(|event| format!("data: {event}\\n\\n")).concat();
        let response = format!("headers: {{content-type: text/event-stream{length}}}\nbody: \"{events}\"\n");
        fs::write(folder.path().join("events.yml"), response).expect("written");
        let call = ["eval", "ngrok.yml", "--ip", "203.0.113.9", "--url", API, "--response", "events.yml"];
        let (code, out, err) = command::policy(folder.path(), &[&call[..], &["--format", "json"]].concat());
        assert_eq!(code, Some(0), "{err}");
        let it: Value = serde_json::from_str(&out).expect("JSON");
        let body = it["response"]["body"].as_str().expect("a body").to_owned();
        let by = it["way"]["decided_at"].as_str().map(ToOwned::to_owned);
        (body, it["outcome"].clone(), it["ended_by_event"].as_u64(), by, it)
    };
    let (body, outcome, ended, _, it) = ask(["1", "2", "3"], ", content-length: 9");
    // Each of the two digits that the inner policy makes of one.
    assert_eq!((&*body, outcome, ended), ("data: bb\n\ndata: bb\n\ndata: bb\n\n", json!("forward"), None));
    assert!(it["response"]["headers"].to_string().contains(r#"["content-length","30"]"#), "{it}");
    let (body, outcome, ended, by, _) = ask(["1", "x", "3"], "");
    assert_eq!((&*body, outcome, ended), ("data: bb\n\n", json!("error"), Some(2)));
    assert_eq!(by.as_deref(), Some("https://api.internal"));
    // What the inner one lets through the outer one may still end, at an event before.
    let (body, outcome, ended, by, _) = ask(["7", "2", "x"], "");
    assert_eq!((&*body, outcome, ended), ("", json!("error"), Some(1)));
    assert_eq!(by.as_deref(), Some("https://app.example.com"));
}

/// The rules for events of a policy see the response as the policy of its target lets it through.
#[test]
fn rules_for_events_see_the_response_that_came() {
    let folder = folder();
    let events = |header: &str| {
        format!(
            "    on_event_stream_message:
    - expressions: [\"'{header}' in res.headers\"]
      actions: [{{type: sse-find-replace, config: {{replacements: [{{from: a, to: b}}]}}}}]
"
        )
    };
    let agent = AGENT
        .replace("- {type: response-body-find-replace, config: {replacements: [{from: old, to: new}]}}", "");
    // Without rules for responses of its own, the outer policy sees what the inner one has added.
    let (front, _) = agent.split_once("    on_http_response:").expect("rules");
    let (_, api) = agent.split_once("- name: api").expect("an endpoint");
    let agent = format!("{front}{}- name: api{api}", events("x-back"));
    fs::write(folder.path().join("ngrok.yml"), agent).expect("written");
    let it = ask_in(folder.path(), &["--url", API, "--response", "events.yml"]);
    assert_eq!(it["response"]["body"], json!("data: b\n\n"), "{it}");
}

/// The same policy by itself, and as that of an agent's endpoint.
struct Twice(tempfile::TempDir);

impl Twice {
    fn new(policy: &str) -> Self {
        let it = Self(folder());
        let inside: String = policy.lines().map(|line| format!("    {line}\n")).collect();
        it.write("one.yml", policy);
        it.write("way.yml", &format!(
            "version: 3\nagent: {{}}\nendpoints:\n- name: a\n  url: https://a.example\n  upstream: {{url: http://localhost:9}}\n  \
             traffic_policy:\n{inside}"
        ));
        it
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).expect("written");
    }

    fn ask(&self, file: &str, more: &[&str]) -> (String, String) {
        let call =
            ["eval", file, "--ip", "203.0.113.9", "--url", "https://a.example/", "--response", "answer.json"];
        let alone: &[&str] = if file == "one.yml" { &["--has-upstream"] } else { &[] };
        let (code, out, err) = command::policy(self.0.path(), &[&call[..], alone, more].concat());
        assert_eq!(code, Some(0), "{file}: {err}");
        (out, err)
    }

    /// What both forms say of a response of a type.
    fn answers(&self, kind: &str, body: &str) -> Value {
        let response = json!({"headers": {"content-type": kind}, "body": body});
        self.write("answer.json", &response.to_string());
        let [alone, along] = ["one.yml", "way.yml"].map(|file| {
            let it: Value = serde_json::from_str(&self.ask(file, &["--format", "json"]).0).expect("JSON");
            ["outcome", "ended_by_event", "response", "effects", "target", "reason"]
                .map(|field| it[field].clone())
        });
        let start: String = body.chars().take(40).collect();
        // A reason names the line of its file.
        assert_eq!(alone[..5], along[..5], "{start}");
        let [outcome, ended_by_event, response, _, _, reason] = alone;
        json!({"outcome": outcome, "ended_by_event": ended_by_event, "response": response, "reason": reason})
    }

    fn answers_events(&self, body: &str) -> Value {
        self.answers("text/event-stream", body)
    }
}

/// One policy by itself and the same policy of an endpoint say the same of a stream, whatever its form.
#[test]
fn a_stream_ends_alike_alone_and_along_the_way() {
    let policy = Twice::new(
        "on_http_response:
- actions: [{type: add-headers, config: {headers: {x-b: c}}}]
on_event_stream_message:
- actions: [{type: sse-find-replace, config: {replacements: [{from: '[0-9x]', to: n}]}}]
- expressions: [\"int(actions.ngrok.sse_find_replace.replacements[0].matched_content) > 5\"]
  actions: [{type: sse-find-replace, config: {replacements: [{from: large, to: small}]}}]
",
    );
    let bodies =
        ["data: 1\n\ndata: 2\n\n", "data: 1\r\n\r\ndata: x\r\n\r\n", "\u{feff}data: x\n\n", "", "data: 1"];
    let ended = bodies.iter().filter(|body| policy.answers_events(body)["ended_by_event"].is_u64()).count();
    assert_eq!(ended, 2);
    policy.answers_events("data: x\n\n");
    let first = |file: &str| policy.ask(file, &[]).0.lines().next().map(ToOwned::to_owned);
    assert_eq!(first("one.yml"), Some("failed closed: the client is answered 200".to_owned()));
    assert_eq!(first("one.yml"), first("way.yml"));
}

/// What policies may take grows with the bytes of bodies and with events, alone and along the way, also of agents.
#[test]
fn bodies_and_events_bring_steps() {
    let policy = Twice::new(
        "on_http_response:
- actions: [{type: response-body-find-replace, config: {replacements: [{from: q, to: z}]}}]
on_event_stream_message:
- expressions: [\"conn.client_ip == '203.0.113.9'\", '[1, 2, 3, 4, 5].exists(it, it == int(conn.client_port)) || true']
  actions: [{type: sse-find-replace, config: {replacements: [{from: q, to: z}]}}]
",
    );
    for (kind, events, bytes) in [
        ("text/plain", 1, 60_000),
        ("text/plain", 1, 1 << 20),
        ("text/event-stream", 1, 60_000),
        ("text/event-stream", 50, 3_000),
        ("text/event-stream", 20_000, 1),
    ] {
        let length = if events == 1 { bytes - "data: \n\n".len() } else { bytes };
        let body = format!("data: {}\n\n", "q".repeat(length)).repeat(events);
        let it = policy.answers(kind, &body);
        assert_eq!(it["outcome"], json!("upstream"), "{kind}, {events} of {bytes}: {}", it["reason"]);
        let changed = it["response"]["body"].as_str().map(|it| it.matches('z').count());
        assert_eq!(changed, Some(length * events), "{kind}, {events} of {bytes}");
    }
}

/// An event has a budget of its own: one that takes more ends the stream, wherever it stands, and what policies may take is
/// said.
#[test]
fn an_event_that_takes_too_much_ends_the_stream() {
    let policy = Twice::new(
        "on_event_stream_message:
- actions:
  - {type: sse-find-replace, config: {replacements: [{from: '(.?x|y|[0-9]){400}', to: ''}]}}
",
    );
    let it = policy.answers_events(&format!("data: a\n\ndata: {}\n\ndata: a\n\n", "b".repeat(3_000)));
    assert_eq!(it["ended_by_event"], json!(2), "{it}");
    assert_eq!(it["response"]["body"], json!("data: a\n\n"), "{it}");
    assert!(it["reason"].as_str().is_some_and(|reason| reason.contains("searching 3000 bytes")), "{it}");
    for file in ["one.yml", "way.yml"] {
        let err = policy.ask(file, &[]).1;
        assert!(err.contains(&Steps::OF_EVENT.to_string()), "{file}: {err}");
    }
}

/// Cases count requests along the way as well.
#[test]
fn limits_count_along_the_way() {
    let folder = folder();
    let cases = "policy: ngrok.yml
cases:
  - name: one a minute
    ip: 203.0.113.9
    request: {url: 'https://app.example.com/limited?to=api'}
    expect: {forward: 'https://api.internal'}
    then:
      - {after: 1s, expect: {deny: 429}}
      - {after: 130s, expect: {allow: true}}
";
    fs::write(folder.path().join("way.test.yml"), cases).expect("written");
    let (code, out, err) = command::policy(folder.path(), &["test", "way.test.yml"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn failed_forwards_on_the_way_are_told() {
    let call = ["eval", "ngrok.yml", "--ip", "203.0.113.9", "--url", API];
    let refused = ["--target", "https://api.internal=refused"];
    let (code, out, _) = command::policy(folder().path(), &[&call[..], &refused].concat());
    let failed = "after a failed forward: the upstream of https://api.internal does not answer\n";
    assert!(code == Some(0) && out.contains(failed), "{out}");
}
