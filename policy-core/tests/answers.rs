//! What goes wrong is told with ngrok's codes, and no message is sent that HTTP forbids.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "support/host.rs"]
mod host;

use host::{Ended, body, headers, on_request, on_response, run_phase, shown};
use policy_core::exchange::{Asked, Body, Effect, ForwardFailure, OutboundFailure, Reply};
use policy_core::facts::Facts;
use policy_core::message::{ContentCoding, Request, Response};
use policy_core::phase::Phase;

/// The code of a failure, which is told with 500.
fn code(ended: &Ended) -> &str {
    let answer = ended.answer.as_ref().unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!((ended.outcome.as_str(), answer.status), ("error", 500), "{ended:?}");
    let mut codes = answer.headers.iter().filter(|(name, _)| *name == "ngrok-error-code");
    codes.next().map(|(_, code)| code.strip_prefix("ERR_NGROK_").expect("a code")).unwrap_or_default()
}

/// An action of `on_http_request` that replaces.
fn replaces(replacement: &str) -> String {
    format!("  - {{type: request-body-find-replace, config: {{replacements: [{replacement}]}}}}\n")
}

#[test]
fn a_body_that_cannot_be_replaced_in_has_the_codes_of_its_fault() {
    let none = "${getReqHeader('none')[0]}";
    for (replacement, expected) in [
        (&*format!("{{from: \"{none}\"}}"), "3900"),
        (&format!("{{from: a, to: \"{none}\"}}"), "3900"),
        ("{from: \"${'('}\"}", "3901"),
    ] {
        assert_eq!(code(&on_request(&replaces(replacement), |_, _| body("a"))), expected, "{replacement}");
    }
    let a = replaces("{from: a, to: b}");
    assert_eq!(code(&on_request(&a, |_, _| Reply::BodyFailed)), "3902");
    let part = |_: Effect, _: Option<&Asked>| Reply::body(Body { bytes: (*b"a").into(), complete: false });
    assert_eq!(code(&on_request(&a, part)), "3902");
    let grows = replaces("{from: '', to: 'xxxxxxxxxx'}");
    let long = |_: Effect, _: Option<&Asked>| body(&"a".repeat(500_000));
    assert_eq!(code(&on_request(&grows, long)), "3902");
    let response =
        |of| on_response(&replaces("{from: a}").replace("request-", "response-"), of, |_, _| body("a"));
    assert_eq!(code(&response(&[("content-encoding", "gzip")])), "3902");
    let event = |replacement: &str, reply: fn() -> Reply| {
        let text = format!(
            "on_event_stream_message: [{{actions: [{{type: sse-find-replace, config: {{replacements: [{replacement}]}}}}]}}]"
        );
        let request = Request::new("GET", "https://a.example/");
        run_phase(&text, Phase::OnEventStreamMessage, (&request, &Response::new(200)), || {
            Box::new(move |_, _| reply())
        })
    };
    let data = || body("data: a\n\n");
    // A port that nobody has told.
    let none = "${string(conn.client_port)}";
    assert_eq!(code(&event(&format!("{{from: \"{none}\"}}"), data)), "3900");
    assert_eq!(code(&event(&format!("{{field: \"{none}\", from: a}}"), data)), "3900");
    assert_eq!(code(&event("{field: \"${conn.client_ip}\", from: a}", data)), "3900");
    assert_eq!(code(&event("{from: \"${'('}\"}", data)), "3901");
    assert_eq!(code(&event("{from: a}", || Reply::BodyFailed)), "3902");
}

