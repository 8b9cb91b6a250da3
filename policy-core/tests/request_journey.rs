//! Journeys of requests against a naive recursion: over random endpoints, wildcards, pools, policies and failures they agree
//! on what is answered, who decides and where that stands, which way the request took, and what was logged and asked.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use policy_core::compile::{CompileOptions, Program};
use policy_core::evaluate::{AsWritten, Recording};
use policy_core::exchange::{Asked, Body, Effect, Reply, SlidingWindow};
use policy_core::facts::Facts;
use policy_core::journey::{Endpoints, Policy, RequestJourney, RequestLeg, Serving, Steps};
use policy_core::message::{Changes, Request, Response, Side};
use policy_core::outcome::OutcomeKind;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::url::EndpointUrl;
use proptest::prelude::*;

const MAX_HOPS: u32 = 6;
const MAX_TRIES: usize = 3;
/// The URLs that endpoints have. Some have several.
const URLS: [&str; 5] = ["p1.internal", "p2.internal", "a.s.internal", "*.s.internal", "*.internal"];
/// Where policies forward to.
const TARGETS: [&str; 5] = ["p1.internal", "p2.internal", "a.s.internal", "b.s.internal", "s.internal"];

/// A rule of a generated policy.
#[derive(Clone, Debug)]
enum Rule {
    /// Adds a value to the header `x-m`.
    Mark(u8),
    /// Another path.
    Rewrite(u8),
    /// Logs what the header and the path are, and that no variable of another policy is there.
    Log,
    /// Sets a variable.
    Var,
    /// Counts the request.
    Count,
    /// Refuses requests with a value of the header.
    DenyMarked(u8, u16),
    /// Answers requests at a path.
    RespondAt(u8, u16),
    Respond(u16),
    Close,
    /// A condition without a value.
    Fail,
    Forward(usize, bool),
    /// Refuses 127.0.0.N for the N whose bit is not set.
    Restrict(u8),
    /// Looks at the digit of an event, which has one.
    Observe,
    /// Another digit in its place.
    Replace(u8, u8),
    /// A condition without a value where an event came with a digit.
    FailAt(u8),
}

#[derive(Clone, Debug, Default)]
struct Rules {
    connect: Vec<Rule>,
    request: Vec<Rule>,
    response: Vec<Rule>,
    event: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Spec {
    url: usize,
    policies: Vec<Rules>,
    answers: bool,
    /// The digits of the events that it answers.
    events: Vec<u8>,
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
    EndpointUrl::parse(&format!("https://{host}")).expect("a URL")
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

    fn max_hops(&self) -> u32 {
        MAX_HOPS
    }
}

/// A request, naively.
#[derive(Clone, Debug, Default)]
struct Message {
    path: String,
    marks: Vec<String>,
}

/// A response, naively: its status, the values of `x-m`, and the digits of the events of its stream, if it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer(u16, Vec<String>, Option<Vec<u8>>);

impl Answer {
    /// Without headers and events.
    const fn bare(status: u16) -> Self {
        Self(status, Vec::new(), None)
    }
}

enum Came {
    Answered(Answer),
    Closed,
    Failed,
}

/// Who decided: the file, the line, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decider(Option<String>, Option<u32>, OutcomeKind);

struct Naive<'n> {
    net: &'n Net,
    client: u8,
    tried: u32,
    hops: Vec<String>,
    /// What was logged and asked, in order.
    effects: Vec<String>,
    /// The endpoints whose servers were tried.
    sent: Vec<Number>,
    decider: Option<Decider>,
    /// How the last policy where the request came in let it go on.
    admitted: Option<Decider>,
}

/// How the rules of a phase end, naively.
enum Ended {
    Through,
    Refused(u16),
    Answered(u16),
    Closed,
    Forwarded(Came),
}

