//! What connections are decided by, and the endpoints on their way.

use std::sync::Arc;

use policy_core::edge::PoliciesForward;
use policy_core::url::EndpointUrl;

use super::reach::Upstream;
use crate::edge::generation::Generation;
use crate::edge::online::{OnlineEndpoint, OnlineEndpoints};

/// What connections are decided by: one configuration, and what agents keep online.
#[derive(Clone, Copy, Debug)]
pub struct RoutingView<'w> {
    /// The configuration.
    pub generation: &'w Generation,
    /// The endpoints of agents.
    pub online: &'w OnlineEndpoints,
}

impl RoutingView<'_> {
    /// True if a policy that came with an endpoint of an agent may forward to another endpoint.
    pub(super) fn may_forward(&self, from: &OnlineEndpoint, target: &EndpointUrl) -> bool {
        let agents = self.generation.config.agents.as_ref();
        agents.is_some_and(|agents| agents.policies_forward == PoliciesForward::Any)
            || from.owner.may_forward(target)
    }
}

/// Where a connection comes in.
#[derive(Clone, Copy, Debug)]
pub enum EntryPoint<'e> {
    /// At an endpoint of the configuration, by its index.
    Configured(usize),
    /// At a public endpoint of an agent.
    Online(&'e Arc<OnlineEndpoint>),
}

/// An endpoint on the way.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Of the configuration, by its index: a public one.
    Public(usize),
    /// An internal one.
    Internal(usize),
    /// One that an agent keeps online.
    Online(Arc<OnlineEndpoint>),
}

impl Place {
    pub(super) fn from_entry(world: RoutingView<'_>, entry: EntryPoint<'_>) -> Option<Self> {
        Some(match entry {
            EntryPoint::Configured(at) => {
                world.generation.programs.get(at)?;
                Self::Public(at)
            }
            EntryPoint::Online(endpoint) => Self::Online(Arc::clone(endpoint)),
        })
    }

    pub(super) const fn online(&self) -> Option<&Arc<OnlineEndpoint>> {
        match self {
            Self::Online(endpoint) => Some(endpoint),
            Self::Public(_) | Self::Internal(_) => None,
        }
    }

    pub(super) fn upstream(&self, world: RoutingView<'_>) -> Option<Upstream> {
        match self {
            Self::Public(_) => None,
            Self::Internal(at) => {
                let endpoint = world.generation.config.internal_endpoints.get(*at)?;
                Some(Upstream::Address(endpoint.upstream.value.clone()))
            }
            Self::Online(endpoint) => Some(Upstream::Agent(Arc::clone(endpoint))),
        }
    }
}
