//! The edge.
//!
//! The life of a connection, file by file:
//!
//! 1. `listener`: accept, within the budget of [`admission`];
//! 2. [`route`]: evaluate the endpoint's policy, perform its effects, follow forwards through the internal
//!    endpoints of the configuration and **never through DNS**;
//! 3. `connection`: carry bytes both ways, each half closing on its own;
//! 4. [`events`]: one event a judged connection, whatever became of it.
//!
//! A [`generation::Generation`] is one loaded configuration; reloading swaps it and judges open connections
//! again. On any doubt the edge refuses.

pub mod admission;
pub(crate) mod agents;
pub(crate) mod connection;
pub mod events;
pub mod generation;
pub(crate) mod judge;
pub(crate) mod listener;
pub mod online;
pub mod own_sockets;
pub(crate) mod places;
pub mod policy_shares;
pub mod quickstart;
pub(crate) mod registry;
pub mod route;
pub(crate) mod running;
pub mod serve;
pub(crate) mod session_info;
pub(crate) mod shares;
pub mod state;
pub(crate) mod status;

pub use agents::{AgentSettings, EndedAgents, PolicyLimits, ReadyAgents};
pub use running::{BindError, Edge, Reloaded};
pub use session_info::SessionInfo;
