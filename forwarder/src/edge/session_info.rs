//! What is known of the session of an agent.

use std::net::SocketAddr;

use jiff::Timestamp;

use crate::control::identity::CredentialId;

/// What is known of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its id, `ts_…`.
    pub id: Box<str>,
    /// The credential it was made with.
    pub credential: CredentialId,
    /// The agent's address.
    pub peer: SocketAddr,
    /// The agent's own account of itself.
    pub agent_version: Box<str>,
    /// The same.
    pub os: Box<str>,
    /// The same.
    pub user_agent: Box<str>,
    /// The same.
    pub metadata: Box<str>,
    /// Why it cannot be stopped from here; `None` if it can.
    pub stop_unsupported: Option<Box<str>>,
    /// The same for a restart.
    pub restart_unsupported: Option<Box<str>>,
    /// The same for an update.
    pub update_unsupported: Option<Box<str>>,
    /// When it began.
    pub started: Timestamp,
}
