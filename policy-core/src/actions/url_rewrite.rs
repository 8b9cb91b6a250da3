//! `url-rewrite`: changes the URL before the upstream sees it.
//!
//! Source: ngrok documentation, url-rewrite (2026-08-07).

use std::fmt;

#[cfg(feature = "reference")]
use super::patterns::naive_url;
use super::patterns::{RunPattern, check_url, replaced_url, set_url_results};
use super::{ActionType, REQUEST_PHASE};
use crate::cel::{Unrendered, Value};
use crate::ir::Lowering;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Context, Declared, Field, Interpolated, Regex, Text};
use crate::vocabulary::{self, ActionResult, REQUEST};

static FROM: Field<Regex> = Field::optional(
    "from",
    Regex,
    "What in the full URL is replaced, everywhere in it; without it the whole URL is.",
);
static TO: Field<Interpolated> = Field::required(
    "to",
    Interpolated::SOME,
    "to: /v2/$1",
    "What takes its place; `$1` is the first group of `from`.",
);

const MATCHES: ActionResult<Vec<Value>> =
    ActionResult::list("actions.ngrok.url_rewrite.matches", REQUEST, "what `from` matched");
const URL: ActionResult<String> =
    ActionResult::text("actions.ngrok.url_rewrite.url", REQUEST, "the URL after replacement");
const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.url_rewrite.error.code", REQUEST, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.url_rewrite.error.message", REQUEST, "the fault in words");

/// Changes the URL before the upstream sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UrlRewrite {
    /// What is replaced.
    pub from: Option<Text>,
    /// What takes its place.
    pub to: Text,
}

impl ActionType for UrlRewrite {
    const NAME: &'static str = "url-rewrite";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const FIELDS: Declared = &[&FROM, &TO];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] =
        &[MATCHES.declared(), URL.declared(), ERROR_CODE.declared(), ERROR_MESSAGE.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/url-rewrite.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (from, to) = (cx.optional(fields, &FROM), cx.read(fields, &TO));
        let action = Self { from: from?, to: to? };
        check_url(action.from.as_ref(), &action.to, cx);
        Some(action)
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(Rewriting { from: RunPattern::new(self.from.as_ref()), action: self.clone() })
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let pattern = (self.from.as_ref(), &self.to);
        let Some((_, after)) = naive_url(pattern, run, (&MATCHES, &URL), (&ERROR_CODE, &ERROR_MESSAGE))
        else {
            return NaiveNext::End(NaiveEnd::Failed);
        };
        if let Some(request) = &mut run.request {
            after.raw().clone_into(&mut request.url);
        }
        NaiveNext::GoOn
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.from.iter().chain([&self.to]).for_each(each);
    }
}

/// It as it runs.
#[derive(Debug)]
struct Rewriting {
    from: RunPattern,
    action: UrlRewrite,
}

impl Execute for Rewriting {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let (replaced, before, after) = replaced_url(&self.from, &self.action.to, run)?;
        set_url_results(run, (&MATCHES, &URL), (&ERROR_CODE, &ERROR_MESSAGE), (replaced, &after));
        if after.as_str() != before.as_str() {
            run.set_url(after)?;
        }
        Ok(Next::GoOn)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(&self.action, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(UrlRewrite::NAME);
        self.from.digest(self.action.from.as_ref(), digest);
        digest.template(&self.action.to);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(UrlRewrite::NAME)
    }
}
