//! How agents are served.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use agent_link::Heartbeat;
use policy_core::edge::{EdgeLimits, PoliciesForward, PublicAddresses};
use policy_core::lpm::Restriction;
use policy_core::url::EndpointUrl;

/// How agents are served.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Where they connect.
    pub listen: SocketAddr,
    /// How the edge shows who it is.
    pub tls: Arc<rustls::ServerConfig>,
    /// Where agents may connect from; without it from everywhere.
    pub restrict_ips: Option<Restriction>,
    /// How long an agent may take to say who it is.
    pub auth_timeout: Duration,
    /// How agents are asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// Sessions at once.
    pub max_agents: usize,
    /// Sessions at once with one authtoken.
    pub max_agents_per_authtoken: usize,
    /// Endpoints of one session.
    pub max_endpoints: usize,
    /// Connections through one session.
    pub max_streams: usize,
    /// Addresses of public tcp endpoints; without any, agents bring internal endpoints online only.
    pub public: Option<PublicAddresses>,
    /// Where these listen; empty for every address.
    pub public_listen: Vec<IpAddr>,
    /// What policies that agents bring may be.
    pub policies: PolicyLimits,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self::from_config(&EdgeLimits::default(), PoliciesForward::default())
    }
}

impl PolicyLimits {
    /// What a configuration says of them.
    #[must_use]
    pub fn from_config(limits: &EdgeLimits, forward: PoliciesForward) -> Self {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            max_bytes: number(limits.max_agent_policy_bytes),
            max_memory_per_authtoken: number(limits.max_policy_memory_per_authtoken),
            max_memory: number(limits.max_policy_memory),
            forward,
        }
    }
}

/// What policies that agents bring may be.
#[derive(Clone, Copy, Debug)]
pub struct PolicyLimits {
    /// Bytes of a policy's text.
    pub max_bytes: usize,
    /// Bytes of memory of the policies of one authtoken.
    pub max_memory_per_authtoken: usize,
    /// The same of all authtokens together.
    pub max_memory: usize,
    /// Where they may forward to.
    pub forward: PoliciesForward,
}

impl AgentSettings {
    /// True if that is a public address that agents may have.
    pub(super) fn has_public(&self, url: &EndpointUrl) -> bool {
        self.public.as_ref().is_some_and(|public| public.has(url))
    }
}
