//! Agents: who they are, the sessions they hold, and the endpoints they bring online.
//!
//! A session enters the table *before* its credential is looked at again, and a credential dies *before* its sessions
//! are looked for: whichever comes first, no session outlives its credential (`edge::places`). The same holds for the
//! sources that the settings permit, which a reload exchanges. When a session ends, its endpoints go offline first, then
//! the connections through them are cut.

mod bind;
mod ids;
mod policy;
mod refusals;
mod session;
mod sessions;
#[cfg(test)]
mod simulated;
mod slots;
mod unknown;
mod view;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_link::{Heartbeat, Refusal, StopEndpoint, StreamType};
use arc_swap::ArcSwapOption;
use policy_core::edge::{EdgeLimits, PoliciesForward};
use policy_core::lpm::Restriction;
use policy_core::ngrok::NgrokCode;
use policy_core::url::Binding;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;

use super::listener;
use super::running::{Edge, Listener, Shared};
use super::session_info::SessionInfo;
use crate::control::admin::Sessions;
use crate::control::identity::{CredentialId, Identity, NoticeKind, Refusal as Unfit};
use crate::edge::online::OnlineEndpoint;
use crate::edge::policy_shares::PolicyShares;
use refusals::{Handshakes, Refusals};
use sessions::Sessions as Table;
use slots::{Full, Slot, Slots};
use unknown::{Unknown, Unknowns};
use view::View;

/// Connections of agents that have not said who they are, in all and from one address.
pub(crate) const UNKNOWN: usize = 512;
const UNKNOWN_OF_ONE: usize = 256;
/// The same in all for addresses where no agent may be.
const STRANGERS: usize = 16;
/// Policies of agents that are checked at once.
const CHECKS: usize = 2;
/// How often sessions are looked at for credentials that have expired.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long an agent may take to hear that an endpoint is stopped.
const TELL_TIME: Duration = Duration::from_secs(5);
/// Pause after a failed accept, or where an agent has no place for a stream.
const PAUSE: Duration = Duration::from_millis(100);

/// How agents are served.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Where they connect.
    pub listen: SocketAddr,
    /// The name of the edge: the host of public endpoints whose address the edge chooses.
    pub name: Box<str>,
    /// How the edge shows who it is.
    pub tls: Arc<rustls::ServerConfig>,
    /// Where agents may connect from; without it from everywhere.
    pub restrict_ips: Option<Restriction>,
    /// How long an agent may take to say who it is.
    pub auth_timeout: Duration,
    /// How agents are asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// Sessions at once.
    pub most_agents: usize,
    /// Sessions at once with one authtoken.
    pub max_agents_per_authtoken: usize,
    /// Endpoints of one session.
    pub most_endpoints: usize,
    /// Connections through one session.
    pub most_streams: usize,
    /// Ports of public tcp endpoints; without any, agents bring internal endpoints online only.
    pub public_ports: Option<RangeInclusive<u16>>,
    /// Where these listen; empty for every address.
    pub public_listen: Vec<IpAddr>,
    /// What policies that agents bring may be.
    pub policies: PolicyLimits,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self::from_config(&EdgeLimits::default(), PoliciesForward::default())
    }
}

impl PolicyLimits {
    /// What a configuration says of them.
    #[must_use]
    pub fn from_config(limits: &EdgeLimits, forward: PoliciesForward) -> Self {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            max_bytes: number(limits.max_agent_policy_bytes),
            max_memory_per_authtoken: number(limits.max_policy_memory_per_authtoken),
            max_memory: number(limits.max_policy_memory),
            forward,
        }
    }
}

/// What policies that agents bring may be.
#[derive(Clone, Copy, Debug)]
pub struct PolicyLimits {
    /// Bytes of a policy's text.
    pub max_bytes: usize,
    /// Bytes of memory of the policies of one authtoken.
    pub max_memory_per_authtoken: usize,
    /// The same of all authtokens together.
    pub max_memory: usize,
    /// Where they may forward to.
    pub forward: PoliciesForward,
}

