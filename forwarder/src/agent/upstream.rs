//! One connection: from the edge to the server behind the endpoint.

use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use policy_core::url::HostPort;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::failures::Failures;
use super::{Network, Offer};
use crate::dial::Dialer;
use crate::link::ProxyHeader;
use crate::mux::{ErrorCode, Stream};
use crate::relay::{Carrier, relay};
use crate::tls::unverified_config;

/// How long a connection of which one half has ended may stay silent.
const HALF_CLOSED: Duration = Duration::from_secs(60);
/// How long a server may take none of the bytes that wait for it.
#[cfg(target_os = "linux")]
const STALLED: Duration = Duration::from_secs(30);
/// A silent server is probed after this time, and then this often.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

impl ProxyProtocol {
    /// What stands before the bytes of a connection. IPv6 where either address is.
    ///
    /// Source: The PROXY protocol, versions 1 & 2 (HAProxy, 2020-03-05), sections 2.1 and 2.2.
    #[must_use]
    pub fn header(self, client: SocketAddr, server: SocketAddr) -> Vec<u8> {
        let both = match (client, server) {
            (SocketAddr::V4(client), SocketAddr::V4(server)) => Ok((client, server)),
            (client, server) => Err((v6(client), v6(server))),
        };
        match self {
            Self::V1 => {
                let mut line = String::new();
                let (family, from, to) = match &both {
                    Ok((from, to)) => ("TCP4", from.ip().to_string(), to.ip().to_string()),
                    Err((from, to)) => ("TCP6", from.to_string(), to.to_string()),
                };
                // A text can always be written to.
                let _ = write!(line, "PROXY {family} {from} {to} {} {}\r\n", client.port(), server.port());
                line.into_bytes()
            }
            Self::V2 => {
                const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
                let mut bytes = SIGNATURE.to_vec();
                match both {
                    Ok((from, to)) => {
                        bytes.extend([0x21, 0x11, 0, 12]);
                        bytes.extend(from.ip().octets());
                        bytes.extend(to.ip().octets());
                    }
                    Err((from, to)) => {
                        bytes.extend([0x21, 0x21, 0, 36]);
                        bytes.extend(from.octets());
                        bytes.extend(to.octets());
                    }
                }
                bytes.extend(client.port().to_be_bytes());
                bytes.extend(server.port().to_be_bytes());
                bytes
            }
        }
    }
}

fn v6(address: SocketAddr) -> std::net::Ipv6Addr {
    match address {
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped(),
        SocketAddr::V6(address) => *address.ip(),
    }
}

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
        Ok(mut upstream) => relay(&mut stream, &mut upstream, HALF_CLOSED, cut).await,
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

/// Servers that vanish or take no bytes are noticed.
fn tune(upstream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(upstream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(STALLED))?;
    Ok(())
}

/// Connects to the server behind an endpoint.
pub(super) async fn reach(offer: &Offer, header: &ProxyHeader, dialer: &Dialer) -> io::Result<Reached> {
    let mut upstream = dialer.tcp(&offer.upstream.at).await?;
    tune(&upstream)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn servers_that_vanish_are_noticed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let upstream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        tune(&upstream).expect("tuned");
        let socket = SockRef::from(&upstream);
        assert_eq!(socket.tcp_user_timeout().expect("read"), Some(STALLED));
        assert!(socket.keepalive().expect("read"));
    }

    #[test]
    fn proxy_headers_are_those_of_the_specification() {
        let at = |text: &str| text.parse::<SocketAddr>().expect(text);
        let (four, server) = (at("203.0.113.42:5555"), at("127.0.0.1:22"));
        assert_eq!(ProxyProtocol::V1.header(four, server), b"PROXY TCP4 203.0.113.42 127.0.0.1 5555 22\r\n");
        let six = at("[2001:db8::1]:5555");
        assert_eq!(
            ProxyProtocol::V1.header(six, server),
            b"PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 5555 22\r\n"
        );
        let bytes = ProxyProtocol::V2.header(four, server);
        assert_eq!(bytes[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
        assert_eq!(bytes[16..], [203, 0, 113, 42, 127, 0, 0, 1, 0x15, 0xb3, 0, 22]);
        let bytes = ProxyProtocol::V2.header(six, server);
        assert_eq!((bytes.len(), bytes[13], bytes[15]), (52, 0x21, 36));
    }
}