#[test]
fn other_failures_have_their_codes() {
    let asks = "  - {type: http-request, config: {url: 'https://check.internal', on_error: halt}}\n";
    for (failure, expected) in [
        (OutboundFailure::Timeout, "3602"),
        (OutboundFailure::TooLarge, "3601"),
        (OutboundFailure::Loop, "3603"),
        (OutboundFailure::Redirects, "3214"),
        (OutboundFailure::Unreachable, "3210"),
    ] {
        let ended = on_request(asks, move |_, _| Reply::answered(Err(failure)));
        assert_eq!(code(&ended), expected, "{failure:?}");
    }
    let fault = |_: Effect, _: Option<&Asked>| Reply::inspected(Err("no memory".into()));
    assert_eq!(code(&on_request("  - {type: owasp-crs-request}\n", fault)), "3701");
    assert_eq!(code(&on_response("  - {type: owasp-crs-response}\n", &[], fault)), "3701");
    let with_body = "  - {type: owasp-crs-request, config: {process_body: true}}\n";
    assert_eq!(code(&on_request(with_body, |_, _| Reply::BodyFailed)), "3701");
    // A value of any other action.
    let adds =
        |value: &str| format!("  - {{type: add-headers, config: {{headers: {{x-a: \"{value}\"}}}}}}\n");
    let nothing = |_: Effect, _: Option<&Asked>| panic!("nothing is asked");
    assert_eq!(code(&on_request(&adds("${getReqHeader('none')[0]}"), nothing)), "2238");
    assert_eq!(code(&on_request(&adds("${'a\\\\r\\\\nb'}"), nothing)), "2253");
    let text =
        "on_http_request: [{expressions: [\"getReqHeader('none')[0] == ''\"], actions: [{type: deny}]}]";
    let request = Request::new("GET", "https://a.example/");
    let ended = run_phase(text, Phase::OnHttpRequest, (&request, &Response::new(200)), || Box::new(nothing));
    assert_eq!(code(&ended), "2254");
}

#[test]
fn a_search_that_takes_too_many_steps_names_its_pattern_and_the_length() {
    let search = |bytes: usize, from: &'static str| {
        on_request(&replaces(&format!("{{from: {from}}}")), move |_, _| body(&"b".repeat(bytes)))
    };
    // Each byte that is read brings the steps of some small patterns, as docs/differences-from-ngrok.md has it.
    assert_eq!(search(1 << 20, "a").outcome, "upstream");
    let failed = search(1 << 20, "'(a.?){1000}'");
    assert_eq!(code(&failed), "3902");
    let (before, after) =
        failed.reason.split_once("searching 1048576 bytes for `(a.?){1000}` takes ").expect("it says what");
    let steps: String = after.chars().take_while(char::is_ascii_digit).collect();
    assert!(steps.parse::<u64>().is_ok_and(|steps| steps > 17_000_000), "{before} {after}");
    let made = search(1 << 20, "\"${req.method}\"");
    assert!(!made.reason.contains("expression takes"), "{}", made.reason);
}

/// Every item of every line of `content-encoding` counts.
#[test]
fn a_body_with_any_coding_is_not_searched() {
    for lines in [
        &["gzip"][..],
        &["identity", "gzip"],
        &["", "gzip"],
        &["identity, gzip"],
        &["gzip", "identity"],
        &["identity", "identity", "br"],
    ] {
        let given: Vec<_> = lines.iter().map(|line| ("content-encoding", *line)).collect();
        let request = Request { headers: headers(&given), ..Request::new("POST", "https://a.example/") };
        let text = format!("on_http_request:\n- actions:\n{}", replaces("{from: a, to: b}"));
        let ended = run_phase(&text, Phase::OnHttpRequest, (&request, &Response::new(200)), || {
            Box::new(|_, _| body("a"))
        });
        assert_eq!(code(&ended), "3902", "{lines:?}");
        let response = replaces("{from: a, to: b}").replace("request-", "response-");
        assert_eq!(code(&on_response(&response, &given, |_, _| body("a"))), "3902", "{lines:?}");
        let compressed = on_response("  - {type: compress-response}\n", &given, |_, _| body("a"));
        assert_eq!((compressed.compression, compressed.changed.len()), (None, 0), "{lines:?}");
        // Nor where another action has read it first.
        let inspects = format!(
            "  - {{type: owasp-crs-request, config: {{process_body: true}}}}\n{}",
            replaces("{from: a}")
        );
        let text = format!("on_http_request:\n- actions:\n{inspects}");
        let ended = run_phase(&text, Phase::OnHttpRequest, (&request, &Response::new(200)), || {
            Box::new(|effect, _| match effect {
                Effect::ReadBody { .. } => body("a"),
                _ => Reply::inspected(Ok(policy_core::exchange::Findings {
                    threshold: 5,
                    ..Default::default()
                })),
            })
        });
        assert_eq!(code(&ended), "3902", "{lines:?}");
    }
    for plain in [&["identity"][..], &["IDENTITY", ""], &[""]] {
        let given: Vec<_> = plain.iter().map(|line| ("content-encoding", *line)).collect();
        let response = replaces("{from: a, to: b}").replace("request-", "response-");
        let ended = on_response(&response, &given, |_, _| body("a"));
        assert_eq!(
            (ended.outcome.as_str(), ended.bodies[1].as_deref()),
            ("upstream", Some("b")),
            "{plain:?}"
        );
    }
}

