//! Audit events: who changed what, one JSON line a change.
//!
//! Source: ngrok documentation, audit events (2026-08-07); `service_user_*` is ours.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use ulid::Ulid;

use super::{Call, Caller, ChangedPolicy};

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
        match event(call.caller.to_string(), format!("{kind}_{what}.v0"), object) {
            Ok(line) => (self.0)(line),
            Err(error) => tracing::error!("an audit event cannot be written: {error}"),
        }
    }
}

/// The event of a change, as one line of JSON without the line break.
fn event(subject: String, event_type: String, object: &impl Serialize) -> serde_json::Result<String> {
    policy_core::json::to_string(&Event {
        account_id: None,
        event_id: format!("ev_{}", Ulid::generate()),
        event_type,
        event_timestamp: Timestamp::now(),
        principal: Principal { subject },
        object,
    })
}

/// The event of a policy that a reload has changed; without a caller the reload came by a signal.
///
/// # Errors
/// None that can occur: every key is a string.
pub(crate) fn policy_changed(changed: &ChangedPolicy, by: Option<Caller>) -> serde_json::Result<String> {
    let subject = by.map_or_else(|| "signal".to_owned(), |caller| caller.to_string());
    event(subject, "policy_changed.v0".to_owned(), changed)
}
