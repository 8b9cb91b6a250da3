//! `request-body-find-replace`: replaces texts in the body of a request.
//!
//! Source: ngrok documentation, request-body-find-replace (2026-08-07).

use std::fmt;

use super::replacements::{
    REPLACEMENTS as LIST, Replacement, Replacing, found_values, replacement_results, texts,
};
use super::{ActionType, REQUEST_PHASE};
use crate::cel::Unrendered;
use crate::ir::Lowering;
use crate::message::Side;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
use crate::schema::{Context, Declared, Field, Items, Record, Text};
use crate::vocabulary::{self, REQUEST};

static REPLACEMENTS: Field<Items<Record<Replacement>>> = Field::required(
    "replacements",
    LIST,
    "replacements: [{from: 'old', to: new}]",
    "What is replaced; each works on what the one before has left.",
);

replacement_results!("actions.ngrok.request_body_find_replace", "RequestReplacement", REQUEST);

/// Replaces texts in the body of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestBodyFindReplace {
    /// What is replaced, in order.
    pub replacements: Vec<Replacement>,
}

impl ActionType for RequestBodyFindReplace {
    const NAME: &'static str = "request-body-find-replace";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const FIELDS: Declared = &[&REPLACEMENTS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/request-body-find-replace.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { replacements: cx.read(fields, &REPLACEMENTS)? })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        texts(&self.replacements, each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(Running(Replacing::new(&self.replacements)))
    }
}

/// It as it runs.
#[derive(Debug)]
struct Running(Replacing);

impl Execute for Running {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let found = match self.0.in_body(Side::Request, run)? {
            Ok(found) => found,
            Err(ask) => return Ok(ask),
        };
        if run.keeps_results {
            run.set_result(&FOUND, found_values(found));
        }
        Ok(Next::GoOn)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.0.texts(each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(RequestBodyFindReplace::NAME);
        self.0.digest(digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RequestBodyFindReplace::NAME)
    }
}
