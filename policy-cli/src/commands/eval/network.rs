//! An endpoint of a configuration: the connection goes its whole way, through the policies of targets.

mod budget;
mod load;
mod requests;

use std::cell::RefCell;
use std::iter::Peekable;
use std::sync::Arc;

use policy_core::compile::Program;
use policy_core::diagnostic::printable;
use policy_core::evaluate::{AsWritten, Recording};
use policy_core::facts::{Fact, Facts};
use policy_core::journey::{Endpoints, Journey, Leg, Passage, Policy, Serving, Trail, Verdict};
use policy_core::network::{Network, NetworkEndpoint, Place};
use policy_core::outcome::OutcomeKind;
use policy_core::phase::Phase;
use policy_core::scenarios::ExpectedOutcome;
use policy_core::url::EndpointUrl;

use super::explained::{OutOfSteps, disagree};
use super::known::{EvalInputs, Item, Provided};
use super::missing;
use crate::answer::{Answer, Draw, Performed, Pool, Route, Run, digests, performed, place, words};
use crate::cli::{Eval, Target, TargetState};
use crate::exit::Failure;
use crate::files::Given;
use crate::render;
use budget::Budget;

/// Draws out of pools that are tried: what all of them give is said together.
const MAX_DRAWS: usize = 64;

/// The endpoints of a configuration, and the one where connections come in.
pub(crate) struct ConfiguredEndpoint {
    network: Network,
    /// The file, with its agents.
    name: String,
    entry: Entry,
}

/// Who says where a connection comes in.
enum Entry {
    /// The call.
    Named(EntryPoint),
    /// The URL of each request.
    OfRequest,
}

/// Where a connection comes in.
#[derive(Clone)]
struct EntryPoint {
    endpoint: usize,
    /// The URL of the connection, if it is one of many that the endpoint serves.
    url: Option<EndpointUrl>,
}

/// A connection or request that comes in at an endpoint.
struct Ingress<'n> {
    network: &'n Network,
    entry: EntryPoint,
}

/// The endpoints that the call names, or that a file is; nothing if the file is no configuration.
pub(super) fn load(given: &Given, args: &Eval) -> Result<Option<ConfiguredEndpoint>, Failure> {
    let Some(network) = load::network(given, args)? else { return Ok(None) };
    if args.ip_policies.is_some() {
        let message = "--ip-policies is for a policy; a configuration names its own";
        return Err(Failure::Usage(message.to_owned()));
    }
    if args.has_upstream {
        let message = "--has-upstream is for a policy; a configuration says which endpoints have one";
        return Err(Failure::Usage(message.to_owned()));
    }
    let with = if args.agent.is_empty() { "" } else { " with its agents" };
    let name = format!("`{}`{with}", given.source.name());
    let entry = match &args.endpoint {
        Some(wanted) => Entry::Named(load::named(&network, wanted, &name)?),
        None if args.has_request() => Entry::OfRequest,
        None => Entry::Named(load::only(&network, &name)?),
    };
    Ok(Some(ConfiguredEndpoint { network, name, entry }))
}

/// The endpoints as a connection finds them, with what is drawn out of pools.
struct Map<'n> {
    network: &'n Network,
    targets: &'n [Target],
    /// What is drawn, by place in the pool; the first where nothing is said.
    script: Vec<usize>,
    drawn: RefCell<Vec<Drawn>>,
}

/// A draw out of endpoints that share a URL.
#[derive(Clone, Copy)]
struct Drawn {
    place: Place,
    at: usize,
    of: usize,
}

impl<'n> Map<'n> {
    fn new(network: &'n Network, targets: &'n [Target], script: Vec<usize>) -> Self {
        Self { network, targets, script, drawn: RefCell::default() }
    }

    /// The draws after these, in the order of an odometer; `None` after the last.
    fn next_script(&self) -> Option<Vec<usize>> {
        let drawn = self.drawn.borrow();
        let last = drawn.iter().rposition(|draw| draw.at + 1 < draw.of)?;
        let mut script: Vec<_> = drawn.iter().take(last + 1).map(|draw| draw.at).collect();
        script.last_mut().into_iter().for_each(|at| *at += 1);
        Some(script)
    }
}

