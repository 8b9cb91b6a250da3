//! Reaches a service within a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent_link::mux::{Measured, Transport};
use policy_core::url::HostPort;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::fault::{Peer, explained};
use super::later::reworded;
use super::names::Names;
use super::proxy::{ProxyScheme, ProxyUrl};
use super::{http, race, socks};
use crate::net::socket;
use crate::net::tls::client::{TrustedCas, client_config};

/// How connections are made: who looks names up, and through which interface they go. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialer {
    names: Names,
    interface: Option<Arc<str>>,
}

impl Dialer {
    /// Has names looked up by these resolvers; by the system if there are none.
    #[must_use]
    pub fn asking(self, resolvers: &[SocketAddr]) -> Self {
        Self { names: Names::new(resolvers), ..self }
    }

    /// Connects through this interface alone; on Linux only, elsewhere no connection is made.
    #[must_use]
    pub fn through(self, interface: Option<&str>) -> Self {
        Self { interface: interface.map(Into::into), ..self }
    }

    /// Connects to a service within a time.
    ///
    /// # Errors
    /// With what could not be reached and why; [`io::ErrorKind::TimedOut`] once the time is over. A proxy may have
    /// said when to come again: [`retry_after`](super::retry_after).
    pub async fn connect(
        &self,
        target: &HostPort,
        proxy: Option<&ProxyUrl>,
        timeout: Duration,
    ) -> io::Result<Connection> {
        let through = proxy.map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        let connected = match tokio::time::timeout(timeout, self.reach(target, proxy)).await {
            Ok(connected) => connected,
            Err(_) => {
                let message = format!("no connection within {timeout:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            }
        };
        connected.map_err(|error| reworded(&error, format!("cannot reach {target}{through}: {error}")))
    }

    /// Connects to a host by its name or address, and waits as long as that takes.
    ///
    /// # Errors
    /// The last one, if none of its addresses answers.
    pub async fn tcp(&self, to: &HostPort) -> io::Result<TcpStream> {
        let found = self.names.addresses(to).await?;
        race::tcp(&found, self.interface.as_deref()).await
    }

    async fn reach(&self, target: &HostPort, proxy: Option<&ProxyUrl>) -> io::Result<Connection> {
        let Some(proxy) = proxy else { return Ok(Box::new(tuned(self.tcp(target).await?))) };
        refuse_odd_host(&target.host)?;
        let stream = self.tcp(proxy.address()).await;
        let stream = tuned(stream.map_err(|error| context("the proxy does not answer", &error))?);
        let mut stream: Connection = match proxy.scheme() {
            ProxyScheme::Https => Box::new(tls(stream, proxy).await?),
            ProxyScheme::Http | ProxyScheme::Socks5 => Box::new(stream),
        };
        match proxy.scheme() {
            ProxyScheme::Http | ProxyScheme::Https => http::ask(&mut stream, target, proxy).await?,
            ProxyScheme::Socks5 => socks::ask(&mut stream, target, proxy).await?,
        }
        Ok(stream)
    }
}

/// Set up for the link. Without options it has no peer any more, which the next read tells.
fn tuned(stream: TcpStream) -> Measured<TcpStream> {
    let _ = socket::link(&stream);
    Measured::new(stream, socket::sent)
}

/// What stands in the request to a proxy must not be able to end it.
fn refuse_odd_host(host: &str) -> io::Result<()> {
    let fine = !host.is_empty() && host.len() <= 255 && host.bytes().all(|byte| byte.is_ascii_graphic());
    if fine { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a host name")) }
}

/// TLS to the proxy itself.
async fn tls(stream: Measured<TcpStream>, proxy: &ProxyUrl) -> io::Result<impl Transport + use<>> {
    let cas: TrustedCas = proxy.cas().clone();
    // Files are read; the runtime must not wait for them.
    let config =
        tokio::task::spawn_blocking(move || client_config(&cas)).await.map_err(io::Error::other)??;
    let name = ServerName::try_from(proxy.address().host.to_string())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let stream =
        stream.map_err(|error| context("TLS to the proxy", &explained(Peer::Proxy(proxy), error)))?;
    Ok(Measured::new(stream, |tls| tls.get_ref().0.sent()))
}

fn context(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
