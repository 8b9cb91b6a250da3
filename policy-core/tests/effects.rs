//! What policies ask their host for, and what becomes of its answers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "support/host.rs"]
mod host;

use std::time::Duration;

use host::{body, compile, drive, headers, on_request, on_response, run_phase, shown};

use policy_core::cel::{Timestamp, Value};
use policy_core::compile::Program;
use policy_core::evaluate::RunState;
use policy_core::exchange::{
    Answered, Asked, Body, CircuitState, Effect, Findings, Identity, LoginReply, MatchedRule, Outbound,
    OutboundFailure, RateVerdict, Reply, Secret, Side, SlidingWindow, TlsVersion,
};
use policy_core::facts::Facts;
use policy_core::message::{ContentCoding, Request, Response};
use policy_core::phase::Phase;

#[test]
fn bodies_are_read_once_and_replaced_in_order() {
    let replacements =
        "[{from: 'wor(l)d', to: '$1-and'}, {from: 'l-an', to: 'x'}, {from: 'o, '}, {from: none, to: no}]";
    let action = format!("{{type: request-body-find-replace, config: {{replacements: {replacements}}}}}");
    let again = "{type: request-body-find-replace, config: {replacements: [{from: '^h', to: H}]}}";
    let text = "${actions.ngrok.request_body_find_replace.replacements.map(r, string(r.replacement_index) + r.matched_content)}";
    let ended = on_request(&format!("  - {action}\n"), |_, _| body("hello, world"));
    assert_eq!(ended.outcome, "upstream");
    assert_eq!(ended.bodies, [Some("hellxd".to_owned()), None, None]);
    assert_eq!(ended.changed, ["content-length: 6"]);
    assert!(matches!(*ended.asked, [Effect::ReadBody { side: Side::Request, .. }]), "{ended:?}");
    let ended = on_request(&format!("  - {action}\n  - {again}\n"), |_, _| body("hello, world"));
    assert_eq!((ended.bodies[0].as_deref(), ended.asked.len()), (Some("Hellxd"), 1));
    let ended = on_request(&shown(&action, text), |_, _| body("hello, world"));
    assert_eq!(ended.body(), r#"["0world","1l-an","2o, "]"#);
    // What is no text is left alone, and nothing that matches nothing is copied.
    let bytes = |_: Effect, _: Option<&Asked>| {
        Reply::body(Body {
            bytes: [&[0xff, b'a'][..], "\u{e9}".as_bytes(), &[0xe9]].concat().into(),
            complete: true,
        })
    };
    let a = "  - {type: request-body-find-replace, config: {replacements: [{from: 'a', to: 'b'}]}}\n";
    assert_eq!(on_request(a, bytes).bodies[0].as_deref(), Some("\u{fffd}b\u{e9}\u{fffd}"));
    let z = "  - {type: request-body-find-replace, config: {replacements: [{from: 'z', to: 'b'}]}}\n";
    assert_eq!(on_request(z, bytes).bodies, [None, None, None]);
}

#[test]
fn a_body_that_is_not_there_whole_fails_closed() {
    let a = "  - {type: request-body-find-replace, config: {replacements: [{from: 'a', to: 'b'}]}}\n";
    for reply in
        [Reply::BodyFailed, Reply::body(Body { bytes: (*b"aaa").into(), complete: false }), Reply::Logged]
    {
        let name = format!("{reply:?}");
        let program = compile(&format!("on_http_request:\n- actions:\n{a}"));
        let request = Request::new("POST", "https://a.example/");
        let request = request.facts().expect("a URL");
        let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
        let (ended, _) = drive(program.run(Phase::OnHttpRequest, &facts), &mut |_, _| reply.clone());
        assert_eq!(
            (ended.outcome.as_str(), ended.answer.map(|it| it.status)),
            ("error", Some(500)),
            "{name}"
        );
    }
    let encoded = on_response(
        "  - {type: response-body-find-replace, config: {replacements: [{from: a, to: b}]}}\n",
        &[("content-encoding", "gzip")],
        |_, _| body("a"),
    );
    assert_eq!((encoded.outcome.as_str(), encoded.asked.len()), ("error", 0));
}

#[test]
fn responses_are_compressed_as_the_client_likes() {
    let compress = "  - {type: compress-response, config: {algorithms: [gzip, br]}}\n";
    let ended = on_response(compress, &[("content-length", "9"), ("vary", "cookie")], |_, _| Reply::Logged);
    assert_eq!(ended.compression, Some(ContentCoding::Brotli));
    assert_eq!(ended.changed, ["content-encoding: br", "content-length: ", "vary: cookie | Accept-Encoding"]);
    let gzip = on_response(
        "  - {type: compress-response, config: {algorithms: [gzip]}}\n",
        &[("vary", "Accept-Encoding")],
        |_, _| Reply::Logged,
    );
    assert_eq!(
        (gzip.compression, &*gzip.changed),
        (Some(ContentCoding::Gzip), &["content-encoding: gzip".to_owned()][..])
    );
    let already = on_response(compress, &[("content-encoding", "br")], |_, _| Reply::Logged);
    assert_eq!((already.compression, already.changed.len()), (None, 0));
    let results =
        "${actions.ngrok.compress.already_compressed} ${actions.ngrok.compress.negotiated_algorithm}";
    let ended = on_response(&shown("{type: compress-response}", results), &[], |_, _| Reply::Logged);
    assert_eq!(ended.body(), "false br");
}

#[test]
fn a_body_is_replaced_before_it_is_compressed() {
    let actions = "  - {type: response-body-find-replace, config: {replacements: [{from: a, to: bb}]}}\n  - {type: compress-response}\n";
    let ended = on_response(actions, &[("content-length", "1")], |_, _| body("a"));
    assert_eq!((ended.bodies[1].as_deref(), ended.compression), (Some("bb"), Some(ContentCoding::Brotli)));
    assert!(ended.changed.contains(&"content-length: ".to_owned()), "{ended:?}");
}

#[test]
fn what_is_to_be_compressed_is_still_searched() {
    let actions = "  - {type: compress-response}\n  - {type: response-body-find-replace, config: {replacements: [{from: a, to: bb}]}}\n  - {type: compress-response, config: {algorithms: [gzip]}}\n";
    let ended = on_response(actions, &[("content-length", "1")], |_, _| body("a"));
    assert_eq!((ended.bodies[1].as_deref(), ended.compression), (Some("bb"), Some(ContentCoding::Brotli)));
    assert!(ended.changed.contains(&"content-length: ".to_owned()), "{ended:?}");
}

#[test]
fn a_target_goes_on_with_the_message_and_reads_nothing_again() {
    let text = "on_http_request:\n- actions:\n  - {type: request-body-find-replace, config: {replacements: [{from: a, to: b}]}}\n";
    let (program, request) = (compile(text), Request::new("POST", "https://a.example/"));
    let request = request.facts().expect("a URL");
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
    for (sent, left) in [("aa", "bb"), ("x", "x")] {
        let (_, state) = drive(program.run(Phase::OnHttpRequest, &facts), &mut |_, _| body(sent));
        let run = program.run_from(Phase::OnHttpRequest, &facts, state.for_target());
        let (ended, _) = drive(run, &mut |_, _| panic!("it was read"));
        assert_eq!(ended.bodies[0].as_deref().unwrap_or(sent), left);
    }
}

const LIMIT: &str = "{type: rate-limit, config: {name: logins, algorithm: sliding_window, capacity: 2, rate: 60s, bucket_key: [conn.client_ip, \"getReqHeader('x')\"]";

#[test]
fn requests_over_the_limit_are_refused_with_the_time_to_wait() {
    let passes = on_request(&format!("  - {LIMIT}}}}}\n"), |_, asked| {
        let Some(Asked::Rate { limit, key }) = asked else { panic!("{asked:?}") };
        assert_eq!((&*limit.name, limit.capacity, limit.window), ("logins", 2, Duration::from_secs(60)));
        assert_eq!(&**key, r#"["203.0.113.42", []]"#);
        Reply::Rate(RateVerdict::Passes)
    });
    assert_eq!((passes.outcome.as_str(), &*passes.asked), ("upstream", &[Effect::CountRequest][..]));
    let limited = |_: Effect, _: Option<&Asked>| {
        Reply::Rate(RateVerdict::Limited { retry_after: Duration::from_millis(1_500) })
    };
    let refused = on_request(&format!("  - {LIMIT}}}}}\n"), limited);
    let answer = refused.answer.expect("an answer");
    assert_eq!((refused.outcome.as_str(), answer.status), ("deny", 429));
    assert_eq!(answer.headers.iter().collect::<Vec<_>>(), [("retry-after", "2")]);
    let results = "${actions.ngrok.rate_limit.limited} ${actions.ngrok.rate_limit.bucket_key}";
    let seen = on_request(&shown(&format!("{LIMIT}, enforce: false}}}}"), results), limited);
    assert_eq!(seen.body(), r#"true ["203.0.113.42",[]]"#);
}

/// Keys are as long as their values: what differs behind many bytes has a count of its own.
#[test]
fn long_keys_are_told_apart_and_too_long_ones_fail() {
    let key = |value: String| {
        let text = "on_http_request:\n- actions:\n  - {type: rate-limit, config: {name: a, algorithm: sliding_window, capacity: 2, rate: 60s, bucket_key: [\"getReqHeader('x')[0]\", \"'b'\"]}}\n";
        let request =
            Request { headers: headers(&[("x", &value)]), ..Request::new("GET", "https://a.example/") };
        let keys = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let seen = std::rc::Rc::clone(&keys);
        let ended = run_phase(text, Phase::OnHttpRequest, (&request, &Response::new(200)), move || {
            let seen = std::rc::Rc::clone(&seen);
            Box::new(move |_, asked| {
                let Some(Asked::Rate { key, .. }) = asked else { panic!("{asked:?}") };
                seen.borrow_mut().push(key.to_string());
                Reply::Rate(RateVerdict::Passes)
            })
        });
        (ended, keys.borrow().clone())
    };
    let (_, one) = key(format!("{}1", "x".repeat(3_000)));
    let (_, other) = key(format!("{}2", "x".repeat(3_000)));
    assert_ne!(one, other);
    assert_eq!(key(r#"a", "b"#.to_owned()).1[0], r#"["a\", \"b", "b"]"#);
    let (longest, keys) = key("x".repeat(4_096 - r#"["", "b"]"#.len()));
    assert_eq!((longest.outcome.as_str(), keys[0].len()), ("upstream", 4_096));
    let (longer, keys) = key("x".repeat(4_097 - r#"["", "b"]"#.len()));
    assert_eq!((longer.outcome.as_str(), keys.len()), ("error", 0));
    assert!(longer.reason.contains("`bucket_key` are longer than 4096 bytes"), "{}", longer.reason);
}

#[test]
fn a_limit_counts_as_its_host_counts() {
    let program = compile(&format!("on_http_request:\n- actions:\n  - {LIMIT}}}}}\n"));
    let request = Request::new("GET", "https://a.example/");
    let request = request.facts().expect("a URL");
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
    let (mut window, mut outcomes) = (SlidingWindow::default(), Vec::new());
    for second in [0, 1, 2, 69, 70, 71] {
        let (ended, _) = drive(program.run(Phase::OnHttpRequest, &facts), &mut |_, asked| {
            let Some(Asked::Rate { limit, .. }) = asked else { panic!("{asked:?}") };
            Reply::Rate(window.count(limit.capacity, limit.window, Duration::from_secs(second)))
        });
        outcomes.push(ended.outcome);
    }
    assert_eq!(outcomes, ["upstream", "upstream", "deny", "deny", "upstream", "upstream"]);
}

#[test]
fn an_open_circuit_refuses() {
    let breaker = "  - {type: circuit-breaker, config: {error_threshold: 0.25, volume_threshold: 3, tripped_duration: 20s}}\n";
    for (state, outcome) in
        [(CircuitState::Closed, "upstream"), (CircuitState::Trial, "upstream"), (CircuitState::Open, "deny")]
    {
        let program = compile(&format!("on_http_request:\n- actions:\n{breaker}"));
        let request = Request::new("GET", "https://a.example/");
        let request = request.facts().expect("a URL");
        let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
        let (ended, _) = drive(program.run(Phase::OnHttpRequest, &facts), &mut |_, asked| {
            let Some(Asked::Circuit(circuit)) = asked else { panic!("{asked:?}") };
            assert_eq!((circuit.volume_threshold, circuit.tripped), (3, Duration::from_secs(20)));
            Reply::Circuit(state)
        });
        assert_eq!(ended.outcome, outcome);
        if state == CircuitState::Open {
            let answer = ended.answer.expect("an answer");
            assert_eq!(answer.status, 503);
            assert_eq!(answer.headers.iter().collect::<Vec<_>>(), [("ngrok-error-code", "ERR_NGROK_3202")]);
        }
    }
    let off = on_request("  - {type: circuit-breaker, config: {enforce: false}}\n", |_, _| {
        panic!("nothing is asked")
    });
    assert_eq!(off.outcome, "upstream");
}

#[test]
fn secrets_are_looked_up_where_they_are_wanted() {
    let host = |_: Effect, asked: Option<&Asked>| {
        let Some(Asked::Secret { vault, name }) = asked else { panic!("{asked:?}") };
        Reply::secret((&**vault == "v" && &**name != "none").then(|| Secret::new(format!("s-{name}"))))
    };
    let twice = "  - {type: add-headers, config: {headers: {x-a: \"${secrets.get('v', 'a')}\", x-b: \"${secrets.get('v', 'b')}${secrets.get('v', 'a')}\"}}}\n";
    let ended = on_request(twice, host);
    assert_eq!(ended.changed, ["x-a: s-a", "x-b: s-bs-a"]);
    assert_eq!(ended.asked, [Effect::GetSecret; 2]);
    let none = on_request(
        "  - {type: add-headers, config: {headers: {x-a: \"${secrets.get('v', 'none')}\"}}}\n",
        host,
    );
    assert_eq!(none.outcome, "error");
    assert!(none.reason.contains("no secret `v/none`"), "{}", none.reason);
    let text = "on_http_request:\n- expressions: [\"secrets.get('v', 'a') == 's-a'\", \"secrets.get('v', 'b') != ''\"]\n  actions: [{type: deny}]\n";
    let request = Request::new("GET", "https://a.example/");
    let ended = run_phase(text, Phase::OnHttpRequest, (&request, &Response::new(200)), || Box::new(host));
    assert_eq!((ended.outcome.as_str(), ended.asked.len()), ("deny", 2));
    let logged = on_request(
        "  - {type: add-headers, config: {headers: {x-a: \"${secrets.get('v', 'a')}\"}}}\n  - {type: log, config: {metadata: {a: \"${secrets.get('v', 'a')}\"}}}\n  - {type: custom-response, config: {body: \"${actions.ngrok.log.metadata.a}\"}}\n",
        move |effect, asked| match effect {
            Effect::Log(_) => Reply::Logged,
            _ => host(effect, asked),
        },
    );
    assert_eq!(logged.body(), "no value: no source for secrets where they are logged");
    // Nor does one by a variable.
    let logged = on_request(
        "  - {type: set-vars, config: {vars: [{a: \"<${secrets.get('v', 'a')}>\"}]}}\n  - {type: log, config: {metadata: {\"k\": [\"${vars.a}\", 1]}}}\n  - {type: custom-response, config: {body: \"${actions.ngrok.log.metadata.k[0]}\"}}\n",
        move |effect, asked| match effect {
            Effect::Log(_) => Reply::Logged,
            _ => host(effect, asked),
        },
    );
    assert_eq!(logged.body(), "<(secret)>");
    // Names that are drawn anew each time do not ask for ever.
    let drawn = on_request(
        "  - {type: set-vars, config: {vars: [{a: \"${secrets.get('v', string(rand.int(0, 1000000)))}\"}]}}\n",
        host,
    );
    assert!(drawn.asked.len() <= 65, "{}", drawn.asked.len());
    assert!(drawn.outcome != "error" || drawn.reason.contains("more than 64 secrets"), "{}", drawn.reason);
}

fn answered(status: u16, body: &str) -> Reply {
    let response = Response { body: body.into(), headers: headers(&[("x-y", "z")]), ..Response::new(status) };
    let time = Duration::from_millis(12);
    Reply::answered(Ok(Answered { response, resolved_ip: Some([10, 0, 0, 1].into()), time }))
}

fn outbound(asked: Option<&Asked>) -> &Outbound {
    let Some(Asked::Outbound(outbound)) = asked else { panic!("{asked:?}") };
    outbound
}

#[test]
fn a_request_is_sent_and_its_answer_read() {
    let config = "{url: 'https://check.internal/a?x=1', method: POST, query_params: [{key: 'k ${req.method}', value: 'v&'}], headers: {X-A: '${req.host}'}, body: 'b${req.method}', timeout: 5s}";
    let results = "${actions.ngrok.http_request.res.status_code} ${actions.ngrok.http_request.res.body} ${actions.ngrok.http_request.res.header['x-y'][0]} ${actions.ngrok.http_request.res.resolved_ip} ${actions.ngrok.http_request.res.time_ms} ${actions.ngrok.http_request.req.url} ${actions.ngrok.http_request.attempts.size()} '${actions.ngrok.http_request.error.code}'";
    let ended =
        on_request(&shown(&format!("{{type: http-request, config: {config}}}"), results), |_, asked| {
            let sent = outbound(asked);
            assert_eq!((sent.method, &*sent.body, sent.timeout.as_secs()), ("POST", "bPOST", 5));
            assert_eq!(sent.headers.iter().collect::<Vec<_>>(), [("x-a", "a.example")]);
            answered(201, "{}")
        });
    assert_eq!(ended.body(), "201 {} z 10.0.0.1 12 https://check.internal/a?x=1&k+POST=v%26 1 ''");
}

#[test]
fn a_request_is_tried_again_while_its_condition_holds_three_times_at_most() {
    let retry = |condition: &str| {
        format!(
            "{{type: http-request, config: {{url: 'https://check.internal', retry_condition: \"{condition}\"}}}}"
        )
    };
    let status =
        "${actions.ngrok.http_request.res.status_code} of ${actions.ngrok.http_request.attempts.size()}";
    let flaky =
        |_: Effect, asked: Option<&Asked>| answered(if outbound(asked).attempt < 3 { 503 } else { 200 }, "");
    let ended = on_request(&shown(&retry("last_attempt.res.statusCode >= 500"), status), flaky);
    assert_eq!(ended.body(), "200 of 3");
    let ended =
        on_request(&shown(&retry("last_attempt.res.status_code >= 500 && attempts < 2"), status), flaky);
    assert_eq!(ended.body(), "503 of 2");
    let ended = on_request(&shown(&retry("last_attempt.error.code != ''"), status), |_, _| {
        Reply::answered(Err(OutboundFailure::Timeout))
    });
    assert_eq!(ended.body(), "0 of 4");
}

#[test]
fn a_request_without_an_answer_ends_or_goes_on() {
    let failing = |_: Effect, _: Option<&Asked>| Reply::answered(Err(OutboundFailure::TooLarge));
    let code = "${actions.ngrok.http_request.error.code}";
    let on =
        on_request(&shown("{type: http-request, config: {url: 'https://check.internal'}}", code), failing);
    assert_eq!(on.body(), "ERR_NGROK_3601");
    let halt = on_request(
        "  - {type: http-request, config: {url: 'https://check.internal', on_error: halt}}\n",
        failing,
    );
    assert_eq!(halt.outcome, "error");
    assert!(halt.reason.contains("longer than 262144 bytes"), "{}", halt.reason);
}

#[test]
fn who_is_not_logged_in_is_answered_and_who_is_goes_on() {
    let oauth = "{type: oauth, config: {provider: google, allow_cors_preflight: true}}";
    let mail = "${actions.ngrok.oauth.identity.email} ${actions.ngrok.oauth.expires_at == null}";
    let ended = on_request(&shown(oauth, mail), |_, asked| {
        assert!(matches!(asked, Some(Asked::Login(_))));
        Reply::login(LoginReply::LoggedIn(Box::new(Identity {
            email: "a@b.example".into(),
            ..Identity::default()
        })))
    });
    assert_eq!(ended.body(), "a@b.example true");
    let ended = on_request(&format!("  - {oauth}\n"), |_, _| {
        Reply::login(LoginReply::Answer(Box::new(Response {
            headers: headers(&[("location", "/x")]),
            ..Response::new(302)
        })))
    });
    assert_eq!((ended.outcome.as_str(), ended.answer.map(|it| it.status)), ("respond", Some(302)));
    let strict = "  - {type: openid-connect, config: {issuer_url: 'https://id.example', client_id: a, client_secret: \"${req.host}\"}}\n";
    let ended = on_request(strict, |_, _| Reply::login(LoginReply::Failed("no provider".into())));
    assert_eq!(ended.outcome, "error");
    assert!(ended.reason.contains("the login failed: no provider"), "{}", ended.reason);
}

/// What a browser asks before it sends another request has no cookies, and so no login.
#[test]
fn a_preflight_request_passes_where_it_may() {
    let asks = [("origin", "https://b.example"), ("access-control-request-method", "POST")];
    for (action, allow, method, given, passes) in [
        ("oauth, config: {provider: google", true, "OPTIONS", &asks[..], true),
        ("openid-connect, config: {issuer_url: 'https://id.example'", true, "OPTIONS", &asks, true),
        ("oauth, config: {provider: google", false, "OPTIONS", &asks, false),
        ("oauth, config: {provider: google", true, "GET", &asks, false),
        ("oauth, config: {provider: google", true, "OPTIONS", &asks[..1], false),
        ("oauth, config: {provider: google", true, "OPTIONS", &asks[1..], false),
    ] {
        let text =
            format!("on_http_request: [{{actions: [{{type: {action}, allow_cors_preflight: {allow}}}}}]}}]");
        let request = Request { headers: headers(given), ..Request::new(method, "https://a.example/") };
        let ended = run_phase(&text, Phase::OnHttpRequest, (&request, &Response::new(200)), || {
            Box::new(|_, _| Reply::login(LoginReply::Answer(Box::new(Response::new(302)))))
        });
        assert_eq!(ended.outcome == "upstream", passes, "{text} {method} {given:?}");
        assert_eq!(ended.asked.is_empty(), passes, "{text} {method} {given:?}");
    }
}

#[test]
fn a_message_with_a_high_score_is_refused() {
    fn found(score: u32) -> Reply {
        let rules = vec![MatchedRule {
            id: 942_100,
            message: "SQL".into(),
            severity: "CRITICAL".into(),
            data: "1=1".into(),
        }];
        Reply::inspected(Ok(Findings { anomaly_score: score, threshold: 5, rules }))
    }
    let refused = on_request("  - {type: owasp-crs-request}\n", |_, _| found(5));
    let answer = refused.answer.expect("an answer");
    assert_eq!((refused.outcome.as_str(), answer.status), ("deny", 403));
    assert_eq!(answer.headers.iter().collect::<Vec<_>>(), [("ngrok-error-code", "ERR_NGROK_3700")]);
    let results = "${actions.ngrok.owasp_crs_request.decision} ${actions.ngrok.owasp_crs_request.matched_rules[0].message} ${actions.ngrok.owasp_crs_request.error.code}";
    let passed = on_request(&shown("{type: owasp-crs-request}", results), |_, _| found(4));
    assert_eq!(passed.body(), "allow SQL ");
    let with_body =
        "  - {type: owasp-crs-request, config: {process_body: true, exclude_rule_ids: [942100]}}\n";
    let ended = on_request(with_body, |effect, asked| match (effect, asked) {
        (Effect::ReadBody { .. }, _) => {
            Reply::body(Body { bytes: vec![b'a'; 5_000].into(), complete: false })
        }
        (_, Some(Asked::Inspection(inspection))) => {
            assert_eq!(inspection.body.as_deref().map(<[u8]>::len), Some(4_096));
            assert_eq!(inspection.exclude_rule_ids, [942_100]);
            found(0)
        }
        _ => panic!("{asked:?}"),
    });
    assert_eq!((ended.outcome.as_str(), ended.asked.len()), ("upstream", 2));
    let fault = |_: Effect, _: Option<&Asked>| Reply::inspected(Err("out of memory".into()));
    assert_eq!(on_request("  - {type: owasp-crs-request}\n", fault).outcome, "error");
    let on = on_request(
        &shown(
            "{type: owasp-crs-request, config: {on_error: continue}}",
            results.split(' ').next_back().expect("one"),
        ),
        fault,
    );
    assert_eq!(on.body(), "ERR_NGROK_3701");
}

#[test]
fn tls_is_ended_as_the_policy_says() {
    let text = "on_tcp_connect:\n- actions:\n  - {type: terminate-tls, config: {min_version: '1.3', server_private_key: \"${conn.client_ip}\", server_certificate: c}}\n- expressions: [\"actions.ngrok.terminate_tls.sni == 'a.example'\"]\n  actions: [{type: deny}]\n";
    assert!(Program::from_policy("p.yml", text).is_err(), "a host that ends no TLS");
    let program = compile(text);
    let facts = Facts::new("203.0.113.42".parse().expect("an address"));
    for (sni, outcome) in [("a.example", "deny"), ("b.example", "upstream")] {
        let (ended, _) = drive(program.run(Phase::OnTcpConnect, &facts), &mut |_, asked| {
            let Some(Asked::Tls(settings)) = asked else { panic!("{asked:?}") };
            assert_eq!((settings.min_version, settings.max_version), (TlsVersion::V1_3, TlsVersion::V1_3));
            assert!(!format!("{asked:?}").contains("203.0.113.42"), "the key is shown");
            Reply::tls_ended(Ok(vec![("sni".into(), Value::text(sni)), ("unknown".into(), Value::Null)]))
        });
        assert_eq!(ended.outcome, outcome);
    }
    let (ended, _) = drive(program.run(Phase::OnTcpConnect, &facts), &mut |_, _| {
        Reply::tls_ended(Err("no cipher".into()))
    });
    assert_eq!(ended.outcome, "error");
}

#[test]
fn events_are_changed_one_by_one() {
    let text = "on_event_stream_message:\n- actions:\n  - {type: sse-find-replace, config: {replacements: [{from: 'a+', to: b}, {field: retry, from: '1', to: '2'}]}}\n";
    let program = compile(text);
    let (request, response) = (Request::new("GET", "https://a.example/"), Response::new(200));
    let request = request.facts().expect("a URL").with_response(&response);
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
    let mut state = RunState::default();
    for (event, changed) in [
        ("id: 1\ndata: aa\ndata: xa\nretry: 11\n\n", Some("id: 1\ndata: b\ndata: xb\nretry: 22\n\n")),
        ("data: x\n\n", None),
        ("data: a\n\n", Some("data: b\n\n")),
    ] {
        let run = program.run_from(Phase::OnEventStreamMessage, &facts, state);
        let (ended, left) = drive(run, &mut |_, _| body(event));
        assert_eq!((ended.outcome.as_str(), ended.bodies[2].as_deref()), ("upstream", changed), "{event}");
        state = left.into_next_phase();
    }
}

/// Validates a token, for which it fetches keys.
const TOKEN: &str = "{type: jwt-validation, config: {issuer: {allow_list: [{value: 'https://id.example.com/'}]}, http: {tokens: [{type: plain, method: header, name: x-token}]}, jws: {allowed_algorithms: [RS256], keys: {sources: {additional_jkus: ['https://id.example.com/keys']}}}}}";

/// One policy for each effect, and a reply that fits none of the others.
#[test]
fn a_reply_of_another_kind_fails_closed() {
    let limit = format!("{LIMIT}}}}}");
    let actions = [
        "{type: request-body-find-replace, config: {replacements: [{from: a, to: b}]}}",
        &limit,
        "{type: circuit-breaker}",
        "{type: add-headers, config: {headers: {x-a: \"${secrets.get('v', 'a')}\"}}}",
        "{type: http-request, config: {url: 'https://check.internal'}}",
        "{type: oauth, config: {provider: google}}",
        "{type: owasp-crs-request}",
        "{type: log, config: {metadata: {a: b}}}",
        "{type: forward-internal, config: {url: 'https://a.internal'}}",
        TOKEN,
        "{type: terminate-tls}",
    ];
    let replies = || {
        [
            body(""),
            Reply::Rate(RateVerdict::Passes),
            Reply::Circuit(CircuitState::Closed),
            Reply::secret(Some(Secret::new("s"))),
            answered(200, ""),
            Reply::login(LoginReply::LoggedIn(Box::default())),
            Reply::inspected(Ok(Findings { threshold: 5, ..Findings::default() })),
            Reply::Logged,
            Reply::Forwarded,
            Reply::key_set(None),
            Reply::tls_ended(Ok(Vec::new())),
        ]
    };
    let known: serde_json::Value =
        serde_json::from_str(include_str!("../../fixtures/signatures/tokens.json")).expect("tokens");
    let token = known["tokens"]["RS256"].as_str().expect("a token");
    let now = Timestamp::new(known["now"].as_i64().expect("a time"), 0).expect("a time");
    let request =
        Request { headers: headers(&[("x-token", token)]), ..Request::new("POST", "https://a.example/") };
    let request = request.facts().expect("a URL");
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request).at_time(now);
    let mut seen = Vec::new();
    for (own, action) in actions.iter().enumerate() {
        let phase = if action.contains("tls") { Phase::OnTcpConnect } else { Phase::OnHttpRequest };
        let program = compile(&format!("{phase}:\n- actions:\n  - {action}\n"));
        for (at, reply) in replies().into_iter().enumerate() {
            let (ended, _) = drive(program.run(phase, &facts), &mut |_, _| reply.clone());
            assert_eq!(ended.outcome == "error", at != own, "{action} {reply:?}: {ended:?}");
            seen.extend(ended.asked.first().map(|effect| effect.name()));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    let mut all = Effect::NAMES.to_vec();
    all.sort_unstable();
    assert_eq!(seen, all, "an effect of which no reply is tried");
}

/// Every name below the prefix of a login, with what the host says of it.
#[test]
fn all_of_an_identity_can_be_read() {
    let identity = || Identity {
        id: "1".into(),
        email: "2".into(),
        name: "3".into(),
        provider_user_id: "4".into(),
        session_id: "5".into(),
        access_token: "6".into(),
        refresh_token: "7".into(),
        identity_token: "8".into(),
        expires_at: Timestamp::new(0, 0),
        session_timed_out: true,
        session_max_duration_reached: false,
        userinfo_refreshed: true,
    };
    for (action, prefix, session, refreshed, more) in [
        (
            "{type: oauth, config: {provider: google}}",
            "oauth",
            "current_provider_session_id",
            "userinfo_refreshed",
            "",
        ),
        (
            "{type: openid-connect, config: {issuer_url: 'https://id.example'}}",
            "oidc",
            "current_session_id",
            "user_info_refreshed",
            "identity_token",
        ),
    ] {
        let identity_names =
            ["id", "email", "name", "provider_user_id", session].map(|name| format!("identity.{name}"));
        let others = [
            "access_token",
            "refresh_token",
            more,
            "expires_at",
            "session_timed_out",
            "session_max_duration_reached",
            refreshed,
            "error.code",
            "error.message",
        ];
        let names = identity_names
            .iter()
            .map(String::as_str)
            .chain(others.into_iter().filter(|name| !name.is_empty()));
        let all: Vec<_> = names.map(|name| format!("${{actions.ngrok.{prefix}.{name}}}")).collect();
        assert_eq!(all.len(), if more.is_empty() { 13 } else { 14 });
        let ended = on_request(&shown(action, &all.join("|")), move |_, _| {
            Reply::login(LoginReply::LoggedIn(Box::new(identity())))
        });
        let token = if more.is_empty() { "" } else { "|8" };
        assert_eq!(ended.body(), format!("1|2|3|4|5|6|7{token}|1970-01-01T00:00:00Z|true|false|true||"));
    }
}

#[test]
fn a_response_with_a_high_score_is_refused() {
    let found = |score| {
        move |_: Effect, asked: Option<&Asked>| {
            let Some(Asked::Inspection(inspection)) = asked else { panic!("{asked:?}") };
            assert_eq!((inspection.side, &*inspection.exclude_rule_ids), (Side::Response, &[950_100][..]));
            Reply::inspected(Ok(Findings { anomaly_score: score, threshold: 4, ..Findings::default() }))
        }
    };
    let action = "{type: owasp-crs-response, config: {exclude_rule_ids: [950100]}}";
    let refused = on_response(&format!("  - {action}\n"), &[], found(4));
    let answer = refused.answer.expect("an answer");
    assert_eq!((refused.outcome.as_str(), answer.status), ("deny", 403));
    assert_eq!(answer.headers.iter().collect::<Vec<_>>(), [("ngrok-error-code", "ERR_NGROK_3702")]);
    let results = "${actions.ngrok.owasp_crs_response.decision} ${actions.ngrok.owasp_crs_response.anomaly_score} ${actions.ngrok.owasp_crs_response.anomaly_score_threshold}";
    assert_eq!(on_response(&shown(action, results), &[], found(3)).body(), "allow 3 4");
}
