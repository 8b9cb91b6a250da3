//! The edge: from a configuration to the event of a connection. On any doubt it refuses.
//!
//! First locks (`sync`), draws (`draw`), how a socket can `listen`, and the [`certificates`] that agents see.
//!
//! In order, what is served and what it may take: a [`generation`], which is one loaded configuration; [`admission`], the
//! connections that there is room for; the [`state`] folder; what is known of a session (`session_info`); what the
//! policies of agents may take ([`policy_shares`]); the endpoints that agents keep [`online`]; the edge's [`own_sockets`].
//!
//! Then the way of a connection: its [`route`] through the endpoints of the configuration and **never through DNS**, its
//! [`events`], the table of what may have to end (`registry`), the `open` connections in it and those that are
//! revalidated later (`waiting`), `shares` of connections, what all tasks have (`shared`), who may stay after a reload
//! (`revalidate`), the life of one `connection`, and the `listener` that accepts it.
//!
//! At last the `agents`, the `status` for the API, the `running` edge, how it is started and told what to do ([`serve`]),
//! and the [`quickstart`].

pub mod admission;
pub(crate) mod agents;
pub mod certificates;
pub(crate) mod connection;
mod draw;
pub mod events;
pub mod generation;
pub(crate) mod listen;
pub(crate) mod listener;
pub mod online;
pub(crate) mod open;
pub mod own_sockets;
pub mod policy_shares;
pub mod quickstart;
pub(crate) mod registry;
pub(crate) mod revalidate;
pub mod route;
pub(crate) mod running;
pub mod serve;
pub(crate) mod session_info;
pub(crate) mod shared;
pub(crate) mod shares;
pub mod state;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod waiting;

pub use agents::{AgentSettings, EndedAgents, PolicyLimits};
pub use running::{BindError, Edge, ReadyAgents, Reloaded};
pub use session_info::SessionInfo;
