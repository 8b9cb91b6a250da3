//! `limits` of `edge.yml`: budgets and deadlines.

use std::time::Duration;

use super::read::EdgeReader;
use crate::parse::NodeRef;
use crate::reader::Keys;

/// Budgets and deadlines of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdgeLimits {
    /// Connections open at once over all endpoints; more wait in the listen queue. Without it: what the
    /// limit of open files allows, at most 10,000.
    pub max_connections: Option<u32>,
    /// Time to reach an upstream.
    pub connect_timeout: Duration,
    /// How long a connection may stay silent after one side has ended its half.
    pub half_close_timeout: Duration,
    /// How long a peer may take none of the bytes that wait for it.
    pub stalled_timeout: Duration,
    /// Forwards that may be tried for one connection, failed ones included.
    pub max_hops: u32,
    /// Time for an agent to prove who it is, from the moment it connects.
    pub agent_auth_timeout: Duration,
    /// How often an agent is asked for a sign of life.
    pub agent_heartbeat_interval: Duration,
    /// How long its answer may take before the agent counts as gone.
    pub agent_heartbeat_tolerance: Duration,
    /// Agents connected at once.
    pub max_agents: u32,
    /// Endpoints that one agent may serve at once.
    pub max_endpoints_per_agent: u32,
    /// Streams open at once to one agent, that is connections it carries.
    pub max_streams_per_agent: u32,
    /// Bytes of the text of a policy that an agent brings.
    pub max_agent_policy_bytes: u32,
    /// Bytes of memory that the policies of one authtoken's endpoints may take.
    pub max_policy_memory_per_authtoken: u32,
    /// The same of all authtokens together.
    pub max_policy_memory: u32,
}

impl Default for EdgeLimits {
    fn default() -> Self {
        Self {
            max_connections: None,
            connect_timeout: Duration::from_secs(10),
            half_close_timeout: Duration::from_secs(60),
            stalled_timeout: Duration::from_secs(300),
            max_hops: 16,
            agent_auth_timeout: Duration::from_secs(10),
            agent_heartbeat_interval: Duration::from_secs(10),
            agent_heartbeat_tolerance: Duration::from_secs(15),
            max_agents: 1_000,
            max_endpoints_per_agent: 100,
            max_streams_per_agent: 4_096,
            max_agent_policy_bytes: 64 << 10,
            max_policy_memory_per_authtoken: 16 << 20,
            max_policy_memory: 256 << 20,
        }
    }
}

impl<'d> EdgeReader<'_, 'd> {
    /// Reads `limits`; what is not given or unusable keeps its default.
    pub(super) fn limits(&self, node: NodeRef<'d>) -> EdgeLimits {
        const KEYS: Keys = Keys::of(&[
            "max_connections",
            "connect_timeout",
            "half_close_timeout",
            "stalled_timeout",
            "max_hops",
            "agent_auth_timeout",
            "agent_heartbeat_interval",
            "agent_heartbeat_tolerance",
            "max_agents",
            "max_endpoints_per_agent",
            "max_streams_per_agent",
            "max_agent_policy_bytes",
            "max_policy_memory_per_authtoken",
            "max_policy_memory",
        ]);
        /// What an agent may send in one message.
        const MAX_MESSAGE: i64 = 2 << 20;
        const MINUTES: u64 = 300;
        const DAY: u64 = 86_400;
        let mut limits = EdgeLimits::default();
        let Some(fields) = self.reader.map(node, "`limits`", KEYS) else { return limits };
        let number = |key: &str, most: i64| {
            let value = self.reader.integer(fields.get(key)?, &format!("`{key}`"), 1..=most)?;
            u32::try_from(value).ok()
        };
        limits.max_connections = number("max_connections", 1_000_000);
        for (key, most, limit) in [
            ("max_hops", 100, &mut limits.max_hops),
            ("max_agents", 1_000_000, &mut limits.max_agents),
            ("max_endpoints_per_agent", 100_000, &mut limits.max_endpoints_per_agent),
            ("max_streams_per_agent", 1_000_000, &mut limits.max_streams_per_agent),
            ("max_agent_policy_bytes", MAX_MESSAGE, &mut limits.max_agent_policy_bytes),
            ("max_policy_memory_per_authtoken", u32::MAX.into(), &mut limits.max_policy_memory_per_authtoken),
            ("max_policy_memory", u32::MAX.into(), &mut limits.max_policy_memory),
        ] {
            *limit = number(key, most).unwrap_or(*limit);
        }
        for (key, most, limit) in [
            ("connect_timeout", MINUTES, &mut limits.connect_timeout),
            ("half_close_timeout", DAY, &mut limits.half_close_timeout),
            ("stalled_timeout", DAY, &mut limits.stalled_timeout),
            ("agent_auth_timeout", MINUTES, &mut limits.agent_auth_timeout),
            ("agent_heartbeat_interval", DAY, &mut limits.agent_heartbeat_interval),
            ("agent_heartbeat_tolerance", DAY, &mut limits.agent_heartbeat_tolerance),
        ] {
            let given = fields.get(key).and_then(|node| self.duration(node, key, 1, most));
            *limit = given.unwrap_or(*limit);
        }
        limits
    }
}
