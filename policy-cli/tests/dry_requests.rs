//! Requests of `policy eval`: from files, as browsers record them, and as a call gives them; what a call gives in vain, and
//! what an error must not repeat.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

const WEB: &str = "on_http_request:
- expressions: [\"req.host == 'evil.example' || req.version == 'HTTP/9'\"]
  actions: [{type: deny, config: {status_code: 451}}]
- expressions: [\"req.method == 'POST'\"]
  actions: [{type: add-headers, config: {headers: {x-version: '${req.version}', x-cookies: '${size(req.cookies)}'}}}]
on_http_response:
- expressions: [\"res.status_code >= 500\"]
  actions: [{type: custom-response, config: {status_code: 503}}]
";

/// Two entries as browsers write them; one of them alone by itself is `ONE`.
const ONE: &str = r#"{"startedDateTime": "2026-01-31T12:00:00Z", "request": {"method": "POST", "url": "https://app.example.com/a?q=1",
 "httpVersion": "h2", "headers": [{"name": ":authority", "value": "app.example.com"}, {"name": ":method", "value": "POST"}],
 "queryString": [{"name": "q", "value": "1"}], "cookies": [{"name": "a", "value": "b"}],
 "postData": {"mimeType": "text/plain", "text": "hi"}, "headersSize": -1, "bodySize": 2},
 "response": {"status": 502, "statusText": "", "httpVersion": "h2", "headers": [], "cookies": [],
 "content": {"size": 0, "mimeType": "text/plain", "text": ""}, "redirectURL": ""}, "cache": {}, "timings": {}}"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("web.yml", WEB);
    write("one.har", &format!("{{\"log\": {{\"version\": \"1.2\", \"entries\": [{ONE}]}}}}"));
    let evil = ONE.replace("app.example.com", "evil.example");
    write("two.har", &format!("{{\"log\": {{\"version\": \"1.2\", \"entries\": [{ONE}, {evil}]}}}}"));
    write("entry.json", ONE);
    let secrets = "on_http_request:
- actions: [{type: add-headers, config: {headers: {x-a: \"${secrets.get('v', 'a')}\"}}}]
- expressions: [\"req.method == 'POST'\"]
  actions: [{type: add-headers, config: {headers: {x-b: \"${secrets.get('v', 'b')}\"}}}]
";
    write("secrets.yml", secrets);
    write("tcp.yml", "on_tcp_connect: [{actions: [{type: deny}]}]\n");
    folder
}

/// Exit code, output and what is said beside it.
fn eval(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    let args = [&["eval"][..], args, &["--ip", "203.0.113.9"]].concat();
    let output = command.args(args).current_dir(folder).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What `--explain` says at an action is what is answered below.
#[test]
fn explanations_end_with_what_is_answered() {
    let folder = folder();
    let write = |text: &str| fs::write(folder.path().join("p.yml"), text).expect("written");
    let explained = |more: &[&str]| eval(folder.path(), &[&["p.yml", "--explain"][..], more].concat()).1;
    let url = ["--url", "https://a.example/"];
    write("on_http_request: [{actions: [{type: restrict-ips, config: {allow: [192.0.2.0/24, '::/0']}}]}]\n");
    let out = explained(&url);
    assert!(out.contains("→ answer 403             STOP") && !out.contains("→ close"), "{out}");
    write("on_http_request: [{actions: [{type: forward-internal, config: {url: 'https://b.internal'}}]}]\n");
    let out = explained(&[&url[..], &["--target", "https://b.internal=offline"]].concat());
    assert!(out.contains("→ answer 404             STOP") && !out.contains("→ close"), "{out}");
    write("on_tcp_connect: [{actions: [{type: restrict-ips, config: {allow: [192.0.2.0/24, '::/0']}}]}]\n");
    assert!(explained(&[]).contains("→ close                  STOP"));
    // A phase without rules is about its message all the same.
    write("on_http_response: [{actions: [{type: compress-response}]}]\n");
    let out = explained(&[&url[..], &["--has-upstream"]].concat());
    assert!(out.contains("no action ended the request"), "{out}");
}

#[test]
fn a_request_may_be_recorded_by_a_browser() {
    let folder = folder();
    for file in ["one.har", "entry.json", "two.har#1", "one.har#1"] {
        let (code, out, err) = eval(folder.path(), &["web.yml", "--request", file, "--has-upstream"]);
        assert_eq!((code, &*err), (Some(0), ""), "{file}");
        assert!(out.contains("x-version: HTTP/2.0") && out.contains("x-cookies: 1"), "{out}");
    }
    let (code, out, _) = eval(folder.path(), &["web.yml", "--request", "two.har#2", "--expect", "deny:451"]);
    assert!(code == Some(0) && out.starts_with("deny: the client is answered 451"), "{out}");
    let (_, out, _) = eval(folder.path(), &["web.yml", "--request", "one.har", "--response", "one.har"]);
    assert!(out.starts_with("respond: the client is answered 503"), "{out}");
}

#[test]
fn of_several_entries_the_call_chooses() {
    let folder = folder();
    let (code, out, err) = eval(folder.path(), &["web.yml", "--request", "two.har"]);
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("the file has 2 entries") && err.contains("`#1` to `#2`"), "{err}");
    let (code, _, err) = eval(folder.path(), &["web.yml", "--request", "two.har#3"]);
    assert!(code == Some(2) && err.contains("the file has 2 entries, and no number 3"), "{err}");
    // A file by the whole name comes first.
    fs::write(folder.path().join("two.har#3"), "url: https://evil.example/").expect("written");
    let (code, out, _) = eval(folder.path(), &["web.yml", "--request", "two.har#3"]);
    assert!(code == Some(0) && out.starts_with("deny"), "{out}");
    fs::write(
        folder.path().join("r.yml"),
        "url: https://a.example/\nversion: HTTP/9\nheaders: {host: [a, b]}\n",
    )
    .expect("written");
    let (code, _, err) = eval(folder.path(), &["web.yml", "--request", "r.yml"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("`version` is not a version of HTTP") && err.contains("r.yml:2:10"), "{err}");
    assert!(err.contains("a request has one host") && err.contains("r.yml:3"), "{err}");
}

#[test]
fn what_is_meant_by_other_words_is_said() {
    let folder = folder();
    let said = |args: &[&str], expected: &str| {
        let (code, _, err) = eval(folder.path(), args);
        assert!(code == Some(2) && err.contains(expected), "{args:?}: {err}");
    };
    said(&["web.yml", "--request", "POST"], "there is none `POST`; a method is given by `-X POST`");
    said(&["web.yml", "--request", "https://app.example.com/"], "a URL is given by `--url`");
    said(&["web.yml", "--url", "https://a.example/", "--expect", "deny:abc"], "`deny:STATUS`");
    said(&["tcp.yml", "--seed", "x"], "write a whole number from 0 to 18446744073709551615");
    let (_, out, _) =
        eval(folder.path(), &["web.yml", "--url", "https://a.example/", "-d", "x", "--has-upstream"]);
    assert!(out.contains("x-version: HTTP/1.1"), "a body makes a POST: {out}");
    let get = ["web.yml", "--url", "https://a.example/", "--data", "x", "-X", "GET", "--has-upstream"];
    let (_, out, _) = eval(folder.path(), &get);
    assert!(!out.contains("x-version"), "{out}");
    let refused = ["web.yml", "--url", "https://evil.example/", "--expect", "deny:403"];
    let (code, _, err) = eval(folder.path(), &refused);
    assert!(
        code == Some(1) && err.contains("expected deny with 403, got deny: the client is answered 451"),
        "{err}"
    );
    // A connection that is closed is not answered.
    let (code, ..) = eval(folder.path(), &["tcp.yml", "--expect", "deny:403"]);
    assert_eq!(code, Some(1));
}

/// Flags count over what a file says, as with curl.
#[test]
fn flags_replace_what_a_file_says() {
    let folder = folder();
    let base = ["web.yml", "--request", "one.har", "--has-upstream", "--explain"];
    let said = |more: &[&str]| {
        let (code, out, err) = eval(folder.path(), &[&base[..], more].concat());
        assert_eq!((code, &*err), (Some(0), ""), "{more:?}");
        out
    };
    assert!(said(&[]).contains("x-version"));
    assert!(!said(&["-X", "PUT"]).contains("x-version"));
    assert!(!said(&["-X", "PUT", "-d", "x"]).contains("x-version"));
    // A body leaves the method of the file.
    fs::write(folder.path().join("get.yml"), "url: https://a.example/\n").expect("written");
    let get = ["web.yml", "--request", "get.yml", "--has-upstream", "-d", "x"];
    assert!(!eval(folder.path(), &get).1.contains("x-version"));
    let (code, _, err) = eval(folder.path(), &["web.yml", "-X", "PUT"]);
    assert!(code == Some(2) && err.contains("--url <URL>|--request <FILE>"), "{err}");
}

#[test]
fn a_length_that_is_not_that_of_the_body_is_said() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("five.yml", "method: POST\nurl: https://a.example/\nheaders: {content-length: '5'}\nbody: abc\n");
    let flags = |length: &'static str| ["--url", "https://a.example/", "-d", "abc", "-H", length];
    let note = "note: the request's `content-length` says 5, and its body has 3 bytes\n";
    for (args, expected) in [
        (&flags("content-length: 5")[..], note),
        (&["--request", "five.yml"], note),
        (&["--request", "five.yml", "-d", "abcde"], ""),
        (&flags("content-length: 3"), ""),
    ] {
        let (code, _, err) = eval(folder.path(), &[&["web.yml", "--has-upstream"], args].concat());
        assert_eq!((code, &*err), (Some(0), expected), "{args:?}");
    }
}

#[test]
fn all_secrets_are_named_at_once() {
    let folder = folder();
    let url = ["secrets.yml", "--url", "https://a.example/", "--has-upstream"];
    let (code, _, err) = eval(folder.path(), &url);
    assert_eq!(code, Some(2));
    assert!(err.contains("add `--secret v/a=… --secret v/b=…`"), "{err}");
    let (code, _, err) = eval(folder.path(), &[&url[..], &["--secret", "v/b=sk_b"]].concat());
    assert!(code == Some(2) && err.contains("add `--secret v/a=…`") && !err.contains("sk_b"), "{err}");
}

/// Of the value of `secrets.get` itself nothing is shown, however short or long it is.
#[test]
fn explanations_show_no_secret() {
    let folder = folder();
    let policy = "on_http_request: [{expressions: [\"req.host + secrets.get('v', 'k') == 'b'\", \"true\"], actions: [{type: deny}]}]\n";
    fs::write(folder.path().join("p.yml"), policy).expect("written");
    for secret in ["kkk", "k", &"kq".repeat(200)] {
        let given = format!("v/k={secret}");
        let args = ["p.yml", "--url", "https://a.example/", "--explain", "--secret", &given];
        let (code, out, err) = eval(folder.path(), &args);
        assert_eq!((code, &*err), (Some(0), ""));
        let line =
            out.lines().find(|line| line.trim_start().starts_with("secrets.get")).expect("it is shown");
        assert!(line.ends_with("  (secret)"), "{line}");
    }
}

#[test]
fn what_was_given_in_vain_is_said() {
    let folder = folder();
    let said = |args: &[&str]| {
        let (code, _, err) = eval(folder.path(), args);
        assert_eq!(code, Some(0), "{err}");
        err
    };
    let url = ["secrets.yml", "--url", "https://a.example/", "--has-upstream", "--secret", "v/a=sk_a"];
    assert_eq!(said(&url), "");
    fs::write(folder.path().join("keys.json"), "{\"keys\": []}").expect("written");
    let more = [
        "--secret",
        "v/b=sk_b",
        "--login",
        "me@example.com",
        "--keys",
        "https://id.example/=keys.json",
        "--set",
        "conn.geo.city=Bonn",
    ];
    let err = said(&[&url[..], &more].concat());
    for expected in [
        "note: --set: no policy here reads `conn.geo.city`\n",
        "note: --secret: nothing read `v/b` on the way to this answer\n",
        "note: --keys: nothing fetched the keys of `https://id.example/` on the way to this answer\n",
        "note: --login: nothing asked who is logged in on the way to this answer\n",
    ] {
        assert!(err.contains(expected), "{err}");
    }
    assert!(!err.contains("sk_"), "{err}");
}

#[test]
fn errors_repeat_no_secrets() {
    let folder = folder();
    for args in [
        &["web.yml", "--url", "htps://me:sk_1@a.example/?token=sk_2"][..],
        &["web.yml", "--url", "https://me:sk_1@a.example:port/?token=sk_2"],
        &["web.yml", "--url", "me:sk_1@a.example/"],
        &["web.yml", "--url", "https://a.example/", "-H", "authorization sk_1"],
        &["web.yml", "--url", "https://a.example/", "-H", "cookie sk_1: a"],
        &["web.yml", "--url", "https://a.example/", "-H", "authorization: sk_1\n"],
        &["web.yml", "--url", "https://a.example/", "-H", "x-token:", "sk_1"],
        &["web.yml", "--url", "https://a.example/", "-H", "authorization:", "Bearer", "sk_1"],
        &["web.yml", "--url", "https://a.example/", "--secret", "sk_1"],
        &["web.yml", "--url", "https://a.example/", "--secret", "v=sk_1"],
        &["web.yml", "--url", "https://a.example/", "--secrets", "v/a=sk_1"],
        &["web.yml", "--url", "https://a.example/", "--secrets=v/a=sk_1"],
        &["web.yml", "https://me:sk_1@a.example/"],
        &["tcp.yml", "--endpoint", "tcp://me:sk_1@a.example:22"],
        &["tcp.yml", "--expect", "forward:tcp://me:sk_1@a.example:22"],
        &["tcp.yml", "--target", "tcp://me:sk_1@a.example:22=offline"],
        &["tcp.yml", "--keys", "htps://me:sk_1@a.example/=x"],
        &["web.yml", "--request", "https://me:sk_1@a.example/"],
    ] {
        let (code, out, err) = eval(folder.path(), args);
        assert!(code == Some(2) && out.is_empty() && !err.contains("sk_"), "{args:?}: {err}");
        assert!(err.starts_with("error: "), "{args:?}: {err}");
    }
}

/// What cannot be one request is a wrong call.
#[test]
fn contradictions_of_a_call_are_told() {
    let folder = folder();
    let url = ["web.yml", "--url", "https://a.example/"];
    for (more, said) in [
        (&["-H", "host: a.example", "-H", "Host: b.example"][..], "`host` is given twice"),
        (&["--secret", "v/a=1", "--secret", "v/b=1", "--secret", "v/a=2"], "`v/a` is given twice"),
    ] {
        let (code, _, err) = eval(folder.path(), &[&url[..], more].concat());
        assert!(code == Some(2) && err.contains(said), "{more:?}: {err}");
    }
    let (code, _, err) =
        eval(folder.path(), &["web.yml", "--url", "https://a.example/a\nerror: b?token=hush"]);
    assert!(code == Some(2) && err.contains("control character"), "{err}");
    assert!(!err.contains("hush") && !err.lines().any(|line| line == "error: b"), "{err}");
}

/// A value is shortened only after secrets are out of it, in whatever form it is written.
#[test]
fn explanations_show_no_part_of_a_secret() {
    let folder = folder();
    let policy = "on_http_request:
- expressions: [\"('Bearer ' + secrets.get('v', 'k')) == 'x' || secrets.get('v', 'k') == 'y'\"]
  actions: [{type: deny}]
- actions: [{type: add-headers, config: {headers: {x-key: \"${secrets.get('v', 'k')}\"}}}]
- expressions: [\"req.headers['x-key'][0] == 'z' || size(req.headers) == 99\"]
  actions: [{type: deny}]
";
    fs::write(folder.path().join("k.yml"), policy).expect("written");
    for secret in ["S3CR3T".repeat(17), "S3CR3T".repeat(400), "S3CR3T\tS3CR3T\u{1}S3CR3T".to_owned()] {
        let given = format!("v/k={secret}");
        let args =
            ["k.yml", "--url", "https://a.example/", "--has-upstream", "--explain", "--secret", &given];
        let (_, out, err) = eval(folder.path(), &args);
        assert!(out.contains("(secret)") && !out.contains("S3C"), "{out}{err}");
    }
}

/// What a recorded URL holds is shown by no finding about it, nor by the line that one shows.
#[test]
fn findings_show_neither_users_nor_queries() {
    let folder = folder();
    for url in ["ht!tp://u:sesame@a.example/?t=sesame", "https://u:sesame@a.example:99999/?t=sesame#sesame"] {
        for text in [
            format!("url: \"{url}\"\n"),
            format!("url: {url}\n"),
            format!("{{\"request\": {{\"method\": \"GET\", \"url\": \"{url}\"}}}}\n"),
        ] {
            fs::write(folder.path().join("odd.yml"), &text).expect("written");
            let (code, out, err) = eval(folder.path(), &["web.yml", "--request", "odd.yml"]);
            assert!(code == Some(2) && !format!("{out}{err}").contains("sesame"), "{text}: {out}{err}");
        }
    }
}

/// The condition has no value for an event without a number.
#[test]
fn the_event_that_ends_a_stream_is_named() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let policy = "on_event_stream_message:
- actions: [{type: sse-find-replace, config: {replacements: [{from: '[0-9x]', to: 'n'}]}}]
- expressions: [\"int(actions.ngrok.sse_find_replace.replacements[0].matched_content) > 5\"]
  actions: [{type: sse-find-replace, config: {replacements: [{from: large, to: small}]}}]
";
    write("stream.yml", policy);
    let url = ["stream.yml", "--url", "https://a.example/", "--response", "events.yml"];
    let (some, none) = ("and the client got what came before:", "and no event was sent");
    for (events, ended, kept) in [
        (["1", "x", "2"], Some((2, some)), 1),
        (["x", "1", "2"], Some((1, none)), 0),
        (["1", "2", "3"], None, 3),
    ] {
        let body = events.map(|event| format!("data: {event}\\n\\n")).concat();
        write("events.yml", &format!("headers: {{content-type: text/event-stream}}\nbody: \"{body}\"\n"));
        let (code, out, err) = eval(folder.path(), &url);
        let ended = ended
            .map_or_else(String::new, |(event, rest)| format!("; event {event} ended the stream, {rest}"));
        assert!(code == Some(0) && out.contains(&format!("  answered 200{ended}\n")), "{out}{err}");
        assert_eq!(out.matches("| data: n").count(), kept, "{out}");
    }
}

/// What is shown of a request that goes on differs from what came in; each action shows what it did.
#[test]
fn what_is_changed_back_is_no_difference() {
    let folder = folder();
    let policy = "on_http_request:
- actions:
  - {type: add-headers, config: {headers: {x-a: one}}}
  - {type: remove-headers, config: {headers: [x-a]}}
";
    fs::write(folder.path().join("p.yml"), policy).expect("written");
    let said = |more: &[&str]| {
        let base = ["p.yml", "--url", "https://a.example/", "--has-upstream"];
        eval(folder.path(), &[&base[..], more].concat()).1
    };
    assert!(!said(&[]).contains("x-a"));
    assert!(said(&["--format", "json"]).contains("\"headers\":[]"));
    let explained = said(&["--explain"]);
    assert!(explained.contains("      + x-a: one\n") && explained.contains("      - x-a\n"), "{explained}");
    assert_eq!(explained.matches("x-a").count(), 2, "{explained}");
    assert!(said(&["-H", "X-A: two"]).contains("  - x-a\n"));
}

/// A token that has an end needs the time; keys are given by flags.
#[test]
fn tokens_name_the_flags_that_they_need() {
    const TOKEN: &str = "x-token: eyJhbGciOiAiRVMyNTYiLCAidHlwIjogIkpXVCJ9.\
        eyJpc3MiOiAiaHR0cHM6Ly9pZC5leGFtcGxlLmNvbS8iLCAiZXhwIjogMjAwMDAwMDAwMH0.\
        MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA";
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    let policy = "on_http_request:
- actions:
  - type: jwt-validation
    config:
      issuer: {allow_list: [{value: https://id.example.com/}]}
      http: {tokens: [{type: jwt, method: header, name: x-token}]}
      jws: {allowed_algorithms: [ES256], keys: {sources: {additional_jkus: [https://id.example.com/keys]}}}
";
    write("jwt.yml", policy);
    let agent = format!(
        "version: 3\nagent: {{}}\nendpoints:\n- name: web\n  url: https://a.example\n  upstream: {{url: 80}}\n  \
         traffic_policy:\n    {}\n",
        policy.trim_end().replace('\n', "\n    ")
    );
    write("ngrok.yml", &agent);
    write("none.json", "{\"keys\": []}");
    write("page.json", "<html>");
    let keys = |file: &str| format!("https://id.example.com/keys={file}");
    for file in ["jwt.yml", "ngrok.yml"] {
        let with = |more: &[&str]| {
            eval(folder.path(), &[&[file, "--url", "https://a.example/", "-H", TOKEN][..], more].concat())
        };
        let (code, out, err) = with(&[]);
        assert!(code == Some(0) && out.contains("(give it with `--now TIME`)"), "{file}: {out}{err}");
        let now = ["--now", "2026-01-31T12:00:00Z"];
        let (code, _, err) = with(&now);
        assert!(
            code == Some(2) && err.contains("add `--keys https://id.example.com/keys=FILE`"),
            "{file}: {err}"
        );
        let (code, out, err) = with(&[&now[..], &["--keys", &keys("none.json")]].concat());
        assert!(code == Some(0) && !out.contains("--now"), "{file}: {out}{err}");
        let (code, _, err) = with(&[&now[..], &["--keys", &keys("page.json")]].concat());
        assert!(code == Some(2) && err.contains("--keys: `page.json` is no set of keys"), "{file}: {err}");
    }
}
