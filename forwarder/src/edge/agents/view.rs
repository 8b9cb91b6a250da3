//! What the admin API shows of agents, and what it does to them.

use std::sync::Arc;
use std::time::Duration;

use agent_link::mux::ErrorCode;
use agent_link::{CommandReply, Empty, StreamType};
use policy_core::url::EndpointUrl;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::served::{Agents, ServedAgents};
use crate::control::admin::{Delivery, EndpointView, Ref, SessionCommand, SessionView, Sessions};
use crate::edge::session_info::SessionInfo;
use crate::edge::shared::Shared;

/// How long an agent may take to stop by itself.
const STOP_TIME: Duration = Duration::from_secs(5);
/// Where an edge is.
const REGION: &str = "edge";

/// The agents of an edge, for its API.
pub(in crate::edge) struct View {
    pub(in crate::edge) shared: Arc<Shared>,
    pub(in crate::edge) agents: ServedAgents,
    /// Where commands to agents run: the API itself must not wait for them.
    pub(in crate::edge) runtime: Handle,
}

impl View {
    /// `None` while no agents are served.
    fn agents(&self) -> Option<&Agents> {
        self.agents.get().map(|agents| &**agents)
    }
}

impl Sessions for View {
    fn sessions(&self) -> Vec<SessionView> {
        let sessions = self.agents().map(|agents| agents.sessions.infos()).unwrap_or_default();
        let view = |info: SessionInfo| SessionView {
            id: info.id.into(),
            agent_version: info.agent_version.into(),
            credential: Ref::to(info.credential),
            ip: info.peer.ip().to_canonical().to_string(),
            metadata: info.metadata.into(),
            os: info.os.into(),
            region: REGION.to_owned(),
            started_at: info.started,
            transport: "tls".to_owned(),
            ..SessionView::default()
        };
        sessions.into_iter().map(view).collect()
    }

    fn stop(&self, id: &str) -> bool {
        let found = self.agents().and_then(|agents| agents.sessions.opener(id));
        let Some((info, opener)) = found else { return false };
        self.runtime.spawn(async move {
            if info.stop_unsupported.is_none() {
                let asked = agent_link::ask::<CommandReply>(&opener, StreamType::Stop, &Empty {});
                if matches!(timeout(STOP_TIME, asked).await, Ok(Ok(CommandReply { error: None }))) {
                    // It says goodbye itself.
                    let _ = timeout(STOP_TIME, opener.closed()).await;
                }
            }
            opener.close(ErrorCode::Cancelled, "the session was stopped");
        });
        true
    }

    fn ask(&self, id: &str, command: SessionCommand) -> Delivery {
        let found = self.agents().and_then(|agents| agents.sessions.opener(id));
        let Some((info, opener)) = found else { return Delivery::Unknown };
        let (kind, unsupported, request) = match command {
            SessionCommand::Restart => (StreamType::Restart, info.restart_unsupported, json!({})),
            SessionCommand::Update(version) => {
                let request = json!({"Version": version, "PermitMajorVersion": false});
                (StreamType::Update, info.update_unsupported, request)
            }
        };
        if let Some(why) = unsupported {
            return Delivery::Unsupported(why.into());
        }
        self.runtime.spawn(async move {
            let asked = timeout(STOP_TIME, agent_link::ask::<CommandReply>(&opener, kind, &request)).await;
            if !matches!(asked, Ok(Ok(CommandReply { error: None }))) {
                tracing::warn!(session = &*info.id, ?kind, "the agent did not carry out a request");
            }
        });
        Delivery::Yes
    }

    fn endpoints(&self) -> Vec<EndpointView> {
        let host_port = |url: &EndpointUrl| {
            url.port().map_or_else(|| url.host().to_owned(), |port| format!("{}:{port}", url.host()))
        };
        let online = self.shared.online.all();
        let of_agents = online.iter().map(|it| EndpointView {
            id: it.id.to_string(),
            region: REGION.to_owned(),
            created_at: it.since,
            updated_at: it.since,
            public_url: it.url.to_string(),
            url: it.url.to_string(),
            proto: it.url.scheme().name().to_owned(),
            scheme: it.url.scheme().name().to_owned(),
            hostport: host_port(&it.url),
            host: it.url.host().to_owned(),
            port: it.url.port().unwrap_or(0),
            r#type: "agent".to_owned(),
            metadata: it.metadata.to_string(),
            description: it.description.to_string(),
            upstream_url: it.forwards_to.to_string(),
            traffic_policy: it.policy_text.as_deref().unwrap_or_default().to_owned(),
            bindings: vec![it.binding.name().to_owned()],
            tunnel_session: Some(Ref::to(&it.session)),
            principal: Some(Ref::to(it.owner.credential)),
            pooling_enabled: it.pooling,
            ..EndpointView::default()
        });
        of_agents.collect()
    }
}
