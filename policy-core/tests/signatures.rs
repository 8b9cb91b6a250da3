//! Signatures of webhooks: those that others have made pass, and nothing that was changed.
//!
//! The vectors in `fixtures/signatures` were made by the providers' packages; its page has the script.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use policy_core::actions::PROVIDERS;
use policy_core::cel::Timestamp;
use policy_core::compile::{CompileOptions, Program};
use policy_core::exchange::{Asked, Body, Effect, Reply};
use policy_core::facts::Facts;
use policy_core::message::{Headers, Request};
use policy_core::phase::{Phase, PhaseSet};
use proptest::prelude::*;
use serde_json::Value;

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
            Reply::Body(Body { bytes: kept.into(), complete: kept.len() == sent.body.len() })
        }
        (Effect::FetchKeys, Some(Asked::KeySet(url))) => {
            asked.borrow_mut().push(url.to_string());
            Reply::KeySet(sets(url).map(Arc::from))
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