impl AgentSettings {
    /// True if that is a public address that agents may have.
    fn has_public(&self, host: &str, port: u16) -> bool {
        host == &*self.name && self.public_ports.as_ref().is_some_and(|ports| ports.contains(&port))
    }
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Agents {
    identity: Identity,
    /// Empty once the edge serves no agents any more.
    settings: ArcSwapOption<AgentSettings>,
    sessions: Table,
    refusals: Refusals,
    handshakes: Handshakes,
    /// Agents that are known.
    slots: Arc<Slots>,
    /// When a failed handshake was told.
    told: Mutex<Option<std::time::Instant>>,
    /// Policies that are being checked.
    checks: Arc<Semaphore>,
    shares: PolicyShares,
    unknown: Arc<Unknowns>,
    /// Unknown ones at addresses where no agent may be.
    strangers: Arc<Unknowns>,
}

/// What a reload has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedAgents {
    /// Sessions.
    pub sessions: usize,
    /// Endpoints of sessions that go on.
    pub endpoints: usize,
}

/// Agents that an edge is ready to serve: their listener is bound, if it is a new one.
#[derive(Debug)]
pub struct ReadyAgents {
    settings: AgentSettings,
    bound: Option<TcpListener>,
}

/// Where agents connect now.
#[derive(Debug)]
pub(super) struct AgentSocket {
    /// As it is configured.
    listen: SocketAddr,
    listener: Listener,
}

impl AgentSocket {
    pub(super) const fn address(&self) -> SocketAddr {
        self.listener.address
    }
}

impl Edge {
    /// Lets agents connect; gives the address they connect to.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn serve_agents(&mut self, identity: Identity, settings: AgentSettings) -> io::Result<SocketAddr> {
        let ready = self.ready_agents(settings)?;
        Ok(self.start_agents(identity, ready))
    }

    /// Binds what these settings need and this edge has not.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn ready_agents(&self, settings: AgentSettings) -> io::Result<ReadyAgents> {
        let is_there = self.agents_door.as_ref().is_some_and(|door| door.listen == settings.listen);
        let bound = match is_there {
            true => None,
            false => Some(listener::listen(listener::bind(settings.listen)?)?),
        };
        Ok(ReadyAgents { settings, bound })
    }

    /// Lets agents connect for the first time; gives the address they connect to.
    pub fn start_agents(&mut self, identity: Identity, ready: ReadyAgents) -> SocketAddr {
        let notices = identity.subscribe();
        let listen = ready.settings.listen;
        let agents = Arc::new(Agents::new(identity, ready.settings));
        let stop = self.shared.stop_agents.clone();
        tokio::spawn(stop.run_until_cancelled_owned(end_dead(Arc::clone(&agents), notices)));
        let address = self.listen_for_agents(&agents, listen, ready.bound);
        // INVARIANT: this is called once; later settings come through `reload_agents`.
        let _ = self.shared.agents.set(agents);
        address.unwrap_or(listen)
    }

    /// Serves agents by new settings, or no more; call it after [`Edge::reload`]. Says what had to end. Sessions that
    /// may stay keep the heartbeat and the number of connections that they began with.
    pub async fn reload_agents(&mut self, ready: Option<ReadyAgents>) -> EndedAgents {
        let Some(agents) = self.shared.agents.get().map(Arc::clone) else { return EndedAgents::default() };
        let (settings, bound) = match ready {
            Some(ready) => (Some(Arc::new(ready.settings)), ready.bound),
            None => (None, None),
        };
        // First of all whoever may no longer be here: closing the listener takes a moment.
        agents.settings.store(settings.clone());
        let ended = agents.end_unfit(&self.shared);
        if (settings.is_none() || bound.is_some())
            && let Some(door) = self.agents_door.take()
        {
            door.listener.close().await;
        }
        if let Some(settings) = settings {
            self.listen_for_agents(&agents, settings.listen, bound);
        }
        ended
    }

    /// Shows another certificate from now on.
    pub fn show_certificate(&self, tls: Arc<rustls::ServerConfig>) {
        let Some(agents) = self.shared.agents.get() else { return };
        agents.settings.rcu(|settings| {
            let settings = settings.as_deref()?.clone();
            Some(Arc::new(AgentSettings { tls: Arc::clone(&tls), ..settings }))
        });
    }

    /// Accepts on a new listener; gives its address.
    fn listen_for_agents(
        &mut self,
        agents: &Arc<Agents>,
        listen: SocketAddr,
        bound: Option<TcpListener>,
    ) -> Option<SocketAddr> {
        let bound = bound?;
        let address = bound.local_addr().unwrap_or(listen);
        let stop = self.shared.stop_agents.child_token();
        let accepting = accept(Arc::clone(&self.shared), Arc::clone(agents), bound);
        let accepting = stop.clone().run_until_cancelled_owned(accepting);
        let task = self.shared.agent_tasks.spawn(async move {
            // Whether it was told to stop or serves no agents any more.
            let _ = accepting.await;
        });
        self.agents_door = Some(AgentSocket { listen, listener: Listener { address, stop, task } });
        Some(address)
    }

    /// The sessions of agents.
    #[must_use]
    pub fn agent_sessions(&self) -> Vec<SessionInfo> {
        self.shared.agents.get().map(|agents| agents.sessions.infos()).unwrap_or_default()
    }

    /// The same for the admin API. Within a runtime.
    #[must_use]
    pub fn admin_sessions(&self) -> Arc<dyn Sessions> {
        Arc::new(View { shared: Arc::clone(&self.shared), runtime: tokio::runtime::Handle::current() })
    }

    /// True if agents are served, or were before.
    pub(crate) fn has_served_agents(&self) -> bool {
        self.shared.agents.get().is_some()
    }
}

