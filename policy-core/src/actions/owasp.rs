//! What `owasp-crs-request` and `owasp-crs-response` share: the settings and results of the rule set.
//!
//! Source: ngrok documentation, owasp-crs-request and owasp-crs-response (2026-08-07).

use std::fmt;
use std::sync::Arc;

use super::{ON_ERROR, OnError};
use crate::cel::{Map, Unrendered, Value};
use crate::exchange::{Asked, Effect, Findings, Inspection, MatchedRule, Reply};
use crate::message::Side;
use crate::ngrok::{self, NgrokCode};
use crate::outcome::Ending;
use crate::reader::Fields;
use crate::run::{Execute, HttpRefusal, Next, Run, StepDigest};
use crate::schema::{Boolean, Choice, Context, Declared, Field, Integer, Items};

static RULE_ERROR: Field<Choice<OnError>> = Field::default(
    "on_error",
    ON_ERROR,
    "halt",
    "Whether a fault of the rule set ends the request; examples use `continue` as a test mode.",
);
static PROCESS_BODY: Field<Boolean> =
    Field::default("process_body", Boolean, "false", "Looks at the body as well, its first 4 KB.");
static EXCLUDE_RULE_IDS: Field<Items<Integer>> = Field::optional(
    "exclude_rule_ids",
    Items::new(Integer(900_000, 999_999)),
    "Rules of the Core Rule Set that are left out.",
);

/// The fields of both actions.
pub(super) const FIELDS: Declared = &[&RULE_ERROR, &PROCESS_BODY, &EXCLUDE_RULE_IDS];

/// How the Core Rule Set is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleSet {
    /// What happens on a fault of the rule set.
    pub on_error: OnError,
    /// True if the body is looked at.
    pub process_body: bool,
    /// Rules that are left out.
    pub exclude_rule_ids: Vec<i64>,
}

impl RuleSet {
    pub(super) fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (on_error, process_body) = (cx.read(fields, &RULE_ERROR), cx.read(fields, &PROCESS_BODY));
        let excluded = cx.optional(fields, &EXCLUDE_RULE_IDS)?;
        Some(Self {
            on_error: on_error?,
            process_body: process_body?,
            exclude_rule_ids: excluded.unwrap_or_default(),
        })
    }
}

/// The results below a path, and what sets them.
macro_rules! rule_set_results {
    ($base:literal, $record:literal, $at:expr) => {
        const DECISION: ActionResult<String> =
            ActionResult::text(concat!($base, ".decision"), $at, "`allow` or `deny`");
        const SCORE: ActionResult<i64> =
            ActionResult::int(concat!($base, ".anomaly_score"), $at, "the score that was reached");
        const THRESHOLD: ActionResult<i64> = ActionResult::int(
            concat!($base, ".anomaly_score_threshold"),
            $at,
            "the score from which on it blocks",
        );
        const MATCHED: ActionResult<Value> = ActionResult::of_type(
            concat!($base, ".matched_rules"),
            concat!("list(", $record, ")"),
            $at,
            "the rules that matched",
        );
        const ERROR_CODE: ActionResult<String> =
            ActionResult::text(concat!($base, ".error.code"), $at, "ngrok's code of the fault");
        const ERROR_MESSAGE: ActionResult<String> =
            ActionResult::text(concat!($base, ".error.message"), $at, "the fault in words");

        const RESULTS: &[vocabulary::Declared] = &[
            DECISION.declared(),
            SCORE.declared(),
            THRESHOLD.declared(),
            MATCHED.declared(),
            ERROR_CODE.declared(),
            ERROR_MESSAGE.declared(),
            vocabulary::Declared::new(concat!($record, ".id"), "dyn", $at, "the number of the rule"),
            vocabulary::Declared::new(concat!($record, ".message"), "string", $at, "what it found, in words"),
            vocabulary::Declared::new(concat!($record, ".severity"), "dyn", $at, "how bad it is"),
            vocabulary::Declared::new(concat!($record, ".data"), "string", $at, "what it matched"),
        ];

        /// Sets the results.
        fn set_results(run: &mut Run<'_>, inspected: &owasp::Inspected) {
            run.set_result(&DECISION, if inspected.denied { "deny" } else { "allow" });
            run.set_result(&SCORE, i64::from(inspected.findings.anomaly_score));
            run.set_result(&THRESHOLD, i64::from(inspected.findings.threshold));
            run.set_result(&MATCHED, owasp::rules(&inspected.findings));
            let code = inspected.error.as_ref().map(|_| ngrok::ERR_NGROK_3701.to_string());
            run.set_result(&ERROR_CODE, code.unwrap_or_default());
            run.set_result(&ERROR_MESSAGE, inspected.error.as_deref().unwrap_or_default());
        }
    };
}
pub(super) use rule_set_results;

