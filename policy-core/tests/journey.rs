//! Journeys against a naive recursion: over random endpoints, wildcards, pools, policies and failures they agree on where
//! a connection ends, who decides and where that stands, which way it took, what was logged, and in what words.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;

use policy_core::compile::Program;
use policy_core::evaluate::Recording;
use policy_core::facts::Facts;
use policy_core::journey::{Attempt, Endpoints, Journey, Leg, Meter, Policy, Serving, Steps, Verdict};
use policy_core::outcome::OutcomeKind;
use policy_core::url::EndpointUrl;
use proptest::prelude::*;

const MAX_HOPS: u32 = 7;
const MAX_TRIES: usize = 3;
/// The URLs that endpoints have. Some have several.
const URLS: [&str; 6] =
    ["p1.internal", "p2.internal", "a.s.internal", "*.s.internal", "*.internal", "*.t.s.internal"];
/// Where policies forward to.
const TARGETS: [&str; 7] = [
    "p1.internal",
    "p2.internal",
    "p9.internal",
    "a.s.internal",
    "b.s.internal",
    "c.t.s.internal",
    "s.internal",
];

/// An action of a generated policy.
#[derive(Clone, Debug)]
enum Action {
    /// `restrict-ips` that allows 127.0.0.N/32 for the N whose bit is set.
    Restrict(u8, bool),
    /// `forward-internal` to a target; true goes on if it fails.
    Forward(usize, bool),
    /// The same to `p${conn.client_port}.internal`.
    ForwardByPort(bool),
    Deny,
    Close,
    Log(u8),
    /// `set-vars` of two expressions: steps.
    SetVars,
}

/// An endpoint: which URL it has, its policies, whether its server answers, and whether it may forward to `p1` alone.
#[derive(Clone, Debug)]
struct Spec {
    url: usize,
    policies: Vec<Vec<Action>>,
    answers: bool,
    only_p1: bool,
}

#[derive(Clone, Debug)]
struct Net {
    entry: Spec,
    entry_has_upstream: bool,
    specs: Vec<Spec>,
}

/// An endpoint by its number; the entry is the last one.
type Number = usize;

struct Map<'n> {
    net: &'n Net,
    urls: Vec<EndpointUrl>,
    programs: Vec<Vec<Program>>,
}

fn url(host: &str) -> EndpointUrl {
    EndpointUrl::parse(&format!("tcp://{host}:22")).expect("a URL")
}

impl Endpoints for Map<'_> {
    type Endpoint = Number;

    fn serving(&self, target: &EndpointUrl) -> Serving<Number> {
        let covering = || self.urls.iter().enumerate().filter(|(_, url)| url.covers(target));
        let Some(best) = covering().map(|(_, url)| url.specificity()).max() else { return Serving::Nobody };
        let mut found: Vec<_> =
            covering().filter(|(_, url)| url.specificity() == best).map(|(at, _)| at).collect();
        if found.len() == 1 { Serving::One(found.remove(0)) } else { Serving::Pool(found) }
    }

    fn policy<'e>(&'e self, endpoint: &'e Number, at: usize) -> Option<Policy<'e>> {
        self.programs[*endpoint].get(at).map(Policy::Program)
    }

    fn has_upstream(&self, endpoint: &Number) -> bool {
        *endpoint < self.net.specs.len() || self.net.entry_has_upstream
    }

    fn forbids(&self, from: &Number, target: &EndpointUrl) -> Option<String> {
        (self.net.spec(*from).only_p1 && target.host() != "p1.internal").then(|| "forbidden".to_owned())
    }

    fn max_hops(&self) -> u32 {
        MAX_HOPS
    }
}

/// What became of an endpoint that was entered, naively.
enum Arrival {
    Reached,
    Refused(Decider),
    Failed,
}

/// Who decided: the file, the line, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decider(Option<String>, Option<u32>, OutcomeKind);

/// How a policy ends, naively.
enum Ended {
    Reached(Decider),
    Refused(Decider),
    Through,
}

