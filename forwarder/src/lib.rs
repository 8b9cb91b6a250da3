//! The edge: accepts TCP connections, lets `policy-core` decide, and carries the bytes.
//!
//! The life of a connection, file by file:
//!
//! 1. `edge::listener`: accept, within the budget of [`admission`];
//! 2. [`route`]: evaluate the endpoint's policy, perform its effects, follow forwards through the internal
//!    endpoints of the configuration and **never through DNS**;
//! 3. [`relay`]: carry bytes both ways, each half closing on its own;
//! 4. [`events`]: one event a judged connection, whatever became of it.
//!
//! A [`generation::Generation`] is one loaded configuration; reloading swaps it and judges open connections
//! again. On any doubt the edge refuses.
//!
//! The edge needs Unix. The [`agent`] runs elsewhere too.

#[cfg(unix)]
pub mod admin;
#[cfg(unix)]
pub mod admission;
pub mod agent;
pub mod dial;
#[cfg(unix)]
pub mod edge;
#[cfg(unix)]
pub mod events;
mod files;
pub mod generation;
mod host;
#[cfg(unix)]
pub mod identity;
mod lines;
pub mod log;
mod memory;
#[cfg(unix)]
pub mod online;
#[cfg(unix)]
pub mod own_sockets;
#[cfg(unix)]
pub mod policy_shares;
#[cfg(unix)]
mod private;
mod proxy_protocol;
#[cfg(unix)]
pub mod quickstart;
mod random;
pub mod relay;
#[cfg(unix)]
pub mod route;
mod said;
#[cfg(unix)]
pub mod serve;
#[cfg(unix)]
mod session_info;
#[cfg(unix)]
mod sources;
#[cfg(unix)]
pub mod state;
#[cfg(unix)]
mod sync;
#[cfg(target_os = "linux")]
mod system;
pub mod tls;
mod tune;
