//! The edge: accepts TCP connections, lets `policy-core` decide, and carries the bytes. And the agent, which dials out to it.
//!
//! The library has wings, lowest first; each uses only those before it, and so do the rooms of a wing (ADR 34):
//!
//! - [`base`]: the process and its system: files, numbers drawn, lines of logs and events;
//! - [`net`]: what both ends do with the network: sockets, TLS, dialling, carrying bytes, HTTP;
//! - [`agent`]: dials an edge and takes its connections to servers it can reach. Runs on every system;
//! - [`control`]: who is who, and the admin API. Needs Unix, as the edge does;
//! - [`edge`]: from a configuration to the event of a connection. On any doubt it refuses.
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

pub mod agent;
pub mod base;
#[cfg(unix)]
pub mod control;
#[cfg(unix)]
pub mod edge;
pub mod net;
