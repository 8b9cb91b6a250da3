//! What scenario files say, and what is wrong with them.

use super::*;
use crate::exchange::{Effect, Side};
use crate::lint::{DocumentKind, kind_of, lint_as};
use crate::parse::Plain;

fn read(text: &str) -> (Option<Scenarios>, Vec<String>) {
    let source = Source::new("p.test.yml", text);
    let (scenarios, found) = load_scenarios(&source);
    let line = |it: &crate::diagnostic::Diagnostic| {
        let at = source.position(it.span.start);
        format!("{}:{} {} {}", at.line, at.column, it.code.id, it.message)
    };
    (scenarios, found.iter().map(line).collect())
}

/// What is wrong with a case.
fn wrong(case: &str) -> Vec<String> {
    let (scenarios, found) = read(&format!("policy: p.yml\ncases:\n  - {case}\n"));
    assert!(scenarios.is_none(), "{case}");
    found
}

#[test]
fn cases_take_what_defaults_say() {
    let text = "policy: edge.yml
geoip: places.mmdb
defaults:
  endpoint: tcp://edge:20022
  targets: {tcp://a.internal:22: offline, tcp://b.internal:22: slow}
  set: {conn.geo.country_code: DE}
cases:
  - name: one
    ip: 203.0.113.42
    expect: {forward: tcp://a.internal:22, rule: office}
  - name: many
    ip: [198.51.100.1, \"2001:db8::1\"]
    targets: {tcp://b.internal:22: 'respond:503'}
    repeat: 3
    expect: {deny: true}
    then:
      - {after: 61s, expect: {close: true}}
      - {ip: 192.0.2.1, expect: {allow: true}}
  - {name: later, skip: waits for the new list, ip: 192.0.2.1, expect: {deny: true}}
";
    let (scenarios, found) = read(text);
    assert!(found.is_empty(), "{found:?}");
    let scenarios = scenarios.expect("no errors");
    assert_eq!((scenarios.geoip.len(), scenarios.cases.len()), (1, 3));
    let [one, many, later] = scenarios.cases.as_slice() else { panic!("three") };
    assert_eq!(one.steps[0].asked.targets.len(), 2);
    assert_eq!(one.steps[0].expect.rule.as_ref().map(|rule| &*rule.value), Some("office"));
    let [first, second, third] = many.steps.as_slice() else { panic!("three steps") };
    assert_eq!((first.repeat, first.asked.ips.as_ref().map(|ips| ips.len())), (3, Some(2)));
    let states: Vec<_> = first.asked.targets.iter().map(|(_, state)| *state).collect();
    assert_eq!(states, [Availability::Offline, Availability::Respond(503)]);
    assert_eq!((second.after, second.repeat), (Duration::from_secs(61), 1));
    assert_eq!(second.asked.ips, first.asked.ips);
    assert_eq!(third.asked.ips.as_deref(), Some(&["192.0.2.1".parse().expect("an address")][..]));
    assert_eq!(&*third.asked.set[0].1, "DE");
    assert_eq!(later.skip.as_deref(), Some("waits for the new list"));
}

#[test]
fn requests_and_expectations_have_places() {
    let text = "policy: web.yml
cases:
  - name: a login
    ip: 203.0.113.42
    request: [login.yml, {url: https://a.example/, method: POST, body: x}]
    response: {status_code: 404}
    secrets: {v/k: s3cret}
    now: 2026-01-31T12:00:00Z
    expect:
      respond: 302
      status: 302
      headers: {Location: /in, x-many: [a, b], server: null}
      body: ''
      request: {url: https://a.example/b, headers: {x-user: me}}
      vars: {n: 5}
      effects: [read_body, log: {a: 1}, forward: https://b.internal]
";
    let (scenarios, found) = read(text);
    assert!(found.is_empty(), "{found:?}");
    let scenarios = scenarios.expect("no errors");
    let step = &scenarios.cases[0].steps[0];
    let requests = step.asked.requests.as_deref().expect("two");
    assert!(matches!(requests, [FileOr::File(_), FileOr::Inline(request)] if request.method == "POST"));
    let expect = &step.expect;
    assert_eq!(expect.outcome.as_ref().map(|it| &it.value), Some(&ExpectedOutcome::Respond(302)));
    let headers: Vec<_> = expect.answer.headers.iter().map(|it| (&*it.name.value, it.values.len())).collect();
    assert_eq!(headers, [("location", 1), ("x-many", 2), ("server", 0)]);
    assert_eq!(expect.vars[0].1, Plain::Int(5));
    let effects = expect.effects.as_ref().expect("three");
    assert_eq!(effects.value[0].value, ExpectedEffect::Named("read_body".into()));
    assert!(matches!(effects.value[1].value, ExpectedEffect::Log(_)));
    let position = Source::new("p.test.yml", text).position(effects.span.start);
    assert_eq!(position.line, 16);
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    let is = |case: &str, at: &str, said: &str| {
        let found = wrong(case);
        let fits = |line: &String| line.starts_with(at) && line.contains(said);
        assert!(found.iter().any(fits), "{case}: {found:?}");
    };
    is("{name: a, ip: 1.2.3.4, expct: {deny: true}}", "3:28", "expct");
    is("{name: a, ip: 10.0.0.0/8, expect: {deny: true}}", "3:19", "is not an IPv4 or IPv6 address");
    is("{name: a, ip: 1.2.3.4, expect: {}}", "3:36", "nothing is expected");
    is("{name: a, ip: 1.2.3.4, expect: {deny: false}}", "3:43", "cannot be `false`");
    is("{name: a, ip: 1.2.3.4, expect: {deny: true, close: true}}", "3:56", "one outcome");
    is("{name: a, expect: {deny: true}}", "3:5", "`ip`");
    is("{name: a, ip: 1.2.3.4}", "3:5", "`expect`");
    is("{name: a, ip: 1.2.3.4, skip: '', expect: {deny: true}}", "3:34", "says why");
    is(
        "{name: a, ip: 1.2.3.4, set: {conn.client_ip: 1.2.3.4}, expect: {deny: true}}",
        "3:34",
        "given by `ip`",
    );
    is("{name: a, ip: 1.2.3.4, set: {conn.geo.cuntry: DE}, expect: {deny: true}}", "3:34", "conn.geo.cuntry");
    is(
        "{name: a, ip: 1.2.3.4, targets: {tcp://a.internal:22: gone}, expect: {deny: true}}",
        "3:59",
        "target",
    );
    is("{name: a, ip: 1.2.3.4, targets: {nowhere: offline}, expect: {deny: true}}", "3:38", "endpoint URL");
    is("{name: a, ip: 1.2.3.4, secrets: {k: v}, expect: {deny: true}}", "3:38", "vault");
    is("{name: a, ip: 1.2.3.4, request: {url: /a}, expect: {deny: true}}", "3:43", "");
    is("{name: a, ip: 1.2.3.4, expect: {effects: [dance]}}", "3:47", "no effect of this name");
    is("{name: a, ip: 1.2.3.4, repeat: 0, expect: {deny: true}}", "3:36", "");
    is("{name: a, reach: {to: tcp://a.internal:22}}", "3:22", "not available yet");
    let twice =
        "{name: a, ip: 1.2.3.4, expect: {deny: true}}\n  - {name: a, ip: 1.2.3.4, expect: {deny: true}}";
    is(twice, "4:12", "given twice");
    assert!(read("cases: []\n").1[0].contains("`policy`"));
    assert!(read("- a\n").0.is_none() && read("").0.is_none());
}

/// A short file cannot ask for more than a machine can do.
#[test]
fn questions_and_joined_maps_are_bounded() {
    let ips = (0..1_000).map(|at| format!("10.0.{}.{}", at / 256, at % 256)).collect::<Vec<_>>().join(", ");
    let step = |repeat| {
        format!(
            "policy: p.yml\ncases:\n  - {{name: a, ip: [{ips}], repeat: {repeat}, expect: {{deny: true}}}}\n"
        )
    };
    assert!(read(&step(1_000)).0.is_some());
    let (none, found) = read(&step(1_001));
    assert!(
        none.is_none() && found.len() == 1 && found[0].contains("ask more than 1000000 times"),
        "{found:?}"
    );

    let set: String = (0..1_000).map(|at| format!("    tcp://a{at}.internal:22: offline\n")).collect();
    let case =
        |at| format!("  - {{name: c{at}, targets: {{tcp://b.internal:22: slow}}, expect: {{deny: true}}}}\n");
    let file = |cases| {
        let cases: String = (0..cases).map(case).collect();
        read(&format!("policy: p.yml\ndefaults:\n  ip: 10.0.0.1\n  targets:\n{set}cases:\n{cases}"))
    };
    let (scenarios, found) = file(900);
    assert_eq!(scenarios.map(|it| it.cases[899].steps[0].asked.targets.len()), Some(1_001), "{found:?}");
    let (none, found) = file(1_100);
    assert!(
        none.is_none() && found.len() == 1 && found[0].contains("more than 1000000 entries"),
        "{found:?}"
    );
}

/// A skipped case may be about what is not there yet.
#[test]
fn a_skipped_case_may_have_reach() {
    let (scenarios, found) = read("policy: p.yml\ncases: [{name: a, skip: later, reach: {to: x}}]\n");
    assert!(found.is_empty() && scenarios.is_some_and(|it| it.cases[0].steps.is_empty()), "{found:?}");
}

#[test]
fn lint_knows_them() {
    let source = Source::new("p.test.yml", "policy: p.yml\ncases: [{nme: a}]\n");
    assert_eq!(kind_of(&source, &CheckOptions::default()), Some(DocumentKind::Test));
    assert!(lint_as(&source, DocumentKind::Test, &CheckOptions::default()).diagnostics.errors() > 0);
    let other = Source::new("c.yml", "cases: [{name: a}]\n");
    assert_ne!(kind_of(&other, &CheckOptions::default()), Some(DocumentKind::Test));
}

#[test]
fn effects_have_their_names() {
    use crate::exchange::{LogId, TargetId};
    let all = [
        Effect::Forward(TargetId(0)),
        Effect::Log(LogId(0)),
        Effect::ReadBody { side: Side::Request, max: 1 },
        Effect::CountRequest,
        Effect::AskCircuit,
        Effect::GetSecret,
        Effect::FetchKeys,
        Effect::SendRequest,
        Effect::LogIn,
        Effect::Inspect,
        Effect::EndTls,
    ];
    assert_eq!(all.map(Effect::name), *Effect::NAMES);
}

/// Blocks of text go with their mark, and what follows them stays.
#[test]
fn edits_of_blocks_leave_the_lines_behind() {
    let text = "policy: p.yml\ncases:\n- name: a\n  ip: 192.0.2.1\n  expect:\n    body: |  # c\n      some\n      text\n    rule: x\n- \
                name: b\n  ip: 192.0.2.1\n  expect:\n    \"body\": >-\n      one\n\n";
    let source = Source::new("p.test.yml", text);
    let (scenarios, found) = load_scenarios(&source);
    let cases = scenarios.unwrap_or_else(|| panic!("{found:?}")).cases;
    let cut = |case: usize, actual: &Actual| {
        let expect = &cases[case].steps[0].expect;
        let at = expect.answer.body.as_ref().expect("a body").span;
        expect.edit(&source, at, actual).map(|edit| source.slice(edit.span).to_owned())
    };
    let value = Actual::Value(String::new());
    assert_eq!(cut(0, &value).as_deref(), Some("|  # c\n      some\n      text"));
    assert_eq!(cut(1, &value).as_deref(), Some(">-\n      one"));
    assert_eq!(cut(1, &Actual::Field("text", String::new())).as_deref(), Some("\"body\": >-\n      one"));
}