impl Endpoints for Map<'_> {
    type Endpoint = Place;

    fn serving(&self, target: &EndpointUrl) -> Serving<Place> {
        // Where a server does not answer, the policy of its endpoint has been asked before.
        let said = Target::state_of(target, self.targets);
        if said == Some(TargetState::Offline) {
            return Serving::Nobody;
        }
        match self.network.serving(target) {
            Serving::Nobody if said.is_some() => Serving::One(Place::Elsewhere),
            serving => serving,
        }
    }

    fn choose(&self, pool: &mut Vec<Place>) -> Option<Place> {
        let mut drawn = self.drawn.borrow_mut();
        let (at, of) = (self.script.get(drawn.len()).copied().unwrap_or(0), pool.len());
        let place = (at < of).then(|| pool.remove(at))?;
        drawn.push(Drawn { place, at, of });
        Some(place)
    }

    fn policy<'e>(&'e self, endpoint: &'e Place, at: usize) -> Option<Policy<'e>> {
        self.network.policy(endpoint, at)
    }

    fn has_upstream(&self, endpoint: &Place) -> bool {
        self.network.has_upstream(endpoint)
    }

    fn max_hops(&self) -> u32 {
        self.network.max_hops()
    }
}

/// Takes every leg: servers answer unless the call says otherwise of their target.
macro_rules! travel {
    ($journey:expr, $targets:expr) => {{
        let mut leg = $journey.start();
        loop {
            leg = match leg {
                Leg::Done => break $journey.verdict(),
                Leg::Pause => $journey.go_on(),
                Leg::Reach(_) => {
                    match $journey.reaching_target().and_then(|url| Target::state_of(url, $targets)) {
                        Some(TargetState::Refused | TargetState::Slow) => $journey.not_reached(String::new()),
                        _ => $journey.reached(),
                    }
                }
            };
        }
    }};
}

impl ConfiguredEndpoint {
    /// The facts that its policies may read, each once.
    pub(super) fn needs(&self) -> Vec<Fact> {
        self.network.needs()
    }

    /// Its policies.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Arc<Program>> {
        self.network.programs()
    }

    /// A target or an expectation that no policy names is a typing error, not an answer.
    pub(super) fn check_names(&self, args: &Eval) -> Result<(), Failure> {
        let expected = args.expect.as_ref().and_then(ExpectedOutcome::target).map(|url| ("--expect", url));
        let mut named = args.target.iter().map(|target| ("--target", &target.url)).chain(expected);
        match named.find(|(_, url)| !self.programs().any(|program| program.may_forward_to(url))) {
            Some((flag, url)) => {
                Err(Failure::Usage(format!("{flag}: no policy of the configuration forwards to `{url}`")))
            }
            None => Ok(()),
        }
    }

    /// Evaluates one address. A fact that nobody gave makes the call incomplete.
    pub(super) fn ask(
        &self,
        provided: &Provided<'_>,
        known: &EvalInputs,
        args: &Eval,
    ) -> Result<Answer, Failure> {
        // That some policy may forward there was checked; which one does depends on the draws.
        (0..args.target.len()).for_each(|at| known.asked.add(Item::Target(at)));
        let entry = match (&self.entry, &known.request) {
            (Entry::Named(entry), _) => entry.clone(),
            (Entry::OfRequest, Some(request)) => load::of_request(&self.network, request, &self.name)?,
            (Entry::OfRequest, None) => load::only(&self.network, &self.name)?,
        };
        let ingress = Ingress { network: &self.network, entry };
        let facts = known.facts(provided, ingress.url());
        match &known.request {
            Some(request) => ingress.ask_request(&facts, request, known, args),
            None => ingress.ask_connection(&facts, args),
        }
    }
}

impl<'n> Ingress<'n> {
    /// The endpoint where it comes in.
    const fn place(&self) -> Place {
        Place::Endpoint(self.entry.endpoint)
    }

    /// The URL at which it comes in, as far as it is known.
    fn url(&self) -> Option<&EndpointUrl> {
        self.entry.url.as_ref().or_else(|| self.node(self.place())?.url.as_ref())
    }

    /// Decides as an edge would, with the draws of a map; the target that got the connection, if one did, and whether the
    /// policies used up their steps.
    fn decide(&self, facts: &Facts<'_>, map: &Map<'_>) -> (Verdict, Option<EndpointUrl>, bool) {
        let mut journey = Journey::new(map, facts, Budget::new(self.network), self.place());
        let verdict: Verdict = travel!(journey, map.targets);
        let last = journey.trail().iter().last().map(|(url, _)| url.clone());
        let target = last.filter(|_| verdict.decision == OutcomeKind::Forward);
        (verdict, target, journey.is_out_of_steps())
    }

    /// What other draws out of the pools give than the first, each once, and whether all were tried.
    fn other_draws(
        &self,
        facts: &Facts<'_>,
        first: &Map<'_>,
        told: (OutcomeKind, Option<&EndpointUrl>),
    ) -> (Vec<Draw>, bool) {
        let mut out: Vec<Draw> = Vec::new();
        let mut script = first.next_script();
        for _ in 1..MAX_DRAWS {
            let Some(next) = script.take() else { return (out, true) };
            let map = Map::new(self.network, first.targets, next);
            let (verdict, target, _) = self.decide(facts, &map);
            let draw = Draw { decision: verdict.decision, target };
            if (draw.decision, draw.target.as_ref()) != told && !out.contains(&draw) {
                out.push(draw);
            }
            script = map.next_script();
        }
        (out, script.is_none())
    }

