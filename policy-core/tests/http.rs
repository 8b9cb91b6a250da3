//! The phases of requests and responses: what each action does to a message, and what is answered.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::ops::ControlFlow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use policy_core::cel::TextMap;
use policy_core::compile::{CompileOptions, Program};
use policy_core::evaluate::RunState;
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::message::{Changes, Headers, Request, Response};
use policy_core::phase::{Phase, PhaseSet};

fn compile(text: &str) -> Program {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    Program::from_policy_with("p.yml", text, &options).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn headers(given: &[(&str, &str)]) -> Headers {
    let mut out = Headers::default();
    given.iter().for_each(|(name, value)| out.append(name, value).expect("a header"));
    out
}

fn request(method: &str, url: &str, given: &[(&str, &str)]) -> Request {
    Request { headers: headers(given), ..Request::new(method, url) }
}

/// What became of a request.
#[derive(Debug)]
struct Ended {
    outcome: &'static str,
    reason: String,
    /// Status, headers and body of what is answered.
    answer: Option<(u16, Vec<String>, String)>,
    url: Option<String>,
    /// Headers that differ, each with all of its values.
    changed: Vec<String>,
    state: RunState,
}

fn lines<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    headers.map(|(name, value)| format!("{name}: {value}")).collect()
}

/// Runs one phase.
fn run(
    program: &Program,
    phase: Phase,
    request: &Request,
    response: Option<&Response>,
    state: RunState,
) -> Ended {
    let request = request.facts().expect("a URL");
    let request = match response {
        Some(response) => request.with_response(response),
        None => request,
    };
    let facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request).seeded(7);
    let mut run = program.run_from(phase, &facts, state);
    let outcome = run.run(|effect, _| match effect {
        Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
        _ => Reply::Logged,
    });
    let answer = run.answer().map(|answer| {
        let body = String::from_utf8(answer.body.clone()).expect("text");
        (answer.status, lines(answer.headers.iter()), body)
    });
    let changes = run.changes().cloned().unwrap_or_default();
    let of_phase: Vec<_> = match phase {
        Phase::OnHttpRequest => changes.request_headers().collect(),
        _ => changes.response_headers().collect(),
    };
    let changed = of_phase.iter().map(|(name, values)| format!("{name}: {}", values.join(" | ")));
    Ended {
        outcome: outcome.name(),
        reason: run.reason().to_string(),
        answer,
        url: changes.url().map(|url| url.as_str().to_owned()),
        changed: changed.collect(),
        state: run.into_state(),
    }
}

fn on_request(rules: &str, of: &Request) -> Ended {
    let text = format!("on_http_request:\n{rules}");
    run(&compile(&text), Phase::OnHttpRequest, of, None, RunState::default())
}

fn get(url: &str) -> Request {
    request("GET", url, &[("host", "a.example"), ("user-agent", "t/1")])
}

/// One action without conditions, and a rule that shows its results in the answer.
fn action(kind: &str, config: &str, shown: &str) -> String {
    format!(
        "- actions:\n  - {{type: {kind}, config: {config}}}\n  - {{type: custom-response, config: {{body: \"{shown}\"}}}}\n"
    )
}

fn body(ended: &Ended) -> &str {
    ended.answer.as_ref().map_or("", |(_, _, body)| body)
}

#[test]
fn a_request_is_refused_closed_or_answered() {
    let deny = on_request("- actions: [{type: deny}]", &get("https://a.example/"));
    assert_eq!((deny.outcome, deny.answer), ("deny", Some((403, vec![], String::new()))));
    let deny =
        on_request("- actions: [{type: deny, config: {status_code: 451}}]", &get("https://a.example/"));
    assert_eq!(deny.answer, Some((451, vec![], String::new())));
    let close = on_request("- actions: [{type: close-connection}]", &get("https://a.example/"));
    assert_eq!((close.outcome, close.answer), ("close", None));
    let none = on_request("- expressions: ['false']\n  actions: [{type: deny}]", &get("https://a.example/"));
    assert_eq!((none.outcome, none.answer), ("upstream", None));
    let config = "{status_code: 418, body: 'short ${req.method}', headers: {X-Pot: tea}}";
    let own = on_request(
        &format!("- actions: [{{type: custom-response, config: {config}}}]"),
        &get("https://a.example/"),
    );
    let said = vec!["x-pot: tea".to_owned(), "content-type: text/plain; charset=utf-8".to_owned()];
    assert_eq!((own.outcome, own.answer), ("respond", Some((418, said, "short GET".to_owned()))));
}

