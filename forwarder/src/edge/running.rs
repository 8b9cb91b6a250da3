//! The edge: listeners, connections, reload and shutdown.
//!
//! Races are closed by order. A connection is registered *before* its generation is compared with the
//! current one, and a reload exchanges the generation *before* it walks the registry: whichever comes
//! first, a connection is decided by the newest policy at least once. `registry` holds that order.

mod agents;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::agents::ServedAgents;
use super::connection::AcceptedAt;
use super::listener::{self, Listener};
use super::revalidate;
use super::shared::Shared;
use super::shares::Holder;
use super::status::{self, LastReload, ReloadRequest};
use crate::base::memory;
use crate::base::random::Random;
use crate::control::admin::{ChangedPolicy, EdgeControl};
use crate::edge::events::EventWriter;
use crate::edge::generation::{Generation, ListenerKey};
use crate::edge::listen;
use crate::edge::own_sockets::OwnSockets;
use agents::AgentListener;
pub use agents::ReadyAgents;

/// A running edge.
#[derive(Debug)]
pub struct Edge {
    shared: Arc<Shared>,
    agents: ServedAgents,
    listeners: HashMap<ListenerKey, Listener>,
    agent_listener: Option<AgentListener>,
}

/// An endpoint cannot listen.
#[derive(Debug)]
pub struct BindError {
    /// The endpoint.
    pub endpoint: Box<str>,
    /// Its address.
    pub listen: SocketAddr,
    /// Why.
    pub error: io::Error,
    /// The listener of the edge itself that has the port.
    pub own: Option<SocketAddr>,
}