    /// True if an agent may serve a more specific endpoint than the one of the configuration that took a target.
    fn may_be_taken(&self, target: &EndpointUrl, place: Place) -> bool {
        let own = self.node(place).and_then(|node| node.url.as_ref());
        self.network.has_others() && own.is_some_and(|own| own != target)
    }

    fn node(&self, place: Place) -> Option<&NetworkEndpoint> {
        self.network.endpoint(place)
    }

    /// Refuses an endpoint whose policy this version does not run: it gives no answer about the connection.
    fn check_runs(&self, place: Place) -> Result<(), Failure> {
        let Some(node) = self.node(place) else { return Ok(()) };
        match &node.policy {
            Some(Err(why)) => Err(Failure::Usage(format!("the endpoint `{}`: {why}", printable(&node.name)))),
            _ => Ok(()),
        }
    }

    /// What the endpoint is called where the connection comes in: a URL may be one of many that it serves.
    fn entry_name(&self) -> String {
        match &self.entry.url {
            Some(url) => url.to_string(),
            None => self.node(self.place()).map(|node| node.name.to_string()).unwrap_or_default(),
        }
    }

    /// The name of an endpoint, with its file where others have the same.
    fn name_of(&self, node: &NetworkEndpoint) -> String {
        match self.network.endpoints().iter().filter(|other| other.name == node.name).count() {
            ..=1 => node.name.to_string(),
            _ => format!("{} of {}", node.name, node.file),
        }
    }

    /// The pools on a way, and what was drawn of each.
    fn pools(&self, trail: &[(EndpointUrl, Place)], map: &Map<'_>) -> Vec<Pool> {
        let is_pool =
            |place: &Place| map.drawn.borrow().iter().any(|draw| draw.place == *place && draw.of > 1);
        let pools = trail.iter().filter(|(_, place)| is_pool(place)).map(|(url, place)| Pool {
            url: url.clone(),
            drawn: self.node(*place).map(|node| self.name_of(node)).unwrap_or_default(),
        });
        pools.collect()
    }

    /// What becomes of a connection.
    fn ask_connection(&self, facts: &Facts<'_>, args: &Eval) -> Result<Answer, Failure> {
        let (map, entry) = (Map::new(self.network, &args.target, Vec::new()), self.place());
        // The code that an edge runs decides; the code as written says why.
        let first = Map::new(self.network, &args.target, Vec::new());
        let (decided, _, compiled) = self.decide(facts, &first);
        let budget = Budget::explaining(self.network, compiled);
        let mut written = Journey::<_, _, AsWritten<Recording>>::traced(&map, facts, budget, entry);
        let verdict: Verdict = travel!(written, &args.target);
        let out = OutOfSteps { compiled, written: written.is_out_of_steps() };
        out.note();
        if decided != verdict {
            return Err(disagree(decided.decision, verdict.decision, out));
        }
        let mut seen = Seen::new(self.entry_name(), args);
        written.each_run(|passage, run| seen.run(passage, Phase::OnTcpConnect, run));
        let mut answer = self.answer(verdict, written.trail(), written.is_admitted(), (seen, &map))?;
        let told = (answer.decision, answer.target.as_ref());
        (answer.draws, answer.all_drawn) = self.other_draws(facts, &map, told);
        answer.outcome =
            words(answer.decision, answer.target.as_ref(), answer.way.as_ref().and_then(Route::upstream));
        Ok(answer)
    }