#[test]
fn a_reason_tells_where_conditions_on_requests_stand_and_not_what_they_compare_with() {
    let rules = "- expressions: [\"getReqHeader('x-key') != ['k-4711']\", \"req.method == 'GET'\"]\n  actions: [{type: deny}]";
    let denied = on_request(rules, &get("https://a.example/"));
    assert_eq!(
        denied.reason,
        "`deny` refuses the request: the condition in line 2 and the condition in line 2 hold"
    );
}

#[test]
fn a_refused_address_is_told_with_its_code() {
    let rules = "- actions: [{type: restrict-ips, config: {allow: [192.0.2.0/24, '2001:db8::/32']}}]";
    let ended = on_request(rules, &get("https://a.example/"));
    assert_eq!(ended.outcome, "deny");
    assert_eq!(ended.answer, Some((403, vec!["ngrok-error-code: ERR_NGROK_3203".to_owned()], String::new())));
}

#[test]
fn what_fails_is_answered_with_an_error_and_never_let_through() {
    let failed = on_request(
        "- expressions: [\"req.headers['x'][0] == 'a'\"]\n  actions: [{type: deny}]",
        &get("https://a.example/"),
    );
    assert_eq!(failed.outcome, "error", "{failed:?}");
    assert_eq!(
        failed.answer,
        Some((500, vec!["ngrok-error-code: ERR_NGROK_2254".to_owned()], String::new()))
    );
    let value = on_request(
        &action("set-vars", "{vars: [{a: \"${req.headers['x'][0]}\"}]}", "never"),
        &get("https://a.example/"),
    );
    assert_eq!(value.answer.map(|it| it.1), Some(vec!["ngrok-error-code: ERR_NGROK_2238".to_owned()]));
    let offline = on_request(
        "- actions: [{type: forward-internal, config: {url: 'https://b.internal'}}]",
        &get("https://a.example/"),
    );
    assert_eq!(
        (offline.outcome, offline.answer.map(|it| (it.0, it.1))),
        ("error", Some((404, vec!["ngrok-error-code: ERR_NGROK_3200".to_owned()])))
    );
    // A header that would split the message is no header.
    let split = on_request(
        "- actions: [{type: add-headers, config: {headers: {x-a: \"${getQueryParam('a')[0]}\"}}}]",
        &get("https://a.example/?a=1%0d%0ax-admin:%20yes"),
    );
    assert_eq!((split.outcome, split.changed), ("error", vec![]));
}

#[test]
fn headers_are_appended_but_for_the_host() {
    let of = request("GET", "https://a.example/", &[("host", "a.example"), ("x-a", "0")]);
    let rules = "- actions: [{type: add-headers, config: {headers: {X-A: '1', host: b.example}}}]\n\
                 - expressions: [\"req.headers['x-a'][1] == '1' && req.host == 'b.example'\"]\n  \
                   actions: [{type: add-headers, config: {headers: {x-seen: '${getReqHeader(\"X-A\").join(\"+\")}'}}}]\n";
    let ended = on_request(rules, &of);
    assert_eq!(ended.outcome, "upstream", "{ended:?}");
    assert_eq!(ended.changed, ["x-a: 0 | 1", "host: b.example", "x-seen: 0+1"]);
}

#[test]
fn a_removed_header_is_gone_for_what_follows() {
    let of = request("GET", "https://a.example/", &[("x-edge-user", "root"), ("cookie", "a=1; b=2")]);
    let rules = "- actions: [{type: remove-headers, config: {headers: [X-Edge-User, x-none]}}]\n\
                 - expressions: [\"hasReqHeader('x-edge-user')\"]\n  actions: [{type: deny}]\n\
                 - actions: [{type: add-headers, config: {headers: {x-edge-user: alice}}}]\n\
                 - actions: [{type: custom-response, config: {body: \"${req.headers['x-edge-user'][0]} \
                   ${actions.ngrok.remove_headers.headers_removed.join(',')} ${getReqCookie('b').value}\"}}]";
    let ended = on_request(rules, &of);
    assert_eq!((ended.outcome, body(&ended)), ("respond", "alice x-edge-user 2"), "{ended:?}");
    assert_eq!(ended.changed, ["x-edge-user: alice"]);
}

