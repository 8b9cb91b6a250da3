//! `policy test`: cases that pass, fail, cannot be asked or are skipped; what it says of them, and how it ends.
#![allow(clippy::expect_used, clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "support/command.rs"]
mod command;

const POLICY: &str = "on_tcp_connect:
- name: office only
  actions: [{type: restrict-ips, config: {allow: [203.0.113.0/24]}}]
- name: at night
  expressions: [\"timestamp(time.now).getHours() < 6\"]
  actions: [{type: deny}]
- actions:
  - {type: set-vars, config: {vars: [{site: north}, {ports: [22, 23]}]}}
  - {type: log, config: {metadata: {who: '${conn.client_ip}'}}}
  - {type: forward-internal, config: {url: 'tcp://${vars.site}.internal:22'}}
";

const BREAKER: &str = "on_http_request:
- actions:
  - type: circuit-breaker
    config: {error_threshold: 0.5, volume_threshold: 2, window_duration: 10s, tripped_duration: 20s}
  - type: add-headers
    config: {headers: {x-key: \"${secrets.get('v', 'k')}\"}}
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("p.yml"), POLICY).expect("written");
    fs::write(folder.path().join("breaker.yml"), BREAKER).expect("written");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn test(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    command::policy(folder, &[&["test"], args].concat())
}

/// A scenario file with a case at noon.
fn case(rest: &str) -> String {
    format!(
        "policy: p.yml\ndefaults: {{ip: 203.0.113.9, now: 2026-01-31T12:00:00Z}}\ncases:\n  - {{name: a case, {rest}}}\n"
    )
}

/// Asks one case.
fn ask(rest: &str) -> (Option<i32>, String, String) {
    test(folder(&[("p.test.yml", &case(rest))]).path(), &["p.test.yml"])
}

#[test]
fn what_holds_passes() {
    for rest in [
        "expect: {forward: 'tcp://north.internal:22'}",
        "expect: {allow: true, vars: {site: north, ports: [22, 23]}}",
        "expect: {effects: [log: {who: 203.0.113.9}, forward: 'tcp://north.internal:22']}",
        "now: 2026-01-31T05:59:59Z, expect: {deny: true, rule: at night}, then: [{after: 1s, expect: {allow: true}}]",
        "ip: [192.0.2.1, '::1'], expect: {deny: true, rule: office only, vars: {}, effects: []}",
        "targets: {'tcp://north.internal:22': offline}, expect: {error: true}",
    ] {
        let (code, out, err) = ask(rest);
        assert_eq!((code, &*err), (Some(0), ""), "{rest}: {out}");
        assert!(
            out.contains("pass p.test.yml:4  a case") && out.ends_with("1 passed, 0 failed in 1 file\n"),
            "{out}"
        );
    }
}

#[test]
fn what_differs_fails_at_its_place() {
    for (rest, wanted) in [
        (
            "expect: {deny: true}",
            &["expected deny    (p.test.yml:4:", "got      forward to tcp://north.internal:22", "because"][..],
        ),
        (
            "ip: 192.0.2.1, expect: {allow: true}",
            &["expected allow", "got      deny", "192.0.2.1 matches no allow entry"],
        ),
        ("ip: 192.0.2.1, expect: {rule: office}", &["expected rule `office`", "got      rule `office only`"]),
        ("expect: {vars: {site: south}}", &["expected `vars.site` to be \"south\"", "got      \"north\""]),
        ("expect: {vars: {other: 1}}", &["got      it was not set"]),
        (
            "expect: {effects: []}",
            &["expected effect 1: no further effect", "got      log: {\"who\":\"203.0.113.9\"}"],
        ),
        ("expect: {effects: [log: {who: 203.0.113.9}]}", &["effect 2: no further effect"]),
        ("expect: {status: 200}", &["expected status 200", "got      no answer to the client"]),
        (
            "ip: [203.0.113.9, 192.0.2.1], repeat: 2, expect: {allow: true}",
            &["time 1 of 2, from 192.0.2.1:", "time 2 of 2"],
        ),
        (
            "expect: {allow: true}, then: [{ip: 192.0.2.1, expect: {close: true}}]",
            &["step 2:", "expected close"],
        ),
    ] {
        let (code, out, _) = ask(rest);
        assert_eq!(code, Some(1), "{rest}: {out}");
        assert!(wanted.iter().all(|part| out.contains(part)), "{rest}: {out}");
        assert!(
            out.contains("FAIL p.test.yml:4  a case") && out.ends_with("0 passed, 1 failed in 1 file\n"),
            "{out}"
        );
    }
}

#[test]
fn what_cannot_be_asked_fails_and_says_why() {
    let file = "policy: p.yml\ncases: [{name: no time, ip: 203.0.113.9, expect: {allow: true}}]\n";
    let (code, out, _) = test(folder(&[("p.test.yml", file)]).path(), &["p.test.yml"]);
    assert!(code == Some(1) && out.contains("`time.now`"), "{out}");
    let (code, out, _) = ask("targets: {'tcp://nowhere.example:22': offline}, expect: {allow: true}");
    assert!(code == Some(1) && out.contains("tcp://nowhere.example:22"), "{out}");
}

/// What one case lacks fails it alone; the file cannot be used only if nobody can be asked.
#[test]
fn what_a_case_lacks_fails_that_case() {
    let good = "  - {name: good, ip: 192.0.2.1, has_upstream: true, request: {url: 'https://a.example/'}, \
                secrets: {v/k: sesame}, expect: {upstream: true}}\n";
    for lacking in ["", "request: nope.yml, ", "request: {url: 'https://a.example/'}, response: nope.yml, "] {
        let bad = format!("  - {{name: bad, ip: 192.0.2.1, {lacking}expect: {{deny: true}}}}\n");
        let text = format!("policy: breaker.yml\ncases:\n{good}{bad}");
        let (code, out, err) = test(folder(&[("p.test.yml", &text)]).path(), &["p.test.yml"]);
        assert!(code == Some(1) && out.contains("1 passed, 1 failed"), "{out}{err}");
        assert!(out.contains("(p.test.yml:4:5)"), "{out}");
        let text = format!("policy: breaker.yml\ncases:\n{bad}");
        let (code, out, err) = test(folder(&[("p.test.yml", &text)]).path(), &["p.test.yml"]);
        match lacking {
            "" => assert!(code == Some(2) && err.contains("p.test.yml:3 `bad`: "), "{out}{err}"),
            _ => assert!(code == Some(1) && out.contains("0 passed, 1 failed"), "{out}{err}"),
        }
    }
}

/// Reports of continuous integration show files that cannot be used, and are XML whatever a case is called.
#[test]
fn unusable_files_stand_in_every_report() {
    let good = "policy: p.yml\ncases: [{name: \"a\\ufffe\", ip: 203.0.113.9, now: 2026-12-01T09:00:00Z, expect: {error: true}}]\n";
    let files = [("a.test.yml", good), ("b.test.yml", "policy: p.yml\ncases: 5\n")];
    let folder = folder(&files);
    let (code, out, _) = test(folder.path(), &["--format", "junit", "."]);
    assert_eq!(code, Some(2), "{out}");
    assert!(out.contains("errors=\"1\"") && out.contains("b.test.yml"), "{out}");
    assert!(out.contains("a\u{fffd}") && !out.contains('\u{fffe}'), "{out}");
    // The failure says its place.
    assert!(out.contains("a.test.yml:2:"), "{out}");
    let (_, out, _) = test(folder.path(), &["--format", "json", "."]);
    let shown: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(shown.pointer("/errors/0/file"), Some(&"b.test.yml".into()), "{out}");
}

#[test]
fn a_target_that_no_policy_has_is_compared_as_any() {
    let (code, out, err) = ask("now: 2026-12-01T09:00:00Z, expect: {forward: 'tcp://nowhere.example:22'}");
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("expected forward") && out.contains("got  ") && !out.contains("--expect"), "{out}");
}

#[test]
fn a_case_that_fails_very_often_says_so() {
    let (code, out, err) = ask("now: 2026-12-01T09:00:00Z, repeat: 11, expect: {error: true}");
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("time 10 of 11") && out.contains("and more: the first ten are shown"), "{out}");
    let (_, out, _) = ask("now: 2026-12-01T09:00:00Z, repeat: 10, expect: {error: true}");
    assert!(!out.contains("and more"), "{out}");
}

