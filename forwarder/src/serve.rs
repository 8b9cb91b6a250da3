//! `forwarder edge`: an edge under the control of signals.
//!
//! SIGHUP reloads and keeps the last good configuration on any error; SIGTERM and SIGINT stop accepting and
//! drain; a second one cuts at once.

mod administration;

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use policy_core::edge::{AgentListener, EdgeConfig};
use tokio_util::sync::CancellationToken;

use crate::admin::{Admin, Audit, CONNECTIONS};
use crate::admission::{OverBudget, connections, raise_file_limit};
use crate::edge::{AgentSettings, BindError, Edge, UNKNOWN_AGENTS};
use crate::events::{EventWriter, open_outputs};
use crate::generation::{Generation, LoadError, load, read_file};
use crate::identity::Identity;
use crate::link::Heartbeat;
use crate::state::StateDir;
use crate::tls::AgentIdentity;

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
    let listeners = config.endpoints.len();
    let files = raise_file_limit();
    let admin_files = admin_of(config);
    let most = connections(
        config.limits.max_connections,
        listeners,
        agents_of(config).saturating_add(admin_files),
        files,
    );
    let most = most.map_err(StartError::Budget)?;
    let state_path = generation.folder.join(&*config.state_dir);
    let unusable = |error| StartError::File(state_path.display().to_string(), error);
    let _state = StateDir::open(&state_path).map_err(unusable)?;
    let outputs = open_outputs(&config.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let (events, thread) = EventWriter::start(outputs).map_err(StartError::System)?;

    let mut drain = config.drain;
    let agents = config.agents.clone().map(|listener| (listener, settings_of(config)));
    let admin_path = generation.folder.join(config.admin_path());
    let admin_listener = config.admin_listener.clone();
    let folder = generation.folder.clone();
    let mut edge = Edge::start(generation, most, events.clone()).map_err(StartError::Bind)?;
    announce(&edge);
    let stop_admin = CancellationToken::new();
    let admin = match agents {
        Some((listener, settings)) => {
            let identity = Identity::open(&state_path).map_err(|error| unusable(io::Error::other(error)))?;
            serve_agents(&mut edge, &listener, settings, identity.clone(), &folder, &state_path)?;
            let audit = events.clone();
            let audit = Audit::new(move |line| audit.send(line));
            let admin = Admin::new(identity.clone(), edge.admin_sessions(), audit);
            let over_tcp = admin_listener.as_ref().map(|given| (given, &*listener.names));
            administration::serve(admin, &identity, &admin_path, over_tcp, &folder, &stop_admin).await?
        }
        None => Vec::new(),
    };
    while let Told::Reload = signals.next().await {
        let loaded = tokio::select! {
            loaded = load_apart(path) => loaded,
            () = signals.stop() => break,
        };
        let budget = Budget { slots: most, files, admin: admin_files };
        let reloaded = match loaded {
            Ok(generation) => reload(generation, &mut edge, &events, budget).await,
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
    stop_admin.cancel();
    for serving in admin {
        // It ends by itself, or has failed and said so.
        let _ = serving.await;
    }
    drop(events);
    thread.finish().await;
    tracing::info!(cut, "stopped");
    Ok(())
}

/// Files that agents need.
fn agents_of(config: &EdgeConfig) -> usize {
    let most = usize::try_from(config.limits.max_agents).unwrap_or(usize::MAX);
    config.agents.as_ref().map_or(0, |_| most.saturating_add(UNKNOWN_AGENTS))
}

/// Files that the administration over TCP needs.
fn admin_of(config: &EdgeConfig) -> usize {
    config.admin_listener.as_ref().map_or(0, |_| CONNECTIONS + 1)
}

/// True if something about agents has changed, which a reload leaves as it is.
fn agents_differ(old: &EdgeConfig, new: &EdgeConfig) -> bool {
    let listener = |config: &EdgeConfig| {
        config.agents.as_ref().map(|it| (it.listen.value, it.names.clone(), it.tls.clone()))
    };
    let admin = |config: &EdgeConfig| {
        config.admin_listener.as_ref().map(|it| (it.listen.value, it.names.clone(), it.tls.clone()))
    };
    listener(old) != listener(new)
        || admin(old) != admin(new)
        || old.admin_path() != new.admin_path()
        || settings_of(old) != settings_of(new)
}

/// What a configuration says of agents, but for who they are.
fn settings_of(config: &EdgeConfig) -> PartSettings {
    let limits = &config.limits;
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    PartSettings {
        auth_timeout: limits.agent_auth_timeout,
        heartbeat: Heartbeat {
            interval: limits.agent_heartbeat_interval,
            tolerance: limits.agent_heartbeat_tolerance,
        },
        most_agents: number(limits.max_agents),
        most_endpoints: number(limits.max_endpoints_per_agent),
        most_streams: number(limits.max_streams_per_agent),
        public_ports: config.public_tcp_ports.clone(),
    }
}

#[derive(PartialEq)]
struct PartSettings {
    auth_timeout: Duration,
    heartbeat: Heartbeat,
    most_agents: usize,
    most_endpoints: usize,
    most_streams: usize,
    public_ports: Option<std::ops::RangeInclusive<u16>>,
}

fn serve_agents(
    edge: &mut Edge,
    listener: &AgentListener,
    settings: PartSettings,
    identity: Identity,
    folder: &Path,
    state_path: &Path,
) -> Result<(), StartError> {
    let shown = match &listener.tls {
        Some(files) => {
            AgentIdentity::load(&folder.join(&*files.certificate), &folder.join(&*files.private_key))
        }
        None => AgentIdentity::own(state_path, &listener.names),
    };
    let shown = shown.map_err(|error| StartError::File("the certificate for agents".to_owned(), error))?;
    let PartSettings { auth_timeout, heartbeat, most_agents, most_endpoints, most_streams, public_ports } =
        settings;
    let listen = listener.listen.value;
    let address = edge.serve_agents(AgentSettings {
        listen,
        name: listener.names.first().cloned().unwrap_or_default(),
        tls: shown.server_config(),
        identity,
        auth_timeout,
        heartbeat,
        most_agents,
        most_endpoints,
        most_streams,
        public_ports,
    });
    let address =
        address.map_err(|error| StartError::Bind(BindError { endpoint: "agents".into(), listen, error }))?;
    let (fingerprint, trust) =
        (shown.fingerprint(), shown.authority().map(|path| path.display().to_string()));
    tracing::info!(%address, fingerprint, trust, "agents connect here");
    Ok(())
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
    /// Files of the administration that runs, whatever a new configuration says of it.
    admin: usize,
}

async fn reload(
    generation: Generation,
    edge: &mut Edge,
    events: &EventWriter,
    budget: Budget,
) -> Result<Duration, StartError> {
    let (old, new) = (edge.config(), &generation.config);
    let slots = u32::try_from(budget.slots).unwrap_or(u32::MAX);
    let others = agents_of(new).saturating_add(budget.admin);
    connections(Some(slots), new.endpoints.len(), others, budget.files).map_err(StartError::Budget)?;
    if old.limits.max_connections != new.limits.max_connections || old.state_dir != new.state_dir {
        tracing::warn!("a new `max_connections` or `state_dir` counts from the next start");
    }
    if agents_differ(&old, new) {
        tracing::warn!("new `agents`, their limits, `admin` or `public_tcp_ports` count from the next start");
    }
    let outputs = open_outputs(&new.events, &generation.folder);
    let outputs = outputs.map_err(|(path, error)| StartError::File(path, error))?;
    let drain = new.drain;
    let done = edge.reload(generation).await.map_err(StartError::Bind)?;
    events.replace(outputs);
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
