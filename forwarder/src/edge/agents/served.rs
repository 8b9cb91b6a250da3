//! What all sessions share: who may be there, and who may not any more.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use agent_link::{Refusal, StopEndpoint, StreamType};
use arc_swap::ArcSwapOption;
use policy_core::ngrok::{ERR_NGROK_307, ERR_NGROK_334, NgrokCode};
use policy_core::url::Binding;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::refusals::{Handshakes, RecentFailures};
use super::sessions::Sessions;
use super::settings::AgentSettings;
use super::slots::{NoSlot, Slot, Slots};
use super::unknown::{Unknown, Unknowns};
use crate::control::identity::{CredentialId, Identity};
use crate::edge::online::OnlineEndpoint;
use crate::edge::policy_shares::PolicyShares;
use crate::edge::session_info::SessionInfo;
use crate::edge::shared::Shared;

/// Connections of agents that have not said who they are, in all and from one address.
pub(crate) const UNKNOWN: usize = 512;
const UNKNOWN_OF_ONE: usize = 256;
/// The same in all for addresses where no agent may be.
const STRANGERS: usize = 16;
/// Policies of agents that are checked at once.
const CHECKS: usize = 2;
/// How often a failed handshake is told.
const LOG_INTERVAL: Duration = Duration::from_secs(1);
/// How long an agent may take to hear that an endpoint is stopped.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause where an agent has no place for a stream.
const PAUSE: Duration = Duration::from_millis(100);

/// What all sessions share.
#[derive(Debug)]
pub(in crate::edge) struct Agents {
    pub(super) identity: Identity,
    /// Empty once the edge serves no agents any more.
    pub(super) settings: ArcSwapOption<AgentSettings>,
    pub(super) sessions: Sessions,
    refusals: RecentFailures,
    pub(super) handshakes: Handshakes,
    /// Agents that are known.
    pub(super) slots: Arc<Slots>,
    /// When a failed handshake was told.
    told: Mutex<Option<std::time::Instant>>,
    /// Policies that are being checked.
    pub(super) checks: Arc<Semaphore>,
    pub(super) shares: PolicyShares,
    pub(super) unknown: Arc<Unknowns>,
    /// Unknown ones at addresses where no agent may be.
    pub(super) strangers: Arc<Unknowns>,
}

/// The agents of an edge, from the first configuration on that serves any.
pub(in crate::edge) type ServedAgents = Arc<OnceLock<Arc<Agents>>>;

/// What a reload has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedAgents {
    /// Sessions.
    pub sessions: usize,
    /// Endpoints of sessions that go on.
    pub endpoints: usize,
}

impl Agents {
    /// Serves by these settings from now on; without any, no more.
    pub(in crate::edge) fn set_settings(&self, settings: Option<Arc<AgentSettings>>) {
        self.settings.store(settings);
    }

    /// Shows another certificate from now on.
    pub(in crate::edge) fn show_certificate(&self, tls: &Arc<rustls::ServerConfig>) {
        self.settings.rcu(|settings| {
            let settings = settings.as_deref()?.clone();
            Some(Arc::new(AgentSettings { tls: Arc::clone(tls), ..settings }))
        });
    }

    /// How many are connected.
    pub(in crate::edge) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The credential of each that is connected.
    pub(in crate::edge) fn credentials(&self) -> impl Iterator<Item = CredentialId> {
        self.sessions.all().into_iter().map(|entry| entry.info.credential)
    }

    /// Whose a credential is, and its name.
    pub(in crate::edge) fn owner(&self, credential: CredentialId) -> Option<(String, String)> {
        self.identity.owner(credential)
    }