/// Ends the sessions of credentials that die.
async fn end_dead(agents: Arc<Agents>, mut notices: broadcast::Receiver<crate::control::identity::Notice>) {
    loop {
        match timeout(LOOK_EVERY, notices.recv()).await {
            Ok(Err(broadcast::error::RecvError::Closed)) => return,
            // What it has online may no longer be permitted: it binds again what is.
            Ok(Ok(notice)) if notice.kind == NoticeKind::Changed => {
                agents.sessions.end_where(|session| {
                    let changed = notice.credentials.contains(&session.credential);
                    changed.then(|| "the rules of its authtoken have changed".to_owned())
                });
            }
            // Too many to know which have changed: all come again.
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                agents.sessions.end_where(|_| Some("authtokens have changed".to_owned()));
            }
            // Once in a while as well: credentials expire without a notice.
            Ok(Ok(_)) | Err(_) => {}
        }
        let now = jiff::Timestamp::now();
        agents.sessions.end_where(|session| agents.why_not(session, now));
    }
}

async fn accept(shared: Arc<Shared>, agents: Arc<Agents>, listener: TcpListener) {
    let _own = listener.local_addr().map(|address| shared.own.register_listener(address));
    let mut last_line = None;
    loop {
        agents.settled().await;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if last_line.is_none_or(|at: std::time::Instant| at.elapsed() >= LOOK_EVERY) {
                    tracing::error!(%error, "cannot accept agents");
                    last_line = Some(std::time::Instant::now());
                }
                // Nothing tells when there are files and memory again.
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Its own source needs all the places that it may have.
        let Some(unknown) = agents.admit(peer.ip()) else { continue };
        let Some(settings) = agents.settings.load_full() else { return };
        let (of_shared, of_agents) = (Arc::clone(&shared), Arc::clone(&agents));
        shared.agent_tasks.spawn(async move {
            session::serve(&of_shared, &of_agents, settings, stream, peer, unknown).await;
        });
    }
}