#[test]
fn circuit_breakers_count_through_a_case_and_secrets_are_hidden() {
    let file = "policy: breaker.yml
defaults: {ip: 203.0.113.9, has_upstream: true, request: {url: 'https://a.example/'}, secrets: {v/k: s3cret-value}}
cases:
  - name: it opens after two failures and closes after one success
    response: {status_code: 500}
    repeat: 2
    expect: {upstream: true}
    then:
      - expect: {deny: 503}
      - {after: 20s, response: {status_code: 200}, expect: {upstream: true}}
      - {response: {status_code: 200}, expect: {upstream: true}}
  - name: every case begins anew
    expect: {upstream: true, request: {headers: {x-key: s3cret-value}}}
  - name: another key
    expect: {request: {headers: {x-key: other}}}
";
    let (code, out, err) = test(folder(&[("b.test.yml", file)]).path(), &["b.test.yml", "--only-failures"]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("2 passed, 1 failed") && out.contains("got      (secret)"), "{out}");
    assert!(!format!("{out}{err}").contains("s3cret-value"), "{out}{err}");
}

/// A case may expect what it gives as a secret.
#[test]
fn secrets_are_hidden_in_what_is_expected() {
    let text = "policy: breaker.yml\ncases:\n  - name: a case\n    ip: 192.0.2.1\n    has_upstream: true\n    \
                request: {url: 'https://a.example/?token=hush'}\n    secrets: {v/k: sesame}\n    \
                expect: {request: {headers: {x-key: sesame-open}}}\n    then: [{expect: {deny: true}}]\n";
    let (code, out, err) = test(folder(&[("s.test.yml", text)]).path(), &["s.test.yml"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.contains("expected `x-key: (secret)-open`") && !out.contains("sesame"), "{out}");
    assert!(!out.contains("hush"), "{out}");
}

/// A scenario file may come with a checkout: it names no files elsewhere.
#[test]
fn files_elsewhere_are_not_read() {
    let outer = folder(&[("other.yml", "token: sesame\n"), ("r.har", "sesame")]);
    let inner = outer.path().join("a/b");
    fs::create_dir_all(&inner).expect("made");
    let asks = |text: &str| {
        let text = format!("{text}\ncases:\n  - {{name: a, ip: 192.0.2.1, expect: {{deny: true}}}}\n");
        fs::write(inner.join("p.test.yml"), text).expect("written");
        test(&inner, &["p.test.yml"])
    };
    // What a case names fails the case, what the file names the file.
    for (named, expected) in [
        ("policy: ../../other.yml", 2),
        ("policy: p.yml\ndefaults: {request: '../../r.har#1'}", 1),
        ("policy: p.yml\ndefaults: {response: ../../other.yml}", 1),
        ("policy: p.yml\ndefaults: {keys: {'https://a.example/': ../../other.yml}}", 1),
        ("policy: p.yml\nip_policies: ../../other.yml", 2),
        ("policy: p.yml\ncategories: ../../other.yml", 2),
        ("policy: p.yml\ngeoip: ../../other.yml", 2),
        ("policy: p.yml\nagents: ../../other.yml", 2),
    ] {
        fs::copy(outer.path().join("p.yml"), inner.join("p.yml")).expect("copied");
        let (code, out, err) = asks(named);
        assert_eq!(code, Some(expected), "{named}: {out}{err}");
        let said = format!("{out}{err}");
        assert!(said.contains("lies neither below the folder of its scenario file, `.`"), "{named}: {said}");
        assert!(!err.contains("sesame") && !out.contains("sesame"), "{named}: {err}{out}");
    }
    // From a folder that has both it may.
    let text = "policy: ../../p.yml\ncases: [{name: a, ip: 192.0.2.1, expect: {deny: true}}]\n";
    fs::write(inner.join("p.test.yml"), text).expect("written");
    let (code, out, err) = test(outer.path(), &["a/b/p.test.yml"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn exit_codes_are_those_of_every_command() {
    let skipped = case("skip: later, expect: {deny: true}");
    let failing = case("expect: {deny: true}");
    let broken = case("expct: {deny: true}");
    let files = [("a.test.yml", &*skipped), ("b.test.yml", &failing), ("c.test.yml", &broken)];
    let folder = folder(&files);
    let code = |args: &[&str]| test(folder.path(), args).0;
    assert_eq!(code(&["a.test.yml"]), Some(0));
    assert_eq!(code(&["a.test.yml", "b.test.yml"]), Some(1));
    assert_eq!(code(&["a.test.yml", "b.test.yml", "c.test.yml"]), Some(2));
    assert_eq!(code(&["nowhere.test.yml"]), Some(2));
    assert_eq!(code(&["p.yml"]), Some(2), "a policy holds no cases");
    assert_eq!(code(&["--run", "nothing", "a.test.yml"]), Some(2));
    assert_eq!(code(&["--run", "(", "a.test.yml"]), Some(2));
    assert_eq!(code(&["--run", "^a c", "b.test.yml"]), Some(1));
    let (code, _, err) = test(tempfile::tempdir().expect("a folder").path(), &["."]);
    assert!(code == Some(2) && err.contains("no test was found"), "{err}");
}

#[test]
fn a_search_names_policies_without_a_test() {
    let folder = folder(&[("p.test.yml", &case("expect: {allow: true}"))]);
    let (code, out, err) = test(folder.path(), &["."]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        err.contains("no scenario file names the policy `breaker.yml`") && !err.contains("`p.yml`"),
        "{err}"
    );
}

#[test]
fn programs_read_results() {
    let files = [
        ("a.test.yml", case("skip: later, expect: {deny: true}")),
        ("b.test.yml", case("expect: {deny: true}")),
    ];
    let folder = folder(&files.each_ref().map(|(name, text)| (*name, &**text)));
    let (_, out, _) = test(folder.path(), &["--format", "json", "."]);
    let said: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let counts = ["version", "passed", "failed", "skipped"].map(|key| said[key].as_u64());
    assert_eq!(counts, [Some(1), Some(0), Some(1), Some(1)]);
    let case = &said["cases"][1];
    assert_eq!(
        (&case["status"], &case["file"], &case["line"]),
        (&"failed".into(), &"b.test.yml".into(), &4.into())
    );
    assert!(
        case["message"].as_str().is_some_and(|text| text.starts_with("expected deny, got forward")),
        "{case}"
    );
    let (code, out, _) = test(folder.path(), &["--format", "junit", "."]);
    let report = quick_junit::Report::deserialize_from_str(&out).expect("JUnit");
    assert_eq!((code, report.tests, report.failures, report.test_suites.len()), (Some(1), 2, 1, 2));
}

/// Where `genhtml` is installed it reads the file; `REQUIRE_GENHTML` says that it has to be.
fn read_by_genhtml(folder: &Path) {
    let arguments = ["--branch-coverage", "--output-directory", "html", "p.info"];
    match Command::new("genhtml").args(arguments).current_dir(folder).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
            assert!(said.contains("(1 of 2 branches)"), "{said}");
        }
        Err(error) if std::env::var_os("REQUIRE_GENHTML").is_none() => eprintln!("skipped: genhtml: {error}"),
        Err(error) => panic!("genhtml: {error}"),
    }
}

#[test]
fn what_no_case_reaches_is_told() {
    let folder = folder(&[("p.test.yml", &case("ip: 203.0.113.9, expect: {allow: true}"))]);
    let (code, out, err) =
        test(folder.path(), &["p.test.yml", "--coverage", "--lcov", "p.info", "--fail-under", "80"]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("p.yml  81.8 %") || err.contains("less than 80 %"), "{out}{err}");
    for left in ["rule #2 `at night` never applies", "`deny` never runs", "` is never true"] {
        assert!(out.contains(left), "{left}: {out}");
    }
    // What is shown is enough, and as precise as it is asked for.
    let shown =
        out.lines().find_map(|line| line.split_once("in all  ")?.1.split_once(" %")).expect("it is told").0;
    for (percent, expected) in [(shown, 0), ("99.5", 1), ("100", 1)] {
        let (code, _, err) = test(folder.path(), &["p.test.yml", "--fail-under", percent]);
        assert_eq!(code, Some(expected), "{percent}: {err}");
    }
    for percent in ["x", "101", "NaN"] {
        let (code, _, err) = test(folder.path(), &["p.test.yml", "--fail-under", percent]);
        assert!(code == Some(2) && err.contains("write a number from 0 to 100, e.g. 93.5"), "{err}");
    }
    let lcov = fs::read_to_string(folder.path().join("p.info")).expect("written");
    let has = |line: &str| lcov.lines().any(|own| own == line);
    assert!(
        has("SF:p.yml") && has("BRDA:5,0,0,1") && has("BRDA:5,0,1,0") && has("DA:4,0") && has("DA:6,0"),
        "{lcov}"
    );
    read_by_genhtml(folder.path());
    let (_, out, _) = test(folder.path(), &["p.test.yml", "--coverage", "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let file = &said["coverage"]["files"][0];
    let left = file["not_reached"].as_array().expect("a list").len() as u64;
    assert_eq!(file["reached"].as_u64().map(|reached| reached + left), file["items"].as_u64(), "{file}");
}

/// Where every rule, entry and part of a condition is reached, leaving it out or fixing it fails some case.
#[test]
fn what_is_reached_whole_notices_every_mutation() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/scenarios");
    let read = |name: &str| fs::read_to_string(fixtures.join(name)).expect("a fixture");
    let (ssh, web) = (read("ssh.yml"), read("web.yml"));
    let mut mutants: Vec<(&str, String)> = Vec::new();
    // Entries.
    let (one, other) = ("203.0.113.42/32", "\"e680:5791:be4c:5739:d959:7b94:6d54:d4b4/128\"");
    mutants.extend([one, other].map(|kept| ("ssh.yml", ssh.replace(&format!("{one}, {other}"), kept))));
    // Rules.
    for (name, text) in [("ssh.yml", &ssh), ("web.yml", &web)] {
        let starts: Vec<usize> = text.match_indices("\n  - ").map(|(at, _)| at + 1).collect();
        for start in starts {
            let rest = &text[start + 1..];
            let end =
                rest.find("\n  - ").or_else(|| rest.find("\non_")).map_or(text.len(), |at| start + 2 + at);
            let without = format!("{}{}", &text[..start], &text[end..]);
            let emptied = without.replace("on_http_response:\n", "on_http_response: []\n");
            mutants.push((name, if without.ends_with("on_http_response:\n") { emptied } else { without }));
        }
    }
    // Parts of conditions.
    let parts = ["req.method == 'POST'", "req.method == 'GET'", "req.url.path.startsWith('/v0/')"];
    let whole = "req.method == 'GET' && req.url.path.startsWith('/v0/')";
    for part in parts.into_iter().chain([whole]) {
        mutants.extend(["true", "false"].map(|value| ("web.yml", web.replacen(part, value, 1))));
    }
    assert_eq!(mutants.len(), 2 + 7 + 8);
    for (name, text) in mutants {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["edge.yml", "ssh.yml", "web.yml", "ssh.test.yml", "web.test.yml"] {
            fs::write(folder.path().join(file), read(file)).expect("written");
        }
        assert_eq!(test(folder.path(), &["."]).0, Some(0), "the fixtures pass");
        fs::write(folder.path().join(name), &text).expect("written");
        let (code, out, err) = test(folder.path(), &["."]);
        assert_eq!(code, Some(1), "{name}: {text}\n{out}{err}");
    }
}

/// A server that does not answer has an endpoint whose policy refuses first; only an endpoint that is offline has none.
#[test]
fn a_refusal_of_a_target_comes_before_its_server() {
    let edge = "version: 1
endpoints: [{name: e, url: 'tcp://e:9', traffic_policy_file: e.yml}]
internal_endpoints:
- {url: 'tcp://d1.internal:22', upstream: {url: '10.0.0.1:22'}, traffic_policy_file: d1.yml}
- {url: 'tcp://d2.internal:22', upstream: {url: '10.0.0.1:22'}}
";
    let policy = "on_tcp_connect:
- actions:
  - {type: forward-internal, config: {url: 'tcp://d1.internal:22', on_error: continue}}
  - {type: forward-internal, config: {url: 'tcp://d2.internal:22'}}
";
    let d1 =
        "on_tcp_connect: [{name: one, actions: [{type: restrict-ips, config: {allow: [203.0.113.7/32]}}]}]\n";
    let cases = "policy: edge.yml
cases:
- {name: refused, ip: 192.0.2.1, targets: {'tcp://d1.internal:22': refused}, expect: {deny: true, rule: one}}
- {name: slow, ip: 192.0.2.1, targets: {'tcp://d1.internal:22': slow}, expect: {deny: true, rule: one}}
- {name: offline, ip: 192.0.2.1, targets: {'tcp://d1.internal:22': offline}, expect: {forward: 'tcp://d2.internal:22'}}
- {name: admitted, ip: 203.0.113.7, targets: {'tcp://d1.internal:22': refused}, expect: {forward: 'tcp://d2.internal:22'}}
";
    let files = [("edge.yml", edge), ("e.yml", policy), ("d1.yml", d1), ("e.test.yml", cases)];
    let folder = folder(&files);
    let (code, out, err) = test(folder.path(), &["e.test.yml"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

/// A policy that has another name now is told where the scenarios name it.
#[test]
fn a_policy_that_is_not_there_is_told_at_its_place() {
    let text = "# cases\npolicy: gone.yml\ncases: [{name: a, ip: 192.0.2.1, expect: {deny: true}}]\n";
    let (code, out, err) = test(folder(&[("p.test.yml", text)]).path(), &["p.test.yml"]);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(err.contains("p.test.yml:2:9: cannot read `gone.yml`"), "{err}");
}
