//! The HTTP/1.1 server: everything that a client may take is bounded.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::accept::{Accepting, Listener};
use super::sources::Sources;

/// How long TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a request may take to say what it wants, in how many bytes.
const HEADERS: Duration = Duration::from_secs(10);
const HEADER_BYTES: usize = 16 << 10;
/// From accept to the last byte of the last answer.
const WHOLE: Duration = Duration::from_secs(60);
/// How long a stop waits for requests that have begun.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// What answers requests. Cheap to clone.
pub(crate) trait Service: Clone + Send + 'static {
    /// Answers one; `source` is the client's address over TCP.
    fn answer(
        &self,
        request: Request<Incoming>,
        source: Option<IpAddr>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// What a server lets its clients have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Who they are, as the log calls them.
    pub(crate) who: &'static str,
    /// Connections at once; others wait in the system's queue.
    pub(crate) connections: usize,
    /// Of one address among them; others are closed.
    pub(crate) of_one_source: usize,
    /// A connection may ask more than once.
    pub(crate) keep_alive: bool,
}

/// Serves until `stop`, with `tls` over TLS. Connections that have begun have a moment then, and where this is dropped
/// they end with it.
pub(crate) async fn serve(
    listener: impl Listener,
    tls: Option<TlsAcceptor>,
    bounds: Bounds,
    service: impl Service,
    stop: CancellationToken,
) {
    let (slots, mut open) = (Arc::new(Semaphore::new(bounds.connections)), JoinSet::new());
    let sources = Sources::new(bounds.of_one_source);
    let mut accepting = Accepting::new(listener, bounds.who);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&mut accepting, &slots) => accepted,
        };
        while open.try_join_next().is_some() {}
        // The semaphore is never closed.
        let Some((slot, stream, source)) = accepted else { break };
        let place = source.map(|source| sources.try_acquire(source));
        // It is closed at once: waiting is what it would do to others.
        if let Some(None) = place {
            continue;
        }
        let (tls, service) = (tls.clone(), service.clone());
        open.spawn(async move {
            match tls {
                None => connection(stream, source, bounds, service).await,
                Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => connection(stream, source, bounds, service).await,
                    Ok(Err(error)) => tracing::debug!("a connection of {}: {error}", bounds.who),
                    Err(_) => tracing::debug!("a connection of {}: TLS handshake timed out", bounds.who),
                },
            }
            drop((place, slot));
        });
    }
    drop(accepting);
    let _ = timeout(LAST_REQUESTS, async { while open.join_next().await.is_some() {} }).await;
    // What still runs after that has its deadlines.
    open.detach_all();
}

/// A connection, once there is a slot for it.
async fn accept<L: Listener>(
    accepting: &mut Accepting<L>,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, L::Stream, Option<IpAddr>)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let (stream, peer) = accepting.next().await;
    Some((slot, stream, L::source(&peer)))
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    source: Option<IpAddr>,
    bounds: Bounds,
    service: impl Service,
) {
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request, source).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(HEADER_BYTES);
    http.keep_alive(bounds.keep_alive).half_close(true);
    match timeout(WHOLE, http.serve_connection(TokioIo::new(stream), answer)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a connection of {}: {error}", bounds.who),
        Err(_) => tracing::debug!("a connection of {}: timed out", bounds.who),
    }
}