struct Naive<'n> {
    net: &'n Net,
    client: u8,
    port: u16,
    tried: u32,
    hops: Vec<String>,
    logs: Vec<u8>,
    /// How each server was tried.
    attempts: Vec<Attempt>,
    /// Each policy that ran, and how many endpoints waited for it.
    runs: Vec<(usize, String)>,
    depth: usize,
    /// The last test of the client's address.
    tested: Option<bool>,
}

impl Net {
    fn spec(&self, at: Number) -> &Spec {
        self.specs.get(at).unwrap_or(&self.entry)
    }

    fn answers(&self, at: Number) -> bool {
        self.spec(at).answers
    }
}

/// True if a host, perhaps a wildcard, stands for another: by its text alone.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    }
}

impl Naive<'_> {
    fn enter(&mut self, at: Number, attempt: Attempt) -> Arrival {
        self.depth += 1;
        let arrival = self.pass(at, attempt);
        self.depth -= 1;
        arrival
    }

    fn pass(&mut self, at: Number, attempt: Attempt) -> Arrival {
        for policy in 0..self.net.spec(at).policies.len() {
            match self.run(at, policy) {
                Ended::Reached(_) => return Arrival::Reached,
                Ended::Refused(decider) => return Arrival::Refused(decider),
                Ended::Through => {}
            }
        }
        self.attempts.push(attempt);
        if self.net.answers(at) { Arrival::Reached } else { Arrival::Failed }
    }

    fn run(&mut self, at: Number, policy: usize) -> Ended {
        let file = file(at, policy);
        self.runs.push((self.depth, file.clone()));
        let actions = self.net.spec(at).policies[policy].clone();
        for (line, action) in (3..).zip(&actions) {
            let decider = |how| Decider(Some(file.clone()), Some(line), how);
            if let Action::Restrict(allowed, _) = action {
                self.tested = Some(allowed >> self.client & 1 == 1);
            }
            let (target, or_continue) = match action {
                Action::Restrict(allowed, true) if allowed >> self.client & 1 == 0 => {
                    return Ended::Refused(decider(OutcomeKind::Deny));
                }
                Action::Restrict(..) | Action::SetVars => continue,
                Action::Log(number) => {
                    self.logs.push(*number);
                    continue;
                }
                Action::Deny => return Ended::Refused(decider(OutcomeKind::Deny)),
                Action::Close => return Ended::Refused(decider(OutcomeKind::Close)),
                Action::Forward(to, or_continue) => (TARGETS[*to].to_owned(), *or_continue),
                Action::ForwardByPort(or_continue) => (format!("p{}.internal", self.port), *or_continue),
            };
            match self.forward(at, &target, or_continue) {
                Arrival::Reached => return Ended::Reached(decider(OutcomeKind::Forward)),
                Arrival::Refused(inner) => return Ended::Refused(inner),
                Arrival::Failed if or_continue => {}
                Arrival::Failed => return Ended::Refused(decider(OutcomeKind::Error)),
            }
        }
        Ended::Through
    }

    fn forward(&mut self, from: Number, target: &str, or_continue: bool) -> Arrival {
        if self.net.spec(from).only_p1 && target != "p1.internal" || self.tried >= MAX_HOPS {
            return Arrival::Failed;
        }
        self.tried += 1;
        let hosts = || self.net.specs.iter().map(|spec| URLS[spec.url]);
        let exact = hosts().any(|host| host == target);
        let longest = hosts().filter(|host| covers(host, target)).map(str::len).max();
        let serves = |host: &str| {
            if exact { host == target } else { covers(host, target) && Some(host.len()) == longest }
        };
        let members: Vec<Number> =
            hosts().enumerate().filter(|(_, host)| serves(host)).map(|(at, _)| at).collect();
        let known = self.hops.len();
        let tries = members.len().min(MAX_TRIES);
        for (left, member) in (0..tries).rev().zip(members) {
            let attempt =
                Attempt { parts: u32::try_from(tries).expect("few"), has_fallback: or_continue || left > 0 };
            self.hops.truncate(known);
            self.hops.push(format!("tcp://{target}:22"));
            match self.enter(member, attempt) {
                Arrival::Failed => {}
                other => return other,
            }
        }
        self.hops.truncate(known);
        Arrival::Failed
    }

    /// Where the connection comes in.
    fn decide(&mut self) -> (bool, Decider) {
        let entry = self.net.specs.len();
        let policies = self.net.entry.policies.len();
        for policy in 0..policies {
            match self.run(entry, policy) {
                Ended::Reached(decider) => return (true, decider),
                Ended::Refused(decider) => return (false, decider),
                Ended::Through => {}
            }
        }
        let last = policies.checked_sub(1).map(|last| file(entry, last));
        self.attempts.extend(self.net.entry_has_upstream.then_some(Attempt::ONLY));
        match self.net.entry_has_upstream {
            true if self.net.answers(entry) => (true, Decider(last, None, OutcomeKind::Upstream)),
            _ => (false, Decider(last, None, OutcomeKind::Error)),
        }
    }
}

