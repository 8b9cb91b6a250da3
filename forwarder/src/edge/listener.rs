//! Listeners: binding, and the accept loop of one endpoint.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::connection::At;
use super::shared::Shared;
use super::shares::{Beyond, Holder, Share, TELL_EVERY};
use crate::edge::events::connections_waiting;

/// Connections the system keeps until they are accepted.
const BACKLOG: i32 = 1_024;
/// Pause after a failed accept: the cause, mostly a lack of files or memory, does not pass at once.
const PAUSE: Duration = Duration::from_millis(100);
/// At most one line a second about failed accepts.
const QUIET: Duration = Duration::from_secs(1);

/// A listener whose accept loop runs.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<()>,
}

impl Listener {
    /// Stops accepting and waits until the socket is closed.
    pub(super) async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "an accept loop failed");
        }
    }
}

/// A listener like those of endpoints: an IPv6 wildcard takes IPv4 clients as well. Within a runtime.
pub(crate) fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address).and_then(listen)
}

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

/// Listens on a port at each of these addresses; without one, at every address of the machine.
pub(super) fn listen_at(addresses: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let open = |address: IpAddr| bind((address, port).into()).and_then(listen);
    match addresses {
        [] => everywhere(open).map(|listener| vec![listener]),
        // All or none: those that are open close with the error.
        addresses => addresses.iter().copied().map(open).collect(),
    }
}

/// The IPv6 wildcard takes IPv4 as well; a machine without IPv6 has IPv4 alone.
fn everywhere<T>(open: impl Fn(IpAddr) -> io::Result<T>) -> io::Result<T> {
    let no_ipv6 = |error: &io::Error| {
        let code = error.raw_os_error();
        [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|it| code == Some(it.raw_os_error()))
    };
    match open(Ipv6Addr::UNSPECIFIED.into()) {
        Err(error) if no_ipv6(&error) => open(Ipv4Addr::UNSPECIFIED.into()),
        opened => opened,
    }
}

/// Lets clients in.
pub(super) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until stopped. A connection beyond a share of its source or endpoint is closed at once; one that finds no
/// free slot at all waits, and the ones behind it wait in the system's queue.
pub(super) async fn accept(
    shared: Arc<Shared>,
    at: At,
    holder: Holder,
    listener: TcpListener,
    stop: CancellationToken,
) {
    let mut last_line: Option<Instant> = None;
    let _own = listener.local_addr().map(|address| shared.own.register_listener(address));
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
                // Nothing tells when there are files and memory again.
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
        };
        let share = match admit(&shared, &holder, peer, stream.local_addr().ok()) {
            Ok(share) => share,
            Err(reason) => {
                connection::close_unjudged(&shared, stream, peer, &reason);
                continue;
            }
        };
        let slot = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            slot = slot(&shared, &at) => slot,
        };
        let Some(slot) = slot else {
            return connection::close_unjudged(&shared, stream, peer, "its endpoint stopped listening");
        };
        let shared_of_task = Arc::clone(&shared);
        let at = at.clone();
        shared.tasks.spawn(async move {
            connection::serve(&shared_of_task, &at, stream, peer).await;
            drop((slot, share));
        });
    }
}

/// A place for a client among those of its source and endpoint, or why there is none.
fn admit(
    shared: &Shared,
    holder: &Holder,
    peer: SocketAddr,
    here: Option<SocketAddr>,
) -> Result<Share, String> {
    if here.is_some_and(|here| shared.own.has_connection(peer, here)) {
        return Err("the edge itself has made this connection: an upstream leads back to it".to_owned());
    }
    let admitted = shared.shares.admit(&shared.current.load(), holder, peer.ip());
    admitted.map_err(|beyond| {
        if beyond != Beyond::Removed && shared.shares.is_time_to_tell_refused() {
            tracing::warn!(%peer, reason = %beyond, "connection refused");
        }
        beyond.to_string()
    })
}

/// One of all slots; waits for it, and tells that from time to time.
async fn slot(shared: &Shared, at: &At) -> Option<OwnedSemaphorePermit> {
    if let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() {
        return Some(slot);
    }
    let waiting = Arc::clone(&shared.slots).acquire_owned();
    tokio::pin!(waiting);
    loop {
        if shared.shares.is_time_to_tell_waiting() {
            tell_waiting(shared, at);
        }
        tokio::select! {
            biased;
            // The semaphore is never closed; if it were, nothing would be admitted.
            slot = &mut waiting => return slot.ok(),
            () = tokio::time::sleep(TELL_EVERY) => {}
        }
    }
}

fn tell_waiting(shared: &Shared, at: &At) {
    let (generation, open) = (shared.current.load(), shared.shares.connections());
    let endpoint = match at {
        At::Configured(listener) => {
            let found = generation.at_listener(listener).and_then(|at| generation.config.endpoints.get(at));
            found.map(|endpoint| &*endpoint.name.value)
        }
        At::Online(online) => Some(&*online.id),
    };
    tracing::warn!(endpoint, open, "all connections are in use, new ones wait (`limits.max_connections`)");
    shared.write_event(connections_waiting(endpoint, open, Timestamp::now()));
}

/// True for a client that went away before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_ipv6_listens_on_ipv4() {
        let without = |code: Errno| {
            move |address: IpAddr| match address {
                IpAddr::V6(_) => Err(io::Error::from_raw_os_error(code.raw_os_error())),
                IpAddr::V4(address) => Ok(address),
            }
        };
        for code in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert_eq!(everywhere(without(code)).expect("IPv4 is there"), Ipv4Addr::UNSPECIFIED);
        }
        let taken = everywhere(without(Errno::ADDRINUSE)).expect_err("not free");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(everywhere(Ok).expect("IPv6 is there"), IpAddr::from(Ipv6Addr::UNSPECIFIED));
    }
}
