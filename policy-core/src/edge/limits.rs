//! `limits` of `edge.yml`: budgets and deadlines.

use std::time::Duration;

use super::EdgeConfig;
use crate::reader::{Fields, Reader, head};
use crate::schema::{Context, Count, Declared, DurationField, Field, Kind, Record};
use crate::source::Span;

const MINUTES: u64 = 300;
const DAY: u64 = 86_400;
/// What an agent may send in one message.
const MAX_MESSAGE: u32 = 2 << 20;

static MAX_CONNECTIONS: Field<Count> = Field::optional(
    "max_connections",
    Count(1_000_000),
    "Connections open at once; by default what the limit of open files allows, at most 10,000.",
);
/// The same of one endpoint.
pub(super) static MAX_CONNECTIONS_OF_ENDPOINT: Field<Count> = Field::optional(
    "max_connections",
    Count(1_000_000),
    "Connections open at once here; by default half of all if others need the rest.",
);
static MAX_CONNECTIONS_PER_SOURCE: Field<Count> = Field::optional(
    "max_connections_per_source",
    Count(1_000_000),
    "The same from one IPv4 address or IPv6 /64; otherwise a quarter at one endpoint and half in all.",
);
static CONNECT_TIMEOUT: Field<DurationField> = Field::default(
    "connect_timeout",
    DurationField::seconds(1, MINUTES),
    "10s",
    "Time to reach an upstream.",
);
static HALF_CLOSE_TIMEOUT: Field<DurationField> = Field::default(
    "half_close_timeout",
    DurationField::seconds(1, DAY),
    "60s",
    "How long a connection may stay silent after one side has ended its half.",
);
static STALLED_TIMEOUT: Field<DurationField> = Field::default(
    "stalled_timeout",
    DurationField::seconds(1, DAY),
    "5m",
    "How long a peer may take none of the bytes that wait for it.",
);
static MAX_HOPS: Field<Count> = Field::default(
    "max_hops",
    Count(100),
    "16",
    "Forwards that may be tried for one connection, failed ones included.",
);
static AGENT_AUTH_TIMEOUT: Field<DurationField> = Field::default(
    "agent_auth_timeout",
    DurationField::seconds(1, MINUTES),
    "10s",
    "Time for an agent to prove who it is.",
);
static AGENT_HEARTBEAT_INTERVAL: Field<DurationField> = Field::default(
    "agent_heartbeat_interval",
    DurationField::seconds(1, DAY),
    "10s",
    "How often an agent is asked for a sign of life.",
);
static AGENT_HEARTBEAT_TOLERANCE: Field<DurationField> = Field::default(
    "agent_heartbeat_tolerance",
    DurationField::seconds(1, DAY),
    "15s",
    "How long its answer may take before the agent is considered disconnected.",
);
static MAX_AGENTS: Field<Count> =
    Field::default("max_agents", Count(1_000_000), "1000", "Agents connected at once.");
static MAX_AGENTS_PER_AUTHTOKEN: Field<Count> = Field::optional(
    "max_agents_per_authtoken",
    Count(1_000_000),
    "The same with one authtoken; otherwise half of all.",
);
static MAX_ENDPOINTS_PER_AGENT: Field<Count> = Field::default(
    "max_endpoints_per_agent",
    Count(100_000),
    "100",
    "Endpoints that one agent may serve at once.",
);
static MAX_STREAMS_PER_AGENT: Field<Count> = Field::default(
    "max_streams_per_agent",
    Count(1_000_000),
    "4096",
    "Connections that one agent carries at once.",
);
static MAX_AGENT_POLICY_BYTES: Field<Count> = Field::default(
    "max_agent_policy_bytes",
    Count(MAX_MESSAGE),
    "65536",
    "Bytes of the text of a policy that an agent brings.",
);
static MAX_POLICY_MEMORY_PER_AUTHTOKEN: Field<Count> = Field::default(
    "max_policy_memory_per_authtoken",
    Count(u32::MAX),
    "33554432",
    "Bytes of memory that the policies of one authtoken's endpoints may take.",
);
static MAX_POLICY_MEMORY: Field<Count> =
    Field::default("max_policy_memory", Count(u32::MAX), "268435456", "The same of all authtokens together.");

/// `limits`: what is not given or unusable keeps its default.
pub(super) static LIMITS: Field<Record<EdgeLimits>> = Field::optional(
    "limits",
    Record { fields: FIELDS, ignored: &[], read: |fields, cx| Some(EdgeLimits::read(fields, cx)) },
    "Budgets and deadlines.",
);
const FIELDS: Declared = &[
    &MAX_CONNECTIONS,
    &MAX_CONNECTIONS_PER_SOURCE,
    &CONNECT_TIMEOUT,
    &HALF_CLOSE_TIMEOUT,
    &STALLED_TIMEOUT,
    &MAX_HOPS,
    &AGENT_AUTH_TIMEOUT,
    &AGENT_HEARTBEAT_INTERVAL,
    &AGENT_HEARTBEAT_TOLERANCE,
    &MAX_AGENTS,
    &MAX_AGENTS_PER_AUTHTOKEN,
    &MAX_ENDPOINTS_PER_AGENT,
    &MAX_STREAMS_PER_AGENT,
    &MAX_AGENT_POLICY_BYTES,
    &MAX_POLICY_MEMORY_PER_AUTHTOKEN,
    &MAX_POLICY_MEMORY,
];

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
        Self::from_limits(&mut ByDefault)
    }
}