fn file(at: Number, policy: usize) -> String {
    format!("e{at}-{policy}.yml")
}

fn text(actions: &[Action]) -> String {
    let mut text = "on_tcp_connect:\n- actions:\n".to_owned();
    for action in actions {
        let forward = |host: &str, or_continue: bool| {
            let on_error = if or_continue { "continue" } else { "halt" };
            format!("{{type: forward-internal, config: {{url: \"tcp://{host}:22\", on_error: {on_error}}}}}")
        };
        let line = match action {
            Action::Restrict(allowed, enforce) => {
                let entries: Vec<_> =
                    (0..4).filter(|n| allowed >> n & 1 == 1).map(|n| format!("127.0.0.{n}/32")).collect();
                format!(
                    "{{type: restrict-ips, config: {{enforce: {enforce}, allow: [{}]}}}}",
                    entries.join(", ")
                )
            }
            Action::Forward(to, or_continue) => forward(TARGETS[*to], *or_continue),
            Action::ForwardByPort(or_continue) => forward("p${conn.client_port}.internal", *or_continue),
            Action::Deny => "{type: deny}".to_owned(),
            Action::Close => "{type: close-connection}".to_owned(),
            Action::SetVars => {
                "{type: set-vars, config: {vars: [{a: '${conn.client_ip}'}, {b: '${conn.client_port}'}]}}"
                    .to_owned()
            }
            Action::Log(number) => format!("{{type: log, config: {{metadata: {{n: {number}}}}}}}"),
        };
        writeln!(text, "  - {line}").expect("a String");
    }
    text
}

impl Net {
    fn load(&self) -> Map<'_> {
        let entry = self.specs.len();
        let all = self.specs.iter().chain([&self.entry]).enumerate();
        let programs = all.map(|(at, spec)| {
            let policies = spec.policies.iter().enumerate();
            policies
                .map(|(policy, actions)| {
                    let text = text(actions);
                    Program::from_policy(file(at, policy), text.clone())
                        .unwrap_or_else(|error| panic!("{error}\n{text}"))
                })
                .collect()
        });
        let programs: Vec<Vec<Program>> = programs.collect();
        assert_eq!(programs.len(), entry + 1);
        Map { net: self, urls: self.specs.iter().map(|spec| url(URLS[spec.url])).collect(), programs }
    }
}

/// Takes every leg as the net answers.
macro_rules! drive {
    ($journey:expr, $net:expr) => {{
        let (mut leg, mut attempts) = ($journey.start(), Vec::new());
        loop {
            leg = match leg {
                Leg::Done => break,
                Leg::Pause => $journey.go_on(),
                Leg::Reach(attempt) => {
                    attempts.push(attempt);
                    match $net.answers(*$journey.reaching().expect("an endpoint")) {
                        true => $journey.reached(),
                        false => $journey.not_reached("it is down".to_owned()),
                    }
                }
            };
        }
        let hops: Vec<String> = $journey.trail().iter().map(|(url, _)| url.to_string()).collect();
        let logs: Vec<String> = $journey.logs().entries().iter().map(|entry| format!("{entry:?}")).collect();
        (($journey.is_admitted(), $journey.verdict(), hops, logs, $journey.address_test()), attempts)
    }};
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    // What ends every connection stands last, else the policy is refused.
    let passing = prop_oneof![
        2 => (1..16_u8, prop::bool::weighted(0.5)).prop_map(|(allowed, enforce)| Action::Restrict(allowed, enforce)),
        3 => (0..TARGETS.len()).prop_map(|to| Action::Forward(to, true)),
        1 => Just(Action::ForwardByPort(true)),
        1 => any::<u8>().prop_map(Action::Log),
    ];
    let last = prop_oneof![
        4 => (0..TARGETS.len()).prop_map(|to| Action::Forward(to, false)),
        1 => Just(Action::ForwardByPort(false)),
        1 => Just(Action::Deny),
        1 => Just(Action::Close),
        2 => any::<u8>().prop_map(Action::Log),
    ];
    (prop::collection::vec(passing, 0..3), last).prop_map(|(mut actions, last)| {
        actions.push(last);
        actions
    })
}

