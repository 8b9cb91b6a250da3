//! The events of agents' sessions.
//!
//! Source: ngrok documentation, events `agent_session_start.v0` and `agent_session_stop.v0` (2026-08-07); what is refused
//! is ours.

use std::net::SocketAddr;

use agent_link::Refusal;
use jiff::Timestamp;
use policy_core::ngrok::NgrokCode;
use serde::Serialize;

use crate::control::audit::event;
use crate::control::identity::CredentialId;
use crate::edge::session_info::SessionInfo;

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
    fn from_info(info: &'a SessionInfo) -> Self {
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
    event("agent_session_start.v0", info.started, None, &Session::from_info(info))
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
    let session = Session { stopped_at: Some(stopped), error, ..Session::from_info(info) };
    event("agent_session_stop.v0", stopped, None, &session)
}

/// An endpoint that an agent asked for and did not get.
#[derive(Clone, Copy, Debug)]
pub struct EndpointRefused<'a> {
    /// The session of the agent.
    pub session: &'a str,
    /// Its credential.
    pub credential: CredentialId,
    /// What it asked for.
    pub url: &'a str,
    /// What it was told.
    pub refusal: &'a Refusal,
    /// Endpoints of the session that were refused since the last event.
    pub before: u64,
}

#[derive(Serialize)]
struct RefusedEndpoint<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    error_code: String,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_before: Option<u64>,
}

/// The event of an agent that was refused, as one line of JSON without the line break.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn agent_refused(
    peer: SocketAddr,
    credential: Option<CredentialId>,
    refusal: &Refusal,
    at: Timestamp,
) -> serde_json::Result<String> {
    let refused = RefusedEndpoint {
        session: None,
        credential: credential.map(|id| id.to_string()),
        agent_ip: Some(peer.ip().to_canonical().to_string()),
        url: None,
        error_code: NgrokCode::new(refusal.code).to_string(),
        reason: &refusal.reason,
        refused_before: None,
    };
    event("agent_refused.v0", at, None, &refused)
}

/// The event of an endpoint that an agent did not get, as one line of JSON without the line break.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn endpoint_refused(refused: &EndpointRefused<'_>, at: Timestamp) -> serde_json::Result<String> {
    let refused = RefusedEndpoint {
        session: Some(refused.session),
        credential: Some(refused.credential.to_string()),
        agent_ip: None,
        url: Some(refused.url),
        error_code: NgrokCode::new(refused.refusal.code).to_string(),
        reason: &refused.refusal.reason,
        refused_before: Some(refused.before),
    };
    event("endpoint_refused.v0", at, None, &refused)
}
