//! What a running edge serves to agents: their listener, its certificate, and who manages them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_link::Heartbeat;
use policy_core::edge::{AgentListener, EdgeConfig, PublicAddresses};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::administration;
use super::error::StartError;
use crate::control::admin::Admin;
use crate::control::audit::Audit;
use crate::control::identity::Identity;
use crate::edge::agents::{AgentSettings, EndedAgents, PolicyLimits};
use crate::edge::certificates::AgentIdentity;
use crate::edge::events::EventWriter;
use crate::edge::own_sockets::OwnListener;
use crate::edge::running::{Edge, ReadyAgents};
use crate::edge::status::{LastReload, ReloadRequest};

/// How often the edge looks whether its own certificate has to be made anew, which is within 30 days of its end.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(12 * 3_600);

/// Where an edge finds its files.
pub(super) struct Folders {
    /// Where relative paths start.
    pub(super) folder: PathBuf,
    /// Its state.
    pub(super) state: PathBuf,
}

impl Folders {
    pub(super) fn unusable_state(&self, error: io::Error) -> StartError {
        StartError::File(self.state.display().to_string(), error)
    }
}

/// What a configuration wants for agents and their administration, found usable.
pub(super) struct Ready {
    /// `None` if it serves no agents.
    agents: Option<(ReadyAgents, AgentIdentity)>,
    /// Where there is no control yet.
    control: Option<(Identity, administration::ReadyAdministration)>,
}

/// Who agents are, and the administration, to the end of the edge.
pub(super) struct ControlPlane {
    identity: Identity,
    /// The fingerprint of the certificate that agents see, or of its authority.
    shown: Option<String>,
    /// Files that the administration needs.
    pub(super) files: usize,
    stop: CancellationToken,
    serving: Vec<JoinHandle<()>>,
    /// The administration over TCP, among the edge's own listeners.
    _admin_listener: Option<OwnListener>,
}

/// How the administration reaches the edge.
pub(super) struct Reach {
    pub(super) reloads: mpsc::Sender<ReloadRequest>,
    pub(super) last: LastReload,
}

impl ControlPlane {
    /// Stops the administration.
    pub(super) async fn close(self) {
        self.stop.cancel();
        for serving in self.serving {
            // It ends by itself, or has failed and said so.
            let _ = serving.await;
        }
    }
}

/// Reads and binds what a configuration wants for agents and the administration; nothing is served by it yet.
pub(super) async fn ready(
    edge: &Edge,
    config: &EdgeConfig,
    folders: &Folders,
    is_open: bool,
) -> Result<Ready, StartError> {
    let shown = config.agents.as_ref().map(|listener| Ok((listener, certificate(listener, folders)?)));
    let shown = shown.transpose()?;
    let control = if is_open { None } else { control(config, folders).await? };
    let agents = shown.map(|(listener, shown)| {
        let listen = listener.listen.value;
        let failed = |error| StartError::Bind(edge.bind_error("agents", listen, error));
        let agents = edge.ready_agents(settings(config, listener, &shown)).map_err(failed)?;
        Ok((agents, shown))
    });
    Ok(Ready { agents: agents.transpose()?, control })
}

