//! The event of connections that wait for a place. Ours.

use jiff::Timestamp;
use serde::Serialize;

use crate::control::audit::event;

#[derive(Serialize)]
struct WaitingObject<'a> {
    endpoint: Option<&'a str>,
    open: usize,
    limit: &'static str,
}

/// The event of an edge whose connections are all in use, as one line of JSON without the line break; the endpoint is
/// one of those where clients wait.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn connections_waiting(endpoint: Option<&str>, open: usize, at: Timestamp) -> serde_json::Result<String> {
    event(
        "connections_waiting.v0",
        at,
        None,
        &WaitingObject { endpoint, open, limit: "limits.max_connections" },
    )
}