    /// What a journey has come to.
    fn answer(
        &self,
        verdict: Verdict,
        trail: &Trail<Place>,
        admitted: bool,
        (seen, map): (Seen<'_>, &Map<'_>),
    ) -> Result<Answer, Failure> {
        let trail: Vec<(EndpointUrl, Place)> =
            trail.iter().map(|(url, place)| (url.clone(), *place)).collect();
        let last = trail.last().map_or(self.place(), |(_, place)| *place);
        self.check_runs(last)?;
        let seen = seen.checked()?;
        let upstream =
            self.node(last).and_then(|node| node.upstream.as_deref()).filter(|_| admitted).map(String::from);
        let target =
            trail.last().map(|(url, _)| url.clone()).filter(|_| verdict.decision == OutcomeKind::Forward);
        let is_assumed = |url: &EndpointUrl, place| {
            place == Place::Elsewhere && Target::state_of(url, map.targets).is_none()
        };
        Ok(Answer {
            decision: verdict.decision,
            outcome: String::new(),
            admitted,
            place: seen.place,
            rule: verdict.rule.map(String::from),
            at: verdict.file.map(String::from).zip(verdict.position),
            target_not_asked: admitted && last == Place::Elsewhere,
            falls_through: false,
            target,
            reason: verdict.reason,
            list_of: None,
            listed_at: None,
            digests: seen.digests,
            effects: in_order(seen.effects),
            assumed_online: urls(&trail, is_assumed),
            assumed: Vec::new(),
            assumed_unserved: urls(&trail, |url, place| self.may_be_taken(url, place)),
            pools: self.pools(&trail, map),
            draws: Vec::new(),
            all_drawn: true,
            way: Some(Route {
                decided_at: seen.decided_at,
                endpoint: seen.entry,
                hops: trail.into_iter().map(|(url, _)| url).collect(),
                upstream,
            }),
            ended_by_event: None,
            request: None,
            steps: seen.steps,
        })
    }
}

/// The URLs of some of the endpoints on a way.
fn urls(trail: &[(EndpointUrl, Place)], keep: impl Fn(&EndpointUrl, Place) -> bool) -> Vec<EndpointUrl> {
    trail.iter().filter(|(url, place)| keep(url, *place)).map(|(url, _)| url.clone()).collect()
}

/// What a policy on the way has asked for.
struct Ran {
    /// Endpoints that waited for it.
    depth: usize,
    /// The target that led there.
    url: Option<EndpointUrl>,
    effects: Vec<Performed>,
}

/// The effects of runs, which come in the order of their beginnings, in the order in which they were asked for: what the
/// policy of a target asks for stands behind the forward that led there.
fn in_order(runs: Vec<Ran>) -> Vec<Performed> {
    let (mut out, mut runs) = (Vec::new(), runs.into_iter().peekable());
    while let Some(run) = runs.next() {
        splice(run, &mut runs, &mut out);
    }
    out
}

/// A recursion as deep as a connection has hops.
fn splice(run: Ran, rest: &mut Peekable<std::vec::IntoIter<Ran>>, out: &mut Vec<Performed>) {
    for performed in run.effects {
        let target = if let Performed::Forward(url, _) = &performed { Some(url.clone()) } else { None };
        out.push(performed);
        let Some(target) = target else { continue };
        while let Some(inner) =
            rest.next_if(|next| next.depth == run.depth + 1 && next.url.as_ref() == Some(&target))
        {
            splice(inner, rest, out);
        }
    }
}

/// What the runs on the way say.
struct Seen<'a> {
    /// What the endpoint is called where the connection comes in.
    entry: String,
    args: &'a Eval,
    steps: Vec<u8>,
    effects: Vec<Ran>,
    place: Option<String>,
    digests: Option<[policy_core::compile::Digest; 2]>,
    decided_at: Option<String>,
    missing: Option<String>,
    failed: Result<(), Failure>,
}

impl<'a> Seen<'a> {
    const fn new(entry: String, args: &'a Eval) -> Self {
        Self {
            entry,
            args,
            steps: Vec::new(),
            effects: Vec::new(),
            place: None,
            digests: None,
            decided_at: None,
            missing: None,
            failed: Ok(()),
        }
    }

    /// These runs, unless one lacked a fact or could not be explained.
    fn checked(mut self) -> Result<Self, Failure> {
        if let Some(message) = self.missing {
            return Err(Failure::Usage(message));
        }
        std::mem::replace(&mut self.failed, Ok(()))?;
        Ok(self)
    }

    /// Events that passed and are not shown.
    fn leaves_out(&mut self, events: usize) {
        if self.args.explain {
            self.steps.extend(render::explain::left_out(events));
        }
    }

    fn run(&mut self, passage: &Passage<'_, Place>, phase: Phase, run: &Run<'_>) {
        let name = passage.url.map_or_else(|| self.entry.clone(), ToString::to_string);
        let effects = performed(run);
        self.effects.push(Ran { depth: passage.depth, url: passage.url.cloned(), effects });
        let Some(outcome) = run.outcome() else { return };
        self.missing = self.missing.take().or_else(|| missing::message(run));
        if self.args.explain {
            match render::explain::steps(run, outcome, (phase, passage.event), &self.args.secret) {
                Ok(steps) => {
                    self.steps.extend(format!("policy of {}\n", printable(&name)).into_bytes());
                    self.steps.extend(steps);
                }
                Err(error) => self.failed = Err(error.into()),
            }
        }
        if passage.decides {
            self.place = place(run, outcome);
            self.digests = Some(digests(run.program()));
            self.decided_at = Some(name);
        }
    }
}