impl Naive<'_> {
    fn spec(&self, at: Number) -> &Spec {
        self.net.specs.get(at).unwrap_or(&self.net.entry)
    }

    fn pass(&mut self, at: Number, policy: usize, message: &Message) -> Came {
        let is_entry = at == self.net.specs.len();
        let Some(rules) = self.spec(at).policies.get(policy).cloned() else {
            return self.server(at, message);
        };
        if is_entry {
            match self.phase(at, policy, Phase::OnTcpConnect, &mut Message::default(), 0) {
                Ended::Through => {}
                _ => return Came::Closed,
            }
        }
        let mut message = message.clone();
        let came = match self.phase(at, policy, Phase::OnHttpRequest, &mut message, 0) {
            Ended::Through => {
                if is_entry {
                    self.admitted = Some(Decider(Some(file(at, policy)), None, OutcomeKind::Upstream));
                }
                self.pass(at, policy + 1, &message)
            }
            Ended::Refused(status) => return Came::Answered(Answer::bare(status)),
            Ended::Answered(status) => Came::Answered(Answer::bare(status)),
            Ended::Closed => return Came::Closed,
            Ended::Forwarded(came) => came,
        };
        let Came::Answered(Answer(status, marks, events)) = came else { return came };
        // Of the request it sees what its own policy made of it.
        let mut response = Message { path: message.path, marks };
        if !rules.response.is_empty() {
            match self.phase(at, policy, Phase::OnHttpResponse, &mut response, status) {
                Ended::Through => {}
                Ended::Refused(status) | Ended::Answered(status) => {
                    return Came::Answered(Answer::bare(status));
                }
                Ended::Closed | Ended::Forwarded(_) => return Came::Closed,
            }
        }
        let events = events
            .map(|events| if rules.event.is_empty() { events } else { self.events(at, policy, &events) });
        Came::Answered(Answer(status, response.marks, events))
    }

    /// The events that pass: the first one that does not ends the stream.
    fn events(&mut self, at: Number, policy: usize, events: &[u8]) -> Vec<u8> {
        let mut passed = Vec::new();
        for came in events {
            let spec = &self.spec(at).policies[policy];
            let (rules, text) = (spec.event.clone(), text(spec));
            let head = format!("{}:", Phase::OnEventStreamMessage.name());
            let first = text.lines().position(|line| line == head).expect("its rules") + 2;
            let mut digit = *came;
            for (line, rule) in (first..).zip(&rules) {
                match rule {
                    Rule::Replace(from, to) if digit == *from => digit = *to,
                    Rule::FailAt(n) if n == came => {
                        let line = u32::try_from(line).expect("few");
                        self.decider = Some(Decider(Some(file(at, policy)), Some(line), OutcomeKind::Error));
                        return passed;
                    }
                    _ => {}
                }
            }
            passed.push(digit);
        }
        passed
    }

    fn phase(
        &mut self,
        at: Number,
        policy: usize,
        phase: Phase,
        message: &mut Message,
        status: u16,
    ) -> Ended {
        let spec = &self.spec(at).policies[policy];
        let rules = match phase {
            Phase::OnTcpConnect => spec.connect.clone(),
            Phase::OnHttpRequest => spec.request.clone(),
            _ => spec.response.clone(),
        };
        let text = text(&self.spec(at).policies[policy]);
        let first = text.lines().position(|line| line == format!("{}:", phase.name())).map_or(0, |at| at + 2);
        let mut var = false;
        for (line, rule) in (first..).zip(&rules) {
            let line = u32::try_from(line).expect("few");
            let decider = |how| Some(Decider(Some(file(at, policy)), Some(line), how));
            let marked = |n: &u8| message.marks.iter().any(|mark| *mark == n.to_string());
            match rule {
                Rule::Mark(n) => message.marks.push(n.to_string()),
                Rule::Rewrite(n) => message.path = format!("/{n}"),
                Rule::Var => var = true,
                Rule::Count => self.effects.push("count".to_owned()),
                Rule::Log if phase == Phase::OnTcpConnect => self.effects.push("connected".to_owned()),
                Rule::Log => {
                    let of = match phase {
                        Phase::OnHttpRequest => message.path.clone(),
                        _ => status.to_string(),
                    };
                    self.effects.push(format!("{} {of} {var}", message.marks.join(",")));
                }
                Rule::DenyMarked(n, status) if marked(n) => {
                    self.decider = decider(OutcomeKind::Deny);
                    return Ended::Refused(*status);
                }
                Rule::RespondAt(n, status) if message.path == format!("/{n}") => {
                    self.decider = decider(OutcomeKind::Respond);
                    return Ended::Answered(*status);
                }
                Rule::DenyMarked(..) | Rule::RespondAt(..) => {}
                Rule::Respond(status) => {
                    self.decider = decider(OutcomeKind::Respond);
                    return Ended::Answered(*status);
                }
                Rule::Close => {
                    self.decider = decider(OutcomeKind::Close);
                    return Ended::Closed;
                }
                Rule::Fail => {
                    self.decider = decider(OutcomeKind::Error);
                    return Ended::Refused(500);
                }
                Rule::Restrict(allowed) if allowed >> self.client & 1 == 0 => {
                    self.decider = decider(OutcomeKind::Deny);
                    return Ended::Refused(403);
                }
                Rule::Restrict(_) | Rule::Observe | Rule::Replace(..) | Rule::FailAt(_) => {}
                Rule::Forward(to, or_continue) => match self.forward(TARGETS[*to], message) {
                    (Came::Failed, _) if *or_continue => {}
                    (Came::Failed, status) => {
                        self.decider = decider(OutcomeKind::Error);
                        return Ended::Refused(status);
                    }
                    (came, _) => {
                        if at == self.net.specs.len() {
                            self.admitted = decider(OutcomeKind::Forward);
                        }
                        return Ended::Forwarded(came);
                    }
                },
            }
        }
        Ended::Through
    }

    /// What came of a forward, and the status of its failure.
    fn forward(&mut self, target: &str, message: &Message) -> (Came, u16) {
        if self.tried >= MAX_HOPS {
            return (Came::Failed, 502);
        }
        self.tried += 1;
        let hosts = || self.net.specs.iter().map(|spec| URLS[spec.url]);
        let covers = |host: &str| match host.strip_prefix('*') {
            Some(suffix) => target.len() > suffix.len() && target.ends_with(suffix),
            None => host == target,
        };
        let exact = hosts().any(|host| host == target);
        let longest = hosts().filter(|host| covers(host)).map(str::len).max();
        let serves =
            |host: &str| if exact { host == target } else { covers(host) && Some(host.len()) == longest };
        let members: Vec<_> =
            hosts().enumerate().filter(|(_, host)| serves(host)).map(|(at, _)| at).collect();
        let known = self.hops.len();
        let status = if members.is_empty() { 404 } else { 502 };
        for member in members.into_iter().take(MAX_TRIES) {
            self.hops.truncate(known);
            self.hops.push(url(target).to_string());
            match self.pass(member, 0, message) {
                Came::Failed => {}
                came => return (came, status),
            }
        }
        self.hops.truncate(known);
        (Came::Failed, status)
    }

    fn server(&mut self, at: Number, message: &Message) -> Came {
        let is_entry = at == self.net.specs.len();
        let last = || self.net.entry.policies.len().checked_sub(1).map(|last| file(at, last));
        if is_entry && !self.net.entry_has_upstream {
            self.decider = Some(Decider(last(), None, OutcomeKind::Error));
            return Came::Closed;
        }
        self.sent.push(at);
        if self.spec(at).answers {
            return Came::Answered(answer_of(self.spec(at), at, &message.path, &message.marks));
        }
        if is_entry {
            self.decider = Some(Decider(last(), None, OutcomeKind::Error));
        }
        Came::Failed
    }
}

