//! `policy replay`: recorded events are decided again, and nothing is dropped in silence.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

fn policy(call: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    command.arg("replay").args(call).current_dir(folder);
    command
}

fn output(call: &[&str], folder: &Path) -> Output {
    policy(call, folder).output().expect("it runs")
}

fn out(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An event of an edge of ours.
fn event(client: &str, second: u32, more: &str) -> String {
    format!(
        "{{\"event_type\":\"tcp_connection_closed.v0\",\"event_timestamp\":\"2026-12-01T10:{:02}:{:02}Z\",\"object\":\
         {{\"conn\":{{\"bytes_in\":1,\"bytes_out\":1,\"client_ip\":\"{client}\",\"client_port\":5000,\"server_port\":22,\
         \"start_ts\":\"2026-12-01T10:00:00Z\"}},\"ip_policy\":{{\"decision\":null}},\"endpoint\":\"ssh\",{more}}}}}\n",
        second / 60 % 60,
        second % 60
    )
}

fn forwarded(to: &str, failed: &str) -> String {
    format!(
        "\"decision\":\"forward\",\"rule\":null,\"at\":null,\"reason\":\"`forward-internal` reached its target\",\
         \"policy_sha256\":\"00\",\"target\":\"{to}\",\"hops\":[\"{to}\"],\"failed_forwards\":[{failed}]"
    )
}

const DENIED: &str = "\"decision\":\"deny\",\"rule\":\"r\",\"at\":null,\"reason\":\"x\",\"policy_sha256\":\"00\",\"hops\":[],\"failed_forwards\":[]";

const LISTS: &str = "on_tcp_connect:
- name: office
  actions:
  - {type: restrict-ips, config: {allow: [203.0.113.0/24, 198.51.100.7/32]}}
  - {type: forward-internal, config: {url: 'tcp://a.internal:22', on_error: continue}}
  - {type: forward-internal, config: {url: 'tcp://b.internal:22'}}
";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    folder
}

