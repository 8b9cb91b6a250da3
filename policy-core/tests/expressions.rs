//! Expressions in policies: the words of every message, places through YAML, and what hosts give.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use policy_core::cel::{EvalLimits, Expression, Fact, Fault, Host, Map, Value};
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::Program;
use policy_core::diagnostic::Severity;
use policy_core::facts::Facts;
use policy_core::phase::Phase;
use policy_core::source::Source;
use policy_core::url::{Binding, Scheme};
use policy_core::variables;

fn policy(phase: &str, expressions: &[&str]) -> Source {
    let items: Vec<_> = expressions.iter().map(|text| serde_json::json!(text).to_string()).collect();
    let text = format!("{phase}:\n- expressions: [{}]\n  actions: [{{type: deny}}]\n", items.join(", "));
    Source::new("p.yml", text)
}

/// What is drawn lies between the bounds, and each of them is drawn.
#[test]
fn draws_stay_between_their_bounds() {
    let program = |condition: &str| {
        let text = format!(
            "on_tcp_connect:\n- actions:\n  - {{type: set-vars, config: {{vars: [{{n: '${{rand.int(-2, 3)}}'}}, {{b: '${{rand.int()}}'}}, {{d: '${{rand.double()}}'}}]}}}}\n\
             - expressions: ['{condition}']\n  actions: [{{type: deny}}]\n"
        );
        Program::from_policy("p.yml", text).expect("right")
    };
    let seeds = |program: &Program| {
        let client = "203.0.113.42".parse().expect("an address");
        let denied =
            |seed: &u64| program.decide(&Facts::new(client).seeded(*seed)).outcome().name() == "deny";
        (0..1_000_u64).filter(denied).count()
    };
    let outside = "vars.n < -2 || vars.n > 3 || !(vars.b in [0, 1]) || vars.d < 0.0 || vars.d >= 1.0";
    assert_eq!(seeds(&program(outside)), 0);
    let halves = ["vars.b == 0", "vars.b == 1", "vars.d < 0.5", "vars.d >= 0.5"].map(str::to_owned);
    for drawn in (-2..=3).map(|number| format!("vars.n == {number}")).chain(halves) {
        assert!(seeds(&program(&drawn)) > 50, "{drawn}");
    }
}

#[test]
fn every_message_has_its_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/expressions/messages.txt");
    let text = fs::read_to_string(path).expect("readable");
    let mut out = String::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            writeln!(out, "{line}").expect("a text");
            continue;
        }
        let (phase, expression) = line.split_once(' ').unwrap_or((line, ""));
        let source = policy(phase, &[expression]);
        let (_, found) = load_policy(&source, &CheckOptions::default());
        writeln!(out, "{phase}: {expression}").expect("a text");
        for item in found.iter().filter(|item| item.code.id != "TP601") {
            let (severity, id, place) = (item.severity.name(), item.code.id, source.slice(item.span));
            writeln!(out, "    {severity}[{id}] `{place}`: {}", item.message).expect("a text");
            writeln!(out, "        {}", item.help.as_deref().expect("a help")).expect("a text");
            for edit in item.fix.iter().flat_map(|fix| &fix.edits) {
                let safe = if item.fix.as_ref().is_some_and(|fix| fix.safe) { "safe" } else { "unsafe" };
                writeln!(out, "        {safe} fix: `{}` -> `{}`", source.slice(edit.span), edit.replacement)
                    .expect("a text");
            }
        }
    }
    insta::assert_snapshot!("expression_messages", out);
}

/// Messages keep to their form: lower case, no full stop, and a help that says something.
#[test]
fn messages_keep_their_form() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/expressions/messages.txt");
    let text = fs::read_to_string(path).expect("readable");
    let mut seen = 0;
    for (phase, expression) in text.lines().filter_map(|line| line.split_once(' ')) {
        if phase == "#" {
            continue;
        }
        let (_, found) = load_policy(&policy(phase, &[expression]), &CheckOptions::default());
        for item in found.iter() {
            let help = item.help.as_deref().expect("a help");
            for words in [&*item.message, help] {
                let first = words.chars().next().expect("a word");
                assert!(!first.is_uppercase() && !words.ends_with('.'), "{words}");
            }
            seen += 1;
        }
    }
    assert!(seen > 120, "{seen} messages");
}

