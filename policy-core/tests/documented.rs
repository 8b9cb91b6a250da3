//! What the documentation of ngrok says of actions and functions, line by line, and the tests that show it.
//!
//! `documented/lines.txt` has one line for each statement: the place in the documentation, what it says, and the tests, or why
//! there is none. Whatever no other test shows is shown here.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, Program};
use policy_core::evaluate::RunState;
use policy_core::exchange::{Body, Effect, ForwardFailure, Reply, Side};
use policy_core::facts::Facts;
use policy_core::message::{Headers, Request, Response};
use policy_core::phase::{Phase, PhaseSet};
use policy_core::source::Source;

const LINES: &str = include_str!("documented/lines.txt");

/// Each statement names tests that there are, or says why it has none.
#[test]
fn every_line_is_shown_by_a_test_or_says_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let (mut shown, mut left, mut seen) = (0, Vec::new(), BTreeSet::new());
    for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [place, says, by] = line.split(" | ").collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(seen.insert((place, says)), "twice: {line}");
        if let Some(why) = by.strip_prefix("not covered: ") {
            assert!(why.len() > 10, "{line}");
            left.push(line);
            continue;
        }
        for test in by.split(", ") {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{line}"));
            let file = match file.split_once('/') {
                Some((part, file)) => format!("{part}/{file}.rs"),
                None => format!("policy-core/tests/{file}.rs"),
            };
            let text = texts.entry(file.clone()).or_insert_with(|| {
                fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{line}\n{file}: {error}"))
            });
            let at = text.find(&format!("fn {name}(")).unwrap_or_else(|| panic!("no test {name}: {line}"));
            let before = text.split_at(at).0.rsplit("\n\n").next().unwrap_or_default();
            assert!(before.contains("test]"), "{name} is no test: {line}");
        }
        shown += 1;
    }
    assert!(shown > 80 && left.len() * 5 < shown, "{shown} shown, {} not:\n{}", left.len(), left.join("\n"));
}

fn headers(given: &[(&str, &str)]) -> Headers {
    let mut out = Headers::default();
    given.iter().for_each(|(name, value)| out.append(name, value).expect("a header"));
    out
}

/// What becomes of a connection with one request and its response.
struct Tried {
    /// The name of each phase's outcome, up to the one that ends it.
    outcomes: Vec<&'static str>,
    /// Status and body of what is answered.
    answer: Option<(u16, String)>,
    /// The headers that are answered.
    headers: Vec<(String, String)>,
    logged: usize,
}

/// Runs a policy from 203.0.113.42 over all phases that it comes to; the upstream answers a page.
fn tried(policy: &str, from: &str, request: &Request) -> Tried {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    let program =
        Program::from_policy_with("p.yml", policy, &options).unwrap_or_else(|e| panic!("{policy}\n{e}"));
    let view = request.facts().expect("a URL");
    let response = Response { headers: headers(&[("content-type", "text/html")]), ..Response::new(200) };
    let answered = view.clone().with_response(&response);
    let facts = Facts::new(from.parse().expect("an address")).seeded(3);
    let mut out = Tried { outcomes: Vec::new(), answer: None, headers: Vec::new(), logged: 0 };
    let mut state = RunState::default();
    for phase in [Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse] {
        let facts = facts.with_request(if phase == Phase::OnHttpResponse { &answered } else { &view });
        let mut run = program.run_from(phase, &facts, state);
        let outcome = run.run(|effect, _| match effect {
            Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
            Effect::ReadBody { side, .. } => {
                let bytes =
                    if side == Side::Request { request.body.clone() } else { b"<p>page</p>".to_vec() };
                Reply::body(Body { bytes: bytes.into(), complete: true })
            }
            Effect::Log(_) => {
                out.logged += 1;
                Reply::Logged
            }
            other => panic!("{other:?}"),
        });
        out.outcomes.push(outcome.name());
        if let Some(answer) = run.answer() {
            out.answer = Some((answer.status, String::from_utf8(answer.body.clone()).expect("text")));
            let named = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            out.headers = answer.headers.iter().map(named).collect();
        }
        if outcome.name() != "upstream" {
            break;
        }
        state = run.into_state().into_next_phase();
    }
    out
}

fn get(url: &str) -> Request {
    Request::new("GET", url)
}

