//! `forwarder edge`: an edge under the control of signals.
//!
//! SIGHUP reloads and keeps the last good configuration on any error; SIGTERM and SIGINT stop accepting and
//! drain; a second one cuts at once.

use std::fmt;
use std::io;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::admission::{OverBudget, connections, raise_file_limit};
use crate::edge::{BindError, Edge};
use crate::events::{EventWriter, open_outputs};
use crate::generation::{Generation, LoadError, load, read_file};
use crate::state::StateDir;

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
/// [`StartError`]; then nothing has been accepted.
pub async fn serve(path: &Path) -> Result<(), StartError> {
    // Signals are caught from here on: one that comes while the edge starts is not lost.
    let mut signals = Signals::new().map_err(StartError::System)?;
    let (generation, reports) = load(path, &read_file).map_err(StartError::Load)?;
    for line in reports.lines() {
        tracing::warn!("{line}");
    }
    let config = &generation.config;
    let listeners = config.endpoints.len();
    let most = connections(config.limits.max_connections, listeners, raise_file_limit());
    let most = most.map_err(StartError::Budget)?;
    let state_path = generation.folder.join(&*config.state_dir);
    let unusable = |error| StartError::File(state_path.display().to_string(), error);
    let _state = StateDir::open(&state_path).map_err(unusable)?;
    let outputs = open_outputs(&config.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let (events, thread) = EventWriter::start(outputs).map_err(StartError::System)?;

    let mut drain = config.drain;
    let mut edge = Edge::start(generation, most, events.clone()).map_err(StartError::Bind)?;
    announce(&edge);
    while let Told::Reload = signals.next().await {
        match reload(path, &mut edge, &events).await {
            Ok(new_drain) => drain = new_drain,
            Err(error) => tracing::error!("reload refused, the last good configuration stays: {error}"),
        }
    }
    tracing::info!(open = edge.open_connections(), "draining for at most {drain:?}");
    let stopping = edge.shutdown(drain);
    tokio::pin!(stopping);
    let cut = loop {
        tokio::select! {
            cut = &mut stopping => break cut,
            told = signals.next() => if matches!(told, Told::Stop) {
                tracing::warn!("stopped at once");
                return Ok(());
            },
        }
    };
    drop(events);
    thread.finish().await;
    tracing::info!(cut, "stopped");
    Ok(())
}

fn announce(edge: &Edge) {
    for (endpoint, address) in edge.addresses() {
        tracing::info!(endpoint, %address, "listening");
    }
}

async fn reload(
    path: &Path,
    edge: &mut Edge,
    events: &EventWriter,
) -> Result<std::time::Duration, StartError> {
    let owned = path.to_owned();
    // Off the threads that carry bytes: a policy may be large.
    let loaded = tokio::task::spawn_blocking(move || load(&owned, &read_file)).await;
    let loaded = loaded.map_err(|error| StartError::System(io::Error::other(error)))?;
    let (generation, reports): (Generation, _) = loaded.map_err(StartError::Load)?;
    for line in reports.lines() {
        tracing::warn!("{line}");
    }
    let outputs = open_outputs(&generation.config.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let drain = generation.config.drain;
    let (old, new) = (edge.config(), &generation.config);
    if old.limits.max_connections != new.limits.max_connections || old.state_dir != new.state_dir {
        tracing::warn!("a new `max_connections` or `state_dir` counts from the next start");
    }
    let done = edge.reload(generation).await.map_err(StartError::Bind)?;
    events.replace(outputs).await;
    tracing::info!(opened = done.opened, closed = done.closed, cut = done.cut, "reloaded");
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

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
        }
    }
}