/// A fault is shown at its very characters, however the scalar is written.
#[test]
fn places_go_through_yaml() {
    for (item, exact) in [
        ("conn.client_prot == 22", true),
        ("\"conn.client_prot == 22\"", true),
        ("'conn.client_prot == 22'", true),
        ("\"conn.client_ip == \\\"a\\\" && conn.client_prot == 22\"", true),
        ("'conn.client_ip == ''a'' && conn.client_prot == 22'", true),
        ("\"\\u0063onn.client_prot == 22\"", true),
        ("\"conn.client_\\u0070rot == 22\"", false),
        (">-\n      conn.server_port == 22\n      && conn.client_prot == 22", true),
        ("|\n      conn.server_port == 22 &&\n        conn.client_prot == 22 // ü\n", true),
        ("conn.server_port == 22\n      && conn.client_prot == 22", true),
        ("\"conn.server_port == 22 \\\n      && conn.client_prot == 22\"", true),
        (">\n\n\n      conn.client_prot == 22\n", true),
    ] {
        let text =
            format!("on_tcp_connect:\n  - expressions:\n    - {item}\n    actions: [{{type: deny}}]\n");
        let source = Source::new("p.yml", text);
        let (_, found) = load_policy(&source, &CheckOptions::default());
        let fault =
            found.iter().find(|item| item.code.id == "TP205").unwrap_or_else(|| panic!("{item}: {found:?}"));
        let place = source.slice(fault.span);
        assert_eq!(place == "client_prot", exact, "{item}: {place}");
        assert!(place.ends_with("rot") && place.starts_with("client_"), "{item}: {place}");
        // A fix is offered only where it would hit the right letters.
        assert_eq!(fault.fix.is_some(), exact, "{item}");
    }
}

/// The items of one rule guard one another.
#[test]
fn items_are_joined() {
    let codes = |items: &[&str]| {
        let (_, found) = load_policy(&policy("on_http_request", items), &CheckOptions::default());
        found.iter().filter(|item| item.code.id == "TP216").count()
    };
    let reads = "req.headers['x-id'][0] == 'a'";
    assert_eq!(codes(&[reads]), 1);
    assert_eq!(codes(&["'x-id' in req.headers", reads]), 0);
    assert_eq!(codes(&[reads, "hasReqHeader('X-Id')"]), 0);
    assert_eq!(codes(&[reads, "'x-id' in req.headers || req.method == 'GET'"]), 1);
    assert_eq!(codes(&[reads, "!('x-id' in req.headers)"]), 1);
}

