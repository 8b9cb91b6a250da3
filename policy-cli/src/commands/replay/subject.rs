//! Who decides again: a policy by itself, or the endpoints of an edge, by the journey that an edge takes.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use policy_core::cel::Fault;
use policy_core::check::CheckOptions;
use policy_core::compile::{CompileOptions, Program};
use policy_core::diagnostic::{did_you_mean, printable};
use policy_core::evaluate::{Evaluation, Mode};
use policy_core::events::{Event, EventFacts, EventKind, Text};
use policy_core::exchange::{Ability, ActionId, ForwardFailure};
use policy_core::facts::{Fact, Facts, GivenFacts};
use policy_core::journey::{
    Endpoints, Journey, Leg, Policy, RequestJourney, RequestLeg, Serving, Steps, Trail, Verdict,
};
use policy_core::lint::{DocumentKind, kind_of};
use policy_core::message::Response;
use policy_core::network::{Network, Place};
use policy_core::phase::{Phase, PhaseSet};
use policy_core::url::EndpointUrl;

use super::undecided::Undecided;
use crate::commands::eval::load as load_policy;
use crate::configurations::of_edge;
use crate::exit::Failure;
use crate::files::read;
use crate::ip_policies;

/// Endpoints, and how they are found.
pub(super) struct Subject {
    network: Network,
    /// Those where connections come in, by name.
    by_name: HashMap<Box<str>, usize>,
    /// A policy by itself: every event is about it, and targets' own policies are not asked.
    pub(super) is_one_policy: bool,
    needs: Vec<Fact>,
    /// It has rules for requests.
    runs_requests: bool,
}

/// What a decision is.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    pub(super) hops: Vec<EndpointUrl>,
    /// The last endpoint on the way is none of the configuration: what its policy says is not known.
    pub(super) ends_elsewhere: bool,
    /// The action whose list the reason is about: it then begins with the client's address.
    pub(super) list_of: Option<ActionId>,
}

impl Decision {
    fn new(verdict: Verdict, trail: &Trail<Place>, list_of: Option<ActionId>) -> Self {
        let ends_elsewhere = trail.iter().last().is_some_and(|(_, place)| *place == Place::Elsewhere);
        let hops = trail.iter().map(|(url, _)| url.clone()).collect();
        Self { verdict, hops, ends_elsewhere, list_of }
    }
}

impl Subject {
    /// Reads a policy, or the configuration of an edge.
    pub(super) fn load(path: &Path, args: &crate::cli::Replay) -> Result<Self, Failure> {
        let given = read(path)?;
        if !given.found.has_errors() {
            match kind_of(&given.source, &CheckOptions::default()) {
                Some(DocumentKind::Edge) => return Self::edge(&given, path, args),
                Some(DocumentKind::Agent) => {
                    let message = format!(
                        "`{}` is an agent configuration; `policy replay` takes one policy, or an edge.yml",
                        given.source.name()
                    );
                    return Err(Failure::Usage(message));
                }
                _ => {}
            }
        }
        let mut options = CompileOptions::default();
        options.phases = PhaseSet::new(&Phase::ALL);
        options.abilities = Ability::ALL.to_vec();
        options.ip_policies = args.ip_policies.as_deref().map(ip_policies::given).transpose()?;
        let program = load_policy(&given, None, &options)?;
        let runs_requests = program.has_rules(Phase::OnHttpRequest);
        // Whether it has a server behind it counts, not which.
        let upstream = args.has_upstream.then(Box::default);
        let network = Network::of_policy(Arc::new(program), upstream);
        Ok(Self { is_one_policy: true, runs_requests, ..Self::new(network) })
    }

    fn new(network: Network) -> Self {
        let public = network.endpoints().iter().enumerate().filter(|(_, endpoint)| !endpoint.is_internal());
        let by_name = public.map(|(at, endpoint)| (endpoint.name.clone(), at)).collect();
        let needs = network.needs();
        Self { network, by_name, is_one_policy: false, needs, runs_requests: false }
    }

