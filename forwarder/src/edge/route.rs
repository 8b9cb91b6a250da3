//! Route: drives the engine for one connection and follows its forwards.
//!
//! One way for all: a live connection, revalidation after a reload and a test differ only in their [`Dial`], and in what the
//! policies may take.

mod budget;
mod place;
mod reach;

use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use policy_core::exchange::ForwardFailure;
use policy_core::facts::Facts;
use policy_core::journey::{Endpoints, Journey, Leg, Policy, Serving, Verdict};
use policy_core::parse::PlainMap;
use policy_core::url::EndpointUrl;

use crate::edge::generation::EndpointPolicy;
use crate::edge::online::OnlineEndpoint;
use budget::Budget;
pub use budget::Effort;
use place::Place;
pub use place::{EntryPoint, RoutingView};
pub use reach::{Connection, Dial, Live, Members, Presumed, Upstream};

/// What became of a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Of an admitted connection the verdict of the endpoint's own policy; of a refused one the verdict of
    /// the policy that refused.
    pub verdict: Verdict,
    /// The internal endpoints the connection was forwarded to, in order.
    pub hops: Vec<EndpointUrl>,
    /// The forwards that failed on the way, in order.
    pub failed: Vec<(EndpointUrl, ForwardFailure)>,
    /// The endpoints of agents among `hops`, and the one where it came in.
    pub agents: Vec<Arc<OnlineEndpoint>>,
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
    /// True if the policies used up the steps that they may take: then this is a refusal, not a decision.
    pub out_of_steps: bool,
}

impl Route {
    /// The route of a connection that is closed without asking a policy.
    #[must_use]
    pub fn undecided(reason: &str) -> Self {
        Self {
            verdict: Verdict::undecided(reason),
            hops: Vec::new(),
            failed: Vec::new(),
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

/// Decides a connection where it comes in; the stream is there if it was admitted.
/// `None` if the generation has no such endpoint.
pub async fn decide<D: Dial>(
    world: RoutingView<'_>,
    entry: EntryPoint<'_>,
    facts: &Facts<'_>,
    dial: &D,
) -> Option<(Route, Option<D::Stream>)> {
    decide_within(world, entry, facts, dial, Budget::for_connection()).await
}

async fn decide_within<D: Dial>(
    world: RoutingView<'_>,
    entry: EntryPoint<'_>,
    facts: &Facts<'_>,
    dial: &D,
    budget: Budget,
) -> Option<(Route, Option<D::Stream>)> {
    let entry = Place::from_entry(world, entry)?;
    let map = Map { world, dial };
    let mut journey = map.journey(facts, budget, entry.clone());
    let mut leg = journey.start();
    let (mut reached, mut unreached) = (None, Vec::new());
    loop {
        leg = match leg {
            Leg::Done => break,
            Leg::Pause => {
                dial.pause().await;
                journey.go_on()
            }
            Leg::Reach(attempt) => {
                let upstream = journey.reaching().and_then(|place| place.upstream(world));
                let Some(upstream) = upstream else { break };
                match dial.dial(&upstream, attempt).await {
                    Ok(stream) => {
                        reached = Some((upstream, stream));
                        journey.reached()
                    }
                    Err(error) => {
                        let why = format!("{upstream}: {error}");
                        if !unreached.contains(&upstream) {
                            unreached.push(upstream);
                        }
                        journey.not_reached(why)
                    }
                }
            }
        };
    }
    let (upstream, stream) = reached.filter(|_| journey.is_admitted()).unzip();
    let verdict = journey.verdict();
    let trail = journey.trail();
    let places = iter::once(&entry).chain(trail.iter().map(|(_, place)| place));
    let route = Route {
        verdict,
        hops: trail.iter().map(|(url, _)| url.clone()).collect(),
        failed: journey.failed_forwards().to_vec(),
        agents: places.filter_map(Place::online).map(Arc::clone).collect(),
        upstream,
        unreached,
        logs: journey.logs().entries().to_vec(),
        logs_dropped: journey.logs().dropped(),
        ip_policy: journey.address_test(),
        out_of_steps: journey.is_out_of_steps(),
    };
    Some((route, stream))
}

/// The decision alone, up to the first server that is to be reached: the same journey as that of [`decide`], without what
/// comes behind. For measurements.
/// `None` if the generation has no such endpoint.
pub fn first_leg<D: Dial>(
    world: RoutingView<'_>,
    entry: EntryPoint<'_>,
    facts: &Facts<'_>,
    dial: &D,
) -> Option<Leg> {
    let entry = Place::from_entry(world, entry)?;
    let map = Map { world, dial };
    Some(map.journey(facts, Budget::for_connection(), entry).start())
}

/// The endpoints of a configuration and of agents.
struct Map<'w, D> {
    world: RoutingView<'w>,
    dial: &'w D,
}

impl<'w, D: Dial> Map<'w, D> {
    /// The way of a connection, as the edge goes it.
    fn journey<'m>(
        &'m self,
        facts: &'m Facts<'m>,
        budget: Budget,
        entry: Place,
    ) -> Journey<'m, Self, Budget> {
        Journey::new(self, facts, budget, entry)
    }
}

