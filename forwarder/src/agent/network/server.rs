//! A connection to the server behind an endpoint.

use std::io;
use std::sync::Arc;

use agent_link::ProxyHeader;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::agent::setup::Offer;
use crate::net::dial::Dialer;
use crate::net::relay::Carrier;
use crate::net::socket;

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
                "the edge gives no client address for the PROXY header",
            )
        })?;
        upstream.write_all(&version.header(client, upstream.peer_addr()?)).await?;
    }
    let Some((name, config)) = &offer.upstream.tls else { return Ok(Reached::Plain(upstream)) };
    let stream = TlsConnector::from(Arc::clone(config)).connect(name.clone(), upstream).await;
    let stream = stream.map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
    Ok(Reached::Tls(Box::new(stream)))
}
