//! The command: what the binary has beside the library.
//!
//! In order: how a command ends (`exit`), the commands of the `agent`, those of the `edge`, which needs Unix, and the
//! command line of all of them (`cli`).

pub(crate) mod agent;
pub(crate) mod cli;
#[cfg(unix)]
pub(crate) mod edge;
#[cfg(not(unix))]
#[path = "cmd/no_edge.rs"]
pub(crate) mod edge;
pub(crate) mod exit;