    fn edge(given: &crate::files::Given, path: &Path, args: &crate::cli::Replay) -> Result<Self, Failure> {
        if args.ip_policies.is_some() || args.has_upstream {
            let message =
                "--ip-policies and --has-upstream are for a policy; a configuration says both itself";
            return Err(Failure::Usage(message.to_owned()));
        }
        of_edge(given, path).map(Self::new)
    }

    /// Refuses the name of an endpoint that a configuration does not have.
    pub(super) fn check_endpoint(&self, name: &str) -> Result<(), Failure> {
        if self.is_one_policy || self.by_name.contains_key(name) {
            return Ok(());
        }
        let mut names: Vec<_> = self.by_name.keys().map(|name| &**name).collect();
        names.sort_unstable();
        let hint = match did_you_mean(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has `{}`", names.join("`, `")),
        };
        let name = printable(name);
        Err(Failure::Usage(format!("--endpoint: the configuration has no endpoint `{name}`; {hint}")))
    }

    /// The table whose classes are all that its one policy reads of a connection.
    pub(super) fn deciding(&self) -> Option<&Program> {
        let program = self.network.programs().next()?;
        let reads_more = !program.reads_client_address_only() || program.draws_numbers();
        let by_class = self.is_one_policy && !reads_more && !self.runs_requests;
        (by_class && program.deciding_table().is_some()).then_some(program)
    }

    /// The endpoint where the connection of an event comes in.
    fn entry(&self, event: &Event<'_>) -> Result<usize, Undecided> {
        if self.is_one_policy {
            return Ok(0);
        }
        let name = event.endpoint().and_then(Text::get).ok_or(Undecided::NoEndpoint)?;
        self.by_name.get(&*name).copied().ok_or_else(|| Undecided::UnknownEndpoint(name.into_owned()))
    }

    /// Decides about an event again.
    pub(super) fn decide(&self, event: &Event<'_>, given: &GivenFacts) -> Result<Decision, Undecided> {
        let place = Place::Endpoint(self.entry(event)?);
        let failed = event.failed_forwards().map_err(Undecided::Unreadable)?.unwrap_or_default();
        let world = EventEndpoints { network: &self.network, failed: &failed, used: Cell::new(0) };
        let known = EventFacts::new(event, &self.needs, given);
        let mut facts = Facts::new(event.client_ip()).with(&known);
        if let Some(url) = self.network.endpoint(place).and_then(|endpoint| endpoint.url.as_ref()) {
            facts = facts.at_endpoint(url);
        }
        if let Some(start) = event.started().filter(|_| !self.needs.is_empty()) {
            facts = facts.started(start).at_time(start);
        }
        if event.kind() == EventKind::HttpRequestComplete && self.runs_requests {
            let mut never = self.needs.iter().filter(|fact| EventFacts::never_has(**fact));
            if let Some(fact) = never.find(|fact| given.get(**fact).is_none()) {
                return Err(Undecided::Fact(fact.path()));
            }
            return self.decide_request(event, &world, &facts, place);
        }
        let mut journey = Journey::new(&world, &facts, Steps::default(), place);
        let mut leg = journey.start();
        loop {
            leg = match leg {
                Leg::Done => break,
                Leg::Pause => journey.go_on(),
                Leg::Reach(_) => {
                    let url = journey.reaching_target().cloned();
                    let fails = url.is_some_and(|url| world.fails(&url, ForwardFailure::UpstreamUnreachable));
                    if fails { journey.not_reached(String::new()) } else { journey.reached() }
                }
            };
        }
        let (mut missing, mut list_of) = (None, None);
        journey.each_run(|passage, run| {
            if passage.decides {
                (missing, list_of) = (lacks(run), run.reason().list_of());
            }
        });
        if let Some(missing) = missing {
            return Err(missing);
        }
        let verdict = journey.verdict();
        Ok(Decision::new(verdict, journey.trail(), list_of))
    }

