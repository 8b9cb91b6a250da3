//! One connection: from the edge to the server behind the endpoint.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use agent_link::mux::{ErrorCode, Stream};
use agent_link::{CONFIRMED, ProxyHeader};
use policy_core::url::HostPort;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::failures::Failures;
use super::{Network, Offer};
use crate::net::dial::Dialer;
use crate::net::relay::{Carrier, relay};
use crate::net::socket;
use crate::net::tls::unverified_config;

/// How long a connection of which one half has ended may stay silent: the edge decides, and here it is for ever.
const HALF_CLOSED: Duration = Duration::from_secs(24 * 3_600);

/// The server behind an endpoint.
#[derive(Clone, Debug)]
pub struct UpstreamServer {
    /// Where it is.
    pub at: HostPort,
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
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

/// Carries a connection to its server. What cannot be reached is given up, which the edge sees at once.
pub(super) async fn carry(
    network: &impl Network,
    mut stream: Stream,
    header: &ProxyHeader,
    offer: &Offer,
    (dialer, connect_timeout, failures): (&Dialer, Duration, &Failures),
    cut: &CancellationToken,
) {
    let reached = timeout(connect_timeout, network.upstream(dialer, offer, header)).await;
    let reached =
        reached.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")));
    let relayed = match reached {
        Ok(mut upstream) => {
            // A stream that has ended meanwhile takes nothing, which the relay sees.
            if header.confirm {
                let _ = stream.write_u8(CONFIRMED).await;
            }
            relay(&mut stream, &mut upstream, HALF_CLOSED, cut).await
        }
        Err(error) => {
            failures.tell(offer, &error);
            // The edge tells why in its event.
            return stream.reset(match error.kind() {
                io::ErrorKind::ConnectionRefused => ErrorCode::Refused,
                io::ErrorKind::TimedOut => ErrorCode::WriteTimeout,
                _ => ErrorCode::Reset,
            });
        }
    };
    tracing::debug!(
        endpoint = &*offer.name,
        client = header.client_addr,
        bytes_in = relayed.bytes_in,
        bytes_out = relayed.bytes_out,
        end = %relayed.end,
        "a connection has ended"
    );
}

/// An open connection to a server.
pub(crate) enum Reached {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Carrier for Reached {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        match self {
            Self::Plain(stream) => {
                let (read, write) = stream.halves();
                (Either::Left(read), Either::Left(write))
            }
            Self::Tls(stream) => {
                let (read, write) = stream.halves();
                (Either::Right(read), Either::Right(write))
            }
        }
    }

    fn reset(&self) {
        match self {
            Self::Plain(stream) => Carrier::reset(stream),
            Self::Tls(stream) => Carrier::reset(&**stream),
        }
    }

    fn expect_reset(&self) {
        match self {
            Self::Plain(stream) => stream.expect_reset(),
            Self::Tls(stream) => Carrier::expect_reset(&**stream),
        }
    }

    fn expect_order(&self) {
        match self {
            Self::Plain(stream) => stream.expect_order(),
            Self::Tls(stream) => Carrier::expect_order(&**stream),
        }
    }
}

/// Connects to the server behind an endpoint.
pub(super) async fn reach(offer: &Offer, header: &ProxyHeader, dialer: &Dialer) -> io::Result<Reached> {
    let mut upstream = dialer.tcp(&offer.upstream.at).await?;
    socket::give_up_dead(&upstream)?;
    // In front of TLS, where proxies write it as well.
    if let Some(version) = offer.proxy_protocol {
        let client = header.client_addr.parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the edge names no client that a PROXY header could tell",
            )
        })?;
        upstream.write_all(&version.header(client, upstream.peer_addr()?)).await?;
    }
    let Some((name, config)) = &offer.upstream.tls else { return Ok(Reached::Plain(upstream)) };
    let stream = TlsConnector::from(Arc::clone(config)).connect(name.clone(), upstream).await;
    let stream = stream.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
    Ok(Reached::Tls(Box::new(stream)))
}
