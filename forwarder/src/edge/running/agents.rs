//! A running edge and its agents: where they connect, and by which settings.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Edge;
use crate::control::admin::Sessions;
use crate::control::identity::Identity;
use crate::edge::agents::{AgentSettings, Agents, EndedAgents, View, accept, end_dead};
use crate::edge::listen;
use crate::edge::listener::Listener;

/// Agents that an edge is ready to serve: their listener is bound, if it is a new one.
#[derive(Debug)]
pub struct ReadyAgents {
    settings: AgentSettings,
    bound: Option<TcpListener>,
}

/// Where agents connect now.
#[derive(Debug)]
pub(super) struct AgentListener {
    /// As it is configured.
    listen: SocketAddr,
    listener: Listener,
}

impl AgentListener {
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
        let is_there = self.agent_listener.as_ref().is_some_and(|it| it.listen == settings.listen);
        let bound = match is_there {
            true => None,
            false => Some(listen::listen_on(settings.listen)?),
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
        let _ = self.agents.set(agents);
        address.unwrap_or(listen)
    }

    /// Serves agents by new settings, or no more; call it after [`Edge::reload`]. Says what had to end. Sessions that
    /// may stay keep the heartbeat and the number of connections that they began with.
    pub async fn reload_agents(&mut self, ready: Option<ReadyAgents>) -> EndedAgents {
        let Some(agents) = self.agents.get().map(Arc::clone) else { return EndedAgents::default() };
        let (settings, bound) = match ready {
            Some(ready) => (Some(Arc::new(ready.settings)), ready.bound),
            None => (None, None),
        };
        // First of all whoever may no longer be here: closing the listener takes a moment.
        agents.set_settings(settings.clone());
        let ended = agents.end_unfit(&self.shared);
        if (settings.is_none() || bound.is_some())
            && let Some(old) = self.agent_listener.take()
        {
            old.listener.close().await;
        }
        if let Some(settings) = settings {
            self.listen_for_agents(&agents, settings.listen, bound);
        }
        ended
    }

    /// Shows another certificate from now on.
    pub fn show_certificate(&self, tls: Arc<rustls::ServerConfig>) {
        if let Some(agents) = self.agents.get() {
            agents.show_certificate(&tls);
        }
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
        self.agent_listener = Some(AgentListener { listen, listener: Listener { address, stop, task } });
        Some(address)
    }

    /// The sessions of agents, for the admin API. Within a runtime.
    #[must_use]
    pub fn admin_sessions(&self) -> Arc<dyn Sessions> {
        Arc::new(View {
            shared: Arc::clone(&self.shared),
            agents: Arc::clone(&self.agents),
            runtime: tokio::runtime::Handle::current(),
        })
    }

    /// True if agents are served, or were before.
    pub(crate) fn has_served_agents(&self) -> bool {
        self.agents.get().is_some()
    }
}
