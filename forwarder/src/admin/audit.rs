//! Audit events: who changed what, one JSON line a change.
//!
//! Source: ngrok documentation, audit events (2026-08-07); `service_user_*` is ours.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use ulid::Ulid;

use super::Call;

/// Where audit events go, such as the writer of the edge's events. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<dyn Fn(String) + Send + Sync>);

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit(…)")
    }
}

#[derive(Serialize)]
struct Event<'a, T> {
    account_id: Option<&'a str>,
    event_id: String,
    event_type: String,
    event_timestamp: Timestamp,
    principal: Principal,
    object: &'a T,
}

#[derive(Serialize)]
struct Principal {
    subject: String,
}

impl Audit {
    /// Hands each line, without its line break, to `sink`, which must not wait.
    pub fn new(sink: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Tells a change: `kind` such as `tunnel_credential`, `what` such as `created`.
    pub(super) fn tell(&self, call: &Call, kind: &str, what: &str, object: &impl Serialize) {
        let event = Event {
            account_id: None,
            event_id: format!("ev_{}", Ulid::generate()),
            event_type: format!("{kind}_{what}.v0"),
            event_timestamp: Timestamp::now(),
            principal: Principal { subject: call.caller.to_string() },
            object,
        };
        match policy_core::json::to_string(&event) {
            Ok(line) => (self.0)(line),
            Err(error) => tracing::error!("an audit event cannot be written: {error}"),
        }
    }
}
