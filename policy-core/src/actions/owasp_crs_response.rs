//! `owasp-crs-response`: looks for attacks in a response with the OWASP Core Rule Set.
//!
//! Source: ngrok documentation, owasp-crs-response (2026-08-07).

use std::fmt;

use super::owasp::{self, Inspected, RuleSet, rule_set_results};
use super::{ActionType, Ends, RESPONSE_PHASE};
use crate::cel::{Unrendered, Value};
use crate::exchange::{Asked, Reply};
use crate::ir::Lowering;
use crate::message::Side;
use crate::ngrok;
use crate::outcome::Ending;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, HttpRefusal, Next, Run, StepDigest};
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
        Box::new(self.clone())
    }
}

impl Execute for OwaspCrsResponse {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        Ok(self.rules.inspect(Side::Response, run))
    }

    fn resumed(&self, run: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let inspected = self.rules.inspected(reply)?;
        if run.keeps_results {
            set_results(run, &inspected);
        }
        Ok(if inspected.denied { Next::End(Ending::Denied) } else { Next::GoOn })
    }

    fn refusal(&self) -> HttpRefusal {
        HttpRefusal { status: 403, code: Some(ngrok::ERR_NGROK_3702) }
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        self.rules.digest(digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}
