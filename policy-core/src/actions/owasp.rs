//! What `owasp-crs-request` and `owasp-crs-response` share: the settings and results of the rule set.
//!
//! Source: ngrok documentation, owasp-crs-request and owasp-crs-response (2026-08-07).

use super::{ON_ERROR, OnError};
use crate::reader::Fields;
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

/// The results below a path.
macro_rules! rule_set_results {
    ($base:literal, $record:literal, $at:expr) => {
        &[
            $crate::vocabulary::Declared::new(
                concat!($base, ".decision"),
                "string",
                $at,
                "`allow` or `deny`",
            ),
            $crate::vocabulary::Declared::new(
                concat!($base, ".anomaly_score"),
                "int",
                $at,
                "the score that was reached",
            ),
            $crate::vocabulary::Declared::new(
                concat!($base, ".anomaly_score_threshold"),
                "int",
                $at,
                "the score from which on it blocks",
            ),
            $crate::vocabulary::Declared::new(
                concat!($base, ".matched_rules"),
                concat!("list(", $record, ")"),
                $at,
                "the rules that matched",
            ),
            $crate::vocabulary::Declared::new(
                concat!($base, ".error.code"),
                "string",
                $at,
                "ngrok's code of the fault",
            ),
            $crate::vocabulary::Declared::new(
                concat!($base, ".error.message"),
                "string",
                $at,
                "the fault in words",
            ),
            $crate::vocabulary::Declared::new(concat!($record, ".id"), "dyn", $at, "the number of the rule"),
            $crate::vocabulary::Declared::new(
                concat!($record, ".message"),
                "string",
                $at,
                "what it found, in words",
            ),
            $crate::vocabulary::Declared::new(concat!($record, ".severity"), "dyn", $at, "how bad it is"),
            $crate::vocabulary::Declared::new(concat!($record, ".data"), "string", $at, "what it matched"),
        ]
    };
}
pub(super) use rule_set_results;
