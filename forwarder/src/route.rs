//! Route: drives the engine for one connection and follows its forwards.
//!
//! One way for all: a live connection, a judgement after a reload and a test differ only in their [`Dial`].

mod budget;
mod reach;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use policy_core::compile::{Digest, Program};
use policy_core::edge::PoliciesForward;
use policy_core::evaluate::Evaluation;
use policy_core::exchange::{ActionId, Effect, ForwardFailure, Reply, Step};
use policy_core::facts::Facts;
use policy_core::outcome::{Fault, Outcome};
use policy_core::parse::PlainMap;
use policy_core::source::Position;
use policy_core::url::EndpointUrl;

use crate::generation::{EndpointPolicy, Generation};
use crate::online::{Online, OnlineEndpoints, Owner};
use budget::Budget;
pub use reach::{Attempt, Connection, Dial, Live, Presumed, Upstream};

/// Bytes of metadata that the event of one connection may carry.
const MOST_LOGGED: usize = 64 << 10;
/// Endpoints that share a URL and are tried until the server of one is reached.
const MAX_POOL_TRIES: usize = 3;

/// What connections are judged by: one configuration, and what agents keep online.
#[derive(Clone, Copy, Debug)]
pub struct World<'w> {
    /// The configuration.
    pub generation: &'w Generation,
    /// The endpoints of agents.
    pub online: &'w OnlineEndpoints,
}

impl World<'_> {
    /// True if a policy that came with an endpoint of an agent may forward to another endpoint.
    fn may_forward(&self, from: &Online, target: &EndpointUrl) -> bool {
        let agents = self.generation.config.agents.as_ref();
        agents.is_some_and(|agents| agents.policies_forward == PoliciesForward::Any)
            || from.owner.may_forward(target)
    }
}

/// Where a connection comes in.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'e> {
    /// At an endpoint of the configuration, by its index.
    Configured(usize),
    /// At a public endpoint of an agent.
    Online(&'e Arc<Online>),
}

/// Who decided, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `forward`, `deny`, `close`, `upstream` or `error`.
    pub decision: &'static str,
    /// The name of the deciding rule.
    pub rule: Option<Box<str>>,
    /// The file of the deciding policy; `None` if none was asked.
    pub file: Option<Box<str>>,
    /// Where the deciding action stands.
    pub position: Option<Position>,
    /// Why, in one line.
    pub reason: String,
    /// The digest of the deciding policy; `None` if none was asked.
    pub policy_sha256: Option<Digest>,
}

impl Verdict {
    fn of(run: &Evaluation<'_>, outcome: Outcome) -> Self {
        let program = run.program();
        let action = outcome.by().and_then(|by| program.action(by));
        let condition = run.failed_condition().map(|(condition, _)| condition);
        let rule =
            action.and_then(|action| action.rule()).or(condition.and_then(|condition| condition.rule()));
        let position =
            action.map(|action| action.position()).or(condition.map(|condition| condition.position()));
        Self {
            decision: outcome.name(),
            rule: rule.and_then(|rule| rule.name()).map(Into::into),
            file: Some(program.file().into()),
            position,
            reason: run.reason().to_string(),
            policy_sha256: Some(program.served_sha256()),
        }
    }
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Of an admitted connection the verdict of the endpoint's own policy; of a refused one the verdict of
    /// the policy that refused.
    pub verdict: Verdict,
    /// The internal endpoints the connection was forwarded to, in order.
    pub hops: Vec<EndpointUrl>,
    /// The endpoints of agents among them, and the one where it came in.
    pub agents: Vec<Arc<Online>>,
    /// Where its bytes go, if it was admitted.
    pub upstream: Option<Upstream>,
    /// Upstreams on the way that did not answer.
    pub unreached: Vec<Upstream>,
    /// What `log` actions attached, in order.
    pub logs: Vec<Arc<PlainMap>>,
    /// Log entries left out because the event would have become too large.
    pub logs_dropped: u32,
    /// The last verdict of a `restrict-ips`, if one ran.
    pub ip_policy: Option<bool>,
    /// True if the policies used up the steps that they may take: then this is a refusal, and no judgement.
    pub out_of_steps: bool,
}