impl BindError {
    fn beside(own: &OwnSockets, endpoint: &str, listen: SocketAddr, error: io::Error) -> Self {
        Self { endpoint: endpoint.into(), listen, error, own: own.listener_on(listen.port()) }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, listen, error, own } = self;
        write!(f, "endpoint `{endpoint}` cannot listen on {listen}: {error}")?;
        match (error.kind(), own) {
            (io::ErrorKind::AddrInUse, Some(own)) => {
                write!(
                    f,
                    "; the edge itself listens on {own}: restart it, or free the port by a reload before"
                )
            }
            (io::ErrorKind::AddrInUse, None) => {
                f.write_str("; stop the program that uses it, or change `listen`")
            }
            (io::ErrorKind::PermissionDenied, _) => {
                f.write_str("; ports below 1024 need the right to bind them, or choose a higher port")
            }
            _ if listen.is_ipv6() => {
                let port = listen.port();
                write!(f, "; without IPv6 on this machine set `listen: 0.0.0.0:{port}`")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {}

/// What a reload did.
#[derive(Debug, Default)]
pub struct Reloaded {
    /// Endpoints with another policy than before.
    pub changed: Vec<ChangedPolicy>,
    /// Listeners opened.
    pub opened: usize,
    /// Listeners closed.
    pub closed: usize,
    /// Connections that the new policies no longer admit to where they were.
    pub cut: usize,
    /// Endpoints that cannot listen; the others are served.
    pub unbound: Vec<BindError>,
    /// Connections that are still being decided, because the policies that their agents brought take long.
    pub later: usize,
}

impl Edge {
    /// Binds every endpoint, then accepts. `connections` may be open at once.
    ///
    /// # Errors
    /// [`BindError`]; nothing has been accepted then.
    pub fn start(generation: Generation, connections: usize, events: EventWriter) -> Result<Self, BindError> {
        let bound = bind(&generation, &HashMap::new())?;
        let shared = Arc::new(Shared::new(generation, connections, events, Random::system()));
        let mut edge =
            Self { shared, agents: ServedAgents::default(), listeners: HashMap::new(), agent_listener: None };
        edge.accept_on(bound);
        let shared = Arc::downgrade(&edge.shared);
        tokio::spawn(memory::give_back(move || shared.strong_count() > 0));
        Ok(edge)
    }

    /// The endpoints by name and the addresses they listen on, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let generation = self.shared.current.load();
        let endpoints = generation.config.endpoints.iter();
        let bound = endpoints.filter_map(|endpoint| {
            let listener = self.listeners.get(&ListenerKey::from_endpoint(endpoint))?;
            Some((endpoint.name.value.to_string(), listener.address))
        });
        bound.collect()
    }

    /// Why an address cannot be listened on, and whether the edge itself has it.
    pub(crate) fn bind_error(&self, endpoint: &str, listen: SocketAddr, error: io::Error) -> BindError {
        BindError::beside(&self.shared.own, endpoint, listen, error)
    }

    /// Where agents connect, if they do.
    #[must_use]
    pub fn agents_address(&self) -> Option<SocketAddr> {
        self.agent_listener.as_ref().map(AgentListener::address)
    }

    /// The configuration that is served now.
    #[must_use]
    pub fn config(&self) -> policy_core::edge::EdgeConfig {
        self.shared.current.load().config.clone()
    }

    /// Where it listens and connects from; whoever listens beside it registers there.
    #[must_use]
    pub fn own_sockets(&self) -> &Arc<OwnSockets> {
        &self.shared.own
    }

    /// The edge for its API: a reload is asked for through a channel, and what the last one could not do is read from
    /// `last`.
    pub(crate) fn control(
        &self,
        reloads: mpsc::Sender<ReloadRequest>,
        last: LastReload,
    ) -> Arc<dyn EdgeControl> {
        let (shared, agents) = (Arc::clone(&self.shared), Arc::clone(&self.agents));
        Arc::new(status::Control { shared, agents, reloads, last })
    }

    /// What is served now.
    pub(crate) fn generation(&self) -> Arc<Generation> {
        self.shared.current.load_full()
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.connections.len()
    }

    /// Serves a new generation: new connections by the new policies at once, open ones revalidated. A new endpoint that
    /// cannot listen does not keep the others from being served; the next reload tries it again.
    pub async fn reload(&mut self, generation: Generation) -> Reloaded {
        let (bound, mut unbound) = bind_each(&generation, &self.listeners, &self.shared.own);
        let mut opened = bound.len();
        let changed = status::changed(&self.shared.current.load(), &generation);
        let kept: Vec<ListenerKey> =
            generation.config.endpoints.iter().map(ListenerKey::from_endpoint).collect();
        // First of all whoever may no longer be here: closing listeners takes a moment.
        let shared = &self.shared;
        let exchange = || {
            let newest = Arc::new(generation);
            shared.current.store(Arc::clone(&newest));
            newest
        };
        let (cut, undecided) = revalidate::open_connections(shared, exchange);
        let gone: Vec<_> = self.listeners.keys().filter(|key| !kept.contains(key)).cloned().collect();
        for key in &gone {
            if let Some(listener) = self.listeners.remove(key) {
                listener.close().await;
            }
        }
        self.accept_on(bound);
        if !unbound.is_empty() && !gone.is_empty() {
            // One of those that are closed now may have had the port.
            let newest = self.shared.current.load_full();
            let (more, left) = bind_each(&newest, &self.listeners, &self.shared.own);
            opened += more.len();
            unbound = left;
            self.accept_on(more);
        }
        let later = undecided.len();
        if self.shared.waiting.add(undecided) {
            // No connection: a stop does not wait for it.
            tokio::spawn(revalidate::in_turn(Arc::clone(&self.shared)));
        }
        Reloaded { changed, opened, closed: gone.len(), cut, unbound, later }
    }

    /// Stops accepting, lets open connections go on for `drain`, then cuts the rest; returns how many.
    pub async fn shutdown(mut self, drain: Duration) -> usize {
        self.shared.stop_accepting.cancel();
        for (_, listener) in self.listeners.drain() {
            listener.close().await;
        }
        self.shared.tasks.close();
        let mut cut = 0;
        if tokio::time::timeout(drain, self.shared.tasks.wait()).await.is_err() {
            cut = self.shared.tasks.len();
            self.shared.stop.cancel();
            self.shared.tasks.wait().await;
        }
        self.shared.stop_agents.cancel();
        self.shared.agent_tasks.close();
        self.shared.agent_tasks.wait().await;
        cut
    }

    fn accept_on(&mut self, bound: Vec<(ListenerKey, SocketAddr, TcpListener)>) {
        for (key, address, listener) in bound {
            let stop = CancellationToken::new();
            let accept = listener::accept(
                Arc::clone(&self.shared),
                AcceptedAt::Configured(key.clone()),
                Holder::Endpoint(key.clone()),
                listener,
                stop.clone(),
            );
            let task = tokio::spawn(accept);
            self.listeners.insert(key, Listener { address, stop, task });
        }
    }
}

/// Binds the endpoints of a generation that do not listen yet, each by itself; and those that cannot.
fn bind_each(
    generation: &Generation,
    present: &HashMap<ListenerKey, Listener>,
    own: &OwnSockets,
) -> (Vec<(ListenerKey, SocketAddr, TcpListener)>, Vec<BindError>) {
    let (mut bound, mut unbound) = (Vec::new(), Vec::new());
    for endpoint in &generation.config.endpoints {
        let key = ListenerKey::from_endpoint(endpoint);
        if present.contains_key(&key) {
            continue;
        }
        let listen = endpoint.listen.value;
        let listening = listen::listen_on(listen);
        match listening.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((address, listener)) => bound.push((key, address, listener)),
            Err(error) => unbound.push(BindError::beside(own, &endpoint.name.value, listen, error)),
        }
    }
    (bound, unbound)
}

/// Binds the endpoints of a generation that do not listen yet; all or nothing: no client is let into a
/// queue before every address is ours.
fn bind(
    generation: &Generation,
    present: &HashMap<ListenerKey, Listener>,
) -> Result<Vec<(ListenerKey, SocketAddr, TcpListener)>, BindError> {
    let mut bound = Vec::new();
    for endpoint in &generation.config.endpoints {
        let key = ListenerKey::from_endpoint(endpoint);
        if present.contains_key(&key) {
            continue;
        }
        let listen = endpoint.listen.value;
        let failed = |error| BindError { endpoint: endpoint.name.value.clone(), listen, error, own: None };
        bound.push((key, endpoint, listen::bind(listen).map_err(failed)?));
    }
    let listening = bound.into_iter().map(|(key, endpoint, socket)| {
        let listen = endpoint.listen.value;
        let failed = |error| BindError { endpoint: endpoint.name.value.clone(), listen, error, own: None };
        let listener = listen::listen(socket).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((key, address, listener))
    });
    listening.collect()
}