/// The answer to a request, by rules of `on_http_request`.
fn answer(rules: &str, request: &Request) -> String {
    let tried = tried(&format!("on_http_request:\n{rules}"), "203.0.113.42", request);
    tried.answer.map_or_else(|| format!("no answer: {:?}", tried.outcomes), |(_, body)| body)
}

/// Actions, then an answer that shows an expression.
fn shows(actions: &str, shown: &str, request: &Request) -> String {
    let last = format!("  - {{type: custom-response, config: {{body: \"{shown}\"}}}}\n");
    answer(&format!("- actions:\n{actions}{last}"), request)
}

/// The outcome of `on_tcp_connect` for an address.
fn connects(config: &str, from: &str) -> bool {
    let policy = format!("on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {config}}}]}}]");
    tried(&policy, from, &get("http://a.example/")).outcomes[0] == "upstream"
}

/// Codes of findings, errors and warnings alike.
fn codes(policy: &str) -> Vec<&'static str> {
    let (_, found) = load_policy(&Source::new("p.yml", policy), &CheckOptions::default());
    found.iter().map(|it| it.code.id).collect()
}

/// Codes of one action of on_http_request, alone: behind one that ends the phase another action would be a finding itself.
fn codes_of(action: &str) -> Vec<&'static str> {
    codes(&format!("on_http_request: [{{actions: [{action}]}}]"))
}

