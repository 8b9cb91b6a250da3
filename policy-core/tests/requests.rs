//! Requests through every policy at hand: nothing panics, the compiled code and the policy as written decide alike, on the
//! outcome, on what is answered and on what is changed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "support/naive.rs"]
mod naive;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy_core::cel::Timestamp;
use policy_core::check::{CheckOptions, CheckedPolicy, load_policy};
use policy_core::compile::{CompileOptions, Program, compile};
use policy_core::evaluate::{Evaluation, Mode, Recording, RunState};
use policy_core::exchange::{
    Ability, Answered, Asked, Body, CircuitState, Effect, Findings, ForwardFailure, LoginReply,
    OutboundFailure, RateVerdict, Reply, Secret, Side,
};
use policy_core::facts::{Facts, GivenFacts};
use policy_core::message::{Headers, Request, Response};
use policy_core::outcome::Outcome;
use policy_core::parse::decode;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::reference::{NaiveOutcome, NaiveRun};
use policy_core::source::Source;
use policy_core::url::EndpointUrl;
use proptest::prelude::*;

/// Policies in a folder and below.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let is_policy =
            path.extension().is_some_and(|kind| kind == "yml" || kind == "yaml" || kind == "json");
        match path.is_dir() {
            true => files(&path, out),
            false if is_policy => out.push(path),
            false => {}
        }
    }
}

/// A policy with its program.
struct Compiled {
    path: PathBuf,
    policy: CheckedPolicy,
    program: Program,
}

impl Compiled {
    fn new(path: &Path) -> Option<Self> {
        let (source, found) = decode(path.display().to_string(), fs::read(path).expect("readable"));
        if found.has_errors() {
            return None;
        }
        let (policy, _) = load_policy(&source, &CheckOptions::default());
        let mut options = CompileOptions::default();
        options.phases = PhaseSet::new(&Phase::ALL);
        options.abilities = Ability::ALL.to_vec();
        let policy = policy?;
        let program = compile(&policy, &options).ok()?;
        Some(Self { path: path.to_owned(), policy, program })
    }
}

/// Every policy of ours that compiles, and those of the corpus where it is at hand.
fn programs() -> Vec<Compiled> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    files(&root.join("fixtures"), &mut all);
    let corpus = root.join("../shared/corpus");
    match corpus.is_dir() {
        true => files(&corpus, &mut all),
        false => eprintln!("skipped: there is no corpus at {}", corpus.display()),
    }
    all.iter().filter_map(|path| Compiled::new(path)).collect()
}

/// What a run came to, as far as a client or an upstream can see it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    outcome: String,
    answer: Option<Response>,
    changes: Vec<String>,
}

fn reply(effect: Effect, online: bool) -> Reply {
    match effect {
        Effect::Forward(_) if online => Reply::Forwarded,
        Effect::Forward(_) => Reply::ForwardFailed(ForwardFailure::Offline),
        Effect::Log(_) => Reply::Logged,
        Effect::ReadBody { .. } => {
            Reply::body(Body { bytes: (*b"{\"a\": 1, \"secret\": 22}\n").into(), complete: true })
        }
        Effect::CountRequest if online => Reply::Rate(RateVerdict::Passes),
        Effect::CountRequest => Reply::Rate(RateVerdict::Limited { retry_after: Duration::from_secs(7) }),
        Effect::AskCircuit => Reply::Circuit(CircuitState::Closed),
        Effect::GetSecret => Reply::secret(online.then(|| Secret::new("a secret"))),
        Effect::FetchKeys => Reply::key_set(online.then(|| "{\"keys\":[]}".into())),
        Effect::SendRequest if online => {
            let (resolved_ip, time) = (None, Duration::from_millis(1));
            let response = Response { body: b"{}".to_vec(), ..Response::new(200) };
            Reply::answered(Ok(Answered { response, resolved_ip, time }))
        }
        Effect::SendRequest => Reply::answered(Err(OutboundFailure::Timeout)),
        Effect::LogIn if online => Reply::login(LoginReply::LoggedIn(Box::default())),
        Effect::LogIn => Reply::login(LoginReply::Answer(Box::new(Response::new(302)))),
        Effect::Inspect => Reply::inspected(Ok(Findings { threshold: 5, ..Findings::default() })),
        Effect::EndTls => Reply::tls_ended(Ok(Vec::new())),
        other => panic!("{other:?}"),
    }
}

fn seen<M: Mode>(run: Evaluation<'_, M>, outcome: Outcome) -> (Seen, RunState) {
    let answer = run.answer().map(Cow::into_owned);
    let mut changes = Vec::new();
    if let Some(of) = run.changes() {
        changes.extend(of.url().map(|url| format!("url {}", url.as_str())));
        changes.extend(of.request_headers().map(|(name, values)| format!("> {name} {values:?}")));
        changes.extend(of.response_headers().map(|(name, values)| format!("< {name} {values:?}")));
        for side in [Side::Request, Side::Response, Side::Event] {
            changes.extend(of.body(side).map(|bytes| format!("{side:?} {bytes:?}")));
        }
        changes.extend(of.compression().map(|coding| coding.name().to_owned()));
    }
    (Seen { outcome: format!("{outcome:?}"), answer, changes }, run.into_state())
}