#[test]
fn a_rewritten_url_is_read_by_what_follows() {
    let rules = "- actions: [{type: url-rewrite, config: {from: '/v1/([a-z]+)', to: '/v2/$1?from=v1'}}]\n\
                 - expressions: [\"req.url.path == '/v2/users' && getQueryParam('from') == ['v1']\"]\n  \
                   actions: [{type: custom-response, config: {body: \"${req.url} ${actions.ngrok.url_rewrite.matches[0]}\"}}]";
    let ended = on_request(rules, &get("https://a.example/v1/users"));
    assert_eq!(body(&ended), "https://a.example/v2/users?from=v1 /v1/users", "{ended:?}");
    assert_eq!(ended.url.as_deref(), Some("https://a.example/v2/users?from=v1"));
    let same = on_request(
        "- actions: [{type: url-rewrite, config: {from: '/x/', to: '/y/'}}]",
        &get("https://a.example/v1"),
    );
    assert_eq!((same.outcome, same.url), ("upstream", None));
    // Each match, and the whole without `from`.
    let all = on_request(
        "- actions: [{type: url-rewrite, config: {from: 'a/', to: 'b/'}}]",
        &get("https://x.example/a/a/c"),
    );
    assert_eq!(all.url.as_deref(), Some("https://x.example/b/b/c"));
    let whole =
        on_request("- actions: [{type: url-rewrite, config: {to: '/all'}}]", &get("https://x.example/a?b"));
    assert_eq!(whole.url.as_deref(), Some("https://x.example/all"));
}

#[test]
fn a_redirect_is_sent_only_where_the_url_changes() {
    let rules = "- actions: [{type: redirect, config: {from: 'http://', to: 'https://', status_code: 308, headers: {x-a: '${req.method}'}}}]\n\
                 - actions: [{type: custom-response, config: {body: stays}}]";
    let sent = on_request(rules, &get("http://a.example/b?c=d"));
    let said = vec!["x-a: GET".to_owned(), "location: https://a.example/b?c=d".to_owned()];
    assert_eq!((sent.outcome, sent.answer), ("respond", Some((308, said, String::new()))));
    let stays = on_request(rules, &get("https://a.example/b"));
    assert_eq!(body(&stays), "stays");
    // Relative to the request, and escaped.
    let relative = on_request(
        "- actions: [{type: redirect, config: {to: '/geo?city=Köln b'}}]",
        &get("https://a.example/x"),
    );
    let said = relative.answer.expect("answered");
    assert_eq!(
        (said.0, &*said.1),
        (302, &["location: https://a.example/geo?city=K%C3%B6ln%20b".to_owned()][..])
    );
}

#[test]
fn a_name_and_a_password_open_and_nothing_else_does() {
    let rules = "- actions:\n  - {type: basic-auth, config: {credentials: ['me:password1', 'you:password2'], realm: 'a \"b\"'}}\n  \
                 - {type: custom-response, config: {body: \"${actions.ngrok.basic_auth.credentials.username}\"}}";
    let with =
        |given: &str| on_request(rules, &request("GET", "https://a.example/", &[("authorization", given)]));
    for right in ["Basic bWU6cGFzc3dvcmQx", "basic  bWU6cGFzc3dvcmQx"] {
        assert_eq!(body(&with(right)), "me", "{right}");
    }
    assert_eq!(body(&with("Basic eW91OnBhc3N3b3JkMg==")), "you");
    for wrong in [
        "",
        "Basic",
        "Basic bWU6cGFzc3dvcmQy",
        "Bearer bWU6cGFzc3dvcmQx",
        "Basic !!",
        "Basic bWU=",
        "Basic bWU6cGFzc3dvcmQ",
    ] {
        let ended = with(wrong);
        let said = vec!["www-authenticate: Basic realm=\"a \\\"b\\\"\"".to_owned()];
        assert_eq!((ended.outcome, ended.answer), ("deny", Some((401, said, String::new()))), "{wrong}");
    }
    // Of two nobody knows which one counts.
    let right = ("authorization", "Basic bWU6cGFzc3dvcmQx");
    for twice in [[right, right], [right, ("authorization", "Bearer a")], [("authorization", ""), right]] {
        let ended = on_request(rules, &request("GET", "https://a.example/", &twice));
        assert_eq!(ended.answer.map(|(status, ..)| status), Some(401), "{twice:?}");
    }
}

