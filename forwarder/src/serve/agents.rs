//! What a running edge serves to agents: their listener, its certificate, and who manages them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use policy_core::edge::{AgentListener, EdgeConfig};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::{StartError, admin_of, administration};
use crate::admin::{Admin, Audit};
use crate::edge::{AgentSettings, BindError, Edge, EndedAgents, ReadyAgents};
use crate::events::EventWriter;
use crate::identity::Identity;
use crate::link::Heartbeat;
use crate::tls::AgentIdentity;

/// How often the edge looks whether its own certificate has to be made anew, which is within 30 days of its end.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(12 * 3_600);

/// Where an edge finds its files.
pub(super) struct Places {
    /// Where relative paths start.
    pub(super) folder: PathBuf,
    /// Its state.
    pub(super) state: PathBuf,
}

impl Places {
    pub(super) fn unusable_state(&self, error: io::Error) -> StartError {
        StartError::File(self.state.display().to_string(), error)
    }
}

/// What a configuration wants for agents, found usable.
pub(super) struct Ready {
    agents: ReadyAgents,
    shown: AgentIdentity,
    /// Where there is no control yet.
    control: Option<(Identity, administration::Ready)>,
}

/// Who agents are, and the administration; from the first listener for agents to the end of the edge.
pub(super) struct Control {
    /// The fingerprint of the certificate that agents see, or of its authority.
    shown: String,
    /// Files that the administration needs.
    pub(super) files: usize,
    stop: CancellationToken,
    serving: Vec<JoinHandle<()>>,
}

impl Control {
    /// Stops the administration.
    pub(super) async fn close(self) {
        self.stop.cancel();
        for serving in self.serving {
            // It ends by itself, or has failed and said so.
            let _ = serving.await;
        }
    }
}

/// Reads and binds what a configuration wants for agents; nothing is served by it yet.
pub(super) async fn ready(
    edge: &Edge,
    config: &EdgeConfig,
    places: &Places,
    is_open: bool,
) -> Result<Option<Ready>, StartError> {
    let Some(listener) = &config.agents else { return Ok(None) };
    let shown = certificate(listener, places)?;
    let listen = listener.listen.value;
    let failed = |error| StartError::Bind(BindError { endpoint: "agents".into(), listen, error });
    let control = match is_open {
        true => None,
        false => {
            let identity = Identity::open(&places.state);
            let identity = identity.map_err(|error| places.unusable_state(io::Error::other(error)))?;
            let over_tcp = config.admin_listener.as_ref().map(|given| (given, &*listener.names));
            let socket = places.folder.join(config.admin_path());
            let admin = administration::ready(&identity, &socket, over_tcp, &places.folder).await?;
            Some((identity, admin))
        }
    };
    let agents = edge.ready_agents(settings(config, listener, &shown)).map_err(failed)?;
    Ok(Some(Ready { agents, shown, control }))
}

/// Serves agents as they were made ready, or no more; says what had to end.
pub(super) async fn take(
    edge: &mut Edge,
    ready: Option<Ready>,
    control: &mut Option<Control>,
    events: &EventWriter,
) -> EndedAgents {
    let Some(Ready { agents, shown, control: first }) = ready else { return edge.reload_agents(None).await };
    let ended = match &first {
        None => edge.reload_agents(Some(agents)).await,
        Some((identity, _)) => {
            edge.start_agents(identity.clone(), agents);
            EndedAgents::default()
        }
    };
    if let Some(address) = edge.agents_address() {
        let trust = shown.authority().map(|path| path.display().to_string());
        tracing::info!(%address, fingerprint = shown.fingerprint(), trust, "agents connect here");
    }
    let fingerprint = shown.fingerprint().to_owned();
    if let Some((identity, admin_ready)) = first {
        let audit = events.clone();
        let audit = Audit::new(move |line| audit.send(line));
        let admin = Admin::new(identity.clone(), edge.admin_sessions(), audit);
        let (files, stop) = (admin_of(&edge.config()), CancellationToken::new());
        let serving = admin_ready.serve(admin, &identity, &stop);
        *control = Some(Control { shown: fingerprint, files, stop, serving });
    } else if let Some(control) = control {
        control.shown = fingerprint;
    }
    ended
}

/// Makes the edge's own certificate anew if it ends soon, and shows it from then on. One of another authority waits for
/// a reload: agents have to trust that first.
pub(super) async fn renew(edge: &Edge, control: Option<&Control>, places: &Places) {
    let Some(control) = control else { return };
    let Some(listener) = edge.config().agents.filter(|listener| listener.tls.is_none()) else { return };
    let state = places.state.clone();
    let made = spawn_blocking(move || AgentIdentity::own(&state, &listener.names)).await;
    match made.map_err(io::Error::other).and_then(|made| made) {
        Ok(shown) if shown.fingerprint() == control.shown => edge.show_certificate(shown.server_config()),
        Ok(_) => tracing::warn!("the authority for agents has changed: it counts from a reload on"),
        Err(error) => tracing::error!(%error, "the certificate for agents cannot be renewed"),
    }
}

fn certificate(listener: &AgentListener, places: &Places) -> Result<AgentIdentity, StartError> {
    let shown = match &listener.tls {
        Some(files) => {
            let (certificate, key) = (&*files.certificate, &*files.private_key);
            AgentIdentity::load(&places.folder.join(certificate), &places.folder.join(key))
        }
        None => AgentIdentity::own(&places.state, &listener.names),
    };
    shown.map_err(|error| StartError::File("the certificate for agents".to_owned(), error))
}

fn settings(config: &EdgeConfig, listener: &AgentListener, shown: &AgentIdentity) -> AgentSettings {
    let limits = &config.limits;
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    AgentSettings {
        listen: listener.listen.value,
        name: listener.names.first().cloned().unwrap_or_default(),
        tls: shown.server_config(),
        restrict_ips: listener.restrict_ips.clone(),
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