/// Where limits come from.
trait Limits {
    /// A limit that has a default.
    fn get<K: Kind>(&mut self, field: &Field<K>) -> K::Value
    where
        K::Value: Default;
    /// A limit that may be missing.
    fn optional(&mut self, field: &Field<Count>) -> Option<u32>;
}

/// None is given.
struct ByDefault;

impl Limits for ByDefault {
    // That each default is a value is tested.
    fn get<K: Kind>(&mut self, field: &Field<K>) -> K::Value
    where
        K::Value: Default,
    {
        field.default_value().unwrap_or_default()
    }

    fn optional(&mut self, _: &Field<Count>) -> Option<u32> {
        None
    }
}

/// Those of a configuration; what is unusable keeps its default, and is reported.
struct Given<'f, 'r, 'd>(&'f Fields<'d>, &'f Context<'r, 'd>);

impl Limits for Given<'_, '_, '_> {
    fn get<K: Kind>(&mut self, field: &Field<K>) -> K::Value
    where
        K::Value: Default,
    {
        self.1.read(self.0, field).unwrap_or_else(|| ByDefault.get(field))
    }

    fn optional(&mut self, field: &Field<Count>) -> Option<u32> {
        self.1.optional(self.0, field).flatten()
    }
}

impl EdgeLimits {
    fn from_limits(limits: &mut impl Limits) -> Self {
        Self {
            max_connections: limits.optional(&MAX_CONNECTIONS),
            max_connections_per_source: limits.optional(&MAX_CONNECTIONS_PER_SOURCE),
            connect_timeout: limits.get(&CONNECT_TIMEOUT),
            half_close_timeout: limits.get(&HALF_CLOSE_TIMEOUT),
            stalled_timeout: limits.get(&STALLED_TIMEOUT),
            max_hops: limits.get(&MAX_HOPS),
            agent_auth_timeout: limits.get(&AGENT_AUTH_TIMEOUT),
            agent_heartbeat_interval: limits.get(&AGENT_HEARTBEAT_INTERVAL),
            agent_heartbeat_tolerance: limits.get(&AGENT_HEARTBEAT_TOLERANCE),
            max_agents: limits.get(&MAX_AGENTS),
            max_agents_per_authtoken: limits.optional(&MAX_AGENTS_PER_AUTHTOKEN),
            max_endpoints_per_agent: limits.get(&MAX_ENDPOINTS_PER_AGENT),
            max_streams_per_agent: limits.get(&MAX_STREAMS_PER_AGENT),
            max_agent_policy_bytes: limits.get(&MAX_AGENT_POLICY_BYTES),
            max_policy_memory_per_authtoken: limits.get(&MAX_POLICY_MEMORY_PER_AUTHTOKEN),
            max_policy_memory: limits.get(&MAX_POLICY_MEMORY),
        }
    }

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Self {
        let limits = Self::from_limits(&mut Given(fields, cx));
        let (connections, agents) = (&MAX_CONNECTIONS_PER_SOURCE, &MAX_AGENTS_PER_AUTHTOKEN);
        for (share, given, of, all) in [
            (connections, limits.max_connections_per_source, &MAX_CONNECTIONS, limits.max_connections),
            (agents, limits.max_agents_per_authtoken, &MAX_AGENTS, Some(limits.max_agents)),
        ] {
            if let (Some(node), Some(given), Some(all)) = (fields.get(share.name()), given, all) {
                check_share(head(node), (share, given), (of, all), cx.reader);
            }
        }
        limits
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

/// Shares of endpoints are parts of all.
pub(super) fn check_endpoint_shares(config: &EdgeConfig, reader: &Reader<'_>) {
    let Some(all) = config.limits.max_connections else { return };
    for given in config.endpoints.iter().filter_map(|endpoint| endpoint.max_connections) {
        let (share, of) = ((&MAX_CONNECTIONS_OF_ENDPOINT, given.value), (&MAX_CONNECTIONS, all));
        check_share(given.span, share, of, reader);
    }
}

/// A share that is more than all has no effect, which its author did not mean.
fn check_share(
    at: Span,
    (share, given): (&Field<Count>, u32),
    (of, all): (&Field<Count>, u32),
    reader: &Reader<'_>,
) {
    if given > all {
        let (share, of) = (share.name(), of.name());
        let message = format!("`{share}: {given}` is more than `limits.{of}`, which is {all}");
        reader.invalid(at, message, format!("give at most {all}, or raise `limits.{of}`"));
    }
}