#[test]
fn a_trial_of_credentials_lets_everybody_pass_and_says_who_came() {
    let looks = "{credentials: ['me:password1'], enforce: false}";
    let shown = "${actions.ngrok.basic_auth.credentials.presented} ${actions.ngrok.basic_auth.credentials.username} ${actions.ngrok.basic_auth.credentials.authorized}";
    for (given, seen) in [
        ("", "false  false"),
        ("Basic bWU6cGFzc3dvcmQx", "true me true"),
        ("Basic eW91OnBhc3N3b3JkMQ==", "true you false"),
    ] {
        let given: &[_] = if given.is_empty() { &[] } else { &[("authorization", given)] };
        let ended =
            on_request(&action("basic-auth", looks, shown), &request("GET", "https://a.example/", given));
        assert_eq!(body(&ended), seen, "{given:?}");
    }
}

/// What expressions make of a credential has to be one that could be written out, and bring no colon into the name.
#[test]
fn rendered_credentials_are_checked_as_written_ones() {
    let opens = |credential: &str, value: &str, sent: &str| {
        let rules = format!("- actions: [{{type: basic-auth, config: {{credentials: [\"{credential}\"]}}}}]");
        let given = [("authorization", &*format!("Basic {}", BASE64_STANDARD.encode(sent)))];
        let ended = on_request(&rules, &request("GET", &format!("https://a.example/?u={value}"), &given));
        (ended.outcome, ended.answer.map(|(status, ..)| status))
    };
    let (side, front, whole) =
        ("admin:${getQueryParam('u')[0]}", "x${getQueryParam('u')[0]}:password1", "${getQueryParam('u')[0]}");
    let (long, longest) = ("p".repeat(129), "p".repeat(128));
    for (credential, value, sent) in [
        (side, "", "admin:"),
        (side, "short", "admin:short"),
        (side, &*long, &*format!("admin:{long}")),
        (front, "y:z", "xy:z:password1"),
        (front, &*longest, &*format!("x{longest}:password1")),
        ("${getQueryParam('u')[0]}:password1", "", ":password1"),
        (whole, "name", "name"),
        (whole, ":password", ":password"),
        (whole, "name:short", "name:short"),
    ] {
        assert_eq!(opens(credential, value, sent), ("error", Some(500)), "{credential} {value}");
    }
    for (credential, value, sent) in [
        (side, "a:b:c:d:e", "admin:a:b:c:d:e"),
        (side, &*longest, &*format!("admin:{longest}")),
        (front, "y", "xy:password1"),
        (whole, "name:pass:word", "name:pass:word"),
        ("a${getQueryParam('u')[0]}:p:assword", "b", "ab:p:assword"),
    ] {
        assert_eq!(opens(credential, value, sent), ("upstream", None), "{credential} {value}");
        assert_eq!(opens(credential, value, &format!("{sent}x")).1, Some(401), "{credential} {value}");
    }
}