impl<D: Dial> Endpoints for Map<'_, D> {
    type Endpoint = Place;

    fn serving(&self, target: &EndpointUrl) -> Serving<Place> {
        let RoutingView { generation, online } = self.world;
        let config = &generation.config;
        let configured = config.internal_endpoint(target);
        let specificity = || Some(config.internal_endpoints.get(configured?)?.url.value.specificity());
        // The more specific one; of equals, the one of the configuration.
        let online = online.covering(target, |url, members| {
            let is_nearer = specificity().is_none_or(|it| url.specificity() > it);
            is_nearer.then(|| match members {
                [only] => Serving::One(Place::Online(Arc::clone(only))),
                members => Serving::Pool(members.iter().map(|it| Place::Online(Arc::clone(it))).collect()),
            })
        });
        match (online.flatten(), configured) {
            // Of a pool one that takes connections is chosen; one that is alone may take none either.
            (Some(Serving::One(Place::Online(only))), _) => {
                let takes = self.dial.choose(iter::once(&only)).is_some();
                if takes { Serving::One(Place::Online(only)) } else { Serving::Nobody }
            }
            (Some(serving), _) => serving,
            (None, Some(at)) => Serving::One(Place::Internal(at)),
            (None, None) => Serving::Nobody,
        }
    }

    fn choose(&self, pool: &mut Vec<Place>) -> Option<Place> {
        let chosen = Arc::clone(self.dial.choose(pool.iter().filter_map(Place::online))?);
        pool.retain(|place| place.online().is_none_or(|it| *it != chosen));
        Some(Place::Online(chosen))
    }

    fn policy<'e>(&'e self, endpoint: &'e Place, at: usize) -> Option<Policy<'e>> {
        let generation = self.world.generation;
        let policy = match endpoint {
            Place::Online(endpoint) => return endpoint.programs.get(at).map(|it| Policy::Program(it)),
            Place::Public(index) => generation.programs.get(*index),
            Place::Internal(index) => generation.internal_programs.get(*index).and_then(Option::as_ref),
        };
        policy.filter(|_| at == 0).map(|policy| match policy {
            EndpointPolicy::Program(program) => Policy::Program(program),
            EndpointPolicy::Refuse(reason) => Policy::Refuse(reason),
        })
    }

    fn has_upstream(&self, endpoint: &Place) -> bool {
        !matches!(endpoint, Place::Public(_))
    }

    fn forbids(&self, from: &Place, target: &EndpointUrl) -> Option<String> {
        let from = from.online().filter(|from| !self.world.may_forward(from, target))?;
        Some(format!("{target}, by a policy of authtoken {}", from.owner.credential))
    }

    fn max_hops(&self) -> u32 {
        self.world.generation.config.limits.max_hops
    }
}

/// Revalidates without any effect: `None` also if the decision would have to wait.
#[must_use]
pub fn decide_presumed(
    world: RoutingView<'_>,
    entry: EntryPoint<'_>,
    facts: &Facts<'_>,
    presumed: Presumed<'_>,
    effort: Effort,
) -> Option<Route> {
    let decided = pin!(decide_within(world, entry, facts, &presumed, Budget::again(effort)));
    match decided.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decided) => decided.map(|(route, _)| route),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests;
