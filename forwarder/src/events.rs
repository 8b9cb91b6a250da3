//! Events: one JSON line a connection, with ngrok's names and fields and ours beside them.
//!
//! Source: ngrok documentation, event `tcp_connection_closed.v0` (2026-08-07). Ours are `conn.client_port`,
//! `decision`, `rule`, `at`, `policy_sha256`, `reason`, `endpoint`, `target`, `hops` and `end`.

mod shape;
mod writer;

pub use shape::{Closed, tcp_connection_closed};
pub use writer::{EventWriter, Output, open_outputs};
