//! Conditions on requests: compiled, beside closures written by hand and beside two interpreters.
//!
//! The requests take turns, so that no answer is a constant, and all answer alike before anything is timed. A closure
//! is called as a rule would call it, through a pointer: which one it is, is known when the policy is. What it costs
//! where the compiler puts it into the loop is told beside it, and not judged.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::LazyLock;

use policy_core::cel::{EvalLimits, Predicate, Value};
use regex::Regex;

use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::conditions::{CHAIN, COUNTRY, Condition, HEADER, METHOD, NETWORK, PATH, PORT, REGEX};
use crate::peers::{Cel, CelInterpreter, Expressions};
use crate::requests::{self, Fields, Request};

/// One test against a closure.
const TEST: Gate = Gate::AtMost(2.0, 1.5);

/// Several, joined.
const JOINED: Gate = Gate::AtMost(10.0, 5.0);

/// Told, but not judged.
const TOLD: Gate = Gate::AtMost(f64::INFINITY, 1.5);

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    [
        bars_of(METHOD, TEST, |request| request.method == "POST"),
        bars_of(COUNTRY, TEST, |request| is_near(&request.country)),
        bars_of(PATH, TEST, |request| request.path.starts_with("/api/")),
        bars_of(HEADER, TEST, |request| {
            let is_it = |value: &Value| matches!(value, Value::String(text) if text.contains("curl"));
            request.header("user-agent").iter().any(is_it)
        }),
        bars_of(NETWORK, TEST, |request| is_ten(request.client_ip)),
        bars_of(PORT, TEST, |request| request.client_port >= 16_384),
        bars_of(CHAIN, JOINED, |request| {
            request.method == "POST"
                && is_near(&request.country)
                && request.path.starts_with("/api/")
                && is_ten(request.client_ip)
        }),
        bars_of(REGEX, TOLD, |request| {
            VERSION.as_ref().is_some_and(|version| version.is_match(&request.path))
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("^/api/v[0-9]+/").ok());

fn is_near(country: &str) -> bool {
    matches!(country, "DE" | "FR" | "NL" | "BE")
}

/// `10.0.0.0/8`.
fn is_ten(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if u32::from(address) >> 24 == 10)
}

/// The bars of one condition.
fn bars_of(
    condition: Condition,
    gate: Gate,
    by_hand: impl Fn(&Request) -> bool + Copy + 'static,
) -> Vec<Bar> {
    let name = condition.name;
    let faster = if gate == TOLD { Gate::AtLeast(0.0, 75.0) } else { Gate::AtLeast(20.0, 75.0) };
    vec![
        Bar::new(format!("expressions/{name} ÷ closure"), gate, "×", move |context| {
            let (ours, requests) = (Ours::new(condition), requests::requests(requests::NUMBER));
            ours.agree(condition, &requests, by_hand);
            let called: Box<dyn Fn(&Request) -> bool> = Box::new(by_hand);
            let holds = |request| black_box(&called)(black_box(request));
            context.meter.equal_ratios(
                requests.len(),
                || ours.count(&requests),
                || requests.iter().map(|request| u64::from(holds(request))).sum(),
            )
        }),
        Bar::new(format!("expressions/{name} ÷ inlined closure"), TOLD, "×", move |context| {
            let (ours, requests) = (Ours::new(condition), requests::requests(requests::NUMBER));
            context.meter.equal_ratios(
                requests.len(),
                || ours.count(&requests),
                || requests.iter().map(|request| u64::from(by_hand(black_box(request)))).sum(),
            )
        }),
        Bar::new(format!("expressions/{name} allocations"), Gate::AtMost(0.0, 0.0), "", move |context| {
            let (ours, requests) = (Ours::new(condition), requests::requests(requests::NUMBER));
            // A regular expression makes room for its states once a thread.
            black_box(ours.count(&requests));
            let (held, memory) = context.meter.memory(|| ours.count(&requests));
            let note = format!("{held} of {} hold", requests.len());
            #[allow(clippy::cast_precision_loss, reason = "few")]
            Samples::one(memory.allocations as f64, note)
        }),
        Bar::new(format!("expressions/{name} faster than {}", Cel::NAME), faster, "×", move |context| {
            against::<Cel>(context, condition)
        }),
        Bar::new(
            format!("expressions/{name} faster than {}", CelInterpreter::NAME),
            faster,
            "×",
            move |context| against::<CelInterpreter>(context, condition),
        ),
    ]
}

/// How many times faster than a peer that has parsed the text and bound the variables before.
fn against<P: Expressions>(context: &Context, condition: Condition) -> Samples {
    let (ours, requests) = (Ours::new(condition), requests::requests(requests::NUMBER));
    let peer = P::new(condition.peer(), &requests);
    for (at, request) in requests.iter().enumerate() {
        assert_eq!(peer.holds(at), ours.holds(request), "{}: {} of {request:?}", P::NAME, condition.text);
    }
    let samples = context.meter.equal_ratios(
        requests.len(),
        || ours.count(&requests),
        || (0..requests.len()).map(|at| u64::from(peer.holds(at))).sum(),
    );
    samples.inverted()
}

/// Ours.
struct Ours {
    predicate: Predicate,
    fields: Fields,
}

impl Ours {
    fn new(condition: Condition) -> Self {
        Self { predicate: condition.predicate(), fields: Fields::new() }
    }

    fn holds(&self, request: &Request) -> bool {
        // What the loop around does not know, it cannot move out of itself.
        let predicate = black_box(&self.predicate);
        predicate.holds(&mut self.fields.host(request), EvalLimits::default()).unwrap_or(false)
    }

    fn count(&self, requests: &[Request]) -> u64 {
        requests.iter().map(|request| u64::from(self.holds(black_box(request)))).sum()
    }

    /// Compiled, interpreted and by hand it is the same, and neither never nor always.
    fn agree(&self, condition: Condition, requests: &[Request], by_hand: impl Fn(&Request) -> bool) {
        let expression = condition.expression();
        for request in requests {
            let interpreted = expression.evaluate(&mut self.fields.host(request), EvalLimits::default());
            let expected = by_hand(request);
            assert!(matches!(interpreted, Ok(Value::Bool(value)) if value == expected), "{}", condition.text);
            let compiled = self.predicate.holds(&mut self.fields.host(request), EvalLimits::default());
            assert_eq!(compiled.ok(), Some(expected), "{} of {request:?}", condition.text);
        }
        let held = requests.iter().filter(|request| by_hand(request)).count();
        assert!(held > requests.len() / 8 && held < requests.len() * 7 / 8, "{}: {held}", condition.text);
    }
}
