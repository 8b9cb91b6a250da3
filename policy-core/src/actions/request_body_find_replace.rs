//! `request-body-find-replace`: replaces texts in the body of a request.
//!
//! Source: ngrok documentation, request-body-find-replace (2026-08-07).

#[cfg(feature = "reference")]
use super::replacements::naive_in_body;
use super::replacements::{InBody, REPLACEMENTS as LIST, Replacement, Replacing, replacement_results, texts};
use super::{ActionType, REQUEST_PHASE};
use crate::ir::Lowering;
use crate::message::Side;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::Execute;
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveNext};
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
        let replacing = Replacing::new(&self.replacements);
        Box::new(InBody { name: Self::NAME, side: Side::Request, replacing, found: FOUND })
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        naive_in_body(&self.replacements, Side::Request, &FOUND, run)
    }
}