/// What the server of an endpoint answers.
fn answer_of(of: &Spec, at: Number, path: &str, marks: &[String]) -> Answer {
    let events = (!of.events.is_empty()).then(|| of.events.clone());
    Answer(200, vec![format!("{at} {path} {}", marks.join(","))], events)
}

fn file(at: Number, policy: usize) -> String {
    format!("e{at}-{policy}.yml")
}

/// The text of a policy, each rule in a line.
fn text(rules: &Rules) -> String {
    let mut lines = Vec::new();
    let phases = [
        (Phase::OnTcpConnect, &rules.connect),
        (Phase::OnHttpRequest, &rules.request),
        (Phase::OnHttpResponse, &rules.response),
        (Phase::OnEventStreamMessage, &rules.event),
    ];
    for (phase, rules) in phases.iter().filter(|(_, rules)| !rules.is_empty()) {
        lines.push(format!("{}:", phase.name()));
        lines.extend(rules.iter().map(|rule| format!("- {{{}}}", rule_text(*phase, rule))));
    }
    lines.join("\n")
}

/// The digit that the first action of a policy's rules for events has found.
const OBSERVED: &str = "actions.ngrok.sse_find_replace.replacements[0].matched_content";

fn rule_text(phase: Phase, rule: &Rule) -> String {
    let action = |kind: &str, config: &str| format!("actions: [{{type: {kind}, config: {config}}}]");
    let side = if phase == Phase::OnHttpResponse { "Res" } else { "Req" };
    let when = |condition: String, then: String| format!("expressions: [\"{condition}\"], {then}");
    match rule {
        Rule::Mark(n) => action("add-headers", &format!("{{headers: {{x-m: '{n}'}}}}")),
        Rule::Rewrite(n) => action("url-rewrite", &format!("{{to: '/{n}'}}")),
        Rule::Observe => action("sse-find-replace", "{replacements: [{from: '[0-9]', to: '$0'}]}"),
        Rule::Replace(from, to) => {
            action("sse-find-replace", &format!("{{replacements: [{{from: '{from}', to: '{to}'}}]}}"))
        }
        Rule::FailAt(n) => when(
            format!("1 / (int({OBSERVED}) - {n}) > 100"),
            action("sse-find-replace", "{replacements: [{from: x}]}"),
        ),
        Rule::Log if phase == Phase::OnTcpConnect => action("log", "{metadata: {said: connected}}"),
        Rule::Log => {
            let of = if phase == Phase::OnHttpResponse { "string(res.status_code)" } else { "req.url.path" };
            let said = format!("${{get{side}Header('x-m').join(',')}} ${{{of}}} ${{string(has(vars.v))}}");
            action("log", &format!("{{metadata: {{said: \"{said}\"}}}}"))
        }
        Rule::Var => action("set-vars", "{vars: [{v: '1'}]}"),
        Rule::Count => action(
            "rate-limit",
            "{name: all, algorithm: sliding_window, capacity: 10, rate: 60s, bucket_key: [req.method]}",
        ),
        Rule::DenyMarked(n, status) => {
            let condition = format!("get{side}Header('x-m').exists(m, m == '{n}')");
            when(condition, action("deny", &format!("{{status_code: {status}}}")))
        }
        Rule::RespondAt(n, status) => {
            let then = action("custom-response", &format!("{{status_code: {status}}}"));
            when(format!("req.url.path == '/{n}'"), then)
        }
        Rule::Respond(status) => action("custom-response", &format!("{{status_code: {status}}}")),
        Rule::Close => "actions: [{type: close-connection}]".to_owned(),
        Rule::Fail => when("req.headers['none'][0] == 'a'".to_owned(), action("log", "{metadata: {a: b}}")),
        Rule::Forward(to, or_continue) => {
            let on_error = if *or_continue { "continue" } else { "halt" };
            action("forward-internal", &format!("{{url: 'https://{}', on_error: {on_error}}}", TARGETS[*to]))
        }
        Rule::Restrict(allowed) => {
            let entries: Vec<_> =
                (0..4).filter(|n| allowed >> n & 1 == 1).map(|n| format!("127.0.0.{n}/32")).collect();
            action("restrict-ips", &format!("{{allow: [{}]}}", entries.join(", ")))
        }
    }
}

