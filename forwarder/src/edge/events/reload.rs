//! The events of reloads that did not do all they were asked for. Ours.

use jiff::Timestamp;
use serde::Serialize;

use super::shape::line;
use crate::control::admin::NotLoadedView;

#[derive(Serialize)]
struct Failed<'a> {
    reason: &'a str,
}

/// The event of an endpoint whose policy could not be loaded, as one line of JSON without the line break.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn policy_not_loaded(gap: &NotLoadedView, at: Timestamp) -> serde_json::Result<String> {
    line("policy_not_loaded.v0", at, gap)
}

/// The event of a reload that was refused as a whole.
///
/// # Errors
/// None that can occur: every key is a string.
pub fn reload_failed(reason: &str, at: Timestamp) -> serde_json::Result<String> {
    line("reload_failed.v0", at, &Failed { reason })
}
