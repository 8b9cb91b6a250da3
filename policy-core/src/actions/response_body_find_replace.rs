//! `response-body-find-replace`: replaces texts in the body of a response.
//!
//! Source: ngrok documentation, response-body-find-replace (2026-08-07).

#[cfg(feature = "reference")]
use super::replacements::naive_in_body;
use super::replacements::{InBody, REPLACEMENTS as LIST, Replacement, Replacing, replacement_results, texts};
use super::{ActionType, RESPONSE_PHASE};
use crate::ir::Lowering;
use crate::message::Side;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::Execute;
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
use crate::schema::{Context, Declared, Field, Items, Record, Text};
use crate::vocabulary::{self, RESPONSE};

static REPLACEMENTS: Field<Items<Record<Replacement>>> = Field::required(
    "replacements",
    LIST,
    "replacements: [{from: 'old', to: new}]",
    "What is replaced; each works on what the one before has left.",
);

replacement_results!("actions.ngrok.response_body_find_replace", "ResponseReplacement", RESPONSE);

/// Replaces texts in the body of a response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResponseBodyFindReplace {
    /// What is replaced, in order.
    pub replacements: Vec<Replacement>,
}

impl ActionType for ResponseBodyFindReplace {
    const NAME: &'static str = "response-body-find-replace";
    const PHASES: PhaseSet = RESPONSE_PHASE;
    const FIELDS: Declared = &[&REPLACEMENTS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/response-body-find-replace.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { replacements: cx.read(fields, &REPLACEMENTS)? })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        texts(&self.replacements, each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        let replacing = Replacing::new(&self.replacements);
        Box::new(InBody { name: Self::NAME, side: Side::Response, replacing, found: FOUND })
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        naive_in_body(&self.replacements, Side::Response, &FOUND, run)
    }
}