fn spec() -> impl Strategy<Value = Spec> {
    let policies = prop::collection::vec(actions(), 0..3);
    (0..URLS.len(), policies, prop::bool::weighted(0.6), prop::bool::weighted(0.1))
        .prop_map(|(url, policies, answers, only_p1)| Spec { url, policies, answers, only_p1 })
}

fn net() -> impl Strategy<Value = Net> {
    (spec(), any::<bool>(), prop::collection::vec(spec(), 0..8))
        .prop_map(|(entry, entry_has_upstream, specs)| Net { entry, entry_has_upstream, specs })
}

#[test]
fn journeys_end_where_the_naive_recursion_ends() {
    let (admitted, refused, nested, pooled) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |count: &Cell<u32>, it: bool| count.set(count.get() + u32::from(it));
    let config = ProptestConfig { cases: 1_500, ..ProptestConfig::default() };
    proptest!(config, |(net in net(), port in 1..4_u16)| {
        let map = net.load();
        for client in 0..4_u8 {
            let address = SocketAddr::from(([127, 0, 0, client], port));
            let at = url("e.example");
            let facts = Facts::from_connection(address, address).at_endpoint(&at);
            let mut naive = Naive { net: &net, client, port, tried: 0, hops: Vec::new(), logs: Vec::new(), attempts: Vec::new(), runs: Vec::new(), depth: 0, tested: None };
            let (wanted, decider) = naive.decide();

            let entry = net.specs.len();
            let mut decided = Journey::new(&map, &facts, Steps::default(), entry);
            let said = drive!(decided, net);
            let mut traced = Journey::<_, _, policy_core::evaluate::AsWritten<Recording>>::traced(&map, &facts, Steps::default(), entry);
            let written = drive!(traced, net);
            prop_assert_eq!(&said, &written, "specialised and written code");

            prop_assert!(!decided.is_out_of_steps());
            let ((is_admitted, verdict, hops, logs, tested), attempts) = said;
            prop_assert_eq!(&attempts, &naive.attempts);
            prop_assert_eq!(tested, naive.tested, "the last address test");
            let Verdict { decision, file, position, reason, .. } = verdict;
            let found = Decider(file.map(String::from), position.map(|it| it.line), decision);
            prop_assert_eq!((is_admitted, &found), (wanted, &decider), "client {}: {}", client, &reason);
            prop_assert_eq!(&hops, &naive.hops);
            let logged: Vec<_> = naive.logs.iter().map(|n| format!("Int({n})")).collect();
            prop_assert!(logs.len() == logged.len() && logs.iter().zip(&logged).all(|(a, b)| a.contains(b.as_str())), "{:?} {:?}", logs, logged);

            let (mut runs, mut deciding) = (Vec::new(), 0);
            traced.each_run(|passage, run| {
                runs.push((passage.depth, run.program().file().to_owned()));
                deciding += u32::from(passage.decides);
                assert!(run.outcome().is_some(), "a run that has not ended");
            });
            prop_assert_eq!(&runs, &naive.runs, "the policies that ran");
            prop_assert!(deciding <= 1 && (deciding == 1 || runs.is_empty() || decider.2 == OutcomeKind::Error || decider.2 == OutcomeKind::Upstream));
            add(&admitted, wanted);
            add(&refused, !wanted);
            add(&nested, hops.len() > 1);
            add(&pooled, net.specs.iter().enumerate().any(|(at, one)| net.specs[..at].iter().any(|it| it.url == one.url)));
        }
    });
    for (what, count) in
        [("admitted", admitted), ("refused", refused), ("nested", nested), ("pooled", pooled)]
    {
        assert!(count.get() > 300, "{what}: {}, the test shows little", count.get());
    }
}

