//! The events of reloads: what they changed, and what they were asked for and did not do. Ours.

use jiff::Timestamp;
use serde::Serialize;

use crate::control::admin::{ChangedPolicy, NotLoadedView};
use crate::control::audit::{Caller, event};

#[derive(Serialize)]
struct Failed<'a> {
    reason: &'a str,
}

/// The event of an endpoint whose policy could not be loaded, as one line of JSON without the line break.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn policy_not_loaded(gap: &NotLoadedView, at: Timestamp) -> serde_json::Result<String> {
    event("policy_not_loaded.v0", at, None, gap)
}

/// The event of a reload that was refused as a whole.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn reload_failed(reason: &str, at: Timestamp) -> serde_json::Result<String> {
    event("reload_failed.v0", at, None, &Failed { reason })
}

/// The event of a policy that a reload has changed; without a caller the reload came by a signal.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn policy_changed(
    changed: &ChangedPolicy,
    by: Option<Caller>,
    at: Timestamp,
) -> serde_json::Result<String> {
    let subject = by.map_or_else(|| "signal".to_owned(), |caller| caller.to_string());
    event("policy_changed.v0", at, Some(&subject), changed)
}