impl Net {
    fn load(&self) -> Map<'_> {
        let mut options = CompileOptions::default();
        options.phases = PhaseSet::new(&Phase::ALL);
        let all = self.specs.iter().chain([&self.entry]).enumerate();
        let programs = all.map(|(at, spec)| {
            let programs = spec.policies.iter().enumerate().map(|(policy, rules)| {
                let text = text(rules);
                Program::from_policy_with(file(at, policy), text.clone(), &options)
                    .unwrap_or_else(|error| panic!("{error}\n{text}"))
            });
            programs.collect()
        });
        let programs = programs.collect();
        Map { net: self, urls: self.specs.iter().map(|spec| url(URLS[spec.url])).collect(), programs }
    }
}

/// What a server got, or what differs in it.
fn got(changes: Option<&Changes>) -> (String, Vec<String>) {
    let path = changes.and_then(Changes::url).map_or("/0".to_owned(), |url| url.path().to_owned());
    let nothing = Changes::default();
    let marks = changes.unwrap_or(&nothing).request_headers().find(|(name, _)| *name == "x-m");
    (path, marks.map(|(_, values)| values.iter().map(ToString::to_string).collect()).unwrap_or_default())
}

fn to_response(Answer(status, marks, events): &Answer) -> Response {
    let mut response = Response::new(*status);
    marks.iter().for_each(|mark| response.headers.append("x-m", mark).expect("a header"));
    if let Some(events) = events {
        response.headers.append("content-type", "text/event-stream").expect("a header");
        let events = events.iter().map(|digit| format!("data: {digit}\n\n"));
        response.body = events.collect::<String>().into_bytes();
    }
    response
}

