//! How an agent and its sessions end.

use std::fmt;
use std::io;

use agent_link::CallError;

use super::setup::Setup;

/// Why an agent ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentError {
    /// The edge does not know it.
    Auth(CallError),
    /// It does not trust the edge's CA; found before it was ever connected.
    Untrusted(io::Error),
    /// All endpoints were refused for good; this was the first.
    Bind(Box<str>, CallError),
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => write!(f, "the edge refuses this agent: {error}"),
            Self::Untrusted(error) => error.fmt(f),
            Self::Bind(name, error) => write!(f, "the edge refuses the endpoint `{name}`: {error}"),
        }
    }
}

impl std::error::Error for AgentError {}

/// Why a session ended.
pub(super) enum SessionEnd {
    /// It cannot be begun again.
    Refused(AgentError),
    /// The edge or this machine told the agent to stop.
    Stopped,
    /// The edge told the agent to begin again.
    Restart,
    /// The configuration has changed so that it takes another one.
    Reload(Box<Setup>),
    /// It was lost; true if it had begun.
    Lost(io::Error, bool),
}

impl SessionEnd {
    /// What the edge is told, which tells the clients.
    pub(super) const fn farewell(&self) -> &'static str {
        match self {
            Self::Stopped => "the agent stops",
            Self::Restart | Self::Reload(_) => "the agent starts a new session",
            Self::Refused(_) => "the agent was refused",
            Self::Lost(..) => "no heartbeat answered in time",
        }
    }
}
