//! Signatures of webhooks and of tokens: those that others have made pass, and nothing that was changed.
//!
//! The vectors in `fixtures/signatures` were made by the providers' packages and by PyJWT; its page has the script.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use policy_core::actions::PROVIDERS;
use policy_core::cel::Timestamp;
use policy_core::compile::{CompileOptions, Program};
use policy_core::exchange::{Asked, Body, Effect, Reply};
use policy_core::facts::Facts;
use policy_core::message::{Headers, Request};
use policy_core::phase::{Phase, PhaseSet};
use proptest::prelude::*;
use serde_json::{Value, json};

fn compile(text: &str) -> Result<Program, String> {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    Program::from_policy_with("p.yml", text, &options).map_err(|error| error.to_string())
}

/// A request with its body.
#[derive(Clone, Debug)]
struct Sent {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    now: Option<i64>,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
struct Ended {
    outcome: &'static str,
    reason: String,
    /// Status, headers and body of the answer.
    answer: Option<(u16, Vec<String>, String)>,
    /// What was asked for.
    asked: Vec<String>,
}

impl Ended {
    /// ngrok's code.
    fn code(&self) -> Option<&str> {
        let headers = &self.answer.as_ref()?.1;
        headers.iter().find_map(|header| header.strip_prefix("ngrok-error-code: "))
    }

    fn status(&self) -> u16 {
        self.answer.as_ref().map_or(0, |answer| answer.0)
    }

    fn body(&self) -> &str {
        self.answer.as_ref().map_or("", |answer| &answer.2)
    }
}

type Sets<'s> = &'s dyn Fn(&str) -> Option<String>;

fn run(program: &Program, sent: &Sent, sets: Sets<'_>) -> Ended {
    let mut headers = Headers::default();
    sent.headers.iter().for_each(|(name, value)| headers.append(name, value).expect("a header"));
    let request = Request { headers, ..Request::new(&sent.method, &sent.url) };
    let request = request.facts().expect("a URL");
    let mut facts = Facts::new("203.0.113.42".parse().expect("an address")).with_request(&request);
    if let Some(now) = sent.now {
        facts = facts.at_time(Timestamp::new(now, 0).expect("a time"));
    }
    let asked = RefCell::new(Vec::new());
    let mut run = program.run(Phase::OnHttpRequest, &facts);
    let outcome = run.run(|effect, run| match (effect, run.asked()) {
        (Effect::ReadBody { max, .. }, _) => {
            asked.borrow_mut().push("body".to_owned());
            let kept = &sent.body[..sent.body.len().min(max as usize)];
            Reply::body(Body { bytes: kept.into(), complete: kept.len() == sent.body.len() })
        }
        (Effect::FetchKeys, Some(Asked::KeySet(url))) => {
            asked.borrow_mut().push(url.to_string());
            Reply::key_set(sets(url).map(Arc::from))
        }
        _ => panic!("{effect:?}"),
    });
    let answer = run.answer().map(|answer| {
        let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        (answer.status, headers, String::from_utf8(answer.body.clone()).expect("text"))
    });
    Ended { outcome: outcome.name(), reason: run.reason().to_string(), answer, asked: asked.into_inner() }
}

/// A text as a YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

mod webhooks {
    use super::*;

    fn policy(provider: &str, secret: &str, more: &str) -> String {
        let secret = quoted(&secret.replace("${", "$${"));
        format!(
            "on_http_request:\n- actions:\n  - {{type: verify-webhook, config: {{provider: {provider}, secret: {secret}{more}}}}}\n"
        )
    }

    fn vectors() -> Vec<(String, String, Sent, bool, Option<String>)> {
        let all: Value =
            serde_json::from_str(include_str!("../../fixtures/signatures/webhooks.json")).unwrap();
        let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
        let all = all.as_array().unwrap().iter().map(|of| {
            let headers = of["headers"].as_object().unwrap();
            let sent = Sent {
                method: text(of, "method"),
                url: text(of, "url"),
                headers: headers
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect(),
                body: text(of, "body").into_bytes(),
                now: of["now"].as_i64(),
            };
            let answer = of["answer"].as_str().map(str::to_owned);
            (text(of, "provider"), text(of, "secret"), sent, of["timed"].as_bool().unwrap(), answer)
        });
        all.collect()
    }