#[test]
fn why_a_server_was_not_reached_is_told_where_that_decided() {
    let reason = |actions: Vec<Action>| {
        let down = Spec { url: 0, policies: Vec::new(), answers: false, only_p1: false };
        let entry = Spec { url: 1, policies: vec![actions], answers: true, only_p1: false };
        let net = Net { entry, entry_has_upstream: false, specs: vec![down] };
        let map = net.load();
        let at = url("e.example");
        let facts = Facts::new([127, 0, 0, 1].into()).at_endpoint(&at);
        let mut journey = Journey::new(&map, &facts, Steps::default(), 1);
        assert!(matches!(journey.start(), Leg::Reach(_)));
        assert_eq!(journey.not_reached("it is down".to_owned()), Leg::Done);
        journey.verdict().reason
    };
    assert!(reason(vec![Action::Forward(0, false)]).ends_with("(it is down)"));
    let later = reason(vec![Action::Forward(0, true), Action::Deny]);
    assert_eq!(later, "`deny` refuses every connection that reaches it");
}

#[test]
fn a_host_that_answers_what_it_was_not_asked_lets_nothing_pass() {
    let net = Net {
        entry: Spec {
            url: 0,
            policies: vec![vec![Action::Forward(0, false)]],
            answers: true,
            only_p1: false,
        },
        entry_has_upstream: false,
        specs: vec![Spec { url: 0, policies: Vec::new(), answers: true, only_p1: false }],
    };
    let map = net.load();
    let at = url("e.example");
    let facts = Facts::new([127, 0, 0, 1].into()).at_endpoint(&at);
    let mut early = Journey::new(&map, &facts, Steps::default(), 1);
    assert_eq!((early.reached(), early.is_admitted()), (Leg::Done, false));
    let mut wrong = Journey::new(&map, &facts, Steps::default(), 1);
    assert!(matches!(wrong.start(), Leg::Reach(_)));
    assert_eq!((wrong.go_on(), wrong.is_admitted()), (Leg::Done, false));
    assert_eq!(wrong.verdict().decision, OutcomeKind::Error);
    let mut right = Journey::new(&map, &facts, Steps::default(), 1);
    assert!(matches!(right.start(), Leg::Reach(_)));
    assert_eq!((right.reached(), right.is_admitted()), (Leg::Done, true));
    assert_eq!((right.reached(), right.is_admitted()), (Leg::Done, true), "the end stays");
    let mut twice = Journey::new(&map, &facts, Steps::default(), 1);
    assert!(matches!(twice.start(), Leg::Reach(_)));
    assert_eq!((twice.start(), twice.is_admitted()), (Leg::Done, false));
    assert_eq!((twice.reached(), twice.is_admitted()), (Leg::Done, false), "the refusal stays");
}

/// Endpoints as they are where a host says no more than it must.
struct Plain<'n>(Map<'n>);

impl Endpoints for Plain<'_> {
    type Endpoint = Number;

    fn serving(&self, target: &EndpointUrl) -> Serving<Number> {
        self.0.serving(target)
    }

    fn policy<'e>(&'e self, endpoint: &'e Number, at: usize) -> Option<Policy<'e>> {
        self.0.policy(endpoint, at)
    }

    fn has_upstream(&self, endpoint: &Number) -> bool {
        self.0.has_upstream(endpoint)
    }

    fn max_hops(&self) -> u32 {
        self.0.max_hops()
    }
}

/// What policies of endpoints may take, by endpoint.
struct Tight {
    left: [u64; 2],
    /// Another than the policy is to blame.
    blames: bool,
    /// Pauses that are wanted yet.
    pauses: u32,
    accounted: u64,
}

impl Meter<Number> for Tight {
    fn begin(&mut self, _: &Program, endpoint: &Number) -> Result<u64, String> {
        let left = self.left[*endpoint];
        if left == 0 { Err(format!("nothing is left for {endpoint}")) } else { Ok(left) }
    }