#[test]
fn changes_are_grouped_and_end_the_call() {
    let a = "tcp://a.internal:22";
    let offline = r#"{"target":"tcp://a.internal:22","error_code":"ERR_NGROK_3200"}"#;
    let mut log = String::new();
    for at in 0..4 {
        log.push_str(&event("203.0.113.9", at, &forwarded(a, "")));
    }
    log.push_str(&event("192.0.2.1", 5, &forwarded(a, "")));
    log.push_str(&event("192.0.2.2", 5, &forwarded(a, "")));
    log.push_str(&event("198.51.100.7", 6, DENIED));
    log.push_str(&event("203.0.113.9", 7, &forwarded("tcp://b.internal:22", offline)));
    log.push_str(&event("203.0.113.9", 8, &forwarded("tcp://c.internal:22", "")));
    let folder = folder(&[("p.yml", LISTS.as_bytes()), ("log", log.as_bytes())]);
    let call = ["p.yml", "--log", "log"];
    let text = output(&call, folder.path());
    assert_eq!(text.status.code(), Some(0), "{}", out(&text));
    let shown = out(&text);
    for line in [
        "9 lines read, 9 events decided",
        "5  as before",
        "2  192.0.2.0/24  tcp://a.internal:22 → deny by rule `office` at p.yml:4:12; first: line 5",
        "1  198.51.100.0/24  deny → tcp://a.internal:22 (not asked: the target's own policy) by rule `office` at p.yml:5:12; first: line 7",
        "1  203.0.113.0/24  tcp://c.internal:22 → tcp://a.internal:22 (not asked",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    for (fail_on, code) in [("newly-denied", 1), ("newly-allowed", 1), ("any", 1)] {
        let call = [&call[..], &["--fail-on", fail_on]].concat();
        assert_eq!(output(&call, folder.path()).status.code(), Some(code), "{fail_on}");
    }
    let same = output(
        &["p.yml", "--log", "log", "--against", "p.yml", "--fail-on", "any", "--format", "json"],
        folder.path(),
    );
    assert_eq!(same.status.code(), Some(0), "{}", out(&same));
    assert!(out(&same).contains("\"same\": 9"), "{}", out(&same));
}

#[test]
fn every_line_is_counted() {
    let a = forwarded("tcp://a.internal:22", "");
    let good = event("203.0.113.9", 60, &a);
    let huge = format!("{{\"event_type\":\"{}\"}}\n", "x".repeat(3 << 20));
    let log = [
        good.as_bytes(),
        b"\xff\xfe\n",
        b"\0\0\0\n",
        b"hello\n",
        b"\n",
        huge.as_bytes(),
        good.replace("closed.v0", "closed.v9").as_bytes(),
        br#"{"event_type":"audit_thing.v0","object":{}}"#,
        b"\n",
        event("203.0.113.9", 30, &a).as_bytes(),
        good.replace("203.0.113.9", "nobody").as_bytes(),
        &good.as_bytes()[..good.len() / 2],
    ]
    .concat();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&log).expect("written");
    let packed = packed.finish().expect("packed");
    let folder = folder(&[("p.yml", LISTS.as_bytes()), ("log", &log), ("log.gz", &packed)]);
    let plain = output(&["p.yml", "--log", "log", "--format", "json"], folder.path());
    let shown = out(&plain);
    assert_eq!(plain.status.code(), Some(0), "{shown}");
    for reason in [
        "not_utf8",
        "nul_bytes",
        "not_json",
        "too_long",
        "version",
        "field",
        "breaks_off",
        "event_type",
        "blank",
    ] {
        let line = format!("\"reason\": \"{reason}\"");
        assert_eq!(shown.matches(&line).count(), 1, "{reason}: {shown}");
    }
    for part in [
        "\"lines\": 11",
        "\"decided\": 2",
        "\"clock_went_back\": {\n    \"count\": 1,\n    \"first_line\": 9",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(out(&output(&["p.yml", "--log", "log.gz", "--format", "json"], folder.path())), shown);
    let mut child = policy(&["p.yml", "--log", "-", "--format", "json"], folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    child.stdin.take().expect("piped").write_all(&log).expect("taken");
    assert_eq!(out(&child.wait_with_output().expect("it ends")), shown);
    fs::write(folder.path().join("log.gz"), &packed[..packed.len() / 2]).expect("written");
    let cut = output(&["p.yml", "--log", "log.gz"], folder.path());
    assert_eq!(cut.status.code(), Some(2), "{}", out(&cut));
    assert!(out(&cut).contains("the gzip data breaks off"), "{}", out(&cut));
}

/// The same of a policy whose answers are kept by class and of one that is asked about each, over many blocks.
#[test]
fn what_is_kept_is_what_each_would_get() {
    let by_each = format!("{LISTS}- expressions: [\"conn.client_port == 1\"]\n  actions: [{{type: deny}}]\n");
    let mut log = String::new();
    for at in 0..12_000_u32 {
        let client = match at % 5 {
            0 => format!("203.0.113.{}", at % 251),
            1 => "198.51.100.7".to_owned(),
            2 => format!("2001:db8::{at:x}"),
            3 => format!("::ffff:203.0.113.{}", at % 7),
            _ => format!("198.51.{}.{}", at % 3, at % 17),
        };
        let more = if at % 3 == 0 { DENIED.to_owned() } else { forwarded("tcp://a.internal:22", "") };
        log.push_str(&event(&client, at / 100, &more));
    }
    assert!(log.len() > 4 << 20, "several blocks");
    let folder =
        folder(&[("p.yml", LISTS.as_bytes()), ("each.yml", by_each.as_bytes()), ("log", log.as_bytes())]);
    let of = |policy: &str| {
        let output = output(&[policy, "--log", "log", "--format", "json"], folder.path());
        assert_eq!(output.status.code(), Some(0), "{}", out(&output));
        out(&output).replace("each.yml", "p.yml")
    };
    let kept = of("p.yml");
    assert!(kept.contains("\"decided\": 12000"), "{kept}");
    assert_eq!(kept, of("each.yml"));
    assert_eq!(kept, of("p.yml"), "the same at every call");
}

#[test]
fn what_an_event_does_not_say_is_not_made_up() {
    let ngrok = fs::read_to_string(root().join("fixtures/replay/events.jsonl")).expect("readable");
    let needs = "on_tcp_connect:\n- expressions: [\"conn.geo.country_code == 'DE'\"]\n  actions: [{type: deny}]\n- actions: [{type: forward-internal, config: {url: 'tcp://gate.internal:22'}}]\n";
    let folder = folder(&[("p.yml", needs.as_bytes()), ("log", ngrok.as_bytes())]);
    let none = output(&["p.yml", "--log", "log"], folder.path());
    assert_eq!(none.status.code(), Some(2), "{}", out(&none));
    assert!(out(&none).contains("3  `conn.geo.country_code` is not in the event"), "{}", out(&none));
    assert!(out(&none).contains("no event of the log could be decided"), "{}", out(&none));
    let given = output(&["p.yml", "--log", "log", "--set", "conn.geo.country_code=FR"], folder.path());
    assert!(out(&given).contains("3 events decided"), "{}", out(&given));
    let geo = ngrok.replace("\"server_ip\"", "\"geo\":{\"country_code\":\"DE\"},\"server_ip\"");
    fs::write(folder.path().join("log"), geo).expect("written");
    let known = output(&["p.yml", "--log", "log"], folder.path());
    assert!(out(&known).contains("2  newly denied"), "{}", out(&known));
}

#[test]
fn the_whole_way_of_a_configuration() {
    let call =
        ["fixtures/gateway/edge.yml", "--log", "fixtures/replay/events.jsonl", "--fail-on", "newly-denied"];
    let shown = output(&call, &root());
    assert_eq!(shown.status.code(), Some(1), "{}", out(&shown));
    assert!(
        out(&shown).contains("tcp://device1.internal:22 → deny by rule `office only`"),
        "{}",
        out(&shown)
    );
    assert!(out(&shown).contains("1  the event does not name its endpoint"), "{}", out(&shown));
}

#[test]
fn wrong_calls_are_told() {
    for (call, said) in [
        (&["fixtures/gateway/ngrok.yml", "--log", "x"][..], "is an agent configuration"),
        (&["fixtures/gateway/ssh.yml", "--log", "none"], "cannot read `none`"),
        (&["-", "--log", "-"], "standard input can be one file only"),
        (&["fixtures/gateway/edge.yml", "--log", "x", "--has-upstream"], "are for a policy"),
    ] {
        let output = output(call, &root());
        assert_eq!(output.status.code(), Some(2), "{}", out(&output));
        assert!(out(&output).contains(said), "{}", out(&output));
    }
}

/// A request of an event of ngrok.
fn request(client: &str, method: &str, path: &str, more: &str) -> String {
    format!(
        "{{\"event_type\":\"http_request_complete.v0\",\"event_timestamp\":\"2026-12-01T10:00:00Z\",\"object\":{{\"conn\":\
         {{\"client_ip\":\"{client}\",\"start_ts\":\"2026-12-01T10:00:00Z\"}},\"http\":{{\"request\":{{\"method\":\"{method}\",\
         \"url\":{{\"scheme\":\"https\",\"host\":\"app.example.com\",\"path\":\"{path}\"}},\"headers\":{{\"x-team\":[\"a\"]}}}},\
         \"response\":{{\"status_code\":200}}}}{more}}}}}\n"
    )
}

/// Rules for requests see method, URL and headers; what the event does not have is counted by what is asked for.
#[test]
fn requests_are_decided_with_what_the_event_has() {
    let old = "on_http_request:
- expressions: [\"req.method == 'DELETE'\"]
  actions: [{type: deny, config: {status_code: 405}}]
- expressions: [\"req.url.path.startsWith('/api')\"]
  actions: [{type: forward-internal, config: {url: 'https://api.internal'}}]
";
    let new = "on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [203.0.113.0/24]}}]}]
on_http_request:
- expressions: [\"req.headers['x-team'][0] == 'a' && req.url.path == '/api/closed'\"]
  name: closed
  actions: [{type: deny}]
- expressions: [\"req.url.path.startsWith('/api')\"]
  actions: [{type: forward-internal, config: {url: 'https://other.internal'}}]
- expressions: [\"req.url.path == '/body'\"]
  actions: [{type: request-body-find-replace, config: {replacements: [{from: a, to: b}]}}]
";
    let lines = [
        request("203.0.113.1", "get", "/api/open", ""),
        request("203.0.113.1", "get", "/api/closed", ""),
        request("203.0.113.1", "delete", "/x", ""),
        request("192.0.2.7", "get", "/", ""),
        request("203.0.113.1", "post", "/body", ""),
        request("203.0.113.1", "", "/", ""),
    ];
    let log = lines.concat();
    let folder = folder(&[("old.yml", old.as_bytes()), ("new.yml", new.as_bytes()), ("log", log.as_bytes())]);
    let call = ["new.yml", "--log", "log", "--against", "old.yml", "--has-upstream", "--format", "json"];
    let output = output(&call, folder.path());
    let said = out(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let count = |name: &str| json[name]["count"].as_u64();
    assert_eq!((json["decided"].as_u64(), count("forwarded_elsewhere")), (Some(4), Some(1)), "{said}");
    assert_eq!((count("newly_denied"), count("newly_allowed")), (Some(2), Some(1)), "{said}");
    assert!(said.contains("read_body") && said.contains("no_request"), "{said}");
    // Alone, an event of ngrok does not say what was decided, but that an address test refused.
    let blocked = request("192.0.2.7", "get", "/", ",\"ip_policy\":{\"decision\":\"block\"}");
    fs::write(folder.path().join("log"), blocked).expect("written");
    let said = out(&self::output(&["new.yml", "--log", "log", "--has-upstream"], folder.path()));
    assert!(said.contains("1  as before"), "{said}");
}

/// The version of a request is in no event, and an event may leave headers out: neither is made up.
#[test]
fn what_an_event_has_not_of_its_request_is_not_made_up() {
    let version =
        "on_http_request: [{expressions: [\"req.version == 'HTTP/1.1'\"], actions: [{type: deny}]}]\n";
    let header = "on_http_request: [{expressions: [\"!hasReqHeader('x')\"], actions: [{type: deny}]}]\n";
    let whole = request("203.0.113.1", "get", "/", ",\"ip_policy\":{\"decision\":\"block\"}");
    let bare = whole.replace(",\"headers\":{\"x-team\":[\"a\"]}", "");
    assert_ne!(whole, bare);
    for (policy, log, more, said) in [
        (version, &whole, &[][..], "`req.version` is not in the event"),
        (version, &whole, &["--set", "req.version=HTTP/1.1"], "1  as before"),
        (header, &bare, &[], "the event has no method, URL and headers"),
        (header, &whole, &[], "1  as before"),
    ] {
        let folder = folder(&[("p.yml", policy.as_bytes()), ("log", log.as_bytes())]);
        let call = [&["p.yml", "--log", "log", "--has-upstream"], more].concat();
        let all = out(&output(&call, folder.path()));
        assert!(all.contains(said), "{policy}: {all}");
    }
}

/// An edge whose target only an agent has, which is not given.
const THROUGH_AN_AGENT: &str = "version: 1
agents: {listen: '127.0.0.1:4443', names: [localhost]}
endpoints:
- name: ssh
  url: tcp://edge.example.com:20022
  traffic_policy:
    on_tcp_connect: [{actions: [{type: forward-internal, config: {url: 'tcp://gate.internal:22'}}]}]
";

#[test]
fn what_the_policy_of_a_target_may_refuse_is_said() {
    let log = event("203.0.113.9", 1, DENIED) + "torn";
    let folder = folder(&[("edge.yml", THROUGH_AN_AGENT.as_bytes()), ("log", log.as_bytes())]);
    let found = output(&["edge.yml", "--log", "log"], folder.path());
    let said = "deny → tcp://gate.internal:22 (not asked: the target's own policy)";
    assert!(out(&found).contains(said), "{}", out(&found));
    // A gate that only counts changes passes over what was not decided; another one does not.
    let call = ["edge.yml", "--log", "log", "--fail-on"];
    let code = |fail_on: &str| output(&[&call[..], &[fail_on]].concat(), folder.path()).status.code();
    assert_eq!((code("newly-denied"), code("undecided")), (Some(0), Some(1)));
}

#[test]
fn an_endpoint_that_is_not_there_is_a_wrong_call() {
    let log = event("203.0.113.9", 1, DENIED);
    let folder = folder(&[("edge.yml", THROUGH_AN_AGENT.as_bytes()), ("log", log.as_bytes())]);
    let found = output(&["edge.yml", "--log", "log", "--endpoint", "sssh"], folder.path());
    assert_eq!(found.status.code(), Some(2));
    assert!(out(&found).contains("no endpoint `sssh`; did you mean `ssh`?"), "{}", out(&found));
}
