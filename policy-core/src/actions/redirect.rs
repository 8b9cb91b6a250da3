//! `redirect`: sends the client to another URL.
//!
//! Source: ngrok documentation, redirect (2026-08-07). It ends the phase only if the URL changes; whether the
//! list of terminating actions has it is contradictory.

use std::fmt;

use super::headers::{HEADERS as HEADER_MAP, HeaderList, digest_headers, rendered_headers};
#[cfg(feature = "reference")]
use super::patterns::naive_url;
use super::patterns::{RunPattern, check_url, replaced_url, set_url_results};
use super::{ActionType, Ends, NO_EFFECT, REQUEST_PHASE};
use crate::cel::{Unrendered, Value};
use crate::diagnostic::Diagnostic;
use crate::ir::Lowering;
use crate::message::Response;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Context, Declared, Entries, Field, HeaderValue, Integer, Interpolated, Regex, Text};
use crate::vocabulary::{self, ActionResult, REQUEST};

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

const MATCHES: ActionResult<Vec<Value>> =
    ActionResult::list("actions.ngrok.redirect.matches", REQUEST, "what `from` matched");
const URL: ActionResult<String> =
    ActionResult::text("actions.ngrok.redirect.url", REQUEST, "the URL after replacement");
const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.redirect.error.code", REQUEST, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.redirect.error.message", REQUEST, "the fault in words");

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
    const RESULTS: &'static [vocabulary::Declared] =
        &[MATCHES.declared(), URL.declared(), ERROR_CODE.declared(), ERROR_MESSAGE.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const GOES_ON: Option<&'static str> = Some("this one continues if `from` is not found");
    const PAGE: &'static str = include_str!("../../../docs/actions/redirect.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (from, to) = (cx.optional(fields, &FROM), cx.read(fields, &TO));
        let (status_code, headers) = (cx.read(fields, &STATUS_CODE), cx.optional(fields, &HEADERS));
        let (from, to) = (from?, to?);
        check_url(from.as_ref(), &to, cx);
        let headers = headers?.unwrap_or_default();
        if let Some((name, _)) = headers.iter().find(|(name, _)| name.value.eq_ignore_ascii_case("location"))
        {
            let found = Diagnostic::new(&NO_EFFECT, name.span, "`location` of a redirect is what `to` gives");
            cx.reader.report(found.with_help("remove it from `headers`, or write it in `to`"));
        }
        Some(Self { from, to, status_code: status_code?, headers })
    }

    /// Without `from` every request is answered, but for one of the very URL (ngrok documentation, cloud
    /// endpoints, 2026-08-07, lists it among the actions that handle traffic).
    fn handles(&self) -> bool {
        self.from.is_none()
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(Redirecting { from: RunPattern::new(self.from.as_ref()), action: self.clone() })
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let pattern = (self.from.as_ref(), &self.to);
        let Some((before, after)) = naive_url(pattern, run, (&MATCHES, &URL), (&ERROR_CODE, &ERROR_MESSAGE))
        else {
            return NaiveNext::End(NaiveEnd::Failed);
        };
        if before.as_str() == after.as_str() {
            return NaiveNext::GoOn;
        }
        let names = self.headers.iter().map(|(name, value)| (&*name.value, value));
        let response = run.rendered_headers(names).and_then(|mut headers| {
            headers.replace("location", after.as_str()).ok()?;
            Some(Response { status: u16::try_from(self.status_code).ok()?, headers, body: Vec::new() })
        });
        NaiveNext::End(response.map_or(NaiveEnd::Failed, NaiveEnd::Responded))
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        let headers = self.headers.iter().map(|(_, value)| value);
        self.from.iter().chain([&self.to]).chain(headers).for_each(each);
    }
}

/// It as it runs.
#[derive(Debug)]
struct Redirecting {
    from: RunPattern,
    action: Redirect,
}

impl Execute for Redirecting {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let (replaced, before, after) = replaced_url(&self.from, &self.action.to, run)?;
        set_url_results(run, (&MATCHES, &URL), (&ERROR_CODE, &ERROR_MESSAGE), (replaced, &after));
        if after.as_str() == before.as_str() {
            return Ok(Next::GoOn);
        }
        let mut headers = rendered_headers(&self.action.headers, run)?;
        // One, whatever `headers` says.
        headers
            .replace("location", after.as_str())
            .map_err(|error| Unrendered::unusable(error.to_string()))?;
        // INVARIANT: the field has a status of three digits.
        let status = u16::try_from(self.action.status_code).unwrap_or(500);
        run.respond(Response { status, headers, body: Vec::new() })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(&self.action, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Redirect::NAME);
        self.from.digest(self.action.from.as_ref(), digest);
        digest.template(&self.action.to);
        digest.number(self.action.status_code.unsigned_abs());
        digest_headers(&self.action.headers, digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Redirect::NAME, self.action.status_code)
    }
}
