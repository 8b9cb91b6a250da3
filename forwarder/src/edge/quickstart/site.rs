//! The edge and the agent of the quickstart, as the guide has them: what connects them is the real link.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent_link::Heartbeat;
use jiff::Timestamp;
use policy_core::agent::Secret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::guide::{AGENT, EDGE, FOLDER, POLICY, QuickstartError};
use super::keep::{Kept, NewSite};
use crate::agent::{self, AgentError, Chosen, Status};
use crate::control::identity::{Credential, Identity, NewCredential};
use crate::edge::agents::{AgentSettings, PolicyLimits};
use crate::edge::certificates::AgentIdentity;
use crate::edge::events::EventWriter;
use crate::edge::generation::{Generation, load};
use crate::edge::running::Edge;

/// Connections and agents at once.
const CONNECTIONS: usize = 64;
const AGENTS: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(10);

/// A private folder for keys and tokens; gone with the value, unless it is kept.
struct State {
    path: PathBuf,
    kept: bool,
}

impl State {
    fn new(kept: Option<&Kept>) -> io::Result<Self> {
        let temporary = || std::env::temp_dir().join(format!("forwarder-quickstart-{}", Ulid::generate()));
        let path = kept.map_or_else(temporary, Kept::state);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path, kept: kept.is_some() })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is private and of no use to anybody.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A running edge and its agent.
pub(super) struct Site {
    pub(super) edge: Edge,
    /// Where agents connect.
    pub(super) agents: SocketAddr,
    stop: CancellationToken,
    agent: JoinHandle<Result<(), AgentError>>,
    _state: State,
}

impl Site {
    /// Starts both, and waits until the device is online.
    pub(super) async fn start(
        device: SocketAddr,
        any_port: bool,
        kept: Option<&Kept>,
        events: EventWriter,
    ) -> Result<Self, QuickstartError> {
        let state = State::new(kept)?;
        let mut edge = start_edge(any_port, events)?;
        let identity = Identity::open(&state.path).map_err(io::Error::other)?;
        let (_, token) = identity
            .create::<Credential>(NewCredential::default(), Timestamp::now())
            .map_err(|error| io::Error::other(error.to_string()))?;
        let shown = AgentIdentity::own(&state.path, &["localhost".into()])?;
        let agents = edge.serve_agents(
            identity,
            AgentSettings {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                tls: shown.server_config(),
                restrict_ips: None,
                auth_timeout: TIMEOUT,
                heartbeat: Heartbeat { interval: TIMEOUT, tolerance: TIMEOUT },
                max_agents: AGENTS,
                max_agents_per_authtoken: AGENTS,
                max_endpoints: AGENTS,
                max_streams: CONNECTIONS,
                public: None,
                public_listen: Vec::new(),
                policies: PolicyLimits::default(),
            },
        )?;
        let trusted = shown.authority().unwrap_or(Path::new("ca.pem")).display().to_string();
        let config = AGENT
            .replace("localhost:4443", &format!("localhost:{}", agents.port()))
            .replace("ca.pem", &trusted)
            .replace("url: 22\n", &format!("url: \"{device}\"\n"))
            .replace("agent:\n", &format!("agent:\n  authtoken: {}\n", token.reveal()));
        let path = state.path.join("quickstart.yml");
        fs::write(&path, config)?;
        let loaded = agent::load_setup(std::slice::from_ref(&path), &Chosen::All);
        fs::remove_file(&path)?;
        let mut loaded = loaded.map_err(|error| QuickstartError::Unexpected(error.to_string()))?;
        // Whatever token this machine has for another service is not for this edge.
        loaded.setup.authtoken = Secret::new(token.reveal());
        loaded.setup.origin = None;
        if let (Some(kept), [(_, edge)]) = (kept, &*edge.addresses()) {
            kept.write(&NewSite { edge: *edge, agents, token: token.reveal() })?;
        }
        let (status, stop) = (Arc::new(Status::default()), CancellationToken::new());
        let (told, stopped) = (Arc::clone(&status), stop.clone());
        let agent = tokio::spawn(async move { agent::run(loaded.setup, &told, stopped).await });
        let mut site = Self { edge, agents, stop, agent, _state: state };
        site.wait(&status).await?;
        Ok(site)
    }

    /// Waits until the device is online.
    async fn wait(&mut self, status: &Status) -> Result<(), QuickstartError> {
        let why = tokio::select! {
            biased;
            () = status.online() => return Ok(()),
            ended = &mut self.agent => match ended {
                Ok(Err(error)) => error.to_string(),
                _ => "the agent has ended".to_owned(),
            },
            () = tokio::time::sleep(TIMEOUT) => "the agent does not come online".to_owned(),
        };
        Err(QuickstartError::Unexpected(why))
    }

    /// Stops the agent, then the edge.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        // It has said why, if it failed.
        let _ = self.agent.await;
        self.edge.shutdown(Duration::ZERO).await;
    }
}

fn start_edge(check: bool, events: EventWriter) -> Result<Edge, QuickstartError> {
    let files = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("edge.yml") => Ok(EDGE.into()),
        Some("device1.yml") => Ok(POLICY.into()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let generation = |any_port: bool| -> Result<Generation, QuickstartError> {
        let path = Path::new(FOLDER).join("edge.yml");
        let (mut generation, _) = load(&path, &files).map_err(QuickstartError::Load)?;
        if any_port {
            generation.listen_on_any_port();
        }
        Ok(generation)
    };
    match Edge::start(generation(check)?, CONNECTIONS, events.clone()) {
        // Somebody has the port of the fixture: any other will do.
        Err(taken) if taken.error.kind() == io::ErrorKind::AddrInUse => {
            Edge::start(generation(true)?, CONNECTIONS, events).map_err(QuickstartError::Bind)
        }
        started => started.map_err(QuickstartError::Bind),
    }
}