/// What all phases of one request came to.
#[derive(Default)]
struct Driven {
    outcomes: BTreeSet<String>,
    /// Phases with something to do that the naive engine has run as well.
    compared: usize,
    /// The action that has no naive form, at which the comparison ended.
    unknown: Option<&'static str>,
}

fn drive(compiled: &Compiled, request: &Request, response: &Response, online: bool) -> Driven {
    let Compiled { path, policy, program } = compiled;
    let view = request.facts().expect("a URL");
    let answered = view.clone().with_response(response);
    let endpoint = EndpointUrl::parse("https://app.example.com").expect("a URL");
    let mut given = GivenFacts::default();
    for (fact, text) in [("conn.geo.country_code", "DE"), ("conn.client_ip.categories", "com.github.hooks")] {
        given.set(fact, text).expect(fact);
    }
    let client = Facts::new("203.0.113.42".parse().expect("an address"))
        .at_endpoint(&endpoint)
        .at_time(Timestamp::new(1_800_000_000, 0).expect("a time"))
        .started(Timestamp::new(1_800_000_000, 0).expect("a time"))
        .seeded(11)
        .with(&given);
    let facts = client.with_request(&view);
    let is_online = |_: &EndpointUrl| online;
    let replies = |effect| reply(effect, online);
    let mut naive = NaiveRun::new(&client, &is_online, &replies).with_request(request.clone());
    let mut counted = Vec::new();
    let (mut driven, mut compiled, mut written) =
        (Driven::default(), RunState::default(), RunState::default());
    for phase in
        [Phase::OnTcpConnect, Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage]
    {
        let answers = phase >= Phase::OnHttpResponse;
        let facts = if answers { facts.with_request(&answered) } else { facts };
        let mut run = program.run_from(phase, &facts, compiled);
        let outcome = run.run(|effect, run| {
            if let Some(Asked::Rate { key, .. }) = run.asked() {
                counted.push(key.to_string());
            }
            reply(effect, online)
        });
        if driven.unknown.is_none() {
            if phase == Phase::OnHttpResponse {
                naive.respond(response.clone());
            }
            let ended = naive.run(policy.policy(), phase);
            let messages = (request, answers.then_some(response));
            let found = naive::difference((&run, outcome), (&ended, &naive), messages, false);
            assert_eq!(found, None, "{} {phase} online {online} {request:?}", path.display());
            match ended {
                NaiveOutcome::Unknown(action) => driven.unknown = Some(action),
                _ => {
                    assert_eq!(counted, naive.counted(), "{}", path.display());
                    driven.compared += usize::from(policy.policy().rules(phase).next().is_some());
                }
            }
        }
        let (one, left) = seen(run, outcome);
        let mut run = program.run_traced_from(phase, &facts, written, Recording::default());
        let outcome = run.run(|effect, _| reply(effect, online));
        let (other, right) = seen(run, outcome);
        assert_eq!(one, other, "{} {phase} {request:?}", path.display());
        (compiled, written) = (left.into_next_phase(), right.into_next_phase());
        driven.outcomes.insert(one.outcome.split([' ', '{']).next().unwrap_or_default().to_owned());
    }
    driven
}

fn headers(given: &[(&str, &str)]) -> Headers {
    let mut out = Headers::default();
    given.iter().for_each(|(name, value)| out.append(name, value).expect("a header"));
    out
}

#[test]
fn every_policy_decides_about_requests_alike_in_both_forms() {
    let programs = programs();
    let requests = [
        Request::new("GET", "https://app.example.com/"),
        Request {
            headers: headers(&[
                ("host", "app.example.com"),
                ("user-agent", "curl/8.5.0"),
                ("authorization", "Basic dXNlcjpwYXNzd29yZDE="),
                ("cookie", "session=1; theme=dark"),
                ("content-type", "application/json; charset=utf-8"),
                ("content-length", "2"),
                ("x-api-key", "k"),
                ("accept-language", "de, en;q=0.5"),
            ]),
            ..Request::new("POST", "https://app.example.com/api/v1/users/7?id=5&version=2&q=a+b")
        },
        Request::new("DELETE", "http://app.example.com/%61dmin/../x"),
    ];
    let response = Response {
        headers: headers(&[("content-type", "text/html"), ("set-cookie", "a=b; Path=/"), ("server", "s")]),
        ..Response::new(200)
    };
    let (mut kinds, mut unknown, mut compared) = (BTreeSet::new(), BTreeSet::new(), 0);
    for compiled in &programs {
        for request in &requests {
            for online in [true, false] {
                let driven = drive(compiled, request, &response, online);
                kinds.extend(driven.outcomes);
                compared += driven.compared;
                unknown.extend(driven.unknown);
            }
        }
    }
    assert!(programs.len() > 20, "only {} policies compile", programs.len());
    assert!(compared > 2 * programs.len(), "{compared} phases of {} policies", programs.len());
    for kind in ["Forwarded", "Denied", "Responded", "Upstream", "Failed"] {
        assert!(kinds.contains(kind), "none ended as {kind}: {kinds:?}");
    }
    // What others than the naive engine are asked about: signatures and identities by packages, bytes by hosts.
    let elsewhere = [
        "http-request",
        "jwt-validation",
        "oauth",
        "openid-connect",
        "owasp-crs-request",
        "owasp-crs-response",
        "terminate-tls",
        "verify-webhook",
    ];
    assert!(unknown.iter().all(|action| elsewhere.contains(action)), "{unknown:?}");
}

