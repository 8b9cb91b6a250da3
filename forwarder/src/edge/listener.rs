//! The listener of one endpoint: whom it lets in.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection;
use super::connection::AcceptedAt;
use super::events::connections_waiting;
use super::shared::Shared;
use super::shares::{Beyond, Holder, LOG_INTERVAL, Share};
use crate::net::accept::Accepting;

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

/// Accepts until stopped. A connection beyond a share of its source or endpoint is closed at once; one that finds no
/// free slot at all waits, and the ones behind it wait in the system's queue.
pub(super) async fn accept(
    shared: Arc<Shared>,
    at: AcceptedAt,
    holder: Holder,
    listener: TcpListener,
    stop: CancellationToken,
) {
    let _own = listener.local_addr().map(|address| shared.own.register_listener(address));
    let mut accepting = Accepting::new(listener, "clients");
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = accepting.next() => accepted,
        };
        let share = match acquire_share(&shared, &holder, peer, stream.local_addr().ok()) {
            Ok(share) => share,
            Err(reason) => {
                connection::close_undecided(&shared, stream, peer, &reason);
                continue;
            }
        };
        let slot = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            slot = slot(&shared, &at) => slot,
        };
        let Some(slot) = slot else {
            return connection::close_undecided(&shared, stream, peer, "its endpoint stopped listening");
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
fn acquire_share(
    shared: &Shared,
    holder: &Holder,
    peer: SocketAddr,
    here: Option<SocketAddr>,
) -> Result<Share, String> {
    if here.is_some_and(|here| shared.own.has_connection(peer, here)) {
        return Err("the edge itself has made this connection: an upstream leads back to it".to_owned());
    }
    let share = shared.shares.try_acquire(&shared.current.load(), holder, peer.ip());
    share.map_err(|beyond| {
        if beyond != Beyond::Removed && shared.shares.is_time_to_log_refused() {
            tracing::warn!(%peer, reason = %beyond, "connection refused");
        }
        beyond.to_string()
    })
}

/// One of all slots; waits for it, and tells that from time to time.
async fn slot(shared: &Shared, at: &AcceptedAt) -> Option<OwnedSemaphorePermit> {
    if let Ok(slot) = Arc::clone(&shared.slots).try_acquire_owned() {
        return Some(slot);
    }
    let waiting = Arc::clone(&shared.slots).acquire_owned();
    tokio::pin!(waiting);
    loop {
        if shared.shares.is_time_to_log_waiting() {
            log_waiting(shared, at);
        }
        tokio::select! {
            biased;
            // The semaphore is never closed; if it were, nothing would be admitted.
            slot = &mut waiting => return slot.ok(),
            () = tokio::time::sleep(LOG_INTERVAL) => {}
        }
    }
}

fn log_waiting(shared: &Shared, at: &AcceptedAt) {
    let (generation, open) = (shared.current.load(), shared.shares.connections());
    let endpoint = match at {
        AcceptedAt::Configured(listener) => {
            let found = generation.at_listener(listener).and_then(|at| generation.config.endpoints.get(at));
            found.map(|endpoint| &*endpoint.name.value)
        }
        AcceptedAt::Online(online) => Some(&*online.id),
    };
    tracing::warn!(endpoint, open, "all connections are in use, new ones wait (`limits.max_connections`)");
    shared.write_event(connections_waiting(endpoint, open, Timestamp::now()));
}
