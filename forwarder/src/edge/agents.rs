//! Agents: who they are, the sessions they hold, and the endpoints they bring online.
//!
//! A session enters the table *before* its credential is looked at again, and a credential dies *before* its sessions
//! are looked for: whichever comes first, no session outlives its credential (`edge::places`). When a session ends, its endpoints go
//! offline first, then the connections through them are cut.

mod bind;
mod policy;
mod session;
mod sessions;
#[cfg(test)]
mod simulated;
mod view;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Edge, Shared, listener};
use crate::admin::{NoSessions, Sessions};
use crate::identity::{FailureLimit, Identity, NoticeKind};
use crate::link::Heartbeat;
pub use sessions::SessionInfo;
use sessions::Sessions as Table;
use view::View;

/// Connections of agents that have not said who they are, in all and from one address.
pub(crate) const UNKNOWN: usize = 512;
const UNKNOWN_OF_ONE: usize = 256;
/// Failed authentications of one address before it has to wait.
const FAILURES: u32 = 10;
const FAILURES_WITHIN: Duration = Duration::from_secs(60);
const FAILURE_SOURCES: usize = 10_000;
/// How often sessions are looked at for credentials that have expired.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause after a failed accept.
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
    /// Who agents are.
    pub identity: Identity,
    /// How long an agent may take to say who it is.
    pub auth_timeout: Duration,
    /// How agents are asked for a sign of life.
    pub heartbeat: Heartbeat,
    /// Sessions at once.
    pub most_agents: usize,
    /// Endpoints of one session.
    pub most_endpoints: usize,
    /// Connections through one session.
    pub most_streams: usize,
    /// Ports of public tcp endpoints; without any, agents bring internal endpoints online only.
    pub public_ports: Option<RangeInclusive<u16>>,
}

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Agents {
    settings: AgentSettings,
    sessions: Table,
    failures: FailureLimit,
    slots: Arc<Semaphore>,
    unknown: Arc<Semaphore>,
    unknown_by_source: Mutex<HashMap<IpAddr, usize>>,
}

impl Edge {
    /// Lets agents connect; gives the address they connect to.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn serve_agents(&mut self, settings: AgentSettings) -> io::Result<SocketAddr> {
        let socket = listener::listen(listener::bind(settings.listen)?)?;
        let address = socket.local_addr()?;
        let agents = Arc::new(Agents {
            sessions: Table::default(),
            failures: FailureLimit::new(FAILURES, FAILURES_WITHIN, FAILURE_SOURCES),
            slots: Arc::new(Semaphore::new(settings.most_agents.min(Semaphore::MAX_PERMITS))),
            unknown: Arc::new(Semaphore::new(UNKNOWN)),
            unknown_by_source: Mutex::default(),
            settings,
        });
        let notices = agents.settings.identity.subscribe();
        let stop = self.shared.stop_agents.clone();
        tokio::spawn(stop.clone().run_until_cancelled_owned(end_dead(Arc::clone(&agents), notices)));
        let accepting = accept(Arc::clone(&self.shared), Arc::clone(&agents), socket);
        self.shared.agent_tasks.spawn(stop.run_until_cancelled_owned(accepting));
        self.agents = Some(agents);
        Ok(address)
    }

    /// The sessions of agents.
    #[must_use]
    pub fn agent_sessions(&self) -> Vec<SessionInfo> {
        self.agents.as_ref().map(|agents| agents.sessions.infos()).unwrap_or_default()
    }

    /// The same for the admin API. Within a runtime.
    #[must_use]
    pub fn admin_sessions(&self) -> Arc<dyn Sessions> {
        let (shared, runtime) = (Arc::clone(&self.shared), tokio::runtime::Handle::current());
        match &self.agents {
            Some(agents) => Arc::new(View { shared, agents: Arc::clone(agents), runtime }),
            None => Arc::new(NoSessions),
        }
    }
}

/// Ends the sessions of credentials that die.
async fn end_dead(agents: Arc<Agents>, mut notices: broadcast::Receiver<crate::identity::Notice>) {
    loop {
        match timeout(LOOK_EVERY, notices.recv()).await {
            Ok(Err(broadcast::error::RecvError::Closed)) => return,
            // What it has online may no longer be permitted: it binds again what is.
            Ok(Ok(notice)) if notice.kind == NoticeKind::Changed => {
                let changed = |session: &SessionInfo| notice.credentials.contains(&session.credential);
                agents.sessions.end_where(changed, "the rules of its authtoken have changed");
            }
            // Too many to know which have changed: all come again.
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                agents.sessions.end_where(|_| true, "authtokens have changed");
            }
            // Once in a while as well: credentials expire without a notice.
            Ok(Ok(_)) | Err(_) => {}
        }
        let identity = &agents.settings.identity;
        let now = jiff::Timestamp::now();
        agents
            .sessions
            .end_where(|session| !identity.is_alive(session.credential, now), "its credential is gone");
    }
}

async fn accept(shared: Arc<Shared>, agents: Arc<Agents>, listener: TcpListener) {
    let acceptor = TlsAcceptor::from(Arc::clone(&agents.settings.tls));
    let mut last_line = None;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if last_line.is_none_or(|at: std::time::Instant| at.elapsed() >= LOOK_EVERY) {
                    tracing::error!(%error, "cannot accept agents");
                    last_line = Some(std::time::Instant::now());
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Who finds no place is let go at once and comes again: a crowd of silent ones holds nobody up for long.
        let Some(unknown) = agents.admit(peer.ip()) else { continue };
        let (of_shared, of_agents) = (Arc::clone(&shared), Arc::clone(&agents));
        let acceptor = acceptor.clone();
        shared.agent_tasks.spawn(async move {
            session::serve(&of_shared, &of_agents, acceptor, stream, peer, unknown).await;
        });
    }
}

/// The place of a connection whose agent is not known yet.
struct Unknown {
    agents: Arc<Agents>,
    source: IpAddr,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Unknown {
    fn drop(&mut self) {
        let mut by_source = self.agents.unknown_by_source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = by_source.get_mut(&self.source) {
            *number -= 1;
            if *number == 0 {
                by_source.remove(&self.source);
            }
        }
    }
}

impl Agents {
    fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Unknown> {
        let source = source.to_canonical();
        if !self.failures.allows(source, std::time::Instant::now()) {
            return None;
        }
        let permit = Arc::clone(&self.unknown).try_acquire_owned().ok()?;
        let mut by_source = self.unknown_by_source.lock().unwrap_or_else(PoisonError::into_inner);
        let number = by_source.entry(source).or_default();
        if *number >= UNKNOWN_OF_ONE {
            return None;
        }
        *number += 1;
        drop(by_source);
        Some(Unknown { agents: Arc::clone(self), source, _permit: permit })
    }
}