    fn left(&self, endpoint: &Number) -> u64 {
        self.left[*endpoint]
    }

    fn account(&mut self, steps: u64, endpoint: &Number) {
        self.accounted += steps;
        self.left[*endpoint] -= steps;
    }

    fn blames(&self, _: &Program, _: &Number) -> Option<String> {
        self.blames.then(|| "others have used it up".to_owned())
    }

    fn wants_pause(&mut self) -> bool {
        let wants = self.pauses > 0;
        self.pauses = self.pauses.saturating_sub(1);
        wants
    }
}

/// An entry that forwards to a target with a policy, by expressions, so that both take steps.
fn two_policies() -> Net {
    let policies = vec![vec![Action::SetVars, Action::ForwardByPort(false)]];
    let inner = Spec {
        url: 0,
        policies: vec![vec![Action::SetVars, Action::ForwardByPort(true)]],
        answers: true,
        only_p1: false,
    };
    Net {
        entry: Spec { url: 1, policies, answers: true, only_p1: false },
        entry_has_upstream: false,
        specs: vec![inner],
    }
}

/// Takes every leg of a journey through [`two_policies`]: its last leg, pauses, and whether it was admitted.
fn travel<B: Meter<Number>>(journey: &mut Journey<'_, Plain<'_>, B>) -> (bool, u32) {
    let (mut leg, mut pauses) = (journey.start(), 0);
    loop {
        leg = match leg {
            Leg::Done => return (journey.is_admitted(), pauses),
            Leg::Pause => {
                pauses += 1;
                journey.go_on()
            }
            Leg::Reach(_) => journey.reached(),
        };
    }
}

#[test]
fn a_budget_that_is_used_up_refuses_and_says_who_is_to_blame() {
    let net = two_policies();
    let map = Plain(net.load());
    let at = url("e.example");
    let client = SocketAddr::from(([127, 0, 0, 1], 1));
    let facts = Facts::from_connection(client, client).at_endpoint(&at);
    let go = |left: [u64; 2], blames: bool| {
        let mut meter = Tight { left, blames, pauses: 0, accounted: 0 };
        let mut journey = Journey::new(&map, &facts, ByRef(&mut meter), 1);
        let (admitted, _) = travel(&mut journey);
        let (verdict, out_of_steps) = (journey.verdict(), journey.is_out_of_steps());
        (admitted, out_of_steps, verdict.reason, verdict.file, meter.accounted)
    };
    // The target goes round by its own policy until the hops are used up, and its server answers then.
    let (admitted, out_of_steps, _, file, taken) = go([1_000_000, 1_000_000], true);
    assert!(admitted && !out_of_steps && taken > 2, "{taken}");
    assert_eq!(file.as_deref(), Some("e1-0.yml"));
    // A policy that may not begin.
    let (admitted, out_of_steps, reason, file, _) = go([0, 1_000_000], false);
    assert_eq!((admitted, out_of_steps, reason.as_str()), (false, true, "nothing is left for 0"));
    assert_eq!(file.as_deref(), Some("e0-0.yml"));
    let (admitted, out_of_steps, reason, file, _) = go([1_000_000, 0], false);
    assert_eq!((admitted, out_of_steps, reason.as_str()), (false, true, "nothing is left for 1"));
    assert_eq!(file.as_deref(), Some("e1-0.yml"));
    // One that stops in the middle, at whatever step: its own fault, or another's.
    for (endpoint, file) in [(0, "e0-0.yml"), (1, "e1-0.yml")] {
        let mut blamed = 0;
        for few in 1..taken {
            let mut left = [1_000_000; 2];
            left[endpoint] = few;
            let (own, others) = (go(left, false), go(left, true));
            if own.0 {
                assert_eq!(others, own, "{few} steps are enough");
                continue;
            }
            assert_eq!((own.1, own.3.as_deref(), others.3.as_deref()), (true, Some(file), Some(file)));
            let at_the_beginning = own.2 == format!("nothing is left for {endpoint}");
            let reason = if at_the_beginning { own.2.as_str() } else { "others have used it up" };
            assert_eq!((others.0, others.1, others.2.as_str()), (false, true, reason));
            assert_eq!(own.2 == others.2, at_the_beginning);
            blamed += u32::from(!at_the_beginning);
        }
        assert!(blamed > 0, "no run of {endpoint} stopped in the middle");
    }
}