fn to_answer(response: &Response) -> Answer {
    let values = |wanted| response.headers.iter().filter(move |(name, _)| *name == wanted);
    let marks = values("x-m").map(|(_, value)| value.to_owned()).collect();
    let is_stream = values("content-type").any(|(_, value)| value == "text/event-stream");
    let digits = || {
        let body = std::str::from_utf8(&response.body).expect("text");
        let data = |event: &str| event.strip_prefix("data: ")?.parse().ok();
        body.split_terminator("\n\n").map(|event| data(event).expect("a digit")).collect()
    };
    Answer(response.status, marks, is_stream.then(digits))
}

/// Takes every leg as the net answers; in the order in which phases run what was asked, and the rest at the end.
macro_rules! drive {
    ($journey:expr, $net:expr) => {{
        let (mut leg, mut sent, mut asked) = ($journey.start(), Vec::new(), 0_usize);
        loop {
            leg = match leg {
                RequestLeg::Done => break,
                RequestLeg::Pause => $journey.go_on(),
                RequestLeg::Ask(Effect::ReadBody { side: Side::Event, .. }) => {
                    let bytes = $journey.event().expect("an event").into();
                    $journey.reply(Reply::body(Body { bytes, complete: true }))
                }
                RequestLeg::Ask(effect) => {
                    assert_eq!(effect, Effect::CountRequest);
                    let Some(Asked::Rate { limit, .. }) = $journey.asked() else { panic!("what it counts") };
                    let count = SlidingWindow::default().count(limit.capacity, limit.window, Duration::ZERO);
                    asked += 1;
                    $journey.reply(Reply::Rate(count))
                }
                RequestLeg::Send(_) => {
                    let at = *$journey.sending_to().expect("an endpoint");
                    sent.push(at);
                    let (path, marks) = got($journey.changes());
                    let of = $net.specs.get(at).unwrap_or(&$net.entry);
                    match of.answers {
                        true => $journey.responded(to_response(&answer_of(of, at, &path, &marks))),
                        false => $journey.not_reached("it is down".to_owned()),
                    }
                }
            };
        }
        let hops: Vec<String> = $journey.trail().iter().map(|(url, _)| url.to_string()).collect();
        let logs: Vec<String> = $journey.logs().entries().iter().map(|entry| format!("{entry:?}")).collect();
        (
            $journey.response().map(to_answer),
            $journey.ended_by_event(),
            $journey.verdict(),
            hops,
            logs,
            sent,
            asked,
        )
    }};
}

