//! The events of agents' sessions.
//!
//! Source: ngrok documentation, events `agent_session_start.v0` and `agent_session_stop.v0` (2026-08-07).

use jiff::Timestamp;
use serde::Serialize;

use super::shape::line;
use crate::edge::SessionInfo;

#[derive(Serialize)]
struct Session<'a> {
    session: &'a str,
    credential: String,
    agent_ip: String,
    region: &'a str,
    user_agent: &'a str,
    metadata: &'a str,
    os: &'a str,
    transport: &'a str,
    started_at: Timestamp,
    stopped_at: Option<Timestamp>,
    error: Option<&'a str>,
}

impl<'a> Session<'a> {
    fn of(info: &'a SessionInfo) -> Self {
        Self {
            session: &info.id,
            credential: info.credential.to_string(),
            agent_ip: info.peer.ip().to_canonical().to_string(),
            region: "edge",
            user_agent: &info.user_agent,
            metadata: &info.metadata,
            os: &info.os,
            transport: "tls",
            started_at: info.started,
            stopped_at: None,
            error: None,
        }
    }
}

/// The event of a session that begins, as one line of JSON without the line break.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn agent_session_start(info: &SessionInfo) -> serde_json::Result<String> {
    line("agent_session_start.v0", info.started, &Session::of(info))
}

/// The event of a session that has ended, and why if not in order.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn agent_session_stop(
    info: &SessionInfo,
    stopped: Timestamp,
    error: Option<&str>,
) -> serde_json::Result<String> {
    let session = Session { stopped_at: Some(stopped), error, ..Session::of(info) };
    line("agent_session_stop.v0", stopped, &session)
}