#[test]
fn a_replaced_body_has_one_length() {
    let request = Request {
        headers: headers(&[("transfer-encoding", "chunked")]),
        ..Request::new("POST", "https://a.example/")
    };
    let text = format!("on_http_request:\n- actions:\n{}", replaces("{from: a, to: bb}"));
    let ended = run_phase(&text, Phase::OnHttpRequest, (&request, &Response::new(200)), || {
        Box::new(|_, _| body("a"))
    });
    assert_eq!(ended.changed, ["transfer-encoding: ", "content-length: 2"]);
    let response = replaces("{from: a, to: bb}").replace("request-", "response-");
    let ended = on_response(&response, &[("transfer-encoding", "chunked")], |_, _| body("a"));
    assert_eq!(ended.changed, ["transfer-encoding: ", "content-length: 2"]);
}

/// The response of a status to a method, through actions.
fn responds(actions: &str, method: &str, response: &Response) -> Ended {
    let request = Request {
        headers: headers(&[("accept-encoding", "gzip")]),
        ..Request::new(method, "https://a.example/")
    };
    let text = format!("on_http_response:\n- actions:\n{actions}");
    run_phase(&text, Phase::OnHttpResponse, (&request, response), || Box::new(|_, _| body("")))
}

#[test]
fn a_response_without_a_body_gets_none() {
    let begins = replaces("{from: '^', to: b}").replace("request-", "response-");
    let of = |status, given: &[(&str, &str)]| Response { headers: headers(given), ..Response::new(status) };
    for (method, status) in [("GET", 100), ("GET", 103), ("GET", 204), ("GET", 304), ("HEAD", 200)] {
        let ended = responds(&begins, method, &of(status, &[]));
        assert_eq!((ended.outcome.as_str(), ended.asked.len()), ("upstream", 0), "{method} {status}");
        assert_eq!((&ended.bodies[1], ended.changed.len()), (&None, 0), "{method} {status}");
        // The length that it tells is that of another body.
        let told = responds(&begins, method, &of(status, &[("content-length", "7")]));
        assert_eq!(told.changed, ["content-length: "], "{method} {status}");
        let compressed = responds("  - {type: compress-response}\n", method, &of(status, &[]));
        assert_eq!((compressed.compression, compressed.changed.len()), (None, 0), "{method} {status}");
    }
    assert_eq!(responds(&begins, "GET", &of(200, &[])).bodies[1].as_deref(), Some("b"));
}

#[test]
fn parts_and_what_is_to_stay_are_not_compressed() {
    let compress = "  - {type: compress-response}\n";
    let of = |status, given: &[(&str, &str)]| Response { headers: headers(given), ..Response::new(status) };
    for (status, given) in [
        (206, &[("content-range", "bytes 0-1/9")][..]),
        (200, &[("cache-control", "public, No-Transform")]),
        (200, &[("cache-control", "public"), ("cache-control", "no-transform")]),
    ] {
        let ended = responds(compress, "GET", &of(status, given));
        assert_eq!((ended.compression, ended.changed.len()), (None, 0), "{status} {given:?}");
    }
    let ended = responds(compress, "GET", &of(200, &[("cache-control", "no-store")]));
    assert_eq!(ended.compression, Some(ContentCoding::Gzip));
    // Without its label a body goes as it is.
    let unlabelled =
        format!("{compress}  - {{type: remove-headers, config: {{headers: [Content-Encoding]}}}}\n");
    let ended = responds(&unlabelled, "GET", &of(200, &[]));
    assert_eq!((ended.compression, ended.changed.contains(&"content-encoding: ".to_owned())), (None, true));
}