fn of_request() -> impl Strategy<Value = Vec<Rule>> {
    let rule = prop_oneof![
        3 => (0..3_u8).prop_map(Rule::Mark),
        2 => (1..3_u8).prop_map(Rule::Rewrite),
        3 => Just(Rule::Log),
        1 => Just(Rule::Var),
        1 => Just(Rule::Count),
        2 => (0..3_u8, 401..404_u16).prop_map(|(n, status)| Rule::DenyMarked(n, status)),
        2 => (0..3_u8, 201..204_u16).prop_map(|(n, status)| Rule::RespondAt(n, status)),
        1 => (1..16_u8).prop_map(Rule::Restrict),
        6 => (0..TARGETS.len(), prop::bool::weighted(0.7)).prop_map(|(to, go_on)| Rule::Forward(to, go_on)),
    ];
    let last = prop_oneof![
        1 => (210..213_u16).prop_map(Rule::Respond),
        1 => Just(Rule::Close),
        1 => Just(Rule::Fail),
        6 => Just(Rule::Log),
    ];
    (prop::collection::vec(rule, 1..5), last).prop_map(|(mut rules, last)| {
        rules.push(last);
        rules
    })
}

fn of_response() -> impl Strategy<Value = Vec<Rule>> {
    let rule = prop_oneof![
        4 => (0..3_u8).prop_map(Rule::Mark),
        4 => Just(Rule::Log),
        1 => (501..504_u16).prop_map(Rule::Respond),
        1 => Just(Rule::Fail),
        1 => (0..3_u8, 221..224_u16).prop_map(|(n, status)| Rule::RespondAt(n, status)),
    ];
    prop::collection::vec(rule, 0..3)
}

/// Rules for events, and none of them for most policies.
fn of_event() -> impl Strategy<Value = Vec<Rule>> {
    // Each replacement takes the place of what the one before found.
    let fails = prop::collection::vec((0..5_u8).prop_map(Rule::FailAt), 1..3);
    let replaces = (0..5_u8, 0..5_u8).prop_map(|(from, to)| Rule::Replace(from, to));
    let rules = (fails, prop::collection::vec(replaces, 0..3))
        .prop_map(|(fails, replaces)| [vec![Rule::Observe], fails, replaces].concat());
    prop_oneof![1 => Just(Vec::new()), 2 => rules]
}

fn spec() -> impl Strategy<Value = Spec> {
    let connect = prop::collection::vec(
        prop_oneof![2 => Just(Rule::Log), 1 => (8..16_u8).prop_map(Rule::Restrict)],
        0..2,
    );
    let rules = (connect, of_request(), of_response(), of_event());
    let rules =
        rules.prop_map(|(connect, request, response, event)| Rules { connect, request, response, event });
    let events = prop::collection::vec(0..5_u8, 0..8);
    (0..URLS.len(), prop::collection::vec(rules, 0..3), prop::bool::weighted(0.7), events)
        .prop_map(|(url, policies, answers, events)| Spec { url, policies, answers, events })
}

fn net() -> impl Strategy<Value = Net> {
    (spec(), any::<bool>(), prop::collection::vec(spec(), 0..7))
        .prop_map(|(entry, entry_has_upstream, specs)| Net { entry, entry_has_upstream, specs })
}