/// What a condition can fail of, or never is, is told once, and only where it is so.
#[test]
fn findings_of_one_condition() {
    let of = |phase: &str, text: &str| {
        let (_, found) = load_policy(&policy(phase, &[text]), &CheckOptions::default());
        found.iter().map(|item| item.code.id).collect::<Vec<_>>()
    };
    let header = "getReqHeader('a')";
    for (text, expected) in [
        ("L.size() > 0 && L[L.size() - 1] == 'b'", &[][..]),
        ("size(L) > 0 && L[size(L) - 1] == 'b'", &[]),
        ("L != [] && L[L.size() - 1] == 'b'", &[]),
        ("L.size() == 0 || L[L.size() - 1] == 'b'", &[]),
        ("L.size() > 0 ? L[L.size() - 1] == 'b' : false", &[]),
        ("L.size() >= 2 && L[L.size() - 2] == 'b'", &[]),
        ("L.size() in [2, 3] && L[1] == 'b'", &[]),
        ("req.host.split('.')[req.host.split('.').size() - 1] == 'de'", &[]),
        ("L[L.size() - 1] == 'b'", &["TP216"]),
        ("L.size() > 0 && L[L.size() - 2] == 'b'", &["TP216"]),
        ("L.size() > 0 && L[L.size()] == 'b'", &["TP216"]),
        ("L.size() > 0 && L[size(req.headers) - 1] == 'b'", &["TP216"]),
        ("L.size() in [1, 2] && L[1] == 'b'", &["TP216"]),
        ("(L[0] == 'b' || true) && req.host == 'a'", &[]),
        ("!(L[0] == 'b' && false) && req.host == 'a'", &[]),
        ("L[0] == 'b' || req.host == 'x' || req.host != 'x'", &["TP213"]),
        ("L[0] == 'b' || !(req.host == 'x' || req.host == 'y') || req.host in ['x', 'y']", &["TP213"]),
        ("L[0] == 'b' || req.host == 'x' || req.host != 'y'", &["TP216"]),
        ("L[0] == 'b' || req.host == 'x'", &["TP216"]),
        (
            "(hasReqHeader('a') && req.host == 'x' || 'a' in req.headers && req.host == 'y') && L[0] == 'b'",
            &[],
        ),
        ("(req.host == 'a' ? L.size() > 1 : L.size() > 2) && L[1] == 'b'", &[]),
        ("(req.host == 'a' ? L.size() > 1 : L.size() > 0) && L[1] == 'b'", &["TP216"]),
        ("(hasReqHeader('a') || req.host == 'y') && L[0] == 'b'", &["TP216"]),
    ] {
        assert_eq!(of("on_http_request", &text.replace('L', header)), expected, "{text}");
    }
    for (text, expected) in [
        ("C.exists(c, c.contains('nosuch'))", &["TP224"][..]),
        ("C.exists(c, c.endsWith('.nosuch'))", &["TP224"]),
        ("['nosuch'].exists(c, c in C)", &["TP224"]),
        ("C.exists(c, c.contains('tor'))", &[]),
        ("C.exists(c, c.endsWith('.tor'))", &[]),
        ("C.exists(c, c.endsWith('anonymous'))", &[]),
        ("C.exists(c, c.contains('azure.someservice'))", &[]),
        ("C.exists(c, c.contains('frontdoor'))", &[]),
        ("I == '2001:0db8::1'", &["TP214"]),
        ("['2001:0db8::1', '10.0.0.0/8', '10.0.0.1'].exists(c, I == c)", &["TP214", "TP214"]),
        ("['10.0.0.0/8'].all(c, c != I)", &["TP214"]),
        ("string(I) == '10.0.0.0/8'", &["TP214"]),
        ("string(I).lower() in ['10.0.0.0/8']", &["TP214"]),
        ("I.indexOf('/') >= 0", &["TP214"]),
        ("I.lastIndexOf('/') != -1", &["TP214"]),
        ("['10.0.0.0/8'].exists(c, I.startsWith(c))", &["TP214"]),
        ("['2001:db8::1'].exists(c, c == I)", &[]),
        ("['10.0.0.0/8'].exists(c, inCidrRange(I, c))", &[]),
        ("string(I) == '10.0.0.1'", &[]),
        ("I.indexOf(':') >= 0", &[]),
        ("conn.ts.start.getHours('+25:00') == 1", &["TP217"]),
        ("timestamp('2026-01-01T00:00:00Z').getHours('+25:00') == 1", &["TP217"]),
        ("I == 'YOUR_IP'", &["TP313"]),
        ("string(I) in ['YOUR_IP']", &["TP313"]),
        ("['YOUR_IP'].exists(c, c == I)", &["TP313"]),
    ] {
        let written = text
            .replace("C.", "conn.client_ip.categories.")
            .replace("in C", "in conn.client_ip.categories")
            .replace("I ", "conn.client_ip ")
            .replace("I.", "conn.client_ip.")
            .replace("I)", "conn.client_ip)")
            .replace("I,", "conn.client_ip,");
        assert_eq!(of("on_tcp_connect", &written), expected, "{text}");
    }
}

