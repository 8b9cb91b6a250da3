//! `owasp-crs-request`: looks for attacks in a request with the OWASP Core Rule Set.
//!
//! Source: ngrok documentation, owasp-crs-request (2026-08-07).

use super::owasp::{self, RuleSet, rule_set_results};
use super::{ActionType, Ends, REQUEST_PHASE};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared};
use crate::vocabulary::{self, REQUEST};

/// Looks for attacks in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwaspCrsRequest {
    /// How the rule set is used.
    pub rules: RuleSet,
}

impl ActionType for OwaspCrsRequest {
    const NAME: &'static str = "owasp-crs-request";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("403");
    const FIELDS: Declared = owasp::FIELDS;
    const RESULTS: &'static [vocabulary::Declared] =
        rule_set_results!("actions.ngrok.owasp_crs_request", "RequestRuleMatch", REQUEST);
    const PAGE: &'static str = include_str!("../../../docs/actions/owasp-crs-request.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { rules: RuleSet::read(fields, cx)? })
    }
}
