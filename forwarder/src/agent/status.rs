//! What the agent tells of itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

/// The state of a running agent, shared with its API.
#[derive(Debug, Default)]
pub struct Status {
    online: Mutex<Option<OnlineEndpoint>>,
    /// Connections so far, and those open now.
    connections: AtomicU64,
    open: AtomicU64,
    /// An endpoint came online.
    bound: Notify,
}

#[derive(Debug, Default)]
struct OnlineEndpoint {
    latency: Option<Duration>,
    endpoints: BTreeMap<Box<str>, EndpointStatus>,
}

/// An endpoint as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointStatus {
    /// Its name.
    pub name: Box<str>,
    /// Where the API shows it.
    pub uri: String,
    /// Its URL.
    pub url: Box<str>,
    /// Where its traffic goes.
    pub upstream: UpstreamStatus,
    /// The text of its policy.
    pub traffic_policy: Option<Box<str>>,
    /// True if endpoints with the same URL share its traffic.
    pub pooling_enabled: bool,
}

/// Where traffic goes.
#[derive(Clone, Debug, Serialize)]
pub struct UpstreamStatus {
    /// `tcp://localhost:22`
    pub url: String,
}

/// What `/api/status` says.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// `online` or `connecting`.
    pub status: &'static str,
    /// Time that the last sign of life took.
    pub latency_ms: Option<u64>,
    /// Endpoints online.
    pub endpoints: usize,
    /// Connections so far.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// The version of the agent.
    pub version: &'static str,
}

/// A connection that is open as long as this is held.
pub(super) struct OpenConnection<'s>(&'s Status);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Status {
    pub(super) fn connection(&self) -> OpenConnection<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Option<OnlineEndpoint>) -> T) -> T {
        look(&mut self.online.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn connected(&self) {
        self.with(|online| *online = Some(OnlineEndpoint::default()));
    }

    pub(super) fn offline(&self) {
        self.with(|online| *online = None);
    }

    pub(super) fn beat(&self, latency: Duration) {
        self.with(|online| online.iter_mut().for_each(|online| online.latency = Some(latency)));
    }

    pub(super) fn bound(&self, endpoint: EndpointStatus) {
        self.with(|online| {
            online.iter_mut().for_each(|online| {
                online.endpoints.insert(endpoint.name.clone(), endpoint.clone());
            });
        });
        self.bound.notify_waiters();
    }

    /// Waits until an endpoint is online.
    pub async fn online(&self) {
        loop {
            // It hears of whatever comes online from here on.
            let bound = self.bound.notified();
            if !self.endpoints().is_empty() {
                return;
            }
            bound.await;
        }
    }

    pub(super) fn unbound(&self, name: &str) {
        self.with(|online| online.iter_mut().for_each(|online| drop(online.endpoints.remove(name))));
    }

    /// The endpoints that are online, by name.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        self.with(|online| online.iter().flat_map(|online| online.endpoints.values()).cloned().collect())
    }

    /// The state as a whole.
    #[must_use]
    pub fn view(&self) -> StatusView {
        let (status, latency, endpoints) = self.with(|online| match online {
            Some(online) => ("online", online.latency, online.endpoints.len()),
            None => ("connecting", None, 0),
        });
        StatusView {
            status,
            latency_ms: latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            endpoints,
            connections: self.connections.load(Ordering::Relaxed),
            open_connections: self.open.load(Ordering::Relaxed),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
