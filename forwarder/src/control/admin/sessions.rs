//! What the API shows of agents and their endpoints, and asks of them.

use jiff::Timestamp;
use serde::Serialize;

use super::filter::{FieldKind, FieldType, view};

/// The part of the edge that the API shows. Calls must not wait.
pub trait Sessions: Send + Sync {
    /// The connected agents, in any order.
    fn sessions(&self) -> Vec<SessionView>;

    /// Ends a session and its connections; false if there is none.
    fn stop(&self, id: &str) -> bool;

    /// Asks the agent of a session for something.
    fn ask(&self, id: &str, command: SessionCommand) -> Delivery;

    /// The endpoints that are online, in any order.
    fn endpoints(&self) -> Vec<EndpointView>;
}

/// What an agent is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionCommand {
    /// To end its session and begin a new one.
    Restart,
    /// To become another version of itself; the newest if none is named.
    Update(String),
}

/// What became of a command to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is on its way.
    Yes,
    /// There is no such session.
    Unknown,
    /// The agent cannot; why.
    Unsupported(String),
}

/// An edge without agents.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSessions;

impl Sessions for NoSessions {
    fn sessions(&self) -> Vec<SessionView> {
        Vec::new()
    }

    fn stop(&self, _: &str) -> bool {
        false
    }

    fn ask(&self, _: &str, _: SessionCommand) -> Delivery {
        Delivery::Unknown
    }

    fn endpoints(&self) -> Vec<EndpointView> {
        Vec::new()
    }
}

/// Another object: its id, and its URI, which the API fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ref {
    /// The id.
    pub id: String,
    /// Filled in by the API.
    pub uri: String,
}

impl FieldType for Ref {
    const KIND: FieldKind = FieldKind::Ref;
}

impl Ref {
    /// The object with this id.
    pub fn to(id: impl ToString) -> Self {
        Self { id: id.to_string(), uri: String::new() }
    }
}

view! {
    /// A connected agent, as ngrok's API shows a tunnel session.
    #[derive(Clone, Debug, Default, Serialize)]
    pub struct SessionView {
        /// `ts_…`, growing.
        pub id: String,
        /// Filled in by the API.
        pub uri: String,
        /// The version the agent told.
        pub agent_version: String,
        /// The credential it authenticated by.
        pub credential: Ref,
        /// The address it comes from.
        pub ip: String,
        /// The metadata the agent told.
        pub metadata: String,
        /// The operating system the agent told.
        pub os: String,
        /// The region of the edge.
        pub region: String,
        /// When it authenticated.
        pub started_at: Timestamp,
        /// How it is connected, such as `tls`.
        pub transport: String,
        /// Filled in by the API: the service user that owns the credential, else the credential. Ours.
        pub principal: Option<Ref>,
        /// Filled in by the API: the name of the service user, else the description of the credential. Ours.
        pub principal_name: String,
    }
}

view! {
    /// An endpoint that is online, as ngrok's API shows it.
    #[derive(Clone, Debug, Default, Serialize)]
    pub struct EndpointView {
        /// `ep_…`, growing.
        pub id: String,
        /// Filled in by the API.
        pub uri: String,
        /// The region of the edge.
        pub region: String,
        /// When it went online.
        pub created_at: Timestamp,
        /// When it last changed.
        pub updated_at: Timestamp,
        /// The URL, in the place where older clients look.
        pub public_url: String,
        /// The protocol, such as `tcp`.
        pub proto: String,
        /// The scheme of the URL.
        pub scheme: String,
        /// `host:port`.
        pub hostport: String,
        /// The host.
        pub host: String,
        /// The port.
        pub port: u16,
        /// `agent` when an agent made it, else `cloud`.
        pub r#type: String,
        /// For machines.
        pub metadata: String,
        /// For people.
        pub description: String,
        /// A reserved domain.
        pub domain: Option<Ref>,
        /// A reserved TCP address.
        pub tcp_addr: Option<Ref>,
        /// Of older clients.
        pub tunnel: Option<Ref>,
        /// Of older clients.
        pub edge: Option<Ref>,
        /// Where the agent sends connections.
        pub upstream_url: String,
        /// The protocol spoken there.
        pub upstream_protocol: String,
        /// The URL.
        pub url: String,
        /// The credential that made it; where that has an owner, the API puts the service user in its place.
        pub principal: Option<Ref>,
        /// Filled in by the API: the name of the service user, else the description of the credential. Ours.
        pub principal_name: String,
        /// The policy as text.
        pub traffic_policy: String,
        /// `public` or `internal`.
        pub bindings: Vec<String>,
        /// The session that serves it.
        pub tunnel_session: Option<Ref>,
        /// Its name.
        pub name: String,
        /// Whether others may share its URL.
        pub pooling_enabled: bool,
    }
}