/// What exists on some protocols only is refused where the endpoint's protocol is known to lack it.
#[test]
fn protocols_decide_what_exists() {
    let errors = |scheme, phase, text: &str| {
        let env =
            variables::env(variables::Site { phase: Some(phase), scheme, ..variables::Site::default() });
        env.check(text).1.iter().filter(|item| item.severity == Severity::Error).count()
    };
    let sni = "conn.tls.sni == 'a'";
    for (scheme, expected) in [
        (None, 0),
        (Some(Scheme::Tls), 0),
        (Some(Scheme::Https), 0),
        (Some(Scheme::Tcp), 1),
        (Some(Scheme::Http), 1),
    ] {
        assert_eq!(errors(scheme, Phase::OnTcpConnect, sni), expected, "{scheme:?}");
    }
    assert_eq!(
        errors(Some(Scheme::Tcp), Phase::OnTcpConnect, "json.encode(conn) == ''"),
        0,
        "what lacks is left out"
    );
    assert_eq!(errors(Some(Scheme::Tcp), Phase::OnHttpRequest, "req.method == ''"), 1);
}

/// A host that knows a request.
struct Request {
    draws: u64,
}

fn texts(items: &[&str]) -> Value {
    Value::list(items.iter().map(|item| Value::text(*item)).collect())
}

impl Host for Request {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        let map = |entries: Vec<(&str, Value)>| Ok(Value::Map(Map::from_texts(entries).into()));
        let cookie = |name: &str, value: &str| {
            let fields = [("name", Value::text(name)), ("value", Value::text(value))];
            Value::Map(Map::from_texts(fields).into())
        };
        match fact.path() {
            "req.headers" => map(vec![("host", texts(&["a.example.com"])), ("x-id", texts(&["1", "2"]))]),
            "res.headers" => map(vec![("content-type", texts(&["text/html"])), ("via", texts(&[]))]),
            "res.cookies" => map(vec![("token", Value::list(vec![cookie("token", "t")]))]),
            "req.cookies" => map(vec![(
                "session",
                Value::list(vec![cookie("session", "first"), cookie("session", "second")]),
            )]),
            "req.url.query_params" => map(vec![("q", texts(&["hello"]))]),
            "req.url" => Ok(Value::text("https://a.example.com/x?q=hello")),
            "req.url.path" => Ok(Value::text("/x")),
            "req.method" => Ok(Value::text("GET")),
            "req.content_length" | "req.url.port" => Err(Fault::Absent(fact)),
            "conn.client_ip" => Ok(Value::text("192.168.1.7")),
            "conn.geo.city" => Ok(Value::text("Berlin")),
            "conn.geo.country" => Ok(Value::text("")),
            path if path.starts_with("conn.geo.") => Err(Fault::Absent(fact)),
            "time.now" => Ok(Value::text("2026-01-31T12:00:00Z")),
            _ => Err(Fault::NoSource(fact)),
        }
    }

    fn random(&mut self) -> Result<u64, Fault> {
        self.draws += 1;
        Ok(u64::MAX / 4 * self.draws)
    }

    fn secret(&mut self, vault: &str, name: &str) -> Result<Value, Fault> {
        match (vault, name) {
            ("v", "n") => Ok(Value::text("secret")),
            _ => Err(Fault::NotProvided("secrets")),
        }
    }
}

fn request(text: &str) -> Result<String, Fault> {
    in_phase(Phase::OnHttpRequest, text)
}

fn in_phase(phase: Phase, text: &str) -> Result<String, Fault> {
    let env = variables::env(variables::Site { phase: Some(phase), ..variables::Site::default() });
    let (expression, found) = env.check(text);
    let expression: Expression = expression.unwrap_or_else(|| panic!("{text}: {found:?}"));
    let value = expression.evaluate(&mut Request { draws: 0 }, EvalLimits::default());
    let (written, _) = expression.explain(&mut Request { draws: 0 }, EvalLimits::default(), 0);
    let show = |value: Result<Value, _>| {
        value.map(|value| value.to_string()).map_err(|error: policy_core::cel::EvalError| error.fault)
    };
    let value = show(value);
    assert_eq!(value, show(written), "{text}");
    value
}

