//! The configuration of an edge, `edge.yml`: read and checked like a policy, without touching files.
//!
//! Inline policies are checked where they stand. [`load_edge`] looks at the file alone, [`load_edge_files`]
//! at the policy files it names as well, through a closure of the host.

mod admin;
mod agents;
mod brought;
mod endpoints;
mod events;
mod ip_policies;
mod kinds;
mod limits;
mod listeners;
mod load;
mod read;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::INVALID_UPSTREAM;
use crate::diagnostic::codes;
use crate::options::EndpointTraits;
use crate::resolve::UrlMap;
use crate::source::Spanned;
use crate::url::{EndpointUrl, HostPort, Scheme};

pub use crate::endpoint_policy::PolicySource;
pub use crate::endpoint_policy::ReadPolicy;
pub use crate::settings::CertificateFiles;
pub use admin::AdminListener;
pub(crate) use agents::AGENTS_FIELDS;
pub use agents::{AgentListener, PoliciesForward};
pub use brought::{Claim, NotServed, PublicAddresses, Taken};
pub(crate) use endpoints::{ENDPOINT_FIELDS, INTERNAL_FIELDS};
pub use ip_policies::ReadListOf;
pub use limits::{EdgeLimits, SourceShare, endpoint_share};
pub use load::{EdgeFiles, Incomplete, LoadedPolicy, Programs, load_edge_files};
pub(crate) use read::{TOP_FIELDS, check_document};
pub use read::{admin_path, fields, load_edge};

codes! {
    static INVALID_LISTEN = error("TP451", "invalid-listen-address");
    static TARGET_NOT_SERVED = warning("TP455", "target-not-served", ERR_NGROK_3200);
    static FACT_WITHOUT_SOURCE = error("TP603", "fact-without-source");
    static UPSTREAM_LOOP = error("TP457", "upstream-is-own-listener");
}

/// The configuration of an edge.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EdgeConfig {
    /// Where the edge keeps its state; relative to the file.
    pub state_dir: Box<str>,
    /// What listens.
    pub endpoints: Vec<Endpoint>,
    /// What policies forward to.
    pub internal_endpoints: Vec<InternalEndpoint>,
    /// Where agents connect; without it there are none.
    pub agents: Option<AgentListener>,
    /// The socket of the administration, if one is given; relative to the file. See [`Self::admin_path`].
    pub admin_socket: Option<Box<str>>,
    /// Where the administration is reached over TCP; without it, by the socket alone.
    pub admin_listener: Option<AdminListener>,
    /// Ports that agents may open for their public endpoints.
    pub public_tcp_ports: Option<RangeInclusive<u16>>,
    /// The addresses that public endpoints of agents listen on; empty for every address, IPv4 and IPv6.
    pub public_tcp_listen: Vec<IpAddr>,
    /// Files of IP policies that policies of the configuration may name; relative to it.
    pub ip_policies: Vec<Spanned<Box<str>>>,
    /// Where events go.
    pub events: Vec<EventSink>,
    /// Budgets and deadlines.
    pub limits: EdgeLimits,
    /// How long open connections may go on after a request to stop.
    pub drain: Duration,
    /// The internal endpoints by their URLs.
    serving: UrlMap<usize>,
}

/// A public endpoint: a listener and its policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Its unique name.
    pub name: Spanned<Box<str>>,
    /// What policies see as `endpoint.url`.
    pub url: EndpointUrl,
    /// Where it listens.
    pub listen: Spanned<SocketAddr>,
    /// Connections open at once here, if a number is given; see [`endpoint_share`].
    pub max_connections: Option<Spanned<u32>>,
    /// Its policy.
    pub policy: PolicySource,
    /// What a reload does if the policy cannot be loaded.
    pub on_bad_policy: OnBadPolicy,
}

/// What a reload does with an endpoint whose policy cannot be loaded. A start refuses such a policy in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnBadPolicy {
    /// The policy of before stays in force.
    #[default]
    Keep,
    /// Every connection is refused.
    Refuse,
}

impl OnBadPolicy {
    /// The word in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Refuse => "refuse",
        }
    }
}

/// An internal endpoint: reached by `forward-internal` only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InternalEndpoint {
    /// Its URL; may be a wildcard.
    pub url: Spanned<EndpointUrl>,
    /// Where connections go.
    pub upstream: Spanned<HostPort>,
    /// A policy that runs before the upstream is dialled.
    pub policy: Option<PolicySource>,
    /// What a reload does if the policy cannot be loaded.
    pub on_bad_policy: OnBadPolicy,
}

/// A destination of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventSink {
    /// JSON lines on standard output.
    Stdout,
    /// JSON lines appended to a file.
    File {
        /// Relative to the configuration.
        path: Box<str>,
        /// The file is moved to `<path>.1` when it would have more.
        max_bytes: u64,
    },
}

/// The traits of endpoints that policies of an edge are for. Public ones have no upstream of their own: what their policy
/// leaves is refused. Internal ones have one.
const PUBLIC: EndpointTraits = EndpointTraits::from_scheme(Scheme::Tcp).without_upstream();
const INTERNAL: EndpointTraits = EndpointTraits::from_scheme(Scheme::Tcp);

/// Where an edge keeps its state if nothing is said.
const DEFAULT_STATE_DIR: &str = "./state";

/// The socket of the administration of an edge that says nothing of it, relative to its configuration.
#[must_use]
pub fn default_admin_path() -> PathBuf {
    socket_path(None, None)
}

/// The socket of the administration: the one that is given, or one in the state folder.
fn socket_path(given: Option<&str>, state_dir: Option<&str>) -> PathBuf {
    let in_state = || Path::new(state_dir.unwrap_or(DEFAULT_STATE_DIR)).join("admin.sock");
    given.map_or_else(in_state, PathBuf::from)
}

impl EdgeConfig {
    /// The socket of the administration, relative to the file: the one that is given, or `admin.sock` in the
    /// state folder.
    #[must_use]
    pub fn admin_path(&self) -> PathBuf {
        socket_path(self.admin_socket.as_deref(), Some(&self.state_dir))
    }

    /// The internal endpoint that serves a target: an exact URL before a wildcard, a longer wildcard before
    /// a shorter one. O(length of the target), however many endpoints there are; allocates nothing.
    ///
    /// The answer is that of the configuration as it was read: one whose endpoints were changed has none for what
    /// stands elsewhere now.
    #[must_use]
    pub fn internal_endpoint(&self, target: &EndpointUrl) -> Option<usize> {
        let serves =
            |at: &usize| self.internal_endpoints.get(*at).is_some_and(|it| it.url.value.covers(target));
        self.serving.serving(target).map(|(_, at)| *at).filter(serves)
    }
}
