//! `owasp-crs-response`: looks for attacks in a response with the OWASP Core Rule Set.
//!
//! Source: ngrok documentation, owasp-crs-response (2026-08-07).

use super::owasp::{self, Inspecting, RuleSet, rule_set_results};
use super::{ActionType, Ends, RESPONSE_PHASE};
use crate::cel::Value;
use crate::ir::Lowering;
use crate::message::Side;
use crate::ngrok;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Run};
use crate::schema::{Context, Declared};
use crate::vocabulary::{self, ActionResult, RESPONSE};

rule_set_results!("actions.ngrok.owasp_crs_response", "ResponseRuleMatch", RESPONSE);

/// Looks for attacks in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwaspCrsResponse {
    /// How the rule set is used.
    pub rules: RuleSet,
}

impl ActionType for OwaspCrsResponse {
    const NAME: &'static str = "owasp-crs-response";
    const PHASES: PhaseSet = RESPONSE_PHASE;
    const ENDS: Ends = Ends::Refusing("403");
    const FIELDS: Declared = owasp::FIELDS;
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/owasp-crs-response.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { rules: RuleSet::read(fields, cx)? })
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        let (rules, code) = (self.rules.clone(), ngrok::ERR_NGROK_3702);
        Box::new(Inspecting { name: Self::NAME, side: Side::Response, rules, code, set_results })
    }
}
