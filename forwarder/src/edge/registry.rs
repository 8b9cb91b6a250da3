//! The open connections, so that a reload can judge them again and a stop can cut them.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use policy_core::facts::Facts;
use policy_core::url::EndpointUrl;
use tokio_util::sync::CancellationToken;

use super::connection::at_times;
use super::places::Places;
use crate::online::Online;
use crate::relay::RelayEnd;
use crate::route::{self, Presumed, Route, Upstream, World, judge_presumed};

/// Why a connection may not go on.
pub(super) const REMOVED: &str = "its endpoint was removed";
pub(super) const OFFLINE: &str = "its endpoint went offline";

/// What is needed to judge a connection again.
#[derive(Debug)]
pub(super) struct Open {
    /// The name of the endpoint of the configuration, or the endpoint of an agent.
    endpoint: Result<Box<str>, Arc<Online>>,
    made: Made,
    /// The endpoints of agents on its way.
    agents: Vec<Arc<Online>>,
    target: Option<EndpointUrl>,
    upstream: Option<Upstream>,
    unreached: Vec<Upstream>,
    pub(super) cut: CancellationToken,
    reason: OnceLock<&'static str>,
}

/// What never changes about a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) start: Timestamp,
    /// What its draws come from: judged again, it draws the same.
    pub(super) seed: u64,
}

impl Open {
    pub(super) fn new(
        endpoint: Result<Box<str>, Arc<Online>>,
        made: Made,
        route: &Route,
        cut: CancellationToken,
    ) -> Self {
        Self {
            endpoint,
            made,
            agents: route.agents.clone(),
            target: route.hops.last().cloned(),
            upstream: route.upstream.clone(),
            unreached: route.unreached.clone(),
            cut,
            reason: OnceLock::new(),
        }
    }

    fn cut(&self, reason: &'static str) {
        // The first reason stays.
        let _ = self.reason.set(reason);
        self.cut.cancel();
    }

    /// True if an endpoint of an agent on its way is offline, or about to be: its session has ended.
    fn is_offline(&self) -> bool {
        self.agents.iter().any(|online| online.gone.is_cancelled() || online.opener.why_closed().is_some())
    }

    /// Why the connection ended, if the edge cut it or its agent is gone.
    pub(super) fn why_cut(&self, end: &RelayEnd) -> Option<&'static str> {
        match end {
            RelayEnd::Cancelled => self.reason.get().copied(),
            // The end of a session is the end of its streams, which may be noticed before it is.
            RelayEnd::Upstream(_) => self.is_offline().then_some(OFFLINE),
            _ => None,
        }
    }

    /// Cuts the connection if an endpoint of an agent on its way is offline; true if it was.
    pub(super) fn cut_if_offline(&self) -> bool {
        let offline = self.is_offline();
        if offline {
            self.cut(OFFLINE);
        }
        offline
    }

    /// Judges the connection by a generation; true if it was cut.
    pub(super) fn judge_again(&self, world: World<'_>) -> bool {
        let objection = self.objection(world);
        if let Some(reason) = objection {
            self.cut(reason);
        }
        objection.is_some()
    }

    /// Why the connection may not go on; `None` if the new policies lead it to the same place.
    fn objection(&self, world: World<'_>) -> Option<&'static str> {
        if self.is_offline() {
            return Some(OFFLINE);
        }
        let (entry, url) = match &self.endpoint {
            Ok(name) => {
                let mut endpoints = world.generation.config.endpoints.iter().enumerate();
                let Some((index, endpoint)) = endpoints.find(|(_, it)| it.name.value == *name) else {
                    return Some(REMOVED);
                };
                (route::Entry::Configured(index), &endpoint.url)
            }
            Err(online) => (route::Entry::Online(online), &online.url),
        };
        let url = url.to_string();
        let presumed = Presumed { unreached: &self.unreached, reached: self.upstream.as_ref() };
        let Made { client, server, start, seed } = self.made;
        let facts = Facts::of_connection(client, server).at_endpoint(&url).seeded(seed);
        let facts = at_times(facts, start, Timestamp::now());
        match judge_presumed(world, entry, &facts, presumed) {
            Some(route) if route.upstream.is_none() => Some("the new policy refuses it"),
            Some(route) if route.hops.last() == self.target.as_ref() && route.upstream == self.upstream => {
                None
            }
            Some(_) => Some("the new policy forwards it elsewhere"),
            None => Some("the new policy cannot be asked"),
        }
    }
}

/// All open connections.
pub(super) type Registry = Places<Open>;

impl Registry {
    /// Takes endpoints offline, then cuts the connections through them; returns how many.
    pub(super) fn cut_offline(&self, leave: impl FnOnce()) -> usize {
        self.sweep(leave, |(), open| open.cut_if_offline())
    }
}
