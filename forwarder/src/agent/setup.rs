//! What an agent does: whom it dials, and what it offers.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_link::Heartbeat;
use policy_core::agent::Secret;
use policy_core::url::HostPort;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::net::dial::{Dialer, ProxyUrl};
use crate::net::proxy_protocol::ProxyProtocol;
use crate::net::tls::client::TrustedCas;
use crate::net::tls::unverified_config;

/// How an agent works.
#[derive(Debug)]
pub struct Setup {
    /// The edge.
    pub server: HostPort,
    /// Whom its certificate must be for.
    pub server_name: ServerName<'static>,
    /// Which authorities sign its certificate.
    pub tls: Arc<ClientConfig>,
    /// Where they are read again.
    pub cas: TrustedCas,
    /// How it and what lies between are reached.
    pub dialer: Dialer,
    /// What lies between.
    pub proxy: Option<ProxyUrl>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// Who the agent is.
    pub authtoken: Secret,
    /// Metadata shown in the API.
    pub metadata: String,
    /// How the edge is asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// The edge may stop the agent, and let it begin again.
    pub remote_management: bool,
    /// Where it is read again when the edge lets the agent begin again; otherwise it stays as it is.
    pub origin: Option<Origin>,
    /// What is offered.
    pub offers: Vec<Offer>,
}

/// An endpoint that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// `device1.internal:22`; empty where the edge chooses.
    pub address: Box<str>,
    /// Where it can be reached from, if that is said.
    pub binding: Option<&'static str>,
    /// True if endpoints with the same URL share its traffic.
    pub pooling: bool,
    /// Metadata shown in the API.
    pub metadata: Box<str>,
    /// Text for people.
    pub description: Box<str>,
    /// The text of its policy.
    pub policy: Option<Box<str>>,
    /// Where its traffic goes.
    pub upstream: UpstreamServer,
    /// What is sent there first.
    pub proxy_protocol: Option<ProxyProtocol>,
}

/// The server behind an endpoint.
#[derive(Clone, Debug)]
pub struct UpstreamServer {
    /// Where it is.
    pub at: HostPort,
    pub(super) tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
}

impl UpstreamServer {
    /// A server that takes the bytes as they are.
    #[must_use]
    pub const fn plain(at: HostPort) -> Self {
        Self { at, tls: None }
    }

    /// A server that takes them over TLS, whoever it is: its certificate is not verified.
    ///
    /// # Errors
    /// If TLS cannot ask for its host.
    pub fn tls(at: HostPort) -> io::Result<Self> {
        let name = ServerName::try_from(at.host.to_string())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self { at, tls: Some((name, unverified_config()?)) })
    }
}

/// What TLS asks for follows from where the server is.
impl PartialEq for UpstreamServer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at && self.tls.is_some() == other.tls.is_some()
    }
}

impl Eq for UpstreamServer {}

impl fmt::Display for UpstreamServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls.is_some() { "tls" } else { "tcp" }, self.at)
    }
}

/// Which endpoints of the configuration are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// All.
    All,
    /// These.
    Named(Vec<String>),
}

/// One endpoint from the command line.
#[derive(Clone, Debug)]
pub struct TcpCommand {
    /// `22`, or `device:22`.
    pub upstream: String,
    /// `tcp://device1.internal:22`; without it the edge chooses.
    pub url: Option<String>,
    /// Where it can be reached from.
    pub binding: Option<String>,
    /// Its policy.
    pub traffic_policy_file: Option<PathBuf>,
    /// True if endpoints with the same URL share its traffic.
    pub pooling_enabled: bool,
    /// Metadata shown in the API.
    pub metadata: String,
    /// The version of the PROXY protocol that is sent first.
    pub proxy_protocol: Option<u8>,
}

/// Where an agent's setup comes from, to be read again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// Endpoints of configuration files.
    Files(Vec<PathBuf>, Chosen),
    /// An endpoint from the command line.
    Command {
        /// Files with settings.
        paths: Vec<PathBuf>,
        /// The endpoint.
        command: Box<TcpCommand>,
        /// The edge.
        connect_url: Option<String>,
        /// Which authorities sign its certificate.
        connect_cas: Option<String>,
    },
}
