//! Facts: what a host knows about a connection when it asks for a decision.
//!
//! Facts know presence. A fact without a source is `None`, never an empty string, and a program says
//! beforehand which facts it reads ([`crate::compile::Program::needs`]).

use std::net::{IpAddr, SocketAddr};

/// A fact a program may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fact {
    /// `conn.client_ip`.
    ClientIp,
}

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactSet(u64);

impl FactSet {
    /// Adds a fact.
    #[must_use]
    pub const fn with(self, fact: Fact) -> Self {
        Self(self.0 | 1 << fact as u8)
    }

    /// True if the fact is in the set.
    #[must_use]
    pub const fn contains(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u8) != 0
    }
}

/// The facts of one connection, borrowed from the host.
///
/// ```
/// use policy_core::facts::Facts;
/// let facts = Facts::new("::ffff:203.0.113.42".parse().expect("an address"));
/// assert_eq!(facts.client_ip().to_string(), "203.0.113.42");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// INVARIANT: canonical, so that no list is slipped past in the clothes of the other family.
    client_ip: IpAddr,
    client_port: Option<u16>,
    server_ip: Option<IpAddr>,
    server_port: Option<u16>,
    endpoint_url: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Facts of a connection of which only the source address is known.
    #[must_use]
    pub fn new(client_ip: IpAddr) -> Self {
        Self {
            client_ip: client_ip.to_canonical(),
            client_port: None,
            server_ip: None,
            server_port: None,
            endpoint_url: None,
        }
    }

    /// Facts of an accepted connection.
    #[must_use]
    pub fn of_connection(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client_port: Some(client.port()),
            server_ip: Some(server.ip().to_canonical()),
            server_port: Some(server.port()),
            ..Self::new(client.ip())
        }
    }

    /// Says at which endpoint the policy runs.
    #[must_use]
    pub const fn at_endpoint(mut self, url: &'a str) -> Self {
        self.endpoint_url = Some(url);
        self
    }

    /// `conn.client_ip`: the layer-4 source, an IPv4-mapped one as IPv4.
    #[must_use]
    pub const fn client_ip(&self) -> IpAddr {
        self.client_ip
    }

    /// `conn.client_port`.
    #[must_use]
    pub const fn client_port(&self) -> Option<u16> {
        self.client_port
    }

    /// `conn.server_ip`: where the connection was accepted.
    #[must_use]
    pub const fn server_ip(&self) -> Option<IpAddr> {
        self.server_ip
    }

    /// `conn.server_port`.
    #[must_use]
    pub const fn server_port(&self) -> Option<u16> {
        self.server_port
    }

    /// `endpoint.url`.
    #[must_use]
    pub const fn endpoint_url(&self) -> Option<&'a str> {
        self.endpoint_url
    }
}