#[test]
fn requests_end_where_the_naive_recursion_ends() {
    let counts: [Cell<u32>; 7] = Default::default();
    let add = |at: usize, it: bool| counts[at].set(counts[at].get() + u32::from(it));
    let config = ProptestConfig { cases: 800, ..ProptestConfig::default() };
    proptest!(config, |(net in net(), client in 0..4_u8)| {
        let map = net.load();
        let of = Request::new("GET", "https://e.example/0");
        let request = of.facts().expect("a URL");
        let at = url("e.example");
        let facts = Facts::new(IpAddr::from(Ipv4Addr::new(127, 0, 0, client))).at_endpoint(&at);
        let mut naive = Naive { net: &net, client, tried: 0, hops: Vec::new(), effects: Vec::new(), sent: Vec::new(), decider: None, admitted: None };
        let entry = net.specs.len();
        let message = Message { path: "/0".to_owned(), marks: Vec::new() };
        let wanted = match naive.pass(entry, 0, &message) {
            Came::Answered(answer) => Some(answer),
            Came::Closed => None,
            Came::Failed => Some(Answer::bare(502)),
        };
        let mut decided: RequestJourney<'_, _, _> = RequestJourney::new(&map, &facts, &request, Steps::default(), entry);
        let said = drive!(decided, net);
        let mut traced: RequestJourney<'_, _, _, AsWritten<Recording>> = RequestJourney::new(&map, &facts, &request, Steps::default(), entry);
        let written = drive!(traced, net);
        prop_assert_eq!(&said, &written, "specialised and written code");
        prop_assert!(!decided.is_out_of_steps());

        let (answer, ended_by_event, verdict, hops, logs, sent, asked) = said;
        let texts: Vec<_> = map.programs.iter().flatten().map(|it| it.file().to_owned()).collect();
        prop_assert_eq!(&answer, &wanted, "{:?} {:?}", verdict, texts);
        let found = Decider(verdict.file.map(String::from), verdict.position.map(|it| it.line), verdict.decision);
        let nobody = Decider(None, None, OutcomeKind::Upstream);
        let decider = naive.decider.clone().or(naive.admitted.clone()).unwrap_or(nobody);
        prop_assert_eq!(&found, &decider, "{}", verdict.reason);
        prop_assert_eq!(&hops, &naive.hops);
        prop_assert_eq!(&sent, &naive.sent);
        prop_assert_eq!(decided.is_admitted(), sent.last().is_some_and(|at| naive.spec(*at).answers));
        let counted = naive.effects.iter().filter(|it| *it == "count").count();
        prop_assert_eq!(asked, counted);
        let logged: Vec<_> = naive.effects.iter().filter(|it| *it != "count").collect();
        prop_assert!(logs.len() == logged.len() && logs.iter().zip(&logged).all(|(a, b)| a.contains(&format!("\"{b}\""))), "{:?} {:?}", logs, logged);

        let (mut deciding, mut phases) = (Vec::new(), 0);
        traced.each_run(|passage, phase, run| {
            phases += usize::from(phase != Phase::OnTcpConnect);
            assert!(run.outcome().is_some(), "a run that has not ended");
            deciding.extend(passage.decides.then(|| run.program().file().to_owned()));
        });
        prop_assert_eq!(deciding.first().cloned(), decider.0.clone());
        prop_assert!(deciding.len() <= 1);
        add(0, decided.is_admitted());
        add(1, !decided.is_admitted());
        add(2, hops.len() > 1);
        add(3, phases > 4);
        add(4, !hops.is_empty() && naive.decider.is_some());
        let events = answer.as_ref().and_then(|Answer(_, _, events)| events.as_deref());
        add(5, ended_by_event.is_some());
        add(6, ended_by_event.is_none() && events.is_some_and(|events| events.len() > 1));
        prop_assert!(ended_by_event.is_none() || verdict.decision == OutcomeKind::Error);
    });
    let seldom = [40, 40, 25, 40, 40, 10, 40];
    assert!(counts.iter().zip(seldom).all(|(count, least)| count.get() > least), "{counts:?}");
}