    pub(in crate::edge) fn new(identity: Identity, settings: AgentSettings) -> Self {
        Self {
            identity,
            settings: ArcSwapOption::from_pointee(settings),
            sessions: Sessions::default(),
            refusals: RecentFailures::default(),
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
    pub(super) fn slot(&self, credential: CredentialId) -> Result<Slot, NoSlot> {
        let settings = self.settings.load();
        let (max, share) =
            settings.as_ref().map_or((0, 0), |it| (it.max_agents, it.max_agents_per_authtoken));
        self.slots.acquire(credential, max, share)
    }

    /// Tells an agent that is refused again and again when to come again; whether it is one.
    pub(super) fn note_refused(&self, source: IpAddr, authtoken: &str, refusal: Refusal) -> (Refusal, bool) {
        // The clock of sessions, which a simulation moves.
        match self.refusals.note(source, authtoken, tokio::time::Instant::now().into_std()) {
            // One that asks for longer keeps to that.
            Some(wait) => (refusal.until_at_least(wait + Duration::from_secs(1)), true),
            None => (refusal, false),
        }
    }

    /// Says that somebody's TLS failed: an agent that does not trust the certificate perhaps, or no agent. Once a second
    /// at most, for who listens to a network hears much.
    pub(super) fn report_tls_failure(&self, peer: SocketAddr, error: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            true => {
                *told = Some(std::time::Instant::now());
                tracing::warn!(%peer, error, "TLS handshake with agent failed");
            }
            false => tracing::debug!(%peer, error, "TLS handshake with agent failed"),
        }
    }

    /// True if agents may connect from there.
    pub(super) fn permits(&self, source: IpAddr) -> bool {
        let settings = self.settings.load();
        let restriction = settings.as_ref().map(|settings| settings.restrict_ips.as_ref());
        restriction.is_some_and(|it| it.is_none_or(|restriction| restriction.permits(source)))
    }

    /// Why a session may not be here now; the same rules as when it began.
    pub(super) fn why_not(&self, session: &SessionInfo, now: jiff::Timestamp) -> Option<String> {
        let source = session.peer.ip().to_canonical();
        if !self.permits(source) {
            return Some(format!("agents may not connect to this edge from {source} any more"));
        }
        self.identity.validate(session.credential, source, now).err().map(|unfit| unfit.to_string())
    }

    /// Why an endpoint may not be online now: the number that its agent is told, and the reason.
    pub(super) fn why_unfit(&self, shared: &Shared, online: &OnlineEndpoint) -> Option<(NgrokCode, String)> {
        let (url, settings) = (&online.url, self.settings.load());
        let public = || settings.as_ref().is_some_and(|it| it.has_public(url));
        if online.binding == Binding::Public && !public() {
            return Some((ERR_NGROK_307, format!("{url} is not an address of this edge any more")));
        }
        let moved = || settings.as_ref().is_some_and(|it| it.public_listen != online.listens_on);
        if online.binding == Binding::Public && moved() {
            // Its agent comes again, as those do whose sessions have begun already.
            return Some((
                ERR_NGROK_334,
                format!("{url} has moved to other addresses of the edge: connect again"),
            ));
        }
        let served = shared.current.load().config.internal_endpoints.iter().any(|it| it.url.value == *url);
        served.then(|| (ERR_NGROK_334, format!("the edge's own configuration serves {url}")))
    }

    /// Ends the sessions, and takes the endpoints offline, that the configuration of now does not permit.
    pub(in crate::edge) fn end_unfit(&self, shared: &Shared) -> EndedAgents {
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
        shared
            .connections
            .cut_offline(|| unfit.iter().for_each(|(_, endpoint)| shared.online.unregister(endpoint)));
        let endpoints = unfit.len();
        for ((code, message), endpoint) in unfit {
            tracing::info!(session = &*endpoint.session, url = %endpoint.url, message, "endpoint stopped");
            tokio::spawn(notify_stopped(endpoint, code, message));
        }
        EndedAgents { sessions, endpoints }
    }

    /// A place for a connection whose agent is not known yet.
    pub(super) fn unknown_slot(&self, source: IpAddr) -> Option<Unknown> {
        // Those who will be refused for where they are leave the places to others.
        let places = if self.permits(source.to_canonical()) { &self.unknown } else { &self.strangers };
        places.try_acquire(source, tokio::time::Instant::now())
    }

    /// Waits until connections that have lost their places are closed, but for a few.
    pub(super) async fn settled(&self) {
        self.unknown.settled().await;
        self.strangers.settled().await;
    }
}

/// Tells an agent that one of its endpoints is stopped. It learns it once: who does not listen now finds out later.
async fn notify_stopped(endpoint: Arc<OnlineEndpoint>, code: NgrokCode, message: String) {
    let id = endpoint.agent_id.to_string();
    let told = StopEndpoint { id, message, error_code: Some(code.to_string()) };
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
    if !timeout(NOTIFY_TIMEOUT, telling).await.unwrap_or(false) {
        tracing::warn!(session = &*endpoint.session, url = %endpoint.url, "could not notify the agent of a stopped endpoint");
    }
}

#[cfg(test)]
mod tests {
    use policy_core::lpm::cidr;

    use agent_link::Heartbeat;
    use policy_core::lpm::Restriction;

    use super::*;
    use crate::edge::agents::settings::PolicyLimits;
    use crate::edge::certificates::AgentIdentity;

    #[test]
    fn who_may_not_be_there_takes_no_place_of_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let shown = AgentIdentity::own(folder.path(), &["localhost".into()]).expect("a certificate");
        let permitted = cidr("192.0.2.0/24").expect("a network").network;
        let time = Duration::from_secs(10);
        let settings = AgentSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: shown.server_config(),
            restrict_ips: Some(Restriction::build([permitted], []).expect("small")),
            auth_timeout: time,
            heartbeat: Heartbeat { interval: time, tolerance: time },
            max_agents: 2,
            max_agents_per_authtoken: 2,
            max_endpoints: 1,
            max_streams: 1,
            public: None,
            public_listen: Vec::new(),
            policies: PolicyLimits::default(),
        };
        let identity = Identity::open(folder.path()).expect("a store");
        let agents = Arc::new(Agents::new(identity, settings));
        let acquire = |text: &str| agents.unknown_slot(text.parse().expect("an address"));
        let strangers: Vec<_> = std::iter::repeat_with(|| acquire("198.51.100.1")).take(STRANGERS).collect();
        assert!(strangers.iter().all(Option::is_some) && acquire("198.51.100.1").is_none());
        let of_one: Vec<_> = std::iter::repeat_with(|| acquire("192.0.2.1")).take(UNKNOWN_OF_ONE).collect();
        assert!(of_one.iter().all(Option::is_some) && acquire("::ffff:192.0.2.1").is_none());
        assert!(acquire("192.0.2.2").is_some(), "there is room for others");
        assert!(acquire("203.0.113.1").is_some(), "even for another stranger");
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
