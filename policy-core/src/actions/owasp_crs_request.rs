//! `owasp-crs-request`: looks for attacks in a request with the OWASP Core Rule Set.
//!
//! Source: ngrok documentation, owasp-crs-request (2026-08-07).

use super::owasp::{self, Inspecting, RuleSet, rule_set_results};
use super::{ActionType, Ends, REQUEST_PHASE};
use crate::cel::Value;
use crate::ir::Lowering;
use crate::message::Side;
use crate::ngrok;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Run};
use crate::schema::{Context, Declared};
use crate::vocabulary::{self, ActionResult, REQUEST};

rule_set_results!("actions.ngrok.owasp_crs_request", "RequestRuleMatch", REQUEST);

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
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/owasp-crs-request.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { rules: RuleSet::read(fields, cx)? })
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        let (rules, code) = (self.rules.clone(), ngrok::ERR_NGROK_3700);
        Box::new(Inspecting { name: Self::NAME, side: Side::Request, rules, code, set_results })
    }
}