impl Route {
    /// The route of a connection that is closed without asking a policy.
    #[must_use]
    pub fn unjudged(reason: &str) -> Self {
        let verdict = Verdict {
            decision: "error",
            rule: None,
            file: None,
            position: None,
            reason: reason.to_owned(),
            policy_sha256: None,
        };
        Self {
            verdict,
            hops: Vec::new(),
            agents: Vec::new(),
            upstream: None,
            unreached: Vec::new(),
            logs: Vec::new(),
            logs_dropped: 0,
            ip_policy: None,
            out_of_steps: false,
        }
    }
}

/// Judges a connection where it comes in; the stream is there if it was admitted.
/// `None` if the generation has no such endpoint.
pub async fn judge<D: Dial>(
    world: World<'_>,
    entry: Entry<'_>,
    facts: &Facts<'_>,
    dial: &D,
) -> Option<(Route, Option<D::Stream>)> {
    judge_within(world, entry, facts, dial, Budget::of_connection()).await
}

async fn judge_within<D: Dial>(
    world: World<'_>,
    entry: Entry<'_>,
    facts: &Facts<'_>,
    dial: &D,
    budget: Budget,
) -> Option<(Route, Option<D::Stream>)> {
    let mut host = Host { world, dial, budget, notes: Notes::default() };
    let ended = match entry {
        Entry::Configured(at) => host.run_configured(world.generation.programs.get(at)?, facts).await,
        Entry::Online(endpoint) => host.enter_online(endpoint, facts).await,
    };
    let (verdict, stream) = match ended {
        Ended::Reached(verdict, stream) => (verdict, Some(stream)),
        Ended::Refused(verdict) => (verdict, None),
        // A public endpoint has no upstream of its own, so its policy has to end every connection.
        Ended::FellThrough(mut verdict) => {
            verdict.decision = "error";
            verdict.reason.push_str(", and the endpoint has no upstream (ERR_NGROK_6029)");
            (verdict, None)
        }
    };
    let Notes { hops, agents, logs, logs_dropped, upstream, unreached, ip_policy, out_of_steps, .. } =
        host.notes;
    let upstream = upstream.filter(|_| stream.is_some());
    let route =
        Route { verdict, hops, agents, upstream, unreached, logs, logs_dropped, ip_policy, out_of_steps };
    Some((route, stream))
}

/// How thoroughly an open connection is judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// By all policies of the configuration, and by those of agents that are cheap.
    Cheap,
    /// As when it was made.
    Full,
}

/// Judges again without any effect: `None` also if the judgement would have to wait.
#[must_use]
pub fn judge_presumed(
    world: World<'_>,
    entry: Entry<'_>,
    facts: &Facts<'_>,
    presumed: Presumed<'_>,
    effort: Effort,
) -> Option<Route> {
    let judged = pin!(judge_within(world, entry, facts, &presumed, Budget::again(effort)));
    match judged.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(judged) => judged.map(|(route, _)| route),
        Poll::Pending => None,
    }
}

/// How one policy ended.
enum Ended<S> {
    /// An upstream was reached.
    Reached(Verdict, S),
    /// This policy, or one it forwarded to, refused.
    Refused(Verdict),
    /// No action ended the connection.
    FellThrough(Verdict),
}

/// How one forward ended.
enum Forwarded<S> {
    /// The target's upstream was reached.
    Reached(S),
    /// The target, or one behind it, refused.
    Refused(Verdict),
    Failed(ForwardFailure),
}

/// What is noted on the way.
#[derive(Default)]
struct Notes {
    hops: Vec<EndpointUrl>,
    agents: Vec<Arc<Online>>,
    logs: Vec<Arc<PlainMap>>,
    logs_weight: usize,
    logs_dropped: u32,
    /// Forwards tried so far, failed ones included.
    forwards: u32,
    upstream: Option<Upstream>,
    unreached: Vec<Upstream>,
    /// More about the last forward that failed.
    failure: Option<String>,
    ip_policy: Option<bool>,
    out_of_steps: bool,
}

