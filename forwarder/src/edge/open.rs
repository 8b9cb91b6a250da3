//! The open connections, so that a reload can revalidate them and a stop can cut them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use policy_core::edge::Endpoint;
use policy_core::facts::Facts;
use policy_core::url::EndpointUrl;
use tokio_util::sync::CancellationToken;

use super::registry::Registry;
use crate::base::sanitize;
use crate::edge::generation::Generation;
use crate::edge::online::OnlineEndpoint;
use crate::edge::route::{Effort, EntryPoint, Presumed, Route, RoutingView, Upstream, decide_presumed};
use crate::net::relay::RelayEnd;

/// Why a connection may not go on.
pub(super) const REMOVED: &str = "its endpoint was removed";
pub(super) const OFFLINE: &str = "its endpoint went offline";

/// The endpoint where a connection came in.
#[derive(Clone, Debug)]
pub(super) enum Ingress {
    /// One of the configuration, by its name: after a reload it may be another one, or none.
    Configured(Box<str>),
    /// One that an agent keeps online.
    Online(Arc<OnlineEndpoint>),
}

impl Ingress {
    /// How it is entered now, and its URL; `None` if it is no longer configured.
    fn entry<'a>(&'a self, generation: &'a Generation) -> Option<(EntryPoint<'a>, &'a EndpointUrl)> {
        match self {
            Self::Configured(name) => {
                let (entry, endpoint) = configured(generation, generation.at_name(name))?;
                Some((entry, &endpoint.url))
            }
            Self::Online(online) => Some((EntryPoint::Online(online), &online.url)),
        }
    }
}

/// The endpoint at an index of the configuration, and how it is entered.
pub(super) fn configured(
    generation: &Generation,
    index: Option<usize>,
) -> Option<(EntryPoint<'_>, &Endpoint)> {
    let index = index?;
    Some((EntryPoint::Configured(index), generation.config.endpoints.get(index)?))
}

/// What is needed to revalidate a connection.
#[derive(Debug)]
pub(super) struct Open {
    ingress: Ingress,
    made: ConnectionFacts,
    /// The endpoints of agents on its way.
    agents: Vec<Arc<OnlineEndpoint>>,
    target: Option<EndpointUrl>,
    upstream: Option<Upstream>,
    unreached: Vec<Upstream>,
    pub(super) cut: CancellationToken,
    reason: OnceLock<Cow<'static, str>>,
}

/// What became of a connection that was revalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revalidated {
    /// It goes on as it is.
    Stays,
    /// It was cut.
    Cut,
    /// Its policies take longer than there was time for.
    Undecided,
}

/// The policies did not get to an answer.
struct Unasked;

/// What never changes about a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionFacts {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) start: Timestamp,
    /// What its draws come from: revalidated, it draws the same.
    pub(super) seed: u64,
}

impl ConnectionFacts {
    /// What policies are told at an endpoint, at a time.
    pub(super) fn facts<'a>(&self, url: &'a EndpointUrl, now: Timestamp) -> Facts<'a> {
        let facts = Facts::from_connection(self.client, self.server).at_endpoint(url).seeded(self.seed);
        at_times(facts, self.start, now)
    }
}

impl Open {
    pub(super) fn new(
        ingress: Ingress,
        made: ConnectionFacts,
        route: &Route,
        cut: CancellationToken,
    ) -> Self {
        Self {
            ingress,
            made,
            agents: route.agents.clone(),
            target: route.hops.last().cloned(),
            upstream: route.upstream.clone(),
            unreached: route.unreached.clone(),
            cut,
            reason: OnceLock::new(),
        }
    }

    fn cut(&self, reason: impl Into<Cow<'static, str>>) {
        // The first reason stays.
        let _ = self.reason.set(reason.into());
        self.cut.cancel();
    }