#[test]
fn failed_forwards_have_their_codes_and_may_be_passed() {
    let forward =
        |more: &str| format!("  - {{type: forward-internal, config: {{url: 'https://b.internal'{more}}}}}\n");
    for (failure, status, expected) in [
        (ForwardFailure::Offline, 404, "ERR_NGROK_3200"),
        (ForwardFailure::UpstreamUnreachable, 502, "ERR_NGROK_3210"),
        (ForwardFailure::TooManyHops, 502, "ERR_NGROK_3501"),
    ] {
        let ended = on_request(&forward(""), move |_, _| Reply::ForwardFailed(failure));
        let answer = ended.answer.expect("an answer");
        assert_eq!((ended.outcome.as_str(), answer.status), ("error", status));
        assert_eq!(answer.headers.iter().collect::<Vec<_>>(), [("ngrok-error-code", expected)]);
        // Nothing behind it: an endpoint with an upstream falls to it.
        let ended = on_request(&forward(", on_error: continue"), move |_, _| Reply::ForwardFailed(failure));
        assert_eq!((ended.outcome.as_str(), ended.answer), ("upstream", None));
    }
    // The request goes on as it is, with its path.
    let program = host::compile(&format!("on_http_request:\n- actions:\n{}", forward("")));
    let request = Request::new("GET", "https://a.example/path?a=b");
    let request = request.facts().expect("a URL");
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
    let mut run = program.run(Phase::OnHttpRequest, &facts);
    assert_eq!(run.run(|_, _| Reply::Forwarded).name(), "forward");
    assert!(run.changes().is_none_or(|changes| changes.url().is_none() && changes.is_empty()));
}

#[test]
fn all_four_algorithms_are_offered_in_their_order() {
    for (accepted, expected) in [
        ("*", ContentCoding::Gzip),
        ("*, gzip;q=0", ContentCoding::Deflate),
        ("*, gzip;q=0, deflate;q=0", ContentCoding::Brotli),
        ("*, gzip;q=0, deflate;q=0, br;q=0", ContentCoding::Compress),
    ] {
        let request = Request {
            headers: headers(&[("accept-encoding", accepted)]),
            ..Request::new("GET", "https://a.example/")
        };
        let text = "on_http_response: [{actions: [{type: compress-response}]}]";
        let ended = run_phase(text, Phase::OnHttpResponse, (&request, &Response::new(200)), || {
            Box::new(|_, _| Reply::Logged)
        });
        assert_eq!(ended.compression, Some(expected), "{accepted}");
    }
}

#[test]
fn what_replaced_a_url_can_be_read() {
    let nothing = |_: Effect, _: Option<&Asked>| panic!("nothing is asked");
    let results = |kind: &str| {
        format!(
            "${{actions.ngrok.{kind}.matches}} ${{actions.ngrok.{kind}.url}} '${{actions.ngrok.{kind}.error.code}}${{actions.ngrok.{kind}.error.message}}'"
        )
    };
    let rewrites = "{type: url-rewrite, config: {from: 'o{1,2}', to: u}}";
    let ended = on_request(&shown(rewrites, &results("url_rewrite")), nothing);
    assert_eq!(ended.body(), "[\"oo\"] https://a.example/huk?a=b ''");
    // A redirect that is sent ends the phase; one that is not says that it found nothing.
    let stays = "{type: redirect, config: {from: none, to: u}}";
    let ended = on_request(&shown(stays, &results("redirect")), nothing);
    assert_eq!(ended.body(), "[] https://a.example/hook?a=b ''");
    let ended = on_request("  - {type: custom-response, config: {body: a}}\n", nothing);
    assert_eq!(ended.answer.map(|answer| answer.status), Some(200));
}

#[test]
fn a_redirect_leads_to_one_place() {
    let ended = on_request(
        "  - {type: redirect, config: {to: 'https://b.example/', headers: {Location: 'https://c.example/', x-a: b}}}\n",
        |_, _| panic!("nothing is asked"),
    );
    let answer = ended.answer.expect("an answer");
    assert_eq!(answer.headers.iter().collect::<Vec<_>>(), [("x-a", "b"), ("location", "https://b.example/")]);
}