/// Every complete policy of the corpus without an error compiles, or has what no version runs.
#[test]
fn every_complete_policy_of_the_corpus_is_among_them() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    if !corpus.is_dir() {
        eprintln!("skipped: there is no corpus at {}", corpus.display());
        return;
    }
    let index = fs::read_to_string(corpus.join("INDEX.tsv")).expect("an index");
    let (mut compiled, mut refused) = (0, 0);
    for line in index.lines().skip(1) {
        let fields: Vec<_> = line.split('\t').collect();
        if (fields[1], fields[7]) != ("policy", "ok") {
            continue;
        }
        let (source, _) = decode(fields[0], fs::read(corpus.join(fields[0])).expect("listed"));
        let (Some(policy), _) = load_policy(&source, &CheckOptions::default()) else { continue };
        let mut options = CompileOptions::default();
        options.phases = PhaseSet::new(&Phase::ALL);
        options.abilities = Ability::ALL.to_vec();
        match compile(&policy, &options) {
            Ok(_) => compiled += 1,
            Err(found) => {
                let other = found.iter().find(|it| !["TP601", "TP437"].contains(&it.code.id));
                assert!(other.is_none(), "{}: {found:?}", fields[0]);
                refused += 1;
            }
        }
    }
    assert!(compiled > 8 * refused && compiled > 100, "{compiled} compile, {refused} do not");
}

/// A policy of ours whose rules read what others change.
const LIVELY: &str = "
on_http_request:
- actions:
  - {type: set-vars, config: {vars: [{path: '${req.url.path}'}, {n: \"${string(size(req.headers))}\"}]}}
- expressions: [\"getQueryParam('a').size() > 0\"]
  actions:
  - {type: add-headers, config: {headers: {x-a: \"${getQueryParam('a')[0]}\", host: b.example}}}
- expressions: [\"hasReqHeader('x-a')\", \"req.method != 'PUT'\"]
  actions:
  - {type: remove-headers, config: {headers: [x-b, cookie]}}
  - {type: url-rewrite, config: {from: '(a+)', to: '$1$1'}}
- expressions: [\"req.url.path.startsWith('/aa')\"]
  actions:
  - {type: redirect, config: {from: '/aa', to: '/b'}}
- expressions: [\"hasReqCookie('s')\"]
  actions: [{type: deny, config: {status_code: 409}}]
- expressions: [\"req.host == 'b.example' || 'x-b' in req.headers\"]
  actions:
  - {type: custom-response, config: {body: \"${vars.path} ${vars.n} ${req.url} ${req.headers.map(h, h).sort().join(',')}\"}}
";

proptest! {
    #[test]
    fn any_request_is_decided_alike_in_both_forms(
        method in "GET|PUT|[A-Z]{1,5}",
        path in "(/[ab.%2Ff]{0,4}){0,3}",
        query in "(\\?(a=[xyz%+]{0,3})?(&[ab]=?[x\"<]{0,2}){0,2})?",
        given in prop::collection::vec(("x-[abc]|cookie|host|content-type", "[ -~]{0,8}"), 0..5),
    ) {
        let path = format!("https://a.example{path}{query}");
        let mut request = Request::new(&method, &path);
        for (name, value) in &given {
            request.headers.append(name, value).expect("a header");
        }
        if request.facts().is_err() {
            return Ok(());
        }
        let mut options = CompileOptions::default();
        options.phases = PhaseSet::new(&Phase::ALL);
        let (policy, _) = load_policy(&Source::new("lively.yml", LIVELY), &CheckOptions::default());
        let policy = policy.expect("no errors");
        let program = compile(&policy, &options).expect("compiles");
        let compiled = Compiled { path: PathBuf::from("lively.yml"), policy, program };
        let driven = drive(&compiled, &request, &Response::new(200), true);
        prop_assert!(driven.compared == 1 && driven.unknown.is_none());
    }
}
