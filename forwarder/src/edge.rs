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

/// [`admission::connections`]: how many connections the open files of the process leave room for.
pub mod admission;
pub(crate) mod agents;
/// What an edge shows to agents, and what they have to trust to believe it.
pub mod certificates;
pub(crate) mod connection;
mod draw;
/// [`events::EventWriter`] writes what became of connections and agents.
pub mod events;
/// [`generation::Generation`]: a configuration that is served. A reload exchanges it as a whole.
pub mod generation;
pub(crate) mod listen;
pub(crate) mod listener;
/// [`online::OnlineEndpoints`]: agents register what they keep online.
pub mod online;
pub(crate) mod open;
/// [`own_sockets::OwnSockets`] tells connections that the edge has made itself.
pub mod own_sockets;
/// [`policy_shares::PolicyShares`] charges the policies of agents to their authtokens.
pub mod policy_shares;
/// [`quickstart::run`] shows an edge and an agent at work, without any file.
pub mod quickstart;
pub(crate) mod registry;
pub(crate) mod revalidate;
pub mod route;
pub(crate) mod running;
/// [`serve::serve`] is the command `forwarder edge`, from its configuration to its last event.
pub mod serve;
pub(crate) mod session_info;
pub(crate) mod shared;
pub(crate) mod shares;
/// [`state::StateDir`] is held by one edge at a time.
pub mod state;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod waiting;

pub use agents::{AgentSettings, EndedAgents, PolicyLimits};
pub use running::{BindError, Edge, ReadyAgents, Reloaded};
pub use session_info::SessionInfo;
