//! Listeners: binding, and the accept loop of one endpoint.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::At;
use super::{Shared, connection};

/// Connections the system keeps until they are accepted.
const BACKLOG: i32 = 1_024;
/// Pause after a failed accept: the cause, mostly a lack of files or memory, does not pass at once.
const PAUSE: Duration = Duration::from_millis(100);
/// At most one line a second about failed accepts.
const QUIET: Duration = Duration::from_secs(1);

/// Binds an address; an IPv6 wildcard takes IPv4 clients as well.
pub(super) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Lets clients in.
pub(super) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until stopped. A connection that finds no free slot waits, and the ones behind it wait in the
/// system's queue.
pub(super) async fn accept(shared: Arc<Shared>, at: At, listener: TcpListener, stop: CancellationToken) {
    let mut last_line: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                if last_line.is_none_or(|at| at.elapsed() >= QUIET) {
                    tracing::error!(%error, "cannot accept");
                    last_line = Some(Instant::now());
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
        };
        let slot = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            // The semaphore is never closed; if it were, nothing would be admitted.
            slot = Arc::clone(&shared.slots).acquire_owned() => slot.ok(),
        };
        let Some(slot) = slot else {
            return connection::close_unjudged(&shared, stream, peer, "its endpoint stopped listening");
        };
        let shared_of_task = Arc::clone(&shared);
        let at = at.clone();
        shared.tasks.spawn(async move {
            connection::serve(&shared_of_task, &at, stream, peer).await;
            drop(slot);
        });
    }
}

/// True for a client that went away before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