    /// Why, if an endpoint of an agent on its way is offline, or about to be: its session has ended.
    fn why_offline(&self) -> Option<Cow<'static, str>> {
        self.agents.iter().find_map(|online| match online.opener.why_closed() {
            Some(end) => Some(format!("{OFFLINE}: {}", sanitize::end("its agent", &end)).into()),
            None => online.gone.is_cancelled().then_some(OFFLINE.into()),
        })
    }

    /// Why the connection ended, if the edge cut it or its agent is gone.
    pub(super) fn why_cut(&self, end: &RelayEnd) -> Option<Cow<'static, str>> {
        match end {
            RelayEnd::Cancelled => self.reason.get().cloned(),
            // The end of a session is the end of its streams, which may be noticed before it is.
            RelayEnd::Upstream(_) => self.why_offline(),
            _ => None,
        }
    }

    /// Cuts the connection if an endpoint of an agent on its way is offline; true if it was.
    pub(super) fn cut_if_offline(&self) -> bool {
        let offline = self.why_offline();
        let is_offline = offline.is_some();
        offline.into_iter().for_each(|why| self.cut(why));
        is_offline
    }

    /// True if a policy that an agent brought may be on its way.
    pub(super) fn meets_policies_of_agents(&self) -> bool {
        self.agents.iter().any(|online| !online.programs.is_empty())
    }

    /// Decides the connection by a generation, and cuts it if it may not go on.
    pub(super) fn revalidate(&self, world: RoutingView<'_>, effort: Effort) -> Revalidated {
        match self.objection(world, effort) {
            Ok(None) => Revalidated::Stays,
            Ok(Some(reason)) => {
                self.cut(reason);
                Revalidated::Cut
            }
            Err(Unasked) => Revalidated::Undecided,
        }
    }

    /// Cuts a connection about which its policies do not decide in the time that they have.
    pub(super) fn cut_undecided(&self) {
        self.cut("the new policy does not decide in the time that it has");
    }

    /// Why the connection may not go on; `None` if the new policies lead it to the same place.
    fn objection(
        &self,
        world: RoutingView<'_>,
        effort: Effort,
    ) -> Result<Option<Cow<'static, str>>, Unasked> {
        if let Some(why) = self.why_offline() {
            return Ok(Some(why));
        }
        let Some((entry, url)) = self.ingress.entry(world.generation) else {
            return Ok(Some(REMOVED.into()));
        };
        let presumed = Presumed { unreached: &self.unreached, reached: self.upstream.as_ref() };
        let facts = self.made.facts(url, Timestamp::now());
        let Some(route) = decide_presumed(world, entry, &facts, presumed, effort) else {
            return Ok(Some("the new policy cannot be asked".into()));
        };
        if route.out_of_steps {
            return Err(Unasked);
        }
        if route.upstream.is_none() {
            return Ok(Some("the new policy refuses it".into()));
        }
        let same = route.hops.last() == self.target.as_ref() && route.upstream == self.upstream;
        Ok((!same).then_some("the new policy forwards it elsewhere".into()))
    }
}

/// All open connections.
pub(super) type OpenConnections = Registry<Open>;

impl OpenConnections {
    /// Takes endpoints offline, then cuts the connections through them; returns how many.
    pub(super) fn cut_offline(&self, leave: impl FnOnce()) -> usize {
        self.revalidate(leave, |(), open| open.cut_if_offline())
    }
}

/// The facts with the time the connection began and the time now.
fn at_times<'a>(facts: Facts<'a>, start: Timestamp, now: Timestamp) -> Facts<'a> {
    let time = |at: Timestamp| {
        // INVARIANT: a clock of this machine shows a year from 1 to 9999; otherwise the fact has no source.
        policy_core::cel::Timestamp::new(at.as_second(), at.subsec_nanosecond().try_into().unwrap_or(0))
    };
    let facts = time(start).map_or(facts, |start| facts.started(start));
    time(now).map_or(facts, |now| facts.at_time(now))
}
