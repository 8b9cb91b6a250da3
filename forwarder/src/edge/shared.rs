//! What all tasks of an edge share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::EventWriter;
use super::generation::Generation;
use super::online::OnlineEndpoints;
use super::open::OpenConnections;
use super::own_sockets::OwnSockets;
use super::shares::Shares;
use super::waiting::Waiting;
use crate::base::random::Random;

/// What all tasks of an edge share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) current: ArcSwap<Generation>,
    pub(super) online: OnlineEndpoints,
    pub(super) connections: OpenConnections,
    pub(super) waiting: Waiting,
    pub(super) slots: Arc<Semaphore>,
    pub(super) shares: Arc<Shares>,
    pub(super) own: Arc<OwnSockets>,
    pub(super) events: EventWriter,
    /// Where ids, choices and the draws of policies come from.
    pub(super) random: Random,
    pub(super) tasks: TaskTracker,
    /// Cancelled when the time to drain is over: ends dials and relays alike.
    pub(super) stop: CancellationToken,
    /// Cancelled when the edge stops: nobody is accepted at the public endpoints of agents any more.
    pub(super) stop_accepting: CancellationToken,
    /// Agents, which are needed for as long as anything drains.
    pub(super) agent_tasks: TaskTracker,
    pub(super) stop_agents: CancellationToken,
}

impl Shared {
    pub(crate) fn new(
        generation: Generation,
        connections: usize,
        events: EventWriter,
        random: Random,
    ) -> Self {
        Self {
            current: ArcSwap::from_pointee(generation),
            online: OnlineEndpoints::default(),
            connections: OpenConnections::default(),
            waiting: Waiting::default(),
            slots: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            shares: Shares::new(connections),
            own: Arc::default(),
            events,
            random,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            stop_accepting: CancellationToken::new(),
            agent_tasks: TaskTracker::new(),
            stop_agents: CancellationToken::new(),
        }
    }

    /// Writes an event that was made.
    pub(super) fn write_event(&self, event: serde_json::Result<String>) {
        self.events.event(event);
    }
}
