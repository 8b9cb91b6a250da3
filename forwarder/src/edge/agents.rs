//! Agents: who they are, the sessions they hold, and the endpoints they bring online.
//!
//! A session enters the table *before* its credential is looked at again, and a credential dies *before* its sessions
//! are looked for: whichever comes first, no session outlives its credential (`edge::registry`). The same holds for the
//! sources that the settings permit, which a reload exchanges. When a session ends, its endpoints go offline first, then
//! the connections through them are cut.
//!
//! In order: `settings`, `ids`, who is refused how often (`refusals`), places of those who are known (`slots`) and those
//! who are not (`unknown`), the table of `sessions`, what all of them share (`served`), policies (`policy`) and endpoints
//! (`bind`) that agents bring, one `session`, and what the API sees (`view`).

mod bind;
mod ids;
mod policy;
mod refusals;
mod served;
mod session;
mod sessions;
mod settings;
#[cfg(test)]
#[path = "../../tests/simulated/agents.rs"]
mod simulated;
mod slots;
mod unknown;
mod view;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::shared::Shared;
use crate::control::identity::{Notice, NoticeKind};
use crate::net::accept::Accepting;
pub use served::EndedAgents;
pub(crate) use served::UNKNOWN;
pub(super) use served::{Agents, ServedAgents};
pub use settings::{AgentSettings, PolicyLimits};
pub(super) use view::View;

/// How often sessions are looked at for credentials that have expired.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Ends the sessions of credentials that die.
pub(super) async fn end_dead(agents: Arc<Agents>, mut notices: broadcast::Receiver<Notice>) {
    loop {
        match timeout(CHECK_INTERVAL, notices.recv()).await {
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

pub(super) async fn accept(shared: Arc<Shared>, agents: Arc<Agents>, listener: TcpListener) {
    let _own = listener.local_addr().map(|address| shared.own.register_listener(address));
    let mut accepting = Accepting::new(listener, "agents");
    loop {
        agents.settled().await;
        let (stream, peer) = accepting.next().await;
        // Its own source needs all the places that it may have.
        let Some(unknown) = agents.unknown_slot(peer.ip()) else { continue };
        let Some(settings) = agents.settings.load_full() else { return };
        let (of_shared, of_agents) = (Arc::clone(&shared), Arc::clone(&agents));
        shared.agent_tasks.spawn(async move {
            session::serve(&of_shared, &of_agents, settings, stream, peer, unknown).await;
        });
    }
}