/// What came of an inspection.
#[derive(Debug)]
pub(super) struct Inspected {
    pub(super) denied: bool,
    pub(super) findings: Findings,
    /// Why it failed.
    pub(super) error: Option<Box<str>>,
}

/// An inspection as it runs.
#[derive(Debug)]
pub(super) struct Inspecting {
    pub(super) name: &'static str,
    pub(super) side: Side,
    pub(super) rules: RuleSet,
    /// The code of a refusal.
    pub(super) code: NgrokCode,
    pub(super) set_results: fn(&mut Run<'_>, &Inspected),
}

impl Execute for Inspecting {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        Ok(self.rules.inspect(self.side, run))
    }

    fn resumed(&self, run: &mut Run<'_>, _: Option<Asked>, reply: Reply) -> Result<Next, Unrendered> {
        let inspected = self.rules.inspected(reply)?;
        if run.keeps_results {
            (self.set_results)(run, &inspected);
        }
        Ok(if inspected.denied { Next::End(Ending::Denied) } else { Next::GoOn })
    }

    fn refusal(&self) -> HttpRefusal {
        HttpRefusal { status: 403, code: Some(self.code) }
    }

    fn code_without_body(&self) -> Option<NgrokCode> {
        Some(ngrok::ERR_NGROK_3701)
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(self.name);
        self.rules.digest(digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl RuleSet {
    /// Asks for an inspection of a message, whose body is read first if it is to be looked at.
    fn inspect(&self, side: Side, run: &mut Run<'_>) -> Next {
        let body = match self.process_body.then(|| run.body_start(side)).transpose() {
            Ok(body) => body,
            Err(ask) => return ask,
        };
        let body = body.map(|body| body.get(..Inspection::MAX_BODY).map_or(Arc::clone(&body), Arc::from));
        // INVARIANT: the field has numbers that fit.
        let exclude_rule_ids =
            self.exclude_rule_ids.iter().filter_map(|id| u32::try_from(*id).ok()).collect();
        run.ask(Effect::Inspect, Asked::Inspection(Inspection { side, body, exclude_rule_ids }))
    }

    /// What came of it.
    ///
    /// # Errors
    /// If the inspection failed and that is the end.
    fn inspected(&self, reply: Reply) -> Result<Inspected, Unrendered> {
        let Reply::Inspected(inspected) = reply else {
            return Err(Unrendered::unusable("there was no inspection".to_owned()));
        };
        match *inspected {
            Ok(findings) => {
                let denied = findings.anomaly_score >= findings.threshold;
                Ok(Inspected { denied, findings, error: None })
            }
            Err(reason) if self.on_error == OnError::Continue => {
                Ok(Inspected { denied: false, findings: Findings::default(), error: Some(reason) })
            }
            Err(reason) => {
                let failed = Unrendered::unusable(format!("the inspection failed: {reason}"));
                Err(failed.with_code(ngrok::ERR_NGROK_3701))
            }
        }
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.number(u64::from(self.on_error == OnError::Continue));
        digest.number(u64::from(self.process_body));
        digest.number(self.exclude_rule_ids.len() as u64);
        self.exclude_rule_ids.iter().for_each(|id| digest.number(id.unsigned_abs()));
    }
}

/// The result `matched_rules`.
pub(super) fn rules(findings: &Findings) -> Value {
    let record = |rule: &MatchedRule| {
        let fields = [
            ("id", Value::Int(rule.id.into())),
            ("message", Value::text(&*rule.message)),
            ("severity", Value::text(&*rule.severity)),
            ("data", Value::text(&*rule.data)),
        ];
        Value::from(Map::from_texts(fields))
    };
    Value::list(findings.rules.iter().map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::super::ActionType;
    use super::super::owasp_crs_request::OwaspCrsRequest;
    use super::super::owasp_crs_response::OwaspCrsResponse;
    use super::*;

    #[test]
    fn the_pages_tell_the_thresholds() {
        let (request, response) = Inspection::THRESHOLDS;
        for (page, threshold) in [(OwaspCrsRequest::PAGE, request), (OwaspCrsResponse::PAGE, response)] {
            assert!(page.contains(&format!("the threshold of {threshold},")), "{threshold}");
        }
    }
}
