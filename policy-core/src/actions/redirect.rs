//! `redirect`: sends the client to another URL.
//!
//! Source: ngrok documentation, redirect (2026-08-07). It ends the phase only if the URL changes; whether the
//! list of terminating actions has it is contradictory.

use super::headers::{HEADERS as HEADER_MAP, HeaderList};
use super::patterns::check_url;
use super::{ActionType, Ends, REQUEST_PHASE};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared, Entries, Field, HeaderValue, Integer, Interpolated, Regex, Text};
use crate::vocabulary::{self, REQUEST};

static FROM: Field<Regex> = Field::optional(
    "from",
    Regex,
    "What in the full URL is replaced, at any place in it; without it the whole URL is.",
);
static TO: Field<Interpolated> = Field::required(
    "to",
    Interpolated::SOME,
    "to: https://www.example.com/",
    "What takes its place; `$1` is the first group of `from`.",
);
static STATUS_CODE: Field<Integer> =
    Field::default("status_code", Integer(300, 399), "302", "The status of the redirect.");
static HEADERS: Field<Entries<HeaderValue>> =
    Field::optional("headers", HEADER_MAP, "Headers of the redirect.");

/// Sends the client to another URL.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Redirect {
    /// What is replaced.
    pub from: Option<Text>,
    /// What takes its place.
    pub to: Text,
    /// The status.
    pub status_code: i64,
    /// Its headers.
    pub headers: HeaderList,
}

impl ActionType for Redirect {
    const NAME: &'static str = "redirect";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Sometimes("when the URL changes");
    const FIELDS: Declared = &[&FROM, &TO, &STATUS_CODE, &HEADERS];
    const RESULTS: &'static [vocabulary::Declared] = &[
        vocabulary::Declared::new(
            "actions.ngrok.redirect.matches",
            "list(dyn)",
            REQUEST,
            "what `from` matched",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.redirect.url",
            "string",
            REQUEST,
            "the URL after replacement",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.redirect.error.code",
            "string",
            REQUEST,
            "ngrok's code of the fault",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.redirect.error.message",
            "string",
            REQUEST,
            "the fault in words",
        ),
    ];
    const GOES_ON: Option<&'static str> = Some("this one continues if `from` is not found");
    const PAGE: &'static str = include_str!("../../../docs/actions/redirect.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (from, to) = (cx.optional(fields, &FROM), cx.read(fields, &TO));
        let (status_code, headers) = (cx.read(fields, &STATUS_CODE), cx.optional(fields, &HEADERS));
        let (from, to) = (from?, to?);
        check_url(from.as_ref(), &to, cx);
        Some(Self { from, to, status_code: status_code?, headers: headers?.unwrap_or_default() })
    }

    /// Without `from` every request is answered, but for one of the very URL (ngrok documentation, cloud
    /// endpoints, 2026-08-07, lists it among the actions that handle traffic).
    fn handles(&self) -> bool {
        self.from.is_none()
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        let headers = self.headers.iter().map(|(_, value)| value);
        self.from.iter().chain([&self.to]).chain(headers).for_each(each);
    }
}