#[test]
fn the_source_of_the_connection_counts_and_no_header() {
    let policy = "on_http_request:\n- actions: [{type: restrict-ips, config: {allow: [192.0.2.0/24, '2001:db8::/32']}}]\n";
    let request = Request {
        headers: headers(&[
            ("x-forwarded-for", "192.0.2.7"),
            ("forwarded", "for=192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
        ]),
        ..get("http://a.example/")
    };
    assert_eq!(tried(policy, "203.0.113.42", &request).outcomes, ["upstream", "deny"]);
    assert_eq!(tried(policy, "192.0.2.7", &request).outcomes, ["upstream", "upstream", "upstream"]);
}

#[test]
fn deny_beats_allow_whatever_the_order_or_length() {
    for config in [
        "{allow: [203.0.113.42/32], deny: [203.0.113.0/24]}",
        "{deny: [203.0.113.0/24], allow: [203.0.113.42/32]}",
        "{allow: [203.0.113.0/24], deny: [203.0.113.42/32]}",
        "{allow: [203.0.113.42/32], deny: [203.0.113.42/32]}",
    ] {
        assert!(!connects(config, "203.0.113.42"), "{config}");
    }
    assert!(connects("{allow: [203.0.113.0/24], deny: [203.0.113.42/32]}", "203.0.113.43"));
}

#[test]
fn who_is_in_no_allow_list_is_denied() {
    assert!(!connects("{allow: [203.0.113.0/25]}", "203.0.113.200"));
    assert!(connects("{allow: [203.0.113.0/25]}", "203.0.113.42"));
    // Lists that allow nobody are an error of their own.
    for config in ["{deny: [10.0.0.0/8]}", "{allow: []}", "{}"] {
        let policy = format!("on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {config}}}]}}]");
        assert!(codes(&policy).contains(&"TP434"), "{config} {:?}", codes(&policy));
    }
}

#[test]
fn families_do_not_meet_but_for_mapped_addresses() {
    assert!(!connects("{allow: [0.0.0.0/0]}", "2001:db8::1"));
    assert!(!connects("{allow: ['::/0']}", "203.0.113.42"));
    assert!(connects("{allow: [0.0.0.0/0, '::/0']}", "2001:db8::1"));
    assert!(connects("{allow: [203.0.113.0/24]}", "::ffff:203.0.113.42"));
    assert!(!connects("{allow: [0.0.0.0/0, '::/0'], deny: ['::ffff:203.0.113.0/120']}", "203.0.113.42"));
}

#[test]
fn addresses_without_a_length_and_with_host_bits_are_read_with_a_warning() {
    let list = |entry: &str| {
        format!(
            "on_tcp_connect: [{{actions: [{{type: restrict-ips, config: {{allow: ['{entry}', '::/0']}}}}]}}]"
        )
    };
    assert!(codes(&list("203.0.113.42")).contains(&"TP432"));
    assert!(codes(&list("203.0.113.42/8")).contains(&"TP433"));
    assert!(
        connects("{allow: [203.0.113.42]}", "203.0.113.42")
            && !connects("{allow: [203.0.113.42]}", "203.0.113.43")
    );
    assert!(connects("{allow: [203.9.9.9/8]}", "203.0.113.42"));
    assert!(codes(&list("203.0.113.0/33")).contains(&"TP431"));
}

#[test]
fn a_refused_response_is_answered_403() {
    let policy = "on_http_response:\n- actions: [{type: restrict-ips, config: {allow: [192.0.2.0/24, '2001:db8::/32']}}]\n";
    let tried = tried(policy, "203.0.113.42", &get("http://a.example/"));
    assert_eq!(
        (tried.outcomes, tried.answer),
        (vec!["upstream", "upstream", "deny"], Some((403, String::new())))
    );
    assert!(tried.headers.contains(&("ngrok-error-code".to_owned(), "ERR_NGROK_3203".to_owned())));
}

#[test]
fn after_a_denial_nothing_runs() {
    let policy = "on_tcp_connect:\n- actions:\n  - {type: log, config: {metadata: {a: 1}}}\n  \
                  - {type: restrict-ips, config: {allow: [192.0.2.0/24]}}\n  - {type: log, config: {metadata: {a: 2}}}\n\
                  - actions: [{type: log, config: {metadata: {a: 3}}}]\n\
                  on_http_request: [{actions: [{type: log, config: {metadata: {a: 4}}}]}]\n";
    let tried = tried(policy, "203.0.113.42", &get("http://a.example/"));
    assert_eq!((tried.outcomes, tried.logged), (vec!["deny"], 1));
}

#[test]
fn a_trial_refuses_nobody_and_says_what_it_found() {
    let lists =
        "{enforce: false, allow: [10.0.0.0/8, 203.0.112.0/20, 203.0.113.0/24], deny: [203.0.113.40/29]}";
    let restrict = format!("  - {{type: restrict-ips, config: {lists}}}\n");
    let shown = "${actions.ngrok.restrict_ips.action} ${actions.ngrok.restrict_ips.matched_cidr} ${actions.ngrok.restrict_ips.error.code}";
    assert_eq!(shows(&restrict, shown, &get("http://a.example/")), "deny 203.0.113.40/29 ERR_NGROK_3203");
}

#[test]
fn a_forward_goes_on_after_a_failure_where_it_says_so() {
    let forward =
        "  - {type: forward-internal, config: {url: 'http://b.internal:8080', on_error: continue}}\n";
    let shown = "${actions.ngrok.forward_internal.url} ${actions.ngrok.forward_internal.error.code}";
    assert_eq!(shows(forward, shown, &get("http://a.example/")), "http://b.internal:8080 ERR_NGROK_3200");
    let halt = "- actions: [{type: forward-internal, config: {url: 'http://b.internal'}}]\n- actions: [{type: deny}]";
    let tried = tried(&format!("on_http_request:\n{halt}"), "203.0.113.42", &get("http://a.example/"));
    assert_eq!(tried.outcomes, ["upstream", "error"]);
}

#[test]
fn targets_are_internal_of_one_family_and_without_a_path() {
    let target = |url: &str| codes_of(&format!("{{type: forward-internal, config: {{url: '{url}'}}}}"));
    for (wrong, code) in [
        ("https://a.example.com", "TP442"),
        ("https://a.internal/path", "TP441"),
        ("https://*.internal", "TP441"),
        ("a.internal", "TP441"),
        ("tcp://a.internal:22", "TP444"),
    ] {
        assert_eq!(target(wrong), [code], "{wrong}");
    }
    for right in
        ["https://a.internal", "http://a.internal:8443", "https://A.B.internal", "https://a.internal."]
    {
        assert!(target(right).is_empty(), "{right} {:?}", target(right));
    }
    let from_tcp = |url: &str| {
        codes(&format!(
            "on_tcp_connect: [{{actions: [{{type: forward-internal, config: {{url: '{url}'}}}}]}}]"
        ))
    };
    assert_eq!(from_tcp("tcp://a.internal"), ["TP443"]);
    assert_eq!(from_tcp("https://a.internal"), ["TP444"]);
    assert_eq!(from_tcp("tls://a.internal"), [""; 0]);
}

#[test]
fn scalars_in_headers_are_texts_and_names_are_told_apart_by_no_case() {
    let add = "  - {type: add-headers, config: {headers: {X-Int: 1, x-true: true, x-text: a}}}\n";
    let shown = "${req.headers['x-int'][0]} ${req.headers['x-true'][0]} ${actions.ngrok.add_headers.headers_added['x-text']}";
    assert_eq!(shows(add, shown, &get("http://a.example/")), "1 true a");
    assert_eq!(codes_of("{type: add-headers, config: {headers: {x-a: '1', X-A: '2'}}}"), ["TP453"]);
    for action in [
        "{type: add-headers, config: {headers: {User-Agent: a}}}",
        "{type: remove-headers, config: {headers: [user-agent]}}",
        "{type: remove-headers, config: {headers: [Host]}}",
        "{type: add-headers, config: {headers: {Content-Length: 9}}}",
        "{type: custom-response, config: {headers: {transfer-encoding: chunked}}}",
        "{type: redirect, config: {to: /a, headers: {content-length: 9}}}",
        "{type: http-request, config: {url: 'https://a.internal', headers: {content-length: 9}}}",
    ] {
        assert_eq!(codes_of(action), ["TP311"], "{action}");
    }
    for right in [
        "{type: remove-headers, config: {headers: [X-Forwarded-For, x-forwarded-proto, x-forwarded-host]}}",
        "{type: add-headers, config: {headers: {host: b.example}}}",
    ] {
        assert_eq!(codes_of(right), [""; 0], "{right}");
    }
}

#[test]
fn headers_of_a_response_are_changed_before_the_client_has_them() {
    let policy = "on_http_response:\n- actions:\n  - {type: remove-headers, config: {headers: [Content-Type]}}\n  \
                  - {type: add-headers, config: {headers: {x-a: '1'}}}\n\
                  - expressions: [\"!hasResHeader('content-type') && getResHeader('X-A') == ['1']\"]\n  \
                    actions: [{type: custom-response, config: {status_code: 202, body: seen}}]\n";
    assert_eq!(
        tried(policy, "203.0.113.42", &get("http://a.example/")).answer,
        Some((202, "seen".to_owned()))
    );
}

#[test]
fn credentials_may_be_made_of_expressions_around_a_literal_colon() {
    let auth = |credential: &str| {
        codes_of(&format!("{{type: basic-auth, config: {{credentials: [\"{credential}\"]}}}}"))
    };
    for right in [
        "me:password1",
        "${conn.client_ip}",
        "${conn.client_ip}:password1",
        "me:${conn.client_ip}",
        "x${conn.client_ip}y:password1",
    ] {
        // One that is written out is told not to be.
        let clear = if right.contains("${") { &[][..] } else { &["TP415"] };
        assert_eq!(auth(right), clear, "{right}");
    }
    for wrong in ["${conn.client_ip}pw", "x${conn.client_ip}y", "me", ":password1", "me:short"] {
        assert_eq!(auth(wrong), ["TP421"], "{wrong}");
    }
}

#[test]
fn a_refusal_has_the_status_that_is_given_and_no_body() {
    let denied = tried(
        "on_http_request: [{actions: [{type: deny, config: {status_code: 418}}]}]",
        "203.0.113.42",
        &get("http://a.example/"),
    );
    assert_eq!(denied.answer, Some((418, String::new())));
    assert_eq!(codes_of("{type: deny, config: {body: no}}"), ["TP302"]);
    // Nothing is answered there.
    assert_eq!(codes("on_tcp_connect: [{actions: [{type: deny, config: {status_code: 418}}]}]"), ["TP407"]);
    let closed = tried(
        "on_http_request: [{actions: [{type: close-connection}]}]",
        "203.0.113.42",
        &get("http://a.example/"),
    );
    assert_eq!((closed.outcomes, closed.answer), (vec!["upstream", "close"], None));
}

#[test]
fn the_type_of_an_answer_is_guessed_and_given_ones_stay() {
    let of = |config: &str| {
        let policy = format!("on_http_request: [{{actions: [{{type: custom-response, config: {config}}}]}}]");
        tried(&policy, "203.0.113.42", &get("http://a.example/?a=%3Cb%3E")).headers
    };
    let header = |value: &str| vec![("content-type".to_owned(), value.to_owned())];
    assert_eq!(of("{body: '<html></html>'}"), header("text/html; charset=utf-8"));
    assert_eq!(of("{body: plain}"), header("text/plain; charset=utf-8"));
    assert_eq!(of("{body: '{}', headers: {Content-Type: application/json}}"), header("application/json"));
    assert_eq!(of("{}"), []);
    for status in [100, 204, 304] {
        let with = |body: &str| {
            codes_of(&format!("{{type: custom-response, config: {{status_code: {status}{body}}}}}"))
        };
        assert_eq!((with(", body: a"), with("")), (vec!["TP308"], vec![]), "{status}");
    }
    assert_eq!(codes_of("{type: custom-response, config: {status_code: 205, body: a}}"), [""; 0]);
    // What is interpolated stands as it is.
    assert_eq!(shows("", "${getQueryParam('a')[0]}", &get("http://a.example/?a=%3Cb%3E")), "<b>");
}

#[test]
fn whole_urls_are_matched_and_every_match_replaced() {
    let rewrite = |config: &str, url: &str| {
        shows(&format!("  - {{type: url-rewrite, config: {config}}}\n"), "${req.url}", &get(url))
    };
    let url = "http://u:p@a.example:8080/a/a?x=a#f";
    assert_eq!(rewrite("{from: ':8080/', to: '/'}", url), "http://u:p@a.example/a/a?x=a#f");
    assert_eq!(rewrite("{from: 'u:p@', to: 'v@'}", url), "http://v@a.example:8080/a/a?x=a#f");
    assert_eq!(rewrite("{from: '/a', to: '/b'}", "http://x.example/a/a?x=/a"), "http://x.example/b/b?x=/b");
    // The expression first, then the pattern, which is not escaped.
    assert_eq!(
        rewrite("{from: \"${getQueryParam('p')[0]}\", to: x}", "http://x.example/abc?p=%5Babc%5D%2B%24"),
        "http://x.example/abc?p=%5Babc%5D%2B%24"
    );
    assert_eq!(
        rewrite("{from: '(?P<n>v[0-9])/(.*)', to: '$2/$n'}", "http://x.example/v1/users"),
        "http://x.example/users/v1"
    );
}

#[test]
fn a_redirect_without_a_change_is_none() {
    let redirect = "  - {type: redirect, config: {from: '/old/', to: '/new/'}}\n";
    assert_eq!(shows(redirect, "stays", &get("http://a.example/other")), "stays");
    let same = "  - {type: redirect, config: {to: 'http://a.example/same'}}\n";
    assert_eq!(shows(same, "stays", &get("http://a.example/same")), "stays");
    for status in [299, 400] {
        assert_eq!(
            codes_of(&format!("{{type: redirect, config: {{to: '/a', status_code: {status}}}}}")),
            ["TP308"]
        );
    }
}

#[test]
fn variables_are_of_one_phase_and_may_be_set_again() {
    let set = "  - {type: set-vars, config: {vars: [{a: one}, {b: \"${vars.a}-two\"}, {a: \"${vars.b}-three\"}]}}\n";
    assert_eq!(shows(set, "${vars.a} ${vars.b}", &get("http://a.example/")), "one-two-three one-two");
    let policy = "on_tcp_connect: [{actions: [{type: set-vars, config: {vars: [{a: one}]}}]}]\n\
                  on_http_request: [{actions: [{type: custom-response, config: {body: \"${has(vars.a)}\"}}]}]\n";
    assert_eq!(
        tried(policy, "203.0.113.42", &get("http://a.example/")).answer,
        Some((200, "false".to_owned()))
    );
}

#[test]
fn a_whole_expression_keeps_its_type_and_mixed_text_is_text() {
    let set = "  - {type: set-vars, config: {vars: [{n: \"${1 + 1}\"}, {t: \"${1 + 1}!\"}, {l: [1, \"${[2, 3]}\"]}, {m: {k: \"${true}\"}}]}}\n";
    let shown = "${type(vars.n) == int} ${type(vars.t) == string} ${vars.l[1][1]} ${type(vars.m.k) == bool}";
    assert_eq!(shows(set, shown, &get("http://a.example/")), "true true 3 true");
    for wrong in ["{vars: {a: b}}", "{vars: [{a: 1, b: 2}]}", "{vars: [a]}"] {
        assert_ne!(codes_of(&format!("{{type: set-vars, config: {wrong}}}")), [""; 0], "{wrong}");
    }
}

#[test]
fn replacements_work_one_on_the_other_and_the_length_follows() {
    let request = Request { body: b"one two one".to_vec(), ..Request::new("POST", "http://a.example/") };
    let replace = "  - {type: request-body-find-replace, config: {replacements: [{from: one, to: two}, {from: 't(w)o', to: '$1'}, {from: ' w$'}]}}\n";
    let shown = "${actions.ngrok.request_body_find_replace.replacements[1].matched_content} ${req.headers['content-length'][0]}";
    assert_eq!(shows(replace, shown, &request), "two 3");
    assert_eq!(codes_of("{type: request-body-find-replace, config: {replacements: []}}"), ["TP310"]);
    assert_eq!(
        codes_of("{type: request-body-find-replace, config: {replacements: [{from: '('}]}}"),
        ["TP317"]
    );
}

#[test]
fn numbers_of_limits_have_their_bounds() {
    let rate = |fields: &str| {
        codes_of(&format!("{{type: rate-limit, config: {{name: a, algorithm: sliding_window, {fields}}}}}"))
    };
    assert_eq!(rate("capacity: 1, rate: 60s, bucket_key: ['conn.client_ip']"), [""; 0]);
    for wrong in [
        "capacity: 0, rate: 60s, bucket_key: ['conn.client_ip']",
        "capacity: 2000000001, rate: 60s, bucket_key: ['conn.client_ip']",
        "capacity: 1, rate: 50s, bucket_key: ['conn.client_ip']",
        "capacity: 1, rate: 65s, bucket_key: ['conn.client_ip']",
        "capacity: 1, rate: 25h, bucket_key: ['conn.client_ip']",
        "capacity: 1, rate: 60s, bucket_key: []",
    ] {
        assert!(matches!(*rate(wrong), ["TP308" | "TP310" | "TP309" | "TP313"]), "{wrong} {:?}", rate(wrong));
    }
    for wrong in [
        "error_threshold: 1.5",
        "volume_threshold: 0",
        "window_duration: 3m",
        "tripped_duration: 500ms",
        "num_buckets: 11",
    ] {
        let found = codes_of(&format!("{{type: circuit-breaker, config: {{{wrong}}}}}"));
        assert!(matches!(*found, ["TP308" | "TP313"]), "{wrong} {found:?}");
    }
}

#[test]
fn fields_of_requests_and_tokens_have_their_bounds() {
    let request = |fields: &str| {
        codes_of(&format!("{{type: http-request, config: {{url: 'https://a.internal', {fields}}}}}"))
    };
    for wrong in ["method: HEAD", "timeout: 31s", "timeout: 500ms", "on_error: stop", "retry_condition: '1'"]
    {
        assert_ne!(request(wrong), [""; 0], "{wrong}");
    }
    let tokens = |algorithms: &str, method: &str| {
        codes_of(&format!(
            "{{type: jwt-validation, config: {{issuer: {{allow_list: [{{value: i}}]}}, http: {{tokens: [{{type: jwt, method: {method}, name: a}}]}}, \
             jws: {{allowed_algorithms: [{algorithms}], keys: {{sources: {{additional_jkus: ['https://a.example/k']}}}}}}}}}}"
        ))
    };
    assert_eq!(tokens("RS256", "header"), [""; 0]);
    for (algorithms, method) in [("none", "header"), ("RS256", "query"), ("", "header")] {
        assert_ne!(tokens(algorithms, method), [""; 0], "{algorithms} {method}");
    }
}

#[test]
fn tls_is_ended_from_1_2_on_with_both_parts_of_a_certificate() {
    let tls = |fields: &str| {
        codes(&format!(
            "on_tcp_connect: [{{actions: [{{type: terminate-tls, config: {{{fields}}}}}, {{type: deny}}]}}]"
        ))
    };
    assert_eq!(tls("min_version: '1.3', max_version: '1.3'"), [""; 0]);
    for wrong in [
        "min_version: '1.1'",
        "min_version: '1.3', max_version: '1.2'",
        "server_certificate: x",
        "mutual_tls_verification_strategy: never",
    ] {
        assert!(!tls(wrong).is_empty(), "{wrong}");
    }
}
