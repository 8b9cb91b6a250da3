//! `policy test --bless`: expectations become what the policy does, and nothing else of the file changes.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "support/command.rs"]
mod command;

const POLICY: &str = "on_tcp_connect:
- name: office only
  actions: [{type: restrict-ips, config: {allow: [203.0.113.0/24]}}]
- actions:
  - {type: set-vars, config: {vars: [{site: north}, {ports: [22, 23]}]}}
  - {type: log, config: {metadata: {who: '${conn.client_ip}'}}}
  - {type: forward-internal, config: {url: 'tcp://${vars.site}.internal:22'}}
";

const WEB: &str = "on_http_request:
- actions:
  - {type: add-headers, config: {headers: {x-a: '1', x-secret: \"${secrets.get('v', 'k')}\"}}}
  - {type: remove-headers, config: {headers: [cookie]}}
- expressions: [\"req.url.path == '/old'\"]
  actions: [{type: redirect, config: {from: '.*', to: 'https://a.example/new'}}]
- expressions: [\"req.url.path == '/page'\"]
  actions: [{type: custom-response, config: {status_code: 418, body: \"two\\nlines\", headers: {x-b: \"it's\"}}}]
";

fn folder(test: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("p.yml"), POLICY).expect("written");
    fs::write(folder.path().join("web.yml"), WEB).expect("written");
    fs::write(folder.path().join("p.test.yml"), test).expect("written");
    folder
}

fn test(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    command::policy(folder, &[&["test"], args].concat())
}

/// What a file is after it was blessed, and what was said.
fn blessed(text: &str) -> (Option<i32>, String, String) {
    let folder = folder(text);
    let (code, out, err) = test(folder.path(), &["--bless", "p.test.yml"]);
    let after = fs::read_to_string(folder.path().join("p.test.yml")).expect("text");
    (code, after, format!("{out}{err}"))
}

#[test]
fn values_change_and_layout_stays() {
    let before = "# Cases of the office.
policy: p.yml
cases:
  - name: the office   # near
    ip: [203.0.113.1, 203.0.113.254]
    expect:   {deny: true,  rule: none}   # wrong
  - name: 'others'
    ip: 192.0.2.1
    expect:
      # A comment inside.
      forward: tcp://south.internal:22  # and beside
      rule: \"office\"
    then:
      - expect: { 'allow': true }
      - {ip: 203.0.113.9, expect: {allow: true, vars: {site: south, ports: [1], none: 5}, effects: [
          forward: 'tcp://a.internal:1'
        ]}} # one
  - name: right already
    ip: 192.0.2.1
    expect: {deny: true}
";
    let after = "# Cases of the office.
policy: p.yml
cases:
  - name: the office   # near
    ip: [203.0.113.1, 203.0.113.254]
    expect:   {forward: \"tcp://north.internal:22\",  rule: none}   # wrong
  - name: 'others'
    ip: 192.0.2.1
    expect:
      # A comment inside.
      deny: true  # and beside
      rule: \"office only\"
    then:
      - expect: { 'deny': true }
      - {ip: 203.0.113.9, expect: {allow: true, vars: {site: \"north\", ports: [22,23], none: null}, effects: [{\"log\": {\"who\":\"203.0.113.9\"}}, {\"forward\": \"tcp://north.internal:22\"}]}} # one
  - name: right already
    ip: 192.0.2.1
    expect: {deny: true}
";
    // The rule without a name cannot be said: that case is left as it is.
    let (code, got, said) = blessed(before);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not blessed: p.test.yml:4 `the office`"), "{said}");
    assert_eq!(
        got,
        after.replace("{forward: \"tcp://north.internal:22\",  rule", "{deny: true,  rule"),
        "{said}"
    );
    let (code, got, said) = blessed(&before.replace(",  rule: none", ""));
    assert_eq!((code, got), (Some(0), after.replace(",  rule: none", "")), "{said}");
    assert!(
        said.contains("blessed p.test.yml:6:") && said.contains("`deny: true` is now `forward: "),
        "{said}"
    );
    // What is right is not touched.
    let (code, got, said) = blessed(after.replace(",  rule: none", "").as_str());
    assert_eq!((code, got), (Some(0), after.replace(",  rule: none", "")), "{said}");
    assert!(!said.contains("blessed"), "{said}");
}

#[test]
fn answers_and_requests_are_blessed() {
    let before = "policy: web.yml
defaults: {ip: 192.0.2.1, has_upstream: true, secrets: {v/k: sesame}}
cases:
  - name: goes on
    request: {url: 'https://a.example/', headers: {cookie: a=b}}
    expect:
      deny: 403
      request:
        url: https://b.example/
        headers: {cookie: [a=b], x-a: null, x-secret: old}
        body: |
          some
          text
  - name: moved
    request: {url: 'https://a.example/old'}
    expect: {respond: 200, status: 200, headers: {location: nowhere}}
  - name: page
    request: {url: 'https://a.example/page'}
    expect:
      allow: true
      headers:
        x-b: no
      body: >-
        one
        line

";
    let after = "policy: web.yml
defaults: {ip: 192.0.2.1, has_upstream: true, secrets: {v/k: sesame}}
cases:
  - name: goes on
    request: {url: 'https://a.example/', headers: {cookie: a=b}}
    expect:
      upstream: true
      request:
        url: \"https://a.example/\"
        headers: {cookie: null, x-a: \"1\", x-secret: \"sesame\"}
        body: \"\"
  - name: moved
    request: {url: 'https://a.example/old'}
    expect: {respond: 302, status: 302, headers: {location: \"https://a.example/new\"}}
  - name: page
    request: {url: 'https://a.example/page'}
    expect:
      respond: 418
      headers:
        x-b: \"it's\"
      body: \"two\\nlines\"
";
    // What stood in the file stands there again; what is said of it has no secret.
    let (code, got, said) = blessed(before);
    // A block may keep empty lines after it.
    assert_eq!((code, got.trim_end()), (Some(0), after.trim_end()), "{said}");
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn what_has_no_single_answer_is_left_alone() {
    for (text, why) in [
        ("cases: [{name: a, ip: [192.0.2.1, 203.0.113.1], expect: {error: true}}]", "different answers"),
        ("cases: [{name: a, ip: [192.0.2.1, 203.0.113.1], expect: {deny: true}}]", "different answers"),
        (
            "defaults: {ip: 192.0.2.1}\ncases: [{name: a, expect: {rule: &r one}}, {name: b, expect: {rule: *r}}]",
            "not written out",
        ),
        ("cases: [{name: a, ip: 192.0.2.1, expect: {deny: true, status: 403}}]", "different answers or none"),
    ] {
        let text = format!("policy: p.yml\n{text}\n");
        let (code, got, said) = blessed(&text);
        assert_eq!((code, &got), (Some(1), &text), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

/// One value for two cases that want different ones.
#[test]
fn shared_expectations_stay() {
    let text = "policy: p.yml
cases:
  - {name: a, ip: 192.0.2.1, expect: &e {close: true}}
  - {name: b, ip: 203.0.113.1, expect: *e}
";
    let (code, got, said) = blessed(text);
    assert_eq!((code, &*got), (Some(1), text), "{said}");
    assert!(said.contains("not blessed"), "{said}");
}

#[cfg(unix)]
#[test]
fn files_behind_links_are_left_alone_and_rights_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let text = "policy: p.yml\ncases: [{name: a, ip: 192.0.2.1, expect: {allow: true}}]\n";
    let (inside, other) = (folder(text), folder(text));
    let file = inside.path().join("p.test.yml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("set");
    assert_eq!(test(inside.path(), &["--bless", "."]).0, Some(0));
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&file).expect("text").contains("deny: true"));
    fs::remove_file(&file).expect("removed");
    symlink(other.path().join("p.test.yml"), &file).expect("linked");
    let (code, _, err) = test(inside.path(), &["--bless", "p.test.yml"]);
    assert_eq!(code, Some(2), "{err}");
    assert_eq!(fs::read_to_string(other.path().join("p.test.yml")).expect("text"), text);
    let left: Vec<_> = fs::read_dir(inside.path()).expect("readable").collect();
    assert_eq!(left.len(), 3, "nothing is left behind: {left:?}");
}

/// Names keep their quotes, so that JSON stays JSON; comments between name and value stay.
#[test]
fn json_stays_json_and_comments_stay() {
    let before = r#"{"policy":"p.yml","cases":[{"name":"x","ip":"203.0.113.1","expect":{"deny":true}}]}"#;
    let folder = folder("");
    fs::remove_file(folder.path().join("p.test.yml")).expect("removed");
    fs::write(folder.path().join("p.test.json"), before).expect("written");
    let (code, out, err) = test(folder.path(), &["--bless", "p.test.json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let after = fs::read_to_string(folder.path().join("p.test.json")).expect("text");
    assert_eq!(after, before.replace(r#""deny":true"#, r#""forward":"tcp://north.internal:22""#));
    serde_json::from_str::<serde_json::Value>(&after).expect("JSON");

    let before = "policy: p.yml
cases:
  - name: a
    ip: 203.0.113.1
    expect:
      deny: # why
        true
";
    let (code, after, said) = blessed(before);
    let expected = before.replace("deny:", "forward:").replace("true", "\"tcp://north.internal:22\"");
    assert_eq!((code, after), (Some(0), expected), "{said}");
}

/// What cannot be edited is left, and the others are blessed.
#[test]
fn a_name_behind_a_question_mark_is_left() {
    let before = "policy: p.yml
cases:
  - {name: a, ip: 203.0.113.1, expect: {deny: true}}
  - name: b
    ip: 203.0.113.1
    expect:
      ? deny
      : true
";
    let (code, after, said) = blessed(before);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(after, before.replace("{deny: true}", "{forward: \"tcp://north.internal:22\"}"), "{said}");
    assert!(said.contains("not blessed: p.test.yml:4 `b`"), "{said}");
}

/// A policy whose target has another name now: the commonest change that is meant.
#[test]
fn another_target_is_blessed() {
    let before = "policy: p.yml
cases: [{name: a, ip: 203.0.113.1, expect: {forward: 'tcp://elsewhere.example:22'}}]
";
    let (code, after, said) = blessed(before);
    let expected = before.replace("'tcp://elsewhere.example:22'", "\"tcp://north.internal:22\"");
    assert_eq!((code, after), (Some(0), expected), "{said}");
}
