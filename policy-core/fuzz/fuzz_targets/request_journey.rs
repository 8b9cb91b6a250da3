//! Any request passes any two policies of an endpoint, and that of a target, alike in both forms of their programs: on the way
//! there, on the way back, and event by event where a server answers an event stream.
#![no_main]

#[path = "support/replies.rs"]
mod replies;

use libfuzzer_sys::fuzz_target;
use policy_core::compile::{CompileOptions, Program};
use policy_core::evaluate::{AsWritten, Mode, Recording, Specialised};
use policy_core::exchange::{Ability, Body, Effect, Reply};
use policy_core::facts::Facts;
use policy_core::journey::{Endpoints, Policy, RequestJourney, RequestLeg, Serving, Steps};
use policy_core::message::{RequestFacts, Response, Side};
use policy_core::phase::PhaseSet;
use policy_core::requests::{load_request, load_response};
use policy_core::source::Source;
use policy_core::url::EndpointUrl;
use replies::reply;

/// Where a request comes in, and where every target is.
#[derive(Clone, Copy)]
enum Place {
    Entry,
    Target,
}

struct Map {
    entry: Vec<Program>,
    target: Option<Program>,
}

impl Endpoints for Map {
    type Endpoint = Place;

    fn serving(&self, _: &EndpointUrl) -> Serving<Place> {
        Serving::One(Place::Target)
    }

    fn policy<'e>(&'e self, endpoint: &'e Place, at: usize) -> Option<Policy<'e>> {
        match endpoint {
            Place::Entry => self.entry.get(at),
            Place::Target => self.target.as_ref().filter(|_| at == 0),
        }
        .map(Policy::Program)
    }

    fn has_upstream(&self, _: &Place) -> bool {
        true
    }

    fn max_hops(&self) -> u32 {
        3
    }
}

/// What came of a request; nothing if policies ran out of steps, which their forms take differently.
fn travel<M: Mode + Default>(
    map: &Map,
    (facts, request, response): (&Facts<'_>, &RequestFacts<'_>, &Response),
) -> Option<String> {
    let mut journey: RequestJourney<'_, _, _, M> =
        RequestJourney::new(map, facts, request, Steps::default(), Place::Entry);
    let mut leg = journey.start();
    loop {
        leg = match leg {
            RequestLeg::Done => break,
            RequestLeg::Pause => journey.go_on(),
            RequestLeg::Send(_) => journey.responded(response.clone()),
            RequestLeg::Ask(Effect::ReadBody { side: Side::Event, .. }) => {
                let bytes = journey.event().expect("an event asks").into();
                journey.reply(Reply::body(Body { bytes, complete: true }))
            }
            RequestLeg::Ask(effect) => journey.reply(reply(effect)),
        };
    }
    let (ended, trail) = (
        journey.ended_by_event(),
        journey.trail().iter().map(|(url, _)| url.to_string()).collect::<Vec<_>>(),
    );
    let logs = journey.logs().entries().iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>();
    let seen = format!("{:?} {:?} {ended:?} {trail:?} {logs:?}", journey.response(), journey.sent());
    let verdict = journey.verdict();
    (!journey.is_out_of_steps()).then(|| format!("{seen} {verdict:?}"))
}

/// What stands where an input has no part for it: so every policy is a whole input.
const SECOND: &str =
    "on_http_request: [{actions: [{type: forward-internal, config: {url: 'https://t.internal'}}]}]
on_event_stream_message: [{actions: [{type: sse-find-replace, config: {replacements: [{from: a, to: b}]}}]}]";
const REQUEST: &str = "{method: POST, url: 'https://e.example/a?b=c', headers: {x-a: b}, body: a}";
const RESPONSE: &str = "{headers: {content-type: text/event-stream}, body: \"data: a\\n\\ndata: b\\n\\n\"}";

fuzz_target!(|input: &str| {
    let mut parts = input.split('\0');
    let first = parts.next().unwrap_or_default();
    let mut part = |otherwise| parts.next().unwrap_or(otherwise);
    let (second, target, request, response) = (part(SECOND), part(first), part(REQUEST), part(RESPONSE));
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&policy_core::phase::Phase::ALL);
    options.abilities = Ability::ALL.to_vec();
    let program = |text: &str| Program::from_policy_with("fuzz.yml", text, &options).ok();
    let Some(first) = program(first) else { return };
    let map = Map {
        entry: [Some(first), program(second)].into_iter().flatten().collect(),
        target: program(target),
    };
    let (Some(request), _) = load_request(&Source::new("request.yml", request), None) else { return };
    let response =
        load_response(&Source::new("response.yml", response), None).0.unwrap_or_else(|| Response::new(200));
    let view = request.facts().expect("its URL was read");
    let url = EndpointUrl::parse("https://e.example").expect("a URL");
    let facts = Facts::new([203, 0, 113, 42].into()).seeded(1).at_endpoint(&url);
    let question = (&facts, &view, &response);
    let (decided, written) =
        (travel::<Specialised>(&map, question), travel::<AsWritten<Recording>>(&map, question));
    if let Some((decided, written)) = decided.zip(written) {
        assert_eq!(decided, written);
    }
});