#[test]
fn steps_behind_an_answer_are_accounted() {
    let taken = |actions: Vec<Action>| {
        let down = Spec { url: 0, policies: Vec::new(), answers: false, only_p1: false };
        let entry = Spec { url: 1, policies: vec![actions], answers: true, only_p1: false };
        let net = Net { entry, entry_has_upstream: false, specs: vec![down] };
        let map = Plain(net.load());
        let at = url("e.example");
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        let facts = Facts::from_connection(client, client).at_endpoint(&at);
        let mut meter = Tight { left: [1_000_000; 2], blames: false, pauses: 0, accounted: 0 };
        let mut journey = Journey::new(&map, &facts, ByRef(&mut meter), 1);
        assert_eq!(journey.start(), Leg::Reach(Attempt { parts: 1, has_fallback: true }));
        assert_eq!(journey.not_reached("it is down".to_owned()), Leg::Done);
        assert!(!journey.is_admitted());
        meter.accounted
    };
    let before = taken(vec![Action::Forward(0, true), Action::Deny]);
    let after = taken(vec![Action::Forward(0, true), Action::SetVars, Action::Deny]);
    assert!(after > before, "{after} steps, {before} without the variables");
}

#[test]
fn others_go_first_as_often_as_the_meter_wants() {
    let net = two_policies();
    let map = Plain(net.load());
    let at = url("e.example");
    let client = SocketAddr::from(([127, 0, 0, 1], 1));
    let facts = Facts::from_connection(client, client).at_endpoint(&at);
    for pauses in [0, 1, 3] {
        let mut meter = Tight { left: [1_000_000; 2], blames: false, pauses, accounted: 0 };
        let mut journey = Journey::new(&map, &facts, ByRef(&mut meter), 1);
        assert_eq!(travel(&mut journey), (true, pauses));
        assert_eq!(journey.trail().len(), MAX_HOPS as usize);
    }
    let mut journey = Journey::new(&map, &facts, Steps::default(), 1);
    assert_eq!(travel(&mut journey), (true, 0), "by default nobody waits");
}

#[test]
fn steps_are_shared_by_all_policies_of_a_connection() {
    let mut steps = Steps::default();
    let left = |steps: &Steps| Meter::<()>::left(steps, &());
    assert_eq!(left(&steps), Steps::OF_CONNECTION);
    Meter::<()>::account(&mut steps, 400_000, &());
    assert_eq!(left(&steps), 600_000);
    Meter::<()>::account(&mut steps, 700_000, &());
    assert_eq!(left(&steps), 0);
    let program =
        Program::from_policy("p.yml", "on_tcp_connect: [{actions: [{type: deny}]}]").expect("sound");
    assert_eq!(Meter::<()>::begin(&mut steps, &program, &()), Ok(0));
    assert_eq!(Meter::<()>::begin(&mut Steps::default(), &program, &()), Ok(Steps::OF_CONNECTION));
    assert_eq!(Meter::<()>::blames(&steps, &program, &()), None);
    assert!(!Meter::<()>::wants_pause(&mut steps));
}

/// A meter that is looked at afterwards.
struct ByRef<'m>(&'m mut Tight);

impl Meter<Number> for ByRef<'_> {
    fn begin(&mut self, program: &Program, endpoint: &Number) -> Result<u64, String> {
        self.0.begin(program, endpoint)
    }

    fn left(&self, endpoint: &Number) -> u64 {
        self.0.left(endpoint)
    }

    fn account(&mut self, steps: u64, endpoint: &Number) {
        self.0.account(steps, endpoint);
    }

    fn blames(&self, program: &Program, endpoint: &Number) -> Option<String> {
        self.0.blames(program, endpoint)
    }

    fn wants_pause(&mut self) -> bool {
        self.0.wants_pause()
    }
}