#[test]
fn facts_come_from_the_host() {
    for (text, expected) in [
        ("req.url", "\"https://a.example.com/x?q=hello\""),
        ("req.url == 'https://a.example.com/x?q=hello' && req.url.path == '/x'", "true"),
        ("req.url.contains('example') && req['url']['path'] == '/x'", "true"),
        ("cel.bind(u, req.url, u.path + u)", "\"/xhttps://a.example.com/x?q=hello\""),
        ("[req.url].exists(u, u.startsWith('https'))", "true"),
        ("req.method in ['GET', 'HEAD'] ? req.url : req.method", "\"https://a.example.com/x?q=hello\""),
        ("'x-id' in req.headers && 'X-Id' in req.headers == false", "true"),
        ("getReqHeader('X-Id')", "[\"1\", \"2\"]"),
        ("getReqHeader('x-none')", "[]"),
        ("hasReqHeader('HOST') && !hasReqHeader('x-none')", "true"),
        ("getReqCookie('session').value", "\"first\""),
        ("req.cookies['session'][1].value", "\"second\""),
        ("hasReqCookie('session') && !hasReqCookie('Session')", "true"),
        ("getQueryParam('q') == ['hello'] && getQueryParam('x') == [] && !hasQueryParam('x')", "true"),
        ("has(req.content_length)", "false"),
        ("req.?content_length.orValue(7)", "7"),
        ("req.url.?port.hasValue()", "false"),
        ("req.url.?path.orValue('')", "\"/x\""),
        ("has(req.url) && has(conn.geo)", "true"),
        ("conn.geo", "{\"city\": \"Berlin\", \"country\": \"\"}"),
        ("json.encode(conn.geo)", "\"{\\\"city\\\":\\\"Berlin\\\",\\\"country\\\":\\\"\\\"}\""),
        ("'city' in conn.geo && !('radius' in conn.geo)", "true"),
        ("timestamp(time.now).getHours('Europe/Berlin')", "13"),
        ("rand.int(0, 99)", "24"),
        ("[rand.int(0, 99), rand.int(0, 99)]", "[24, 49]"),
        ("rand.int(5, 5) == 5 && rand.double() < 1.0", "true"),
        ("rand.int(-9223372036854775808, 9223372036854775807)", "-4611686018427387905"),
        ("secrets.get('v', 'n')", "\"secret\""),
        ("req.content_length > 5 || req.method == 'GET'", "true"),
        ("conn.tls.sni == 'a' || true", "true"),
        ("inCidrRange(conn.client_ip, '192.168.0.0/16') && conn.client_ip.isPrivateIp()", "true"),
    ] {
        assert_eq!(request(text).as_deref(), Ok(expected), "{text}");
    }
    for (text, expected) in [
        ("getResHeader('Content-Type')", Ok("[\"text/html\"]")),
        ("getResHeader('x-none')", Ok("[]")),
        ("getResHeader('x-none')[0]", Err(Fault::NoSuchIndex("0".into()))),
        ("hasResHeader('CONTENT-TYPE') && hasResHeader('via') && !hasResHeader('x-none')", Ok("true")),
        ("getResCookie('token').value", Ok("\"t\"")),
        ("hasResCookie('token') && !hasResCookie('Token')", Ok("true")),
        ("getReqHeader('X-Id') + getResHeader('Content-Type')", Ok(r#"["1", "2", "text/html"]"#)),
    ] {
        let found = in_phase(Phase::OnHttpResponse, text);
        assert_eq!(found.as_deref().map_err(Clone::clone), expected, "{text}");
    }
    let fact = |path: &str| variables::fact(path).expect(path);
    for (text, fault) in [
        ("req.content_length > 5", Fault::Absent(fact("req.content_length"))),
        ("conn.tls.sni == 'a'", Fault::NoSource(fact("conn.tls.sni"))),
        ("has(conn.tls.sni)", Fault::NoSource(fact("conn.tls.sni"))),
        ("secrets.get('v', 'x')", Fault::NotProvided("secrets")),
        ("req.headers['x-none'][0] == 'a'", Fault::NoSuchKey("\"x-none\"".into())),
        ("req.headers['x-id'][7] == 'a'", Fault::NoSuchIndex("7".into())),
    ] {
        assert_eq!(request(text), Err(fault), "{text}");
    }
    assert!(request("getReqCookie('none').value").is_err() && request("rand.int(2, 1)").is_err());
}

/// A program's expressions say what they read, folded parts left out.
#[test]
fn what_is_read_is_known() {
    let env = variables::env(variables::Site::default());
    let reads = |text: &str| {
        let (expression, _) = env.check(text);
        let expression = expression.expect(text);
        expression.reads().iter().map(|fact| fact.path()).collect::<Vec<_>>()
    };
    assert_eq!(
        reads("conn.client_port == 1 || conn.geo.city == 'a' || conn.client_port == 2"),
        ["conn.client_port", "conn.geo.city"]
    );
    assert_eq!(
        reads("has(req.content_length) && getReqHeader('x') == []"),
        ["req.content_length", "req.headers"]
    );
    assert_eq!(reads("1 + 1 == 2"), Vec::<&str>::new());
    let (expression, _) = env.check("rand.int() == 1 && secrets.get('a', 'b') == ''");
    let expression = expression.expect("fine");
    assert_eq!(expression.impure_calls(), ["rand.int", "secrets.get"]);
    assert!(expression.draws_numbers() && expression.reads_secrets());
    let (expression, _) = env.check("rand.double() < 0.5");
    assert!(expression.is_some_and(|expression| expression.draws_numbers() && !expression.reads_secrets()));
}

#[test]
fn as_many_brackets_as_the_limit_says() {
    let found = |brackets: usize| {
        let text = format!("{}conn.client_port == 22{}", "(".repeat(brackets), ")".repeat(brackets));
        load_policy(&policy("on_tcp_connect", &[&text]), &CheckOptions::default()).1
    };
    assert!(!found(64).has_errors());
    let over = found(65);
    let said: Vec<_> = over.iter().map(|item| &*item.message).collect();
    assert_eq!(said, ["more than 64 brackets or conditionals inside one another"]);
}

#[test]
fn secrets_have_names_that_can_be() {
    let said = |call: &str| {
        let text = format!("{call} == 'a'");
        let (_, found) = load_policy(&policy("on_http_request", &[&text]), &CheckOptions::default());
        let all = found.iter().filter(|item| item.code.id == "TP217");
        all.map(|item| item.message.to_string()).collect::<Vec<_>>()
    };
    for call in ["secrets.get('a', 'b')", "secrets.get('plant-7/a.b_c', 'X9')", "secrets.get(req.host, 'a')"]
    {
        assert_eq!(said(call), Vec::<String>::new(), "{call}");
    }
    assert_eq!(said("secrets.get('my vault', 'x')"), ["no vault has the name `my vault`"]);
    assert_eq!(said("secrets.get('', 'x')"), ["no vault has the name ``"]);
    assert_eq!(said("secrets.get('v', 'ä')"), ["no secret has the name `ä`"]);
    assert_eq!(said("secrets.get('v:1', '')").len(), 2);
}

#[test]
fn public_endpoints_see_no_pods() {
    let said = |binding: Option<Binding>, text: &str| {
        let mut options = CheckOptions::default();
        options.endpoint.binding = binding;
        let (_, found) = load_policy(&policy("on_tcp_connect", &[text]), &options);
        found
            .iter()
            .filter(|item| item.code.id == "TP209")
            .map(|item| item.message.to_string())
            .collect::<Vec<_>>()
    };
    for variable in ["conn.k8s.pod.id == 'a'", "conn.k8s.pod.metadata.annotations['a'] == 'b'"] {
        assert_eq!(said(Some(Binding::Public), variable).len(), 1, "{variable}");
        for binding in [None, Some(Binding::Internal), Some(Binding::Kubernetes)] {
            assert!(said(binding, variable).is_empty(), "{variable}");
        }
    }
}