    fn no_sets(_: &str) -> Option<String> {
        panic!("a set of keys is asked for")
    }

    fn check(provider: &str, secret: &str, sent: &Sent) -> Ended {
        run(&compile(&policy(provider, secret, "")).unwrap(), sent, &no_sets)
    }

    fn assert_refused(ended: &Ended, provider: &str, what: &str) {
        let status = if provider == "xero" { 401 } else { 403 };
        assert_eq!(
            (ended.outcome, ended.status(), ended.code(), ended.body()),
            ("deny", status, Some("ERR_NGROK_3204"), ""),
            "{provider}: {what}: {ended:?}"
        );
    }

    /// A character exchanged for another one of the same alphabets.
    fn changed(text: &str, at: usize) -> String {
        let other = |c: char| if c == '0' { '1' } else { '0' };
        text.chars().enumerate().map(|(here, c)| if here == at { other(c) } else { c }).collect()
    }

    #[test]
    fn what_providers_sign_passes() {
        for (provider, secret, sent, _, answer) in vectors() {
            let ended = check(&provider, &secret, &sent);
            match answer {
                None => {
                    assert_eq!((ended.outcome, &ended.answer), ("upstream", &None), "{provider} {ended:?}")
                }
                Some(answer) => {
                    assert_eq!(
                        (ended.outcome, ended.status(), ended.body()),
                        ("respond", 200, &*answer),
                        "{provider}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_provider_that_runs_has_a_vector_and_the_others_are_refused_by_name() {
        let known: HashSet<_> = vectors().into_iter().map(|it| it.0).collect();
        for provider in PROVIDERS {
            match compile(&policy(provider, "0123456789", "")) {
                Ok(_) => assert!(known.contains(*provider), "{provider}"),
                Err(error) => {
                    assert!(!known.contains(*provider), "{provider}: {error}");
                    let expected =
                        format!("TP601]: the webhook provider `{provider}` is not supported by this version");
                    assert!(error.contains(&expected), "{error}");
                }
            }
        }
    }

    #[test]
    fn nothing_that_was_changed_passes() {
        for (provider, secret, sent, timed, _) in vectors() {
            let refused =
                |sent: &Sent, what: &str| assert_refused(&check(&provider, &secret, sent), &provider, what);
            assert_refused(&check(&provider, &format!("{secret}xxxx"), &sent), &provider, "another secret");
            // GitLab signs nothing.
            if provider != "gitlab" && !sent.body.is_empty() {
                for at in 0..sent.body.len() {
                    let mut sent = sent.clone();
                    sent.body[at] ^= 1;
                    refused(&sent, "another byte");
                }
                let mut longer = sent.clone();
                longer.body.push(b' ');
                refused(&longer, "a byte more");
            }
            for (at, (name, value)) in sent.headers.iter().enumerate() {
                if matches!(&**name, "content-type" | "x-gcs-keyid")
                    || name.starts_with("box-signature-version")
                    || name.starts_with("box-signature-algorithm")
                {
                    continue;
                }
                let mut without = sent.clone();
                without.headers.remove(at);
                refused(&without, "a header less");
                let mut twice = sent.clone();
                twice.headers.push((name.clone(), value.clone()));
                refused(&twice, "a header twice");
                let mut empty = sent.clone();
                empty.headers[at].1.clear();
                refused(&empty, "an empty header");
                // Of several signatures only one need be right.
                if !value.contains([' ', ',']) || value.starts_with("HMAC ") {
                    for place in 0..value.chars().count() {
                        let mut other = sent.clone();
                        other.headers[at].1 = changed(value, place);
                        refused(&other, "another header");
                    }
                }
            }
            let (mut later, mut earlier, mut never) = (sent.clone(), sent.clone(), sent.clone());
            let now = sent.now.unwrap();
            (later.now, earlier.now, never.now) = (Some(now + 3_600), Some(now - 3_600), None);
            for (other, what) in [(later, "later"), (earlier, "earlier"), (never, "without a clock")] {
                match timed {
                    true => refused(&other, what),
                    false => {
                        assert_ne!(check(&provider, &secret, &other).outcome, "deny", "{provider} {what}")
                    }
                }
            }
        }
    }

    #[test]
    fn the_times_are_those_of_the_providers() {
        for (provider, tolerance) in
            [("stripe", 300), ("slack", 300), ("svix", 300), ("calendly", 180), ("box", 600)]
        {
            let (_, secret, sent, ..) = vectors().into_iter().find(|it| it.0 == provider).unwrap();
            for (offset, passes) in
                [(tolerance, true), (-tolerance, true), (tolerance + 1, false), (-tolerance - 1, false)]
            {
                let now = sent.now.map(|now| now + offset);
                let ended = check(provider, &secret, &Sent { now, ..sent.clone() });
                assert_eq!(ended.outcome == "upstream", passes, "{provider} {offset}");
            }
        }
    }

    #[test]
    fn a_signed_url_is_the_one_that_was_sent() {
        let of_twilio = vectors().into_iter().filter(|it| it.0 == "twilio");
        for (provider, secret, sent, ..) in of_twilio {
            let url = sent.url.replace("foo=1", "foo=2").replace("in?a=1", "in?a=2");
            assert_refused(
                &check(&provider, &secret, &Sent { url, ..sent.clone() }),
                &provider,
                "another URL",
            );
            let rewrites = policy(&provider, &secret, "").replace(
                "  - {type: verify-webhook",
                "  - {type: url-rewrite, config: {from: 'https://.*', to: 'https://other.example/'}}\n  - {type: verify-webhook",
            );
            assert_eq!(run(&compile(&rewrites).unwrap(), &sent, &no_sets).outcome, "upstream");
        }
    }

    #[test]
    fn challenges_are_answered_only_if_they_are_signed() {
        let zoom = |it: &&(String, String, Sent, bool, Option<String>)| it.0 == "zoom" && it.4.is_some();
        let all = vectors();
        let (provider, secret, sent, ..) = all.iter().find(zoom).unwrap();
        let mut unsigned = sent.clone();
        unsigned.headers.clear();
        // Else a stranger would have any text signed.
        assert_refused(&check(provider, secret, &unsigned), provider, "not signed");
        let mut forged = sent.clone();
        forged.body = br#"{"event":"endpoint.url_validation","payload":{"plainToken":"v0:1:{}"}}"#.to_vec();
        assert_refused(&check(provider, secret, &forged), provider, "forged");

        let get = Sent {
            method: "GET".to_owned(),
            url: "https://hooks.example.com/in".to_owned(),
            headers: vec![("x-gcs-webhooks-endpoint-verification".to_owned(), "abc-123".to_owned())],
            body: Vec::new(),
            now: None,
        };
        let ended = check("worldline", "0123456789", &get);
        let said = (200, vec!["content-type: text/plain; charset=utf-8".to_owned()], "abc-123".to_owned());
        assert_eq!((ended.outcome, ended.answer), ("respond", Some(said)));
        let post = Sent { method: "POST".to_owned(), ..get };
        assert_refused(&check("worldline", "0123456789", &post), "worldline", "no GET");
    }

    #[test]
    fn a_trial_refuses_nothing_and_says_what_it_found() {
        let shown = "- actions: [{type: custom-response, config: {body: \"${actions.ngrok.verify_webhook.verified} \
                     ${actions.ngrok.verify_webhook.error.code} ${actions.ngrok.verify_webhook.error.message}\"}}]\n";
        let (provider, secret, sent, ..) = vectors().into_iter().find(|it| it.0 == "stripe").unwrap();
        let program = compile(&format!("{}{shown}", policy(&provider, &secret, ", enforce: false"))).unwrap();
        assert_eq!(run(&program, &sent, &no_sets).body(), "true  ");
        let said = |sent: &Sent| run(&program, sent, &no_sets).body().to_owned();
        let mut none = sent.clone();
        none.headers.clear();
        assert_eq!(said(&none), "false ERR_NGROK_3204 the request has no header `stripe-signature`");
        assert_eq!(run(&program, &none, &no_sets).asked, Vec::<String>::new(), "nothing need be read");
        let mut other = sent.clone();
        other.body.push(b' ');
        assert_eq!(said(&other), "false ERR_NGROK_3204 the signature is wrong");
        let old = Sent { now: sent.now.map(|now| now + 301), ..sent.clone() };
        assert_eq!(said(&old), "false ERR_NGROK_3204 the signature is too old, or of a time to come");
        let never = Sent { now: None, ..sent.clone() };
        assert_eq!(said(&never), "false ERR_NGROK_3204 the time is not known here");
        let mut packed = sent.clone();
        packed.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
        assert_eq!(said(&packed), "false ERR_NGROK_3204 the body is compressed (`content-encoding`)");
        let long = Sent { body: vec![b'x'; (1 << 20) + 1], ..sent };
        assert!(said(&long).starts_with("false ERR_NGROK_3204 the body is longer than"), "{}", said(&long));
    }

    #[test]
    fn a_secret_that_is_no_key_lets_nothing_pass() {
        let (_, _, sent, ..) = vectors().into_iter().find(|it| it.0 == "svix").unwrap();
        for secret in ["whsec_", "whsec_*not base64*", "whsec_===="] {
            assert_refused(&check("svix", secret, &sent), "svix", secret);
        }
        let empty = "secret: \"${getReqHeader('x-none').join('')}\"";
        let text = policy("github", "x", "").replace("secret: \"x\"", empty);
        let mut sent = sent;
        sent.headers = vec![
            ("x-none".to_owned(), String::new()),
            (
                "x-hub-signature-256".to_owned(),
                // Of an empty body with an empty key.
                "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad".to_owned(),
            ),
        ];
        sent.body.clear();
        assert_refused(&run(&compile(&text).unwrap(), &sent, &no_sets), "github", "an empty secret");
    }

    proptest! {
        /// Whatever stands in the headers, nothing passes and nothing panics.
        #[test]
        fn headers_of_strangers_are_only_refused(
            at in 0_usize..1_000,
            values in prop::collection::vec("[ -~]{0,40}|(t=|v1=|v0=|sha256=|HMAC |v1,)?[a-zA-Z0-9+/=, ]{0,80}", 3),
            body in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let all = vectors();
            let (provider, secret, sent, ..) = &all[at % all.len()];
            let mut sent = sent.clone();
            for (header, value) in sent.headers.iter_mut().zip(values) {
                header.1 = value;
            }
            sent.body = body;
            assert_refused(&check(provider, secret, &sent), provider, "a stranger's");
        }
    }
}

mod tokens {
    use super::*;

    const JKU: &str = "https://id.example.com/jwks.json";
    const OTHER: &str = "https://id.example.com/other.json";
    const ALL: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA, HS256, HS384, HS512";

    struct Vectors {
        now: i64,
        keys: Value,
        tokens: BTreeMap<String, String>,
    }

    fn vectors() -> Vectors {
        let all: Value = serde_json::from_str(include_str!("../../fixtures/signatures/tokens.json")).unwrap();
        let tokens = all["tokens"].as_object().unwrap().iter();
        Vectors {
            now: all["now"].as_i64().unwrap(),
            keys: json!({"keys": all["keys"]}),
            tokens: tokens.map(|(name, token)| (name.clone(), token.as_str().unwrap().to_owned())).collect(),
        }
    }

    /// A validation, and a rule that shows its results.
    fn policy(tokens: &str, algorithms: &str, jkus: &str, more: &str) -> String {
        format!(
            "on_http_request:\n- actions:\n  - type: jwt-validation\n    config:\n      issuer: {{allow_list: [{{value: \
             'https://else.example/'}}, {{value: 'https://id.example.com/'}}]}}\n{more}      http: {{tokens: {tokens}}}\n      \
             jws: {{allowed_algorithms: [{algorithms}], keys: {{sources: {{additional_jkus: [{jkus}]}}}}}}\n"
        )
    }

    const AUDIENCE: &str = "      audience: {allow_list: [{value: 'https://api.example.com'}]}\n";
    const IN_HEADER: &str = "[{type: plain, method: header, name: Authorization, prefix: 'Bearer '}]";

    fn program(algorithms: &str) -> Program {
        compile(&policy(IN_HEADER, algorithms, &quoted(JKU), AUDIENCE)).unwrap()
    }

    fn get(token: &str) -> Sent {
        Sent {
            method: "GET".to_owned(),
            url: "https://api.example.com/".to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            body: Vec::new(),
            now: Some(vectors().now),
        }
    }

    fn with_keys(program: &Program, sent: &Sent, keys: &Value) -> Ended {
        run(program, sent, &|url| (url == JKU).then(|| keys.to_string()))
    }

    fn assert_refused(ended: &Ended, code: &str, what: &str) {
        let headers = vec![format!("ngrok-error-code: {code}"), "www-authenticate: Bearer".to_owned()];
        assert_eq!(
            (ended.outcome, &ended.answer),
            ("deny", &Some((401, headers, String::new()))),
            "{what}: {ended:?}"
        );
    }

    #[test]
    fn tokens_of_every_algorithm_pass() {
        let known = vectors();
        for algorithm in ALL.split(", ") {
            let sent = get(&known.tokens[algorithm]);
            let ended = with_keys(&program(algorithm), &sent, &known.keys);
            assert_eq!(ended.outcome, "upstream", "{algorithm}: {ended:?}");
            assert_eq!(ended.asked, [JKU]);
            // No other algorithm is accepted in its place, whatever keys are there.
            let others: Vec<_> = ALL.split(", ").filter(|it| *it != algorithm).collect();
            let ended = with_keys(&program(&others.join(", ")), &sent, &known.keys);
            assert_refused(&ended, "ERR_NGROK_3401", algorithm);
            assert_eq!(ended.asked, Vec::<String>::new(), "no keys are fetched for it");
        }
    }

    #[test]
    fn what_a_token_says_decides() {
        let known = vectors();
        let (program, of) = (program(ALL), |name: &str| get(&known.tokens[name]));
        for name in ["no kid", "second key, no kid", "endless", "many audiences"] {
            assert_eq!(with_keys(&program, &of(name), &known.keys).outcome, "upstream", "{name}");
        }
        for name in [
            "unknown kid",
            "kid of another key",
            "kid of another kind",
            "signed by a stranger",
            "expired",
            "early",
            "other issuer",
            "other audience",
            "no audience",
            "critical",
            "none",
            "confused, PEM",
            "confused, DER",
            "confused, modulus",
            "ES512",
        ] {
            assert_refused(&with_keys(&program, &of(name), &known.keys), "ERR_NGROK_3401", name);
        }
        // Without a source of time only those without times.
        let never = |name: &str| Sent { now: None, ..of(name) };
        assert_refused(&with_keys(&program, &never("RS256"), &known.keys), "ERR_NGROK_3401", "no clock");
        assert_eq!(with_keys(&program, &never("endless"), &known.keys).outcome, "upstream");
        // Without `audience` it may be for anybody.
        let anybody = compile(&policy(IN_HEADER, ALL, &quoted(JKU), "")).unwrap();
        for name in ["other audience", "no audience"] {
            assert_eq!(with_keys(&anybody, &of(name), &known.keys).outcome, "upstream");
        }
    }

    #[test]
    fn a_changed_token_is_refused() {
        let known = vectors();
        let program = program(ALL);
        for name in ["RS256", "PS256", "ES256", "EdDSA", "HS256"] {
            let token = &known.tokens[name];
            let places: Vec<usize> =
                (0..token.len()).step_by(13).chain(token.len() - 8..token.len()).collect();
            for at in places {
                let mut bytes = token.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                let ended = with_keys(&program, &get(&String::from_utf8(bytes).unwrap()), &known.keys);
                assert_eq!((ended.outcome, ended.status()), ("deny", 401), "{name} {at}");
            }
            let (signed, _) = token.rsplit_once('.').unwrap();
            for other in [format!("{signed}."), signed.to_owned(), format!("{token}A"), format!("{token}=")] {
                let ended = with_keys(&program, &get(&other), &known.keys);
                assert_eq!((ended.outcome, ended.status()), ("deny", 401), "{name} {other}");
            }
        }
    }

    #[test]
    fn a_token_stands_where_the_policy_says_and_once() {
        let known = vectors();
        let (program, token) = (program(ALL), &known.tokens["ES256"]);
        let of = |headers: &[(&str, &str)]| {
            let headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            with_keys(&program, &Sent { headers, ..get("") }, &known.keys)
        };
        let (right, bearer) = (format!("Bearer {token}"), format!("bearer {token}"));
        assert_eq!(of(&[("AUTHORIZATION", &bearer)]).outcome, "upstream");
        assert_refused(&of(&[]), "ERR_NGROK_3406", "none");
        assert_refused(&of(&[("authorization", "")]), "ERR_NGROK_3406", "empty");
        assert_refused(&of(&[("authorization", token)]), "ERR_NGROK_3401", "no prefix");
        assert_refused(&of(&[("authorization", "Bearer x")]), "ERR_NGROK_3416", "no token");
        assert_refused(
            &of(&[("authorization", &right), ("authorization", &right)]),
            "ERR_NGROK_3401",
            "twice",
        );
        assert_refused(
            &of(&[("authorization", &right), ("authorization", "Basic YTpi")]),
            "ERR_NGROK_3401",
            "two",
        );
        assert_refused(&of(&[("x-authorization", &right)]), "ERR_NGROK_3406", "elsewhere");
    }

    #[test]
    fn bodies_have_tokens_too() {
        let known = vectors();
        let tokens =
            "[{type: plain, method: body, name: Token}, {type: at+jwt, method: header, name: x-access}]";
        let program = compile(&policy(tokens, ALL, &quoted(JKU), "")).unwrap();
        let (token, access) = (&known.tokens["RS256"], &known.tokens["at+jwt"]);
        let of = |method: &str, kind: &str, body: String| {
            let headers = [("content-type", kind), ("x-access", access)];
            let headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let sent = Sent { method: method.to_owned(), headers, body: body.into_bytes(), ..get("") };
            with_keys(&program, &sent, &known.keys)
        };
        let json = |token: &str| format!("{{\"a\": [1], \"token\": \"{token}\"}}");
        for method in ["POST", "PUT", "PATCH"] {
            let ended = of(method, "Application/JSON; charset=utf-8", json(token));
            assert_eq!((ended.outcome, ended.asked), ("upstream", vec!["body".to_owned(), JKU.to_owned()]));
            let form = of(method, "application/x-www-form-urlencoded", format!("a=b&TOKEN={token}"));
            assert_eq!(form.outcome, "upstream");
        }
        for (ended, code) in [
            (of("GET", "application/json", json(token)), "ERR_NGROK_3415"),
            (of("DELETE", "application/json", json(token)), "ERR_NGROK_3415"),
            (of("POST", "text/plain", json(token)), "ERR_NGROK_3414"),
            (of("POST", "", json(token)), "ERR_NGROK_3414"),
            (of("POST", "application/json", "{".to_owned()), "ERR_NGROK_3401"),
            (of("POST", "application/json", "{}".to_owned()), "ERR_NGROK_3406"),
            (of("POST", "application/json", json("x")), "ERR_NGROK_3416"),
            (of("POST", "application/json", json(&known.tokens["signed by a stranger"])), "ERR_NGROK_3401"),
            (
                of("POST", "application/json", format!("{{\"token\":\"{token}\",\"TOKEN\":\"x\"}}")),
                "ERR_NGROK_3401",
            ),
            (of("POST", "application/json", " ".repeat((1 << 20) + 1)), "ERR_NGROK_3401"),
            (of("POST", "application/x-www-form-urlencoded", "töken=".to_owned()), "ERR_NGROK_3412"),
        ] {
            assert_refused(&ended, code, "a body");
        }
    }

    #[test]
    fn all_tokens_must_be_right() {
        let known = vectors();
        let tokens = "[{type: at+jwt, method: header, name: x-a}, {type: jwt, method: header, name: x-b}]";
        let program = compile(&policy(tokens, ALL, &quoted(JKU), "")).unwrap();
        let of = |first: &str, second: &str| {
            let headers = [("x-a", first), ("x-b", second)]
                .map(|(name, of)| (name.to_owned(), known.tokens[of].clone()));
            with_keys(&program, &Sent { headers: headers.to_vec(), ..get("") }, &known.keys)
        };
        assert_eq!(of("at+jwt", "ES384").outcome, "upstream");
        for (first, second) in
            [("RS256", "ES384"), ("at+jwt", "at+jwt"), ("at+jwt", "expired"), ("expired", "ES384")]
        {
            assert_refused(&of(first, second), "ERR_NGROK_3401", first);
        }
    }

    #[test]
    fn later_rules_read_the_tokens() {
        let known = vectors();
        let shown = "- expressions: [\"actions.ngrok.jwt_validation.tokens[0].payload.scope.contains('write')\"]\n  actions: \
                     [{type: custom-response, config: {body: \"${actions.ngrok.jwt_validation.tokens[0].payload.sub} \
                     ${actions.ngrok.jwt_validation.tokens[0].header.alg} ${actions.ngrok.jwt_validation.tokens[0].location} \
                     ${actions.ngrok.jwt_validation.tokens[0].location_property} \
                     ${actions.ngrok.jwt_validation.tokens[0].verified} ${actions.ngrok.jwt_validation.tokens.size()} \
                     ${actions.ngrok.jwt_validation.error.code}\"}}]\n";
        let text = format!("{}{shown}", policy(IN_HEADER, ALL, &quoted(JKU), AUDIENCE));
        let ended = with_keys(&compile(&text).unwrap(), &get(&known.tokens["EdDSA"]), &known.keys);
        assert_eq!(ended.body(), "alice EdDSA header Authorization true 1 ", "{ended:?}");
    }

    #[test]
    fn keys_are_fetched_in_order_as_far_as_they_are_needed() {
        let known = vectors();
        let jkus = format!("{}, {}", quoted(OTHER), quoted(JKU));
        let program = compile(&policy(IN_HEADER, ALL, &jkus, AUDIENCE)).unwrap();
        let keys = known.keys.to_string();
        let sent = get(&known.tokens["ES256"]);
        let of = |first: Option<&str>, second: Option<&str>| {
            run(&program, &sent, &|url| if url == OTHER { first } else { second }.map(str::to_owned))
        };
        let ended = of(Some(&keys), None);
        assert_eq!((ended.outcome, ended.asked), ("upstream", vec![OTHER.to_owned()]));
        for first in [None, Some("{\"keys\":[]}"), Some("<html>"), Some("{}"), Some("{\"keys\":{}}")] {
            let ended = of(first, Some(&keys));
            assert_eq!(
                (ended.outcome, ended.asked),
                ("upstream", vec![OTHER.to_owned(), JKU.to_owned()]),
                "{first:?}"
            );
        }
        let nobody = "{\"keys\":[]}";
        assert_refused(&of(Some(nobody), Some(nobody)), "ERR_NGROK_3401", "no key");
        for missing in [None, Some(""), Some("[]"), Some("{\"keys\":1}")] {
            assert_refused(&of(missing, Some(nobody)), "ERR_NGROK_3422", "no set");
            assert_refused(&of(Some(nobody), missing), "ERR_NGROK_3422", "no set");
        }
    }

    #[test]
    fn a_key_is_for_what_it_says() {
        let known = vectors();
        let sent = get(&known.tokens["RS256"]);
        let with = |name: &str, value: Value| {
            let mut keys = known.keys.clone();
            keys["keys"][0][name] = value;
            with_keys(&program(ALL), &sent, &keys).outcome
        };
        assert_eq!(with("alg", json!("RS256")), "upstream");
        assert_eq!(with("x5c", json!(["anything"])), "upstream");
        for (name, value) in [
            ("alg", json!("RS384")),
            ("alg", json!(null)),
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("key_ops", json!("verify")),
            ("kty", json!("EC")),
            ("kid", json!(1)),
            ("n", json!(1)),
            ("e", json!("AQAB=")),
        ] {
            assert_eq!(with(name, value.clone()), "deny", "{name} {value}");
        }
    }

    /// What the crates below would panic at, or take long for, never reaches them.
    #[test]
    fn keys_of_strangers_are_only_refused() {
        let known = vectors();
        let program = program(ALL);
        let base64 = |bytes: &[u8]| {
            // INVARIANT of the tests: lengths that are multiples of three need no padding.
            use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        };
        for length in [0, 1, 31, 33, 47, 64, 255, 257, 511, 513, 1_024, 65_536] {
            let (odd, zero) = (base64(&vec![0xff; length]), base64(&vec![0; length]));
            for x in [&odd, &zero] {
                for e in ["", "AA", "AQ", "Ag", "AQAB", "_____w", &odd] {
                    let keys = json!({"keys": [
                        {"kty": "RSA", "kid": "rsa", "n": x, "e": e},
                        {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": x},
                        {"kty": "EC", "kid": "p256", "crv": "P-256", "x": x, "y": x},
                        {"kty": "EC", "kid": "p256", "crv": "P-256", "x": x},
                        {"kty": "EC", "kid": "p384", "crv": "P-384", "x": x, "y": x},
                        {"kty": "oct", "kid": "shared", "k": x},
                    ]});
                    for name in ["RS256", "PS512", "ES256", "ES384", "EdDSA", "HS256"] {
                        let ended = with_keys(&program, &get(&known.tokens[name]), &keys);
                        assert_eq!((ended.outcome, ended.status()), ("deny", 401), "{name} {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn sets_are_bounded() {
        let known = vectors();
        let (program, sent) = (program(ALL), get(&known.tokens["no kid"]));
        let all = known.keys["keys"].as_array().unwrap();
        // Too many keys, too many that fit, too many bytes, too deep.
        let with = |keys: Vec<Value>| with_keys(&program, &sent, &json!({"keys": keys}));
        let unknown = |count| vec![json!({"kty": "new"}); count];
        assert_eq!(with([unknown(99), vec![all[0].clone()]].concat()).outcome, "upstream");
        assert_refused(&with([unknown(100), vec![all[0].clone()]].concat()), "ERR_NGROK_3422", "101 keys");
        let others = |count| vec![all[1].clone(); count];
        assert_eq!(with([others(15), vec![all[0].clone()]].concat()).outcome, "upstream");
        assert_refused(&with([others(16), vec![all[0].clone()]].concat()), "ERR_NGROK_3401", "17 that fit");
        let mut long = all[0].clone();
        long["x"] = json!("x".repeat(256 << 10));
        assert_refused(&with(vec![long]), "ERR_NGROK_3422", "too long");
        for deep in ["[", "{\"a\":"] {
            let text = format!("{{\"keys\":{}", deep.repeat(20_000));
            let ended = run(&program, &sent, &|_| Some(text.clone()));
            assert_refused(&ended, "ERR_NGROK_3422", "deep");
        }
    }

    /// Each fetched set makes the validation begin again: what that takes is bounded by the steps of the run.
    #[test]
    fn a_hundred_large_sets_end_within_the_steps() {
        let known = vectors();
        let jkus: Vec<_> = (0..100).map(|at| quoted(&format!("https://id.example.com/{at}"))).collect();
        let program = compile(&policy(IN_HEADER, ALL, &jkus.join(", "), AUDIENCE)).unwrap();
        let set = json!({"keys": [{"kty": "RSA", "x": "x".repeat(250 << 10)}]}).to_string();
        let ended = run(&program, &get(&known.tokens["RS256"]), &|_| Some(set.clone()));
        assert_eq!((ended.outcome, ended.status()), ("error", 500), "{ended:?}");
        assert!(ended.asked.len() < 20, "{}", ended.asked.len());
    }

    #[test]
    fn an_algorithm_that_is_not_run_is_refused_by_name() {
        let error = compile(&policy(IN_HEADER, "ES256, ES512", &quoted(JKU), "")).unwrap_err();
        assert!(error.contains("the algorithm `ES512` is not supported by this version"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Bytes of a set that are changed anywhere neither panic nor let a stranger's token pass.
        #[test]
        fn changed_sets_never_panic(at in 0_usize..4_096, byte in any::<u8>(), name in 0_usize..6) {
            let known = vectors();
            let mut text = known.keys.to_string().into_bytes();
            let at = at % text.len();
            text[at] = byte;
            let name = ["signed by a stranger", "confused, PEM", "none", "ES512", "kid of another key", "other issuer"][name];
            let ended = run(&program(ALL), &get(&known.tokens[name]), &|_| String::from_utf8(text.clone()).ok());
            prop_assert_eq!((ended.outcome, ended.status()), ("deny", 401));
        }

        /// Neither do the bytes of a token.
        #[test]
        fn changed_tokens_never_panic(at in 0_usize..4_096, byte in 0x20_u8..0x7f, name in 0_usize..5) {
            let known = vectors();
            let token = &known.tokens[["RS256", "PS384", "ES384", "EdDSA", "HS384"][name]];
            let mut bytes = token.clone().into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let ended = with_keys(&program(ALL), &get(&String::from_utf8(bytes).unwrap()), &known.keys);
            prop_assert_eq!((ended.outcome, ended.status()), ("deny", 401));
        }
    }
}
