//! Decisions about requests: twenty rules, of which none changes the message.

use std::hint::black_box;

use policy_core::compile::{CompileOptions, Program};
use policy_core::exchange::Reply;
use policy_core::facts::{Facts, GivenFacts};
use policy_core::message::{Request, RequestFacts};
use policy_core::outcome::OutcomeKind;
use policy_core::phase::{Phase, PhaseSet};

use super::measure::Samples;
use super::{Bar, Context, Gate};
use crate::requests;

/// Twenty rules over methods, paths, headers, countries and addresses; they refuse, or change what these requests do not have.
pub const TWENTY_RULES: &str = include_str!("twenty-http-rules.yml");

/// The bars.
#[must_use]
pub fn bars() -> Vec<Bar> {
    vec![
        Bar::new("http/20 rules, a request", Gate::AtMost(2.0, 1.0), "µs", |context| {
            let (program, requests) = (program(), Asked::all());
            let samples = context.meter.millions_per_second(requests.len(), || decide(&program, &requests));
            // Millions a second, turned around, are microseconds.
            samples.inverted()
        }),
        Bar::new("http/20 rules allocations", Gate::AtMost(0.0, 0.0), "", allocations),
    ]
}

#[allow(clippy::expect_used, reason = "bench data is valid")]
fn program() -> Program {
    let mut options = CompileOptions::default();
    options.phases = PhaseSet::new(&Phase::ALL);
    Program::from_policy_with("twenty-http-rules.yml", TWENTY_RULES, &options).expect("a policy")
}

/// A request and what else is known of its connection.
struct Asked {
    request: Request,
    client: std::net::IpAddr,
    given: GivenFacts,
}

impl Asked {
    #[allow(clippy::expect_used, reason = "bench data is valid")]
    fn all() -> Vec<Self> {
        let ask = |of: requests::Request| {
            let host = of.headers().find_map(|(name, values)| (name == "host").then(|| values.concat()));
            let url = format!("https://{}{}", host.unwrap_or_default(), of.path);
            let mut request = Request::new(&of.method, &url);
            for (name, values) in of.headers() {
                values.iter().for_each(|value| request.headers.append(name, value).expect("a header"));
            }
            let mut given = GivenFacts::default();
            given.set("conn.geo.country_code", &of.country).expect("a fact");
            Self { request, client: of.client_ip, given }
        };
        requests::requests(requests::NUMBER).into_iter().map(ask).collect()
    }

    /// How it ends; its URL is read as a server would read it, once a request.
    #[allow(clippy::expect_used, reason = "bench data is valid")]
    fn decide(&self, program: &Program) -> OutcomeKind {
        let request: RequestFacts<'_> = self.request.facts().expect("a URL");
        let facts = Facts::new(self.client).with(&self.given).with_request(&request);
        let mut run = program.run(Phase::OnHttpRequest, &facts);
        let outcome = run.run(|_, _| Reply::Logged);
        debug_assert!(run.changes().is_none(), "nothing changes the message");
        outcome.kind()
    }
}

fn decide(program: &Program, requests: &[Asked]) -> u64 {
    requests.iter().map(|asked| u64::from(black_box(asked).decide(program).is_admitted())).sum()
}

fn allocations(context: &Context) -> Samples {
    let (program, requests) = (program(), Asked::all());
    let count = |kind| requests.iter().filter(|asked| asked.decide(&program) == kind).count();
    let kinds = [OutcomeKind::Upstream, OutcomeKind::Deny].map(count);
    assert!(
        kinds.iter().all(|count| *count > 10) && kinds.iter().sum::<usize>() == requests.len(),
        "{kinds:?}"
    );
    let (_, memory) = context.meter.memory(|| black_box(decide(&program, &requests)));
    let note = format!("{} requests, {:?} go on and are refused", requests.len(), kinds);
    #[allow(clippy::cast_precision_loss, reason = "few")]
    Samples::one(memory.allocations as f64, note)
}