/// Opens the identity store and binds the administration. An edge without agents does without them where they cannot be
/// had: it serves its endpoints all the same.
async fn control(
    config: &EdgeConfig,
    folders: &Folders,
) -> Result<Option<(Identity, administration::ReadyAdministration)>, StartError> {
    let opened = async {
        let identity = Identity::open(&folders.state);
        let identity = identity.map_err(|error| folders.unusable_state(io::Error::other(error)))?;
        let names = config.agents.as_ref().map(|listener| &*listener.names).unwrap_or_default();
        let over_tcp = config.admin_listener.as_ref().map(|given| (given, names));
        let socket = folders.folder.join(config.admin_path());
        let admin = administration::ready(&identity, &socket, over_tcp, &folders.folder).await?;
        Ok((identity, admin))
    };
    match opened.await {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if config.agents.is_none() => {
            tracing::warn!(
                "admin API not started, `forwarder reload` and `status` cannot reach this edge: {error}"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Serves agents as they were made ready, or no more, and the administration; says what had to end.
pub(super) async fn take(
    edge: &mut Edge,
    ready: Ready,
    control: &mut Option<ControlPlane>,
    events: &EventWriter,
    reach: &Reach,
) -> EndedAgents {
    let Ready { agents, control: first } = ready;
    let identity = first.as_ref().map(|(identity, _)| identity);
    let identity = identity.or(control.as_ref().map(|control| &control.identity)).cloned();
    let (agents, shown) = agents.unzip();
    let ended = match (agents, identity) {
        (Some(agents), Some(identity)) if !edge.has_served_agents() => {
            edge.start_agents(identity, agents);
            EndedAgents::default()
        }
        (agents, _) => edge.reload_agents(agents).await,
    };
    if let (Some(address), Some(shown)) = (edge.agents_address(), &shown) {
        let trust = shown.authority().map(|path| path.display().to_string());
        tracing::info!(%address, fingerprint = shown.fingerprint(), trust, "listening for agents");
        log_public_ports(&edge.config());
    }
    if let Some((identity, admin)) = first {
        *control = Some(serve(edge, identity, admin, events, reach));
    }
    if let Some(control) = control {
        control.shown = shown.map(|shown| shown.fingerprint().to_owned());
    }
    ended
}

/// Says where public endpoints of agents listen: that may be more than where agents connect.
fn log_public_ports(config: &EdgeConfig) {
    let Some(ports) = &config.public_tcp_ports else { return };
    let addresses: Vec<_> = config.public_tcp_listen.iter().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() { "every address".to_owned() } else { addresses.join(", ") };
    let ports = format!("{}-{}", ports.start(), ports.end());
    tracing::info!(
        ports,
        addresses,
        "public endpoints of agents listen on these ports and addresses (`public_tcp_ports`, `public_tcp_listen`)"
    );
}

fn serve(
    edge: &Edge,
    identity: Identity,
    admin: administration::ReadyAdministration,
    events: &EventWriter,
    reach: &Reach,
) -> ControlPlane {
    let audit = events.clone();
    let audit = Audit::new(move |line| audit.send(line));
    let api = Admin::new(identity.clone(), edge.admin_sessions(), audit);
    let api = api.with_edge(edge.control(reach.reloads.clone(), Arc::clone(&reach.last)));
    let (files, stop) = (administration::files(&edge.config()), CancellationToken::new());
    let (serving, registered) = admin.serve(api, &identity, &stop, edge.own_sockets());
    ControlPlane { identity, shown: None, files, stop, serving, _admin_listener: registered }
}

/// Makes the edge's own certificate anew if it ends soon, and shows it from then on. One of another authority waits for
/// a reload: agents have to trust that first.
pub(super) async fn renew(edge: &Edge, control: Option<&ControlPlane>, folders: &Folders) {
    let Some(control) = control else { return };
    let Some(listener) = edge.config().agents.filter(|listener| listener.tls.is_none()) else { return };
    let state = folders.state.clone();
    let made = spawn_blocking(move || AgentIdentity::own(&state, &listener.names)).await;
    match made.map_err(io::Error::other).and_then(|made| made) {
        Ok(shown) if Some(shown.fingerprint()) == control.shown.as_deref() => {
            edge.show_certificate(shown.server_config())
        }
        Ok(_) => tracing::warn!("the CA for agents has changed: it takes effect at the next reload"),
        Err(error) => tracing::error!(%error, "the certificate for agents cannot be renewed"),
    }
}

fn certificate(listener: &AgentListener, folders: &Folders) -> Result<AgentIdentity, StartError> {
    let shown = match &listener.tls {
        Some(files) => {
            let (certificate, key) = (&*files.certificate, &*files.private_key);
            AgentIdentity::load(&folders.folder.join(certificate), &folders.folder.join(key), &listener.names)
        }
        None => AgentIdentity::own(&folders.state, &listener.names),
    };
    shown.map_err(|error| StartError::File("the certificate for agents".to_owned(), error))
}

fn settings(config: &EdgeConfig, listener: &AgentListener, shown: &AgentIdentity) -> AgentSettings {
    let limits = &config.limits;
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    AgentSettings {
        listen: listener.listen.value,
        tls: shown.server_config(),
        restrict_ips: listener.restrict_ips.clone(),
        auth_timeout: limits.agent_auth_timeout,
        heartbeat: Heartbeat {
            interval: limits.agent_heartbeat_interval,
            tolerance: limits.agent_heartbeat_tolerance,
        },
        max_agents: number(limits.max_agents),
        max_agents_per_authtoken: limits.authtoken_share(),
        max_endpoints: number(limits.max_endpoints_per_agent),
        max_streams: number(limits.max_streams_per_agent),
        public: PublicAddresses::from_config(config),
        public_listen: config.public_tcp_listen.clone(),
        policies: PolicyLimits::from_config(limits, listener.policies_forward),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::pki_types::ServerName;
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::edge::certificates;
    use crate::edge::generation::load;
    use crate::net::tls::client::{TrustedCas, client_config};

    const EDGE: &str = "version: 1\nagents: {listen: \"127.0.0.1:0\", names: [localhost]}\n";

    /// The certificate that an agent sees.
    async fn seen(edge: &Edge, trust: &Path) -> Vec<u8> {
        let tls = client_config(&TrustedCas::File(trust.to_owned())).expect("an authority");
        let address = edge.agents_address().expect("served");
        let stream = TcpStream::connect(address).await.expect("accepted");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(tls).connect(name, stream).await.expect("trusted");
        let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
        chain.first().expect("its own").to_vec()
    }

    #[tokio::test]
    async fn a_new_certificate_is_shown_at_run_time_and_a_new_authority_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let (generation, _) = load(Path::new("edge.yml"), &|_| Ok(EDGE.into())).expect("fine");
        let config = generation.config.clone();
        let (events, _) = EventWriter::start(Vec::new()).expect("a thread");
        let mut edge = Edge::start(generation, 10, events.clone()).expect("nothing to bind");
        let folders = Folders { folder: folder.path().into(), state: folder.path().into() };
        let mut control = None;
        let made = ready(&edge, &config, &folders, false).await.expect("ready");
        let reach = Reach { reloads: mpsc::channel(1).0, last: LastReload::default() };
        take(&mut edge, made, &mut control, &events, &reach).await;
        let trust = folder.path().join("ca/ca.pem");
        let first = seen(&edge, &trust).await;
        renew(&edge, control.as_ref(), &folders).await;
        assert_eq!(seen(&edge, &trust).await, first, "it lasts");

        // One that is gone is made anew like one that ends soon.
        std::fs::remove_file(folder.path().join("ca/edge.pem")).expect("there");
        renew(&edge, control.as_ref(), &folders).await;
        let second = seen(&edge, &trust).await;
        assert_ne!(second, first);

        certificates::rotate(folder.path(), &["localhost".into()]).expect("rotated");
        renew(&edge, control.as_ref(), &folders).await;
        assert_eq!(seen(&edge, &trust).await, second, "agents have to trust the new authority first");
        control.expect("served").close().await;
        edge.shutdown(Duration::ZERO).await;
    }
}