#[test]
fn facts_of_a_request_are_those_of_its_head() {
    let of = Request {
        trailers: headers(&[("x-t", "1")]),
        ..request(
            "POST",
            "https://me:pw@A.example:8443/a%2fb/%63?q=1&q=2&r=a+b#f",
            &[
                ("host", "h.example"),
                ("content-type", "Text/HTML; Charset=\"utf-8\""),
                ("content-length", "12"),
                ("content-encoding", "gzip, BR"),
                ("cookie", "a=1; a=2"),
                ("cookie", "b=3"),
                ("user-agent", "curl/8"),
                ("location", "/l"),
            ],
        )
    };
    for (expression, value) in [
        ("req.method", "POST"),
        ("req.host", "h.example"),
        ("req.version", "HTTP/1.1"),
        ("req.location", "/l"),
        ("req.user_agent", "curl/8"),
        ("string(req.content_length)", "12"),
        ("req.content_encoding.join(',')", "gzip,br"),
        ("req.content_type", "text/html"),
        ("req.content_type.raw", "Text/HTML; Charset=\\\"utf-8\\\""),
        ("req.content_type.parameters['charset']", "utf-8"),
        ("req.url", "https://me:pw@a.example:8443/a%2Fb/c?q=1&q=2&r=a+b#f"),
        ("req.url.raw", "https://me:pw@A.example:8443/a%2fb/%63?q=1&q=2&r=a+b#f"),
        ("req.url.scheme", "https"),
        ("req.url.authority", "me:pw@a.example:8443"),
        ("req.url.user_password", "me:pw"),
        ("req.url.host", "a.example"),
        ("string(req.url.port)", "8443"),
        ("req.url.path", "/a%2Fb/c"),
        ("req.url.raw_path", "/a%2fb/%63"),
        ("req.url.query", "q=1&q=2&r=a+b"),
        ("req.url.uri", "/a%2Fb/c?q=1&q=2&r=a+b"),
        ("req.url.query_params['q'].join(',')", "1,2"),
        ("getQueryParam('r')[0]", "a b"),
        ("string(getQueryParam('none').size())", "0"),
        ("string(hasQueryParam('q'))", "true"),
        ("req.cookies['a'].map(c, c.value).join(',')", "1,2"),
        ("getReqCookie('b').value", "3"),
        ("string(getReqCookie('b').secure)", "false"),
        ("string(hasReqCookie('c'))", "false"),
        ("req.headers['cookie'].join('|')", "a=1; a=2|b=3"),
        ("req.trailers['x-t'][0]", "1"),
        ("string('x-t' in req.headers)", "false"),
        // Headers have names in any case, cookies and parameters those that they have.
        ("getReqHeader('CONTENT-type')[0]", "Text/HTML; Charset=\\\"utf-8\\\""),
        ("string(hasReqHeader('Content-Length'))", "true"),
        ("string(getReqHeader('x-none').size())", "0"),
        ("string(hasReqHeader('x-none'))", "false"),
        ("string(hasReqCookie('B'))", "false"),
        ("string(hasQueryParam('Q'))", "false"),
        ("string(getQueryParam('Q').size())", "0"),
    ] {
        let rules = format!(
            "- actions: [{{type: custom-response, config: {{body: '${{{}}}'}}}}]",
            expression.replace('\'', "''")
        );
        let ended = on_request(&rules, &of);
        assert_eq!(body(&ended), value.replace("\\\"", "\""), "{expression}: {}", ended.reason);
    }
}

#[test]
fn what_a_request_lacks_is_an_error_and_no_empty_text() {
    let of = get("https://a.example/");
    for expression in
        ["req.content_length == 0", "req.url.port == 443", "req.ts.body_received == req.ts.header_received"]
    {
        let ended = on_request(
            &format!(
                "- expressions: ['{expression}']\n  actions: [{{type: log, config: {{metadata: {{a: b}}}}}}]"
            ),
            &of,
        );
        assert_eq!(ended.outcome, "error", "{expression}");
    }
    let ended = on_request(
        "- expressions: ['!has(req.content_length) && !has(req.url.port)']\n  actions: [{type: deny}]",
        &of,
    );
    assert_eq!(ended.outcome, "deny", "{}", ended.reason);
}

/// Cookies that a policy would not see are no reason to decide without them.
#[test]
fn too_many_cookies_are_an_error() {
    let of = request("GET", "https://a.example/", &[("cookie", &"a=1; ".repeat(1_001))]);
    let ended = on_request(
        "- expressions: [\"!hasReqCookie('b')\"]\n  actions: [{type: log, config: {metadata: {a: b}}}]",
        &of,
    );
    assert_eq!(ended.outcome, "error", "{}", ended.reason);
    let few = request("GET", "https://a.example/", &[("cookie", &"a=1; ".repeat(1_000))]);
    let ended = on_request("- expressions: [\"hasReqCookie('a')\"]\n  actions: [{type: deny}]", &few);
    assert_eq!(ended.outcome, "deny", "{}", ended.reason);
}

