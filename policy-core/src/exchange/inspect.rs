//! Inspections by the OWASP Core Rule Set: what is to be looked at, and what was found.

use std::sync::Arc;

use super::Side;

/// What a policy wants inspected. The host has the message; of the body it gets the first bytes here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Which message.
    pub side: Side,
    /// The first bytes of the body, if it is to be looked at.
    pub body: Option<Arc<[u8]>>,
    /// Rules that are left out.
    pub exclude_rule_ids: Vec<u32>,
}

impl Inspection {
    /// Bytes of a body that are looked at (ngrok documentation, owasp-crs-request, 2026-08-07).
    pub const MAX_BODY: usize = 4 << 10;
    /// The scores from which on the rule set blocks as it is delivered: a request, a response.
    pub const THRESHOLDS: (u32, u32) = (5, 4);
}

/// What an inspection has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The score that was reached.
    pub anomaly_score: u32,
    /// The score from which on a message is blocked.
    pub threshold: u32,
    /// The rules that matched.
    pub rules: Vec<MatchedRule>,
}

/// A rule that matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchedRule {
    /// Its number.
    pub id: u32,
    /// What it found, in words.
    pub message: String,
    /// How bad that is.
    pub severity: String,
    /// What it matched.
    pub data: String,
}
