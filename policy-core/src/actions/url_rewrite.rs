//! `url-rewrite`: changes the URL before the upstream sees it.
//!
//! Source: ngrok documentation, url-rewrite (2026-08-07).

use super::patterns::check_url;
use super::{ActionType, REQUEST_PHASE};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared, Field, Interpolated, Regex, Text};
use crate::vocabulary::{self, REQUEST};

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
    const RESULTS: &'static [vocabulary::Declared] = &[
        vocabulary::Declared::new(
            "actions.ngrok.url_rewrite.matches",
            "list(dyn)",
            REQUEST,
            "what `from` matched",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.url_rewrite.url",
            "string",
            REQUEST,
            "the URL after replacement",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.url_rewrite.error.code",
            "string",
            REQUEST,
            "ngrok's code of the fault",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.url_rewrite.error.message",
            "string",
            REQUEST,
            "the fault in words",
        ),
    ];
    const PAGE: &'static str = include_str!("../../../docs/actions/url-rewrite.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (from, to) = (cx.optional(fields, &FROM), cx.read(fields, &TO));
        let action = Self { from: from?, to: to? };
        check_url(action.from.as_ref(), &action.to, cx);
        Some(action)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.from.iter().chain([&self.to]).for_each(each);
    }
}
