//! `forwarder edge`: an edge under the control of signals.
//!
//! SIGHUP reloads and keeps the last good configuration on any error; SIGTERM and SIGINT stop accepting and
//! drain; a second one cuts at once.

mod administration;
mod agents;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use policy_core::edge::EdgeConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval_at};

use crate::admin::CONNECTIONS;
use crate::admission::{OverBudget, Reserve, connections, raise_file_limit};
use crate::edge::{BindError, Edge, EndedAgents, UNKNOWN_AGENTS};
use crate::events::{EventWriter, open_outputs};
use crate::generation::{Generation, LoadError, load, read_file};
use crate::state::StateDir;
use agents::{Control, Places, RENEW_EVERY};

/// Why an edge did not start.
#[derive(Debug)]
pub enum StartError {
    /// The configuration cannot be used.
    Load(LoadError),
    /// The limits do not fit this process.
    Budget(OverBudget),
    /// An endpoint cannot listen.
    Bind(BindError),
    /// A file or folder of the edge's own cannot be used.
    File(String, io::Error),
    /// The system refuses signals or threads.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Budget(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::File(path, error) => write!(f, "cannot use `{path}`: {error}"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// Runs an edge until it is told to stop.
///
/// # Errors
/// [`StartError`]; then nothing is served any more.
pub async fn serve(path: &Path) -> Result<(), StartError> {
    // Signals are caught from here on: one that comes while the edge starts is not lost.
    let mut signals = Signals::new().map_err(StartError::System)?;
    let (generation, reports) = load(path, &read_file).map_err(StartError::Load)?;
    for text in reports.texts() {
        tracing::warn!("{text}");
    }
    let config = &generation.config;
    let files = raise_file_limit();
    let most = connections(config.limits.max_connections, reserve(config, admin_of(config)), files);
    let most = most.map_err(StartError::Budget)?;
    let state_path = generation.folder.join(&*config.state_dir);
    let unusable = |error| StartError::File(state_path.display().to_string(), error);
    let _state = StateDir::open(&state_path).map_err(unusable)?;
    let outputs = open_outputs(&config.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let (events, thread) = EventWriter::start(outputs).map_err(StartError::System)?;

    let mut drain = config.drain;
    let places = Places { folder: generation.folder.clone(), state: state_path };
    let config = config.clone();
    let mut edge = Edge::start(generation, most, events.clone()).map_err(StartError::Bind)?;
    announce(&edge);
    let mut control = None;
    let ready = agents::ready(&edge, &config, &places, false).await?;
    agents::take(&mut edge, ready, &mut control, &events).await;
    let mut renewal = interval_at(Instant::now() + RENEW_EVERY, RENEW_EVERY);
    loop {
        let told = tokio::select! {
            told = signals.next() => told,
            _ = renewal.tick() => {
                agents::renew(&edge, control.as_ref(), &places).await;
                continue;
            }
        };
        let Told::Reload = told else { break };
        let loaded = tokio::select! {
            loaded = load_apart(path) => loaded,
            () = signals.stop() => break,
        };
        let budget = Budget { slots: most, files };
        let reloaded = match loaded {
            Ok(generation) => reload(generation, &mut edge, &mut control, &events, &places, budget).await,
            Err(error) => Err(error),
        };
        match reloaded {
            Ok(new_drain) => drain = new_drain,
            Err(error) => tracing::error!("reload refused, the last good configuration stays: {error}"),
        }
    }
    tracing::info!(open = edge.open_connections(), "draining for at most {drain:?}");
    let cut = tokio::select! {
        cut = edge.shutdown(drain) => cut,
        () = signals.stop() => {
            tracing::warn!("stopped at once");
            return Ok(());
        }
    };
    if let Some(control) = control {
        control.close().await;
    }
    drop(events);
    thread.finish().await;
    tracing::info!(cut, "stopped");
    Ok(())
}

/// What needs files beside connections; the administration so many.
fn reserve(config: &EdgeConfig, admin: usize) -> Reserve {
    let listeners = config.endpoints.len();
    match config.agents {
        Some(_) => {
            let max_agents = usize::try_from(config.limits.max_agents).unwrap_or(usize::MAX);
            Reserve { listeners, max_agents, unknown_agents: UNKNOWN_AGENTS, admin }
        }
        None => Reserve { listeners, max_agents: 0, unknown_agents: 0, admin },
    }
}

/// Files that the administration over TCP needs.
fn admin_of(config: &EdgeConfig) -> usize {
    config.admin_listener.as_ref().map_or(0, |_| CONNECTIONS + 1)
}

/// True if something about the administration has changed, which a reload leaves as it is.
fn admin_differs(old: &EdgeConfig, new: &EdgeConfig) -> bool {
    let admin = |config: &EdgeConfig| {
        config.admin_listener.as_ref().map(|it| (it.listen.value, it.names.clone(), it.tls.clone()))
    };
    admin(old) != admin(new) || old.admin_path() != new.admin_path()
}

fn announce(edge: &Edge) {
    for (endpoint, address) in edge.addresses() {
        tracing::info!(endpoint, %address, "listening");
    }
}

/// Loads on a thread of its own: a policy may be large, and the runtime's own blocking threads may all be
/// waiting for name lookups.
async fn load_apart(path: &Path) -> Result<Generation, StartError> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let path = path.to_owned();
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            // Nobody waits any more if the edge was told to stop meanwhile.
            let _ = send.send(load(&path, &read_file));
        })
        .map_err(StartError::System)?;
    let loaded = receive.await.map_err(|error| StartError::System(io::Error::other(error)))?;
    let (generation, reports) = loaded.map_err(StartError::Load)?;
    for text in reports.texts() {
        tracing::warn!("{text}");
    }
    Ok(generation)
}

/// What a reload has to fit in.
#[derive(Clone, Copy)]
struct Budget {
    slots: usize,
    files: u64,
}

async fn reload(
    generation: Generation,
    edge: &mut Edge,
    control: &mut Option<Control>,
    events: &EventWriter,
    places: &Places,
    budget: Budget,
) -> Result<Duration, StartError> {
    let (old, new) = (edge.config(), &generation.config);
    let slots = u32::try_from(budget.slots).unwrap_or(u32::MAX);
    // The administration that runs goes on, whatever a new configuration says of it.
    let admin = control.as_ref().map_or_else(|| admin_of(new), |control| control.files);
    connections(Some(slots), reserve(new, admin), budget.files).map_err(StartError::Budget)?;
    if old.limits.max_connections != new.limits.max_connections || old.state_dir != new.state_dir {
        tracing::warn!("a new `max_connections` or `state_dir` counts from the next start");
    }
    if control.is_some() && admin_differs(&old, new) {
        tracing::warn!("changes of `admin` count from the next start");
    }
    let ready = agents::ready(edge, new, places, control.is_some()).await?;
    let outputs = open_outputs(&new.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let drain = new.drain;
    let done = edge.reload(generation).await.map_err(StartError::Bind)?;
    events.replace(outputs);
    let EndedAgents { sessions, endpoints, .. } = agents::take(edge, ready, control, events).await;
    tracing::info!(
        opened = done.opened,
        closed = done.closed,
        cut = done.cut,
        later = done.later,
        sessions,
        endpoints,
        "reloaded"
    );
    announce(edge);
    Ok(drain)
}

enum Told {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a stop; reloads that come meanwhile are one with the present one.
    async fn stop(&mut self) {
        while let Told::Reload = self.next().await {}
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
        }
    }
}
