//! How an agent reaches its edge and its servers. The system's network is one way; tests of faults have another.

mod server;

use std::future::Future;
use std::io;
use std::sync::Arc;

use agent_link::ProxyHeader;
use agent_link::mux::{Measured, Transport};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::setup::{Offer, Setup};
use crate::net::dial::fault::{Peer, explained};
use crate::net::dial::{self, Dialer};
use crate::net::relay::Carrier;
use server::{Reached, reach};

/// What an agent reaches.
pub(crate) trait Network: Clone + Send + Sync + 'static {
    /// A connection to the edge.
    type Edge: Transport + 'static;
    /// A connection to a server.
    type Upstream: Carrier + 'static;

    /// Connects to the edge, and makes sure that it is the edge.
    fn edge(&self, setup: &Setup) -> impl Future<Output = io::Result<Self::Edge>> + Send;

    /// Connects to the server behind an endpoint.
    fn upstream(
        &self,
        dialer: &Dialer,
        offer: &Offer,
        header: &ProxyHeader,
    ) -> impl Future<Output = io::Result<Self::Upstream>> + Send;
}

/// The network of the system.
#[derive(Clone, Copy, Debug)]
pub(super) struct System;

impl Network for System {
    type Edge = Measured<TlsStream<dial::Connection>>;
    type Upstream = Reached;

    async fn edge(&self, setup: &Setup) -> io::Result<Self::Edge> {
        let (server, proxy) = (&setup.server, setup.proxy.as_ref());
        let stream = setup.dialer.connect(server, proxy, setup.connect_timeout).await?;
        let handshake = TlsConnector::from(Arc::clone(&setup.tls)).connect(setup.server_name.clone(), stream);
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the edge's TLS takes too long");
        let connected = timeout(setup.connect_timeout, handshake).await.map_err(late)?;
        let stream = connected.map_err(|error| explained(Peer::Edge(server), error))?;
        Ok(Measured::new(stream, |tls| tls.get_ref().0.sent()))
    }

    async fn upstream(&self, dialer: &Dialer, offer: &Offer, header: &ProxyHeader) -> io::Result<Reached> {
        reach(offer, header, dialer).await
    }
}
