//! `limits` of `edge.yml`: budgets and deadlines.

use std::time::Duration;

use super::EdgeConfig;
use super::read::EdgeReader;
use crate::parse::NodeRef;
use crate::reader::{Keys, head};
use crate::source::Span;

/// Budgets and deadlines of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdgeLimits {
    /// Connections open at once over all endpoints; more wait in the listen queue. Without it: what the
    /// limit of open files allows, at most 10,000.
    pub max_connections: Option<u32>,
    /// Connections open at once from one source: an IPv4 address, or an IPv6 /64. See [`EdgeLimits::source_share`].
    pub max_connections_per_source: Option<u32>,
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
    /// Agents connected at once with one authtoken. See [`EdgeLimits::authtoken_share`].
    pub max_agents_per_authtoken: Option<u32>,
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
            max_connections_per_source: None,
            connect_timeout: Duration::from_secs(10),
            half_close_timeout: Duration::from_secs(60),
            stalled_timeout: Duration::from_secs(300),
            max_hops: 16,
            agent_auth_timeout: Duration::from_secs(10),
            agent_heartbeat_interval: Duration::from_secs(10),
            agent_heartbeat_tolerance: Duration::from_secs(15),
            max_agents: 1_000,
            max_agents_per_authtoken: None,
            max_endpoints_per_agent: 100,
            max_streams_per_agent: 4_096,
            max_agent_policy_bytes: 64 << 10,
            max_policy_memory_per_authtoken: 32 << 20,
            max_policy_memory: 256 << 20,
        }
    }
}

/// A source gets so many connections by default where there are as many: a few people behind one address need them.
const MIN_SOURCE_SHARE: usize = 16;

/// How many connections one source may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceShare {
    /// At one endpoint.
    pub endpoint: usize,
    /// In all.
    pub all: usize,
}

impl EdgeLimits {
    /// How many of `connections` one source may have open: the given number wherever they are; without it a quarter at
    /// one endpoint and half in all, at least 16.
    ///
    /// ```
    /// use policy_core::edge::{EdgeLimits, SourceShare};
    /// assert_eq!(EdgeLimits::default().source_share(200), SourceShare { endpoint: 50, all: 100 });
    /// assert_eq!(EdgeLimits::default().source_share(10), SourceShare { endpoint: 10, all: 10 });
    /// ```
    #[must_use]
    pub fn source_share(&self, connections: usize) -> SourceShare {
        let given = self.max_connections_per_source;
        let share = |part: usize| {
            let default = (connections / part).max(MIN_SOURCE_SHARE);
            within(given.map_or(default, number), connections)
        };
        SourceShare { endpoint: share(4), all: share(2) }
    }

    /// How many agents may be connected with one authtoken: the given number, or half of all.
    #[must_use]
    pub fn authtoken_share(&self) -> usize {
        let all = number(self.max_agents);
        within(self.max_agents_per_authtoken.map_or(all.div_ceil(2), number), all)
    }
}

/// How many of `connections` may be open at one endpoint, or at the public endpoints of one authtoken: the given
/// number, half of all where others need the rest, else all.
#[must_use]
pub fn endpoint_share(given: Option<u32>, connections: usize, has_others: bool) -> usize {
    let default = if has_others { connections / 2 } else { connections };
    within(given.map_or(default, number), connections)
}

fn within(share: usize, all: usize) -> usize {
    share.clamp(1, all.max(1))
}

fn number(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<'d> EdgeReader<'_, 'd> {
    /// Reads `limits`; what is not given or unusable keeps its default.
    pub(super) fn limits(&self, node: NodeRef<'d>) -> EdgeLimits {
        const KEYS: Keys = Keys::of(&[
            "max_connections",
            "max_connections_per_source",
            "connect_timeout",
            "half_close_timeout",
            "stalled_timeout",
            "max_hops",
            "agent_auth_timeout",
            "agent_heartbeat_interval",
            "agent_heartbeat_tolerance",
            "max_agents",
            "max_agents_per_authtoken",
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
        limits.max_connections_per_source = number("max_connections_per_source", 1_000_000);
        limits.max_agents_per_authtoken = number("max_agents_per_authtoken", 1_000_000);
        for (key, given, of, all) in [
            (
                "max_connections_per_source",
                limits.max_connections_per_source,
                "max_connections",
                limits.max_connections,
            ),
            (
                "max_agents_per_authtoken",
                limits.max_agents_per_authtoken,
                "max_agents",
                Some(limits.max_agents),
            ),
        ] {
            if let (Some(node), Some(given), Some(all)) = (fields.get(key), given, all) {
                self.check_share(head(node), (key, given), (of, all));
            }
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

    /// Reads `max_connections` of an endpoint.
    pub(super) fn endpoint_connections(&self, node: NodeRef<'d>) -> Option<u32> {
        let value = self.reader.integer(node, "`max_connections`", 1..=1_000_000)?;
        u32::try_from(value).ok()
    }

    /// Shares of endpoints are parts of all.
    pub(super) fn check_endpoint_shares(&self, config: &EdgeConfig) {
        let Some(all) = config.limits.max_connections else { return };
        for given in config.endpoints.iter().filter_map(|endpoint| endpoint.max_connections) {
            self.check_share(given.span, ("max_connections", given.value), ("max_connections", all));
        }
    }

    /// A share that is more than all has no effect, which its author did not mean.
    fn check_share(&self, at: Span, (key, given): (&str, u32), (of, all): (&str, u32)) {
        if given > all {
            let message = format!("`{key}: {given}` is more than `limits.{of}`, which is {all}");
            self.reader.invalid(at, message, format!("give at most {all}, or raise `limits.{of}`"));
        }
    }
}