    /// Decides about the request of an event again. What its policy asks its host for is not in the event, nor is what a server
    /// answered: the event has what the client got.
    fn decide_request(
        &self,
        event: &Event<'_>,
        world: &EventEndpoints<'_>,
        facts: &Facts<'_>,
        place: Place,
    ) -> Result<Decision, Undecided> {
        let request = event.request().ok_or(Undecided::NoRequest)?;
        let request = request.facts().map_err(|_| Undecided::NoRequest)?;
        let mut journey: RequestJourney<'_, _, _> =
            RequestJourney::new(world, facts, &request, Steps::default(), place);
        let mut leg = journey.start();
        loop {
            leg = match leg {
                RequestLeg::Done => break,
                RequestLeg::Pause => journey.go_on(),
                RequestLeg::Ask(effect) => return Err(Undecided::Asks(effect.name())),
                RequestLeg::Send(_) => {
                    let url = journey.sending_target().cloned();
                    let fails = url.is_some_and(|url| world.fails(&url, ForwardFailure::UpstreamUnreachable));
                    match journey.program().is_some_and(|it| it.has_rules(Phase::OnHttpResponse)) {
                        _ if fails => journey.not_reached(String::new()),
                        true => return Err(Undecided::Response),
                        false => journey.responded(Response::new(200)),
                    }
                }
            };
        }
        let (mut missing, mut list_of) = (None, None);
        journey.each_run(|passage, _, run| {
            missing = missing.take().or_else(|| lacks(run));
            if passage.decides {
                list_of = run.reason().list_of();
            }
        });
        if let Some(missing) = missing {
            return Err(missing);
        }
        let verdict = journey.verdict();
        Ok(Decision::new(verdict, journey.trail(), list_of))
    }
}

/// What the policy that decided reads and the event does not have.
fn lacks<M: Mode>(run: &Evaluation<'_, M>) -> Option<Undecided> {
    let fault = match (run.failed_condition(), run.failed_value()) {
        (Some((_, error)), _) | (None, Some((_, error))) => &error.fault,
        _ => return None,
    };
    match fault {
        Fault::NoSource(fact) => Some(Undecided::Fact(fact.path())),
        Fault::NoRandomness => Some(Undecided::Randomness),
        _ => None,
    }
}

/// The endpoints as the event found them.
struct EventEndpoints<'w> {
    network: &'w Network,
    failed: &'w [(EndpointUrl, ForwardFailure)],
    /// Which of the failed forwards have been met, by their place.
    used: Cell<u64>,
}

impl EventEndpoints<'_> {
    /// True if the event says that a forward failed so; each failure counts once.
    fn fails(&self, target: &EndpointUrl, failure: ForwardFailure) -> bool {
        let is_open = |at: usize| self.used.get() >> at & 1 == 0;
        let mut failed = self.failed.iter().take(u64::BITS as usize).enumerate();
        let open = failed.find(|(at, (url, why))| url == target && *why == failure && is_open(*at));
        open.is_some_and(|(at, _)| {
            self.used.set(self.used.get() | 1 << at);
            true
        })
    }
}

impl Endpoints for EventEndpoints<'_> {
    type Endpoint = Place;

    fn serving(&self, target: &EndpointUrl) -> Serving<Place> {
        if self.fails(target, ForwardFailure::Offline) {
            return Serving::Nobody;
        }
        self.network.serving(target)
    }

    fn policy<'e>(&'e self, endpoint: &'e Place, at: usize) -> Option<Policy<'e>> {
        self.network.policy(endpoint, at)
    }

    fn has_upstream(&self, endpoint: &Place) -> bool {
        self.network.has_upstream(endpoint)
    }

    fn forbids(&self, _: &Place, target: &EndpointUrl) -> Option<String> {
        self.fails(target, ForwardFailure::NotPermitted).then(String::new)
    }

    fn max_hops(&self) -> u32 {
        self.network.max_hops()
    }
}
