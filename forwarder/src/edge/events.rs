//! Events: one JSON line a connection, with ngrok's names and fields and ours beside them.
//!
//! Sessions of agents have theirs, when they begin and when they end.
//!
//! Source: ngrok documentation, event `tcp_connection_closed.v0` (2026-08-07). Ours are `conn.client_port`,
//! `decision`, `rule`, `at`, `policy_sha256`, `reason`, `endpoint`, `target`, `hops`,
//! `failed_forwards` and `end`.

mod agents;
mod refusals;
mod reload;
mod shape;
mod waiting;
mod writer;

pub use agents::{EndpointRefused, agent_refused, agent_session_start, agent_session_stop, endpoint_refused};
pub use reload::{policy_changed, policy_not_loaded, reload_failed};
pub use shape::{Closed, tcp_connection_closed};
pub use waiting::connections_waiting;
pub use writer::{EventWriter, WriterThread, open_outputs};

pub use crate::base::lines::Output;