impl Notes {
    fn log(&mut self, metadata: &Arc<PlainMap>) {
        self.logs_weight = self.logs_weight.saturating_add(metadata.weight() + 1);
        if self.logs_weight > MOST_LOGGED {
            self.logs_dropped = self.logs_dropped.saturating_add(1);
        } else {
            self.logs.push(Arc::clone(metadata));
        }
    }
}

struct Host<'g, D> {
    world: World<'g>,
    dial: &'g D,
    budget: Budget,
    notes: Notes,
}

impl<D: Dial> Host<'_, D> {
    /// Runs one policy: of the configuration, or one that an agent has brought with an endpoint.
    async fn run(
        &mut self,
        program: &Program,
        brought: Option<&Online>,
        facts: &Facts<'_>,
    ) -> Ended<D::Stream> {
        let owner = brought.map(|endpoint| &endpoint.owner);
        let Some(steps) = self.budget.begin(program, owner) else {
            self.notes.out_of_steps = true;
            return Ended::Refused(over_budget(program, owner));
        };
        let mut run = program.on_tcp_connect(facts);
        run.set_steps_left(steps);
        let (outcome, taken) = self.drive(&mut run, brought, facts).await;
        let short = matches!(outcome, Outcome::Failed { .. }) && run.steps_left() == 0;
        self.notes.out_of_steps |= short;
        // Its own budget would have sufficed perhaps: who has used up the rest is to blame, and not the policy.
        if short && owner.is_some_and(|owner| owner.share.is_own_used_up(Instant::now())) {
            return Ended::Refused(over_budget(program, owner));
        }
        self.ended(&run, outcome, taken)
    }

    /// Performs what a run asks for, to its end. A run that asks for nothing allocates nothing.
    async fn drive(
        &mut self,
        run: &mut Evaluation<'_>,
        brought: Option<&Online>,
        facts: &Facts<'_>,
    ) -> (Outcome, Option<Result<D::Stream, Verdict>>) {
        let owner = brought.map(|endpoint| &endpoint.owner);
        let (mut taken, mut tested, mut had) = (None, None, run.steps_left());
        let mut step = run.start();
        let outcome = loop {
            self.budget.account(had.saturating_sub(run.steps_left()), owner);
            self.note_test(run, &mut tested);
            let reply = match step {
                Step::Done(outcome) => break outcome,
                Step::Perform(Effect::Forward(id)) => match run.target(id).cloned() {
                    Some(url) => match self.forward(url, run.goes_on_after_failure(), brought, facts).await {
                        Forwarded::Failed(failure) => Reply::ForwardFailed(failure),
                        Forwarded::Reached(stream) => {
                            taken = Some(Ok(stream));
                            Reply::Forwarded
                        }
                        Forwarded::Refused(verdict) => {
                            taken = Some(Err(verdict));
                            Reply::Forwarded
                        }
                    },
                    None => Reply::ForwardFailed(ForwardFailure::Offline),
                },
                Step::Perform(Effect::Log(id)) => {
                    run.log(id).into_iter().for_each(|metadata| self.notes.log(metadata));
                    Reply::Logged
                }
                // An effect this edge does not know gets a reply that fits none, which closes.
                Step::Perform(_) => Reply::Forwarded,
            };
            // Policies behind a forward have taken of the same budget.
            had = run.steps_left().min(self.budget.left(owner));
            run.set_steps_left(had);
            step = run.resume(reply);
        };
        (outcome, taken)
    }

    fn ended(
        &mut self,
        run: &Evaluation<'_>,
        outcome: Outcome,
        taken: Option<Result<D::Stream, Verdict>>,
    ) -> Ended<D::Stream> {
        let mut verdict = Verdict::of(run, outcome);
        match (outcome, taken) {
            (Outcome::Forwarded { .. }, Some(Ok(stream))) => Ended::Reached(verdict, stream),
            (Outcome::Forwarded { .. }, Some(Err(inner))) => Ended::Refused(inner),
            (Outcome::Upstream, _) => Ended::FellThrough(verdict),
            (Outcome::Failed { fault: Fault::Forward { .. }, .. }, _) => {
                verdict.reason.push_str(&self.notes.failure.take().unwrap_or_default());
                Ended::Refused(verdict)
            }
            _ => Ended::Refused(verdict),
        }
    }

    /// Notes the verdict of an address test that has run since the last look.
    fn note_test(&mut self, run: &Evaluation<'_>, last: &mut Option<(ActionId, bool)>) {
        let tested = run.last_address_test();
        if tested != *last {
            *last = tested;
            self.notes.ip_policy = tested.map(|(_, admitted)| admitted);
        }
    }

    /// Boxed because forwards nest, up to the hop limit.
    fn forward<'a>(
        &'a mut self,
        url: EndpointUrl,
        has_fallback: bool,
        brought: Option<&'a Online>,
        facts: &'a Facts<'a>,
    ) -> Pin<Box<dyn Future<Output = Forwarded<D::Stream>> + Send + 'a>> {
        Box::pin(async move {
            let (known, agents) = (self.notes.hops.len(), self.notes.agents.len());
            self.notes.failure = None;
            if self.budget.wants_pause() {
                self.dial.pause().await;
            }
            let forwarded = match brought.filter(|from| !self.world.may_forward(from, &url)) {
                Some(from) => {
                    let owner = from.owner.credential;
                    self.notes.failure = Some(format!(" ({url}, by a policy of authtoken {owner})"));
                    Forwarded::Failed(ForwardFailure::NotPermitted)
                }
                None => self.enter(&url, has_fallback, facts).await,
            };
            if let Forwarded::Failed(_) = forwarded {
                self.notes.hops.truncate(known);
                self.notes.agents.truncate(agents);
            }
            forwarded
        })
    }

    async fn enter(
        &mut self,
        url: &EndpointUrl,
        has_fallback: bool,
        facts: &Facts<'_>,
    ) -> Forwarded<D::Stream> {
        let World { generation, online } = self.world;
        // Counted in all, not in depth: policies that forward to one another in several ways would
        // otherwise be tried in numbers that grow with every level.
        if self.notes.forwards >= generation.config.limits.max_hops {
            return Forwarded::Failed(ForwardFailure::TooManyHops);
        }
        self.notes.forwards += 1;
        let configured = generation.config.internal_endpoint(url).and_then(|at| {
            Some((generation.config.internal_endpoints.get(at)?, generation.internal_programs.get(at)?))
        });
        let online = online.covering(url);
        let rank = |url: &EndpointUrl| (!url.is_wildcard(), url.host().len());
        // The more specific one; of equals, the one of the configuration.
        let online = online.filter(|(covering, _)| {
            configured.is_none_or(|(endpoint, _)| rank(covering) > rank(&endpoint.url.value))
        });
        let text = url.to_string();
        let facts = facts.at_endpoint(&text);
        if let Some((_, members)) = online {
            self.notes.hops.push(url.clone());
            return self.enter_pool(members, has_fallback, &facts).await;
        }
        let Some((endpoint, policy)) = configured else {
            return Forwarded::Failed(ForwardFailure::Offline);
        };
        self.notes.hops.push(url.clone());
        if let Some(policy) = policy {
            match self.run_configured(policy, &facts).await {
                Ended::Reached(_, stream) => return Forwarded::Reached(stream),
                Ended::Refused(verdict) => return Forwarded::Refused(verdict),
                Ended::FellThrough(_) => {}
            }
        }
        self.reach(Upstream::Address(endpoint.upstream.value.clone()), Attempt::ONLY).await
    }

    /// Enters one of the endpoints that share a URL; where its server is not reached, another.
    async fn enter_pool(
        &mut self,
        mut members: Vec<Arc<Online>>,
        has_fallback: bool,
        facts: &Facts<'_>,
    ) -> Forwarded<D::Stream> {
        let mut forwarded = Forwarded::Failed(ForwardFailure::Offline);
        let tries = members.len().min(MAX_POOL_TRIES);
        let parts = u32::try_from(tries).unwrap_or(1);
        for at in 1..=tries {
            let Some(member) = self.dial.choose(&members) else { break };
            members.retain(|it| *it != member);
            let attempt = Attempt { parts, has_fallback: has_fallback || at < tries };
            self.notes.agents.push(Arc::clone(&member));
            forwarded = match self.run_brought(&member, facts).await {
                Some(Ended::Reached(_, stream)) => Forwarded::Reached(stream),
                Some(Ended::Refused(verdict)) => Forwarded::Refused(verdict),
                Some(Ended::FellThrough(_)) | None => self.reach(Upstream::Agent(member), attempt).await,
            };
            if !matches!(forwarded, Forwarded::Failed(_)) {
                break;
            }
            self.notes.agents.pop();
        }
        forwarded
    }

    /// Runs a policy of the configuration, if it could be loaded.
    async fn run_configured(&mut self, policy: &EndpointPolicy, facts: &Facts<'_>) -> Ended<D::Stream> {
        match policy {
            EndpointPolicy::Program(program) => self.run(program, None, facts).await,
            EndpointPolicy::Refuse(reason) => Ended::Refused(Route::unjudged(reason).verdict),
        }
    }

    /// Runs the policies of an agent's endpoint one after the other until one ends the connection; `None` if there is
    /// none.
    async fn run_brought(&mut self, endpoint: &Online, facts: &Facts<'_>) -> Option<Ended<D::Stream>> {
        let mut last = None;
        for program in &endpoint.programs {
            let ended = self.run(program, Some(endpoint), facts).await;
            if !matches!(ended, Ended::FellThrough(_)) {
                return Some(ended);
            }
            last = Some(ended);
        }
        last
    }

    /// A connection at a public endpoint of an agent: what its policies leave goes to the agent.
    async fn enter_online(&mut self, endpoint: &Arc<Online>, facts: &Facts<'_>) -> Ended<D::Stream> {
        self.notes.agents.push(Arc::clone(endpoint));
        let mut verdict = match self.run_brought(endpoint, facts).await {
            Some(Ended::FellThrough(verdict)) => verdict,
            Some(ended) => return ended,
            None => Route::unjudged("the endpoint has no policy").verdict,
        };
        match self.reach(Upstream::Agent(Arc::clone(endpoint)), Attempt::ONLY).await {
            Forwarded::Reached(stream) => {
                verdict.decision = "upstream";
                Ended::Reached(verdict, stream)
            }
            Forwarded::Refused(verdict) => Ended::Refused(verdict),
            Forwarded::Failed(_) => {
                verdict.decision = "error";
                verdict.reason =
                    format!("the agent cannot be reached{}", self.notes.failure.take().unwrap_or_default());
                Ended::Refused(verdict)
            }
        }
    }

    async fn reach(&mut self, upstream: Upstream, attempt: Attempt) -> Forwarded<D::Stream> {
        match self.dial.dial(&upstream, attempt).await {
            Ok(stream) => {
                self.notes.upstream = Some(upstream);
                Forwarded::Reached(stream)
            }
            Err(error) => {
                self.notes.failure = Some(format!(" ({upstream}: {error})"));
                if !self.notes.unreached.contains(&upstream) {
                    self.notes.unreached.push(upstream);
                }
                Forwarded::Failed(ForwardFailure::UpstreamUnreachable)
            }
        }
    }
}

/// A policy that may not begin, since its owner or its connection has used up what policies may take.
fn over_budget(program: &Program, owner: Option<&Owner>) -> Verdict {
    let whose = match owner {
        None => String::new(),
        Some(owner) if owner.share.is_own_used_up(Instant::now()) => {
            format!(" of authtoken {}", owner.credential)
        }
        Some(_) => " of all agents together, or of this connection,".to_owned(),
    };
    Verdict {
        decision: "error",
        rule: None,
        file: Some(program.file().into()),
        position: None,
        reason: format!("the policies{whose} have used up the processor time that they may take"),
        policy_sha256: Some(program.served_sha256()),
    }
}

#[cfg(test)]
mod tests;