/// Tells an agent that one of its endpoints is stopped. It learns it once: who does not listen now finds out later.
async fn tell_stopped(endpoint: Arc<OnlineEndpoint>, code: u32, message: String) {
    let id = endpoint.agent_id.to_string();
    let told = StopEndpoint { id, message, error_code: Some(NgrokCode::new(code).to_string()) };
    let telling = async {
        // It may have as many streams as it can; those through the endpoint are about to end.
        while endpoint.opener.takes_streams() {
            match agent_link::open(&endpoint.opener, StreamType::StopEndpoint).await {
                Ok(mut stream) => return agent_link::answer(&mut stream, &told).await.is_ok(),
                // Nothing tells when it has a place for a stream again.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        false
    };
    if !timeout(TELL_TIME, telling).await.unwrap_or(false) {
        tracing::warn!(session = &*endpoint.session, url = %endpoint.url, "could not notify the agent of a stopped endpoint");
    }
}

impl Agents {
    /// How many are connected.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The credential of each that is connected.
    pub(super) fn credentials(&self) -> impl Iterator<Item = CredentialId> {
        self.sessions.all().into_iter().map(|entry| entry.info.credential)
    }

    /// Whose a credential is, and its name.
    pub(super) fn owner(&self, credential: CredentialId) -> Option<(String, String)> {
        self.identity.owner(credential)
    }

    fn new(identity: Identity, settings: AgentSettings) -> Self {
        Self {
            identity,
            settings: ArcSwapOption::from_pointee(settings),
            sessions: Table::default(),
            refusals: Refusals::default(),
            handshakes: Handshakes::default(),
            slots: Arc::default(),
            told: Mutex::default(),
            checks: Arc::new(Semaphore::new(CHECKS)),
            shares: PolicyShares::default(),
            unknown: Unknowns::new(UNKNOWN, UNKNOWN_OF_ONE),
            strangers: Unknowns::new(STRANGERS, STRANGERS),
        }
    }

    /// A place among those that the settings of now give.
    fn slot(&self, credential: CredentialId) -> Result<Slot, Full> {
        let settings = self.settings.load();
        let (max, share) =
            settings.as_ref().map_or((0, 0), |it| (it.most_agents, it.max_agents_per_authtoken));
        self.slots.enter(credential, max, share)
    }

    /// Tells an agent that is refused again and again when to come again; whether it is one.
    fn note_refused(&self, source: IpAddr, authtoken: &str, refusal: Refusal) -> (Refusal, bool) {
        // The clock of sessions, which a simulation moves.
        match self.refusals.note(source, authtoken, tokio::time::Instant::now().into_std()) {
            // One that asks for longer keeps to that.
            Some(wait) => (refusal.until_at_least(wait + Duration::from_secs(1)), true),
            None => (refusal, false),
        }
    }

    /// Says that somebody's TLS failed: an agent that does not trust the certificate perhaps, or no agent. Once a second
    /// at most, for who listens to a network hears much.
    fn tell(&self, peer: SocketAddr, error: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            true => {
                *told = Some(std::time::Instant::now());
                tracing::warn!(%peer, error, "TLS handshake with agent failed");
            }
            false => tracing::debug!(%peer, error, "TLS handshake with agent failed"),
        }
    }

    /// True if agents may connect from there.
    fn permits(&self, source: IpAddr) -> bool {
        let settings = self.settings.load();
        let restriction = settings.as_ref().map(|settings| settings.restrict_ips.as_ref());
        restriction.is_some_and(|it| it.is_none_or(|restriction| restriction.permits(source)))
    }

    /// Why a session may not be here now; the same rules as when it began.
    fn why_not(&self, session: &SessionInfo, now: jiff::Timestamp) -> Option<String> {
        let source = session.peer.ip().to_canonical();
        if !self.permits(source) {
            return Some(format!("agents may not connect to this edge from {source} any more"));
        }
        let refusal = self.identity.admits(session.credential, source, now).err()?;
        Some(match refusal {
            Unfit::Expired => "its authtoken has expired".to_owned(),
            Unfit::OwnerInactive => "the service user of its authtoken is not active any more".to_owned(),
            Unfit::Source => format!("its authtoken does not count from {source} any more"),
            Unfit::Unknown | Unfit::Malformed => "its authtoken was revoked".to_owned(),
        })
    }

    /// Why an endpoint may not be online now: the number that its agent is told, and the reason.
    fn why_unfit(&self, shared: &Shared, online: &OnlineEndpoint) -> Option<(u32, String)> {
        let (url, settings) = (&online.url, self.settings.load());
        let public =
            || settings.as_ref().is_some_and(|it| it.has_public(url.host(), url.port().unwrap_or(0)));
        if online.binding == Binding::Public && !public() {
            return Some((307, format!("{url} is not an address of this edge any more")));
        }
        let moved = || settings.as_ref().is_some_and(|it| it.public_listen != online.listens_on);
        if online.binding == Binding::Public && moved() {
            // Its agent comes again, as those do whose sessions have begun already.
            return Some((334, format!("{url} has moved to other addresses of the edge: connect again")));
        }
        let served = shared.current.load().config.internal_endpoints.iter().any(|it| it.url.value == *url);
        served.then(|| (334, format!("the edge's own configuration serves {url}")))
    }

    /// Ends the sessions, and takes the endpoints offline, that the configuration of now does not permit.
    fn end_unfit(&self, shared: &Shared) -> EndedAgents {
        let now = jiff::Timestamp::now();
        // Their agents come again by themselves, and get their endpoints at the addresses of now.
        let moved: HashSet<Box<str>> = {
            let settings = self.settings.load();
            let listen = settings.as_ref().map(|it| &*it.public_listen).unwrap_or_default();
            let public = shared.online.all().into_iter().filter(|it| it.binding == Binding::Public);
            public.filter(|it| *it.listens_on != *listen).map(|it| it.session.clone()).collect()
        };
        let sessions = self.sessions.end_where(|session| {
            let has_moved = moved.contains(&session.id);
            has_moved
                .then(|| "public endpoints listen at other addresses".to_owned())
                .or_else(|| self.why_not(session, now))
        });
        let online = shared.online.all().into_iter().filter(|it| it.opener.why_closed().is_none());
        let unfit: Vec<_> = online.filter_map(|it| Some((self.why_unfit(shared, &it)?, it))).collect();
        shared.registry.cut_offline(|| unfit.iter().for_each(|(_, endpoint)| shared.online.leave(endpoint)));
        let endpoints = unfit.len();
        for ((code, message), endpoint) in unfit {
            tracing::info!(session = &*endpoint.session, url = %endpoint.url, message, "an endpoint is stopped");
            tokio::spawn(tell_stopped(endpoint, code, message));
        }
        EndedAgents { sessions, endpoints }
    }

    /// A place for a connection whose agent is not known yet.
    fn admit(&self, source: IpAddr) -> Option<Unknown> {
        // Those who will be refused for where they are leave the places to others.
        let places = if self.permits(source.to_canonical()) { &self.unknown } else { &self.strangers };
        places.admit(source, tokio::time::Instant::now())
    }

    /// Waits until connections that have lost their places are closed, but for a few.
    async fn settled(&self) {
        self.unknown.settled().await;
        self.strangers.settled().await;
    }
}

#[cfg(test)]
mod tests {
    use policy_core::lpm::cidr;

    use super::*;
    use crate::net::tls::AgentIdentity;

    #[test]
    fn who_may_not_be_there_takes_no_place_of_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let shown = AgentIdentity::own(folder.path(), &["localhost".into()]).expect("a certificate");
        let permitted = cidr("192.0.2.0/24").expect("a network").network;
        let time = Duration::from_secs(10);
        let settings = AgentSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            name: "localhost".into(),
            tls: shown.server_config(),
            restrict_ips: Some(Restriction::build([permitted], []).expect("small")),
            auth_timeout: time,
            heartbeat: Heartbeat { interval: time, tolerance: time },
            most_agents: 2,
            max_agents_per_authtoken: 2,
            most_endpoints: 1,
            most_streams: 1,
            public_ports: None,
            public_listen: Vec::new(),
            policies: PolicyLimits::default(),
        };
        let identity = Identity::open(folder.path()).expect("a store");
        let agents = Arc::new(Agents::new(identity, settings));
        let admit = |text: &str| agents.admit(text.parse().expect("an address"));
        let strangers: Vec<_> = std::iter::repeat_with(|| admit("198.51.100.1")).take(STRANGERS).collect();
        assert!(strangers.iter().all(Option::is_some) && admit("198.51.100.1").is_none());
        let of_one: Vec<_> = std::iter::repeat_with(|| admit("192.0.2.1")).take(UNKNOWN_OF_ONE).collect();
        assert!(of_one.iter().all(Option::is_some) && admit("::ffff:192.0.2.1").is_none());
        assert!(admit("192.0.2.2").is_some(), "there is room for others");
        assert!(admit("203.0.113.1").is_some(), "even for another stranger");
        drop((strangers, of_one));
        assert_eq!((agents.unknown.len(), agents.strangers.len()), (0, 0));

        // Those who are known have places of their own.
        let token = "cr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id");
        let known = (agents.slot(token), agents.slot(token));
        assert!(known.0.is_ok() && known.1.is_ok() && agents.slot(token).is_err());
        drop(known);
        assert!(agents.slot(token).is_ok());
        agents.settings.store(None);
        assert!(
            agents.slot(token).is_err() && !agents.permits([192, 0, 2, 1].into()),
            "agents are served no more"
        );
    }
}
