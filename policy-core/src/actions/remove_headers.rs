//! `remove-headers`: takes headers out of a request or response.
//!
//! Source: ngrok documentation, remove-headers (2026-08-07).

use std::fmt;

use super::headers::plain_headers;
use super::{ActionType, MESSAGE_PHASES};
use crate::cel::{Unrendered, Value};
use crate::ir::Lowering;
#[cfg(feature = "reference")]
use crate::message::Headers;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
use crate::schema::{Context, Declared, Field, Items, Literal, check_removed_header};
use crate::source::Spanned;
use crate::vocabulary::{self, ActionResult, REQUEST};

static HEADERS: Field<Items<Literal>> = Field::required(
    "headers",
    Items::new(Literal(256)).between(1, 10),
    "headers: [x-forwarded-for]",
    "The names to remove, in any case.",
);

const REMOVED: ActionResult<Vec<Value>> = ActionResult::texts(
    "actions.ngrok.remove_headers.headers_removed",
    REQUEST,
    "the names that were removed",
);

/// Takes headers out of a request or response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoveHeaders {
    /// The names.
    pub headers: Vec<Spanned<Box<str>>>,
}

impl ActionType for RemoveHeaders {
    const NAME: &'static str = "remove-headers";
    const OLD_NAMES: &'static [&'static str] = &["remove-header"];
    const PHASES: PhaseSet = MESSAGE_PHASES;
    const FIELDS: Declared = &[&HEADERS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = &[REMOVED.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/remove-headers.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let headers = cx.read(fields, &HEADERS)?;
        let mut fine = true;
        for name in &headers {
            fine &= check_removed_header(&name.value, name.span, cx).is_some();
        }
        let names = headers.iter().map(|name| (&*name.value, name.span));
        fine &= cx.unique("header", names, false).is_some();
        fine.then_some(Self { headers })
    }

    fn changes_headers(&self) -> Option<(Vec<Box<str>>, bool)> {
        Some((plain_headers(self.headers.iter().map(|name| &*name.value))?, false))
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let names: Vec<_> = self.headers.iter().map(|name| name.value.to_ascii_lowercase()).collect();
        let Some(headers) = run.headers() else { return NaiveNext::GoOn };
        let is_there = |name: &String| headers.iter().any(|(known, _)| known == name);
        let removed: Vec<_> =
            names.iter().filter(|name| is_there(name)).map(|name| Value::text(&**name)).collect();
        let mut kept = Headers::default();
        for (name, value) in headers.iter().filter(|(name, _)| !names.iter().any(|it| it == name)) {
            // INVARIANT: it was in a list of headers.
            let _ = kept.append(name, value);
        }
        *headers = kept;
        if names.iter().any(|name| name == "content-encoding") {
            run.forget_compression();
        }
        run.set_result(&REMOVED, removed);
        NaiveNext::GoOn
    }
}

impl Execute for RemoveHeaders {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let mut removed = Vec::new();
        for name in &self.headers {
            let name = name.value.to_ascii_lowercase();
            if run.has_header(&name) {
                run.remove_header(&name)?;
                removed.push(Value::text(name));
            }
        }
        if run.keeps_results {
            run.set_result(&REMOVED, removed);
        }
        Ok(Next::GoOn)
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        self.headers.iter().for_each(|name| digest.text(&name.value));
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)
    }
}