#[test]
fn results_and_changes_reach_the_response_and_variables_do_not() {
    let program = compile(
        "on_http_request:\n- actions:\n  - {type: set-vars, config: {vars: [{a: '1'}]}}\n  \
         - {type: add-headers, config: {headers: {x-id: '7'}}}\n\
         on_http_response:\n- actions:\n  \
         - {type: add-headers, config: {headers: {x-seen: \"${req.headers['x-id'][0]} ${string(res.status_code)} ${string(has(vars.a))} ${string(size(actions.ngrok.add_headers.headers_added))}\"}}}\n  \
         - {type: remove-headers, config: {headers: [server]}}\n",
    );
    let of = get("https://a.example/");
    let first = run(&program, Phase::OnHttpRequest, &of, None, RunState::default());
    assert_eq!((first.outcome, &*first.changed), ("upstream", &["x-id: 7".to_owned()][..]), "{first:?}");
    let response = Response { headers: headers(&[("server", "s/1")]), ..Response::new(204) };
    let second = run(&program, Phase::OnHttpResponse, &of, Some(&response), first.state.into_next_phase());
    assert_eq!(second.outcome, "upstream", "{second:?}");
    assert_eq!(second.changed, ["x-seen: 7 204 false 1", "server: "]);
}

#[test]
fn facts_of_a_response_are_those_of_its_head() {
    let program = |expression: &str| {
        compile(&format!(
            "on_http_response: [{{actions: [{{type: add-headers, config: {{headers: {{x-v: \"${{{expression}}}\"}}}}}}]}}]"
        ))
    };
    let response = Response {
        headers: headers(&[
            ("content-type", "application/json"),
            ("location", "/n"),
            ("set-cookie", "a=1; Path=/"),
            ("set-cookie", "a=2; Path=/deep; Secure; Max-Age=60"),
        ]),
        ..Response::new(201)
    };
    for (expression, value) in [
        ("string(res.status_code)", "201"),
        ("res.content_type", "application/json"),
        ("res.location", "/n"),
        ("getResHeader('Location')[0]", "/n"),
        ("getResCookie('a').value", "2"),
        ("string(getResCookie('a').max_age)", "60s"),
        ("res.cookies['a'].map(c, c.path).join(',')", "/deep,/"),
        ("string(hasResCookie('b'))", "false"),
    ] {
        let ended = run(
            &program(expression),
            Phase::OnHttpResponse,
            &get("https://a.example/"),
            Some(&response),
            RunState::default(),
        );
        assert_eq!(ended.changed, [format!("x-v: {value}")], "{expression}: {}", ended.reason);
    }
}

/// A target's policy sees the message as the policy that forwards has changed it, and nothing else of that policy.
#[test]
fn a_target_gets_the_changed_message_alone() {
    let outer = compile(
        "on_http_request:\n- actions:\n  - {type: add-headers, config: {headers: {x-a: '1'}}}\n  \
         - {type: url-rewrite, config: {to: '/new'}}\n  - {type: set-vars, config: {vars: [{v: '1'}]}}\n",
    );
    let of = get("https://a.example/old");
    let first = run(&outer, Phase::OnHttpRequest, &of, None, RunState::default());
    let inner = compile(
        "on_http_request: [{actions: [{type: custom-response, config: {body: \"${req.url.path} ${req.headers['x-a'][0]} ${string(has(vars.v))}\"}}]}]",
    );
    let second = run(&inner, Phase::OnHttpRequest, &of, None, first.state.for_target());
    assert_eq!(body(&second), "/new 1 false", "{second:?}");
}

#[test]
fn what_nothing_changed_is_not_kept() {
    let ended = on_request(
        "- expressions: [\"req.url.path.startsWith('/a')\"]\n  actions: [{type: deny}]",
        &get("https://a.example/b"),
    );
    assert!(ended.state.changes().is_none_or(Changes::is_empty));
    assert_eq!(ended.outcome, "upstream");
    let headers = headers(&[("x-b", "1"), ("x-a", "2")]);
    let mut names = Vec::new();
    let _ = headers.each_name(&mut |name| {
        names.push(name.to_owned());
        ControlFlow::Continue(())
    });
    assert_eq!(names, ["x-b", "x-a"]);
}
