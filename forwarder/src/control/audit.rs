//! Who calls, and what events say: one JSON line each. Audit events tell who changed what.
//!
//! Source: ngrok documentation, audit events (2026-08-07); `service_user_*` is ours.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use policy_core::json;
use serde::Serialize;
use ulid::Ulid;

use super::identity::ApiKeyId;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who can open the socket.
    Local,
    /// Somebody with an API key.
    Key(ApiKeyId),
}

impl fmt::Display for Caller {
    /// As audit events name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local-admin"),
            Self::Key(id) => id.fmt(f),
        }
    }
}

/// Where audit events go, such as the writer of the edge's events. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<dyn Fn(String) + Send + Sync>);

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit(…)")
    }
}

impl Audit {
    /// Hands each line, without its line break, to `sink`, which must not wait.
    pub fn new(sink: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Records a change: `kind` such as `tunnel_credential`, `what` such as `created`.
    pub(super) fn record(&self, by: Caller, kind: &str, what: &str, object: &impl Serialize) {
        match event(&format!("{kind}_{what}.v0"), Timestamp::now(), Some(&by.to_string()), object) {
            Ok(line) => (self.0)(line),
            Err(error) => tracing::error!("an audit event cannot be written: {error}"),
        }
    }
}

#[derive(Serialize)]
struct Event<'a, T> {
    account_id: Option<&'a str>,
    event_id: String,
    event_type: &'a str,
    event_timestamp: Timestamp,
    principal: Option<Actor<'a>>,
    object: &'a T,
}

#[derive(Serialize)]
struct Actor<'a> {
    subject: &'a str,
}

/// An event of any type, as one line of JSON without the line break; `by` is who has done it, if anybody has.
///
/// # Errors
/// None that can occur where every key of the object is a string.
pub(crate) fn event(
    event_type: &str,
    event_timestamp: Timestamp,
    by: Option<&str>,
    object: &impl Serialize,
) -> serde_json::Result<String> {
    json::to_string(&Event {
        account_id: None,
        event_id: format!("ev_{}", Ulid::generate()),
        event_type,
        event_timestamp,
        principal: by.map(|subject| Actor { subject }),
        object,
    })
}
