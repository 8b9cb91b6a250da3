//! `custom-response`: answers in place of the upstream.
//!
//! Source: ngrok documentation, custom-response (2026-08-07). `content` was the name of `body` until late
//! 2024.

use std::fmt;

use super::headers::{
    HEADERS as HEADER_MAP, HeaderList, check_body_allowed, digest_headers, rendered_headers,
};
use super::{ActionType, Ends, MESSAGE_PHASES};
use crate::cel::{TextMap, Unrendered};
use crate::ir::Lowering;
use crate::message::Response;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Context, Declared, Entries, Field, HeaderValue, Integer, Interpolated, Text};

static STATUS_CODE: Field<Integer> =
    Field::default("status_code", Integer(100, 599), "200", "The status of the answer.");
static BODY: Field<Interpolated> = Field::optional(
    "body",
    Interpolated::ANY,
    "The body; without a `content-type` header its type is guessed from it.",
)
.formerly(&["content"]);
static HEADERS: Field<Entries<HeaderValue>> =
    Field::optional("headers", HEADER_MAP, "Headers of the answer.");

/// Answers in place of the upstream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CustomResponse {
    /// The status.
    pub status_code: i64,
    /// The body.
    pub body: Option<Text>,
    /// Its headers.
    pub headers: HeaderList,
}

impl ActionType for CustomResponse {
    const NAME: &'static str = "custom-response";
    const PHASES: PhaseSet = MESSAGE_PHASES;
    const ENDS: Ends = Ends::Always;
    const FIELDS: Declared = &[&STATUS_CODE, &BODY, &HEADERS];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/custom-response.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let status_code = cx.read(fields, &STATUS_CODE);
        let (body, headers) = (cx.optional(fields, &BODY), cx.optional(fields, &HEADERS));
        let (status_code, body) = (status_code?, body?);
        if let Some(body) = body.as_ref().filter(|body| body.literal() != Some("")) {
            check_body_allowed(status_code, body.span, cx)?;
        }
        Some(Self { status_code, body, headers: headers?.unwrap_or_default() })
    }

    fn terminates(&self) -> bool {
        true
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let response =
            self.body.as_ref().map_or(Some(String::new()), |body| run.text(body)).and_then(|body| {
                let names = self.headers.iter().map(|(name, value)| (&*name.value, value));
                let mut headers = run.rendered_headers(names)?;
                if !body.is_empty() && headers.count("content-type").is_none() {
                    headers.append("content-type", guessed_type(&body)).ok()?;
                }
                Some(Response {
                    status: u16::try_from(self.status_code).ok()?,
                    headers,
                    body: body.into_bytes(),
                })
            });
        NaiveNext::End(response.map_or(NaiveEnd::Failed, NaiveEnd::Responded))
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.body.iter().chain(self.headers.iter().map(|(_, value)| value)).for_each(each);
    }
}

impl Execute for CustomResponse {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let body = match &self.body {
            Some(body) => run.render(&body.template)?,
            None => String::new(),
        };
        let mut headers = rendered_headers(&self.headers, run)?;
        if !body.is_empty() && headers.count("content-type").is_none() {
            let guessed = guessed_type(&body);
            headers
                .append("content-type", guessed)
                .map_err(|error| Unrendered::unusable(error.to_string()))?;
        }
        // INVARIANT: the field has a status of three digits.
        let status = u16::try_from(self.status_code).unwrap_or(500);
        run.respond(Response { status, headers, body: body.into_bytes() })
    }

    fn ends(&self) -> bool {
        true
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(self, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(Self::NAME);
        digest.number(self.status_code.unsigned_abs());
        digest.templates(self.body.as_slice());
        digest_headers(&self.headers, digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "respond {}", self.status_code)
    }
}

/// The type of a text as browsers would guess it (WHATWG MIME Sniffing, 7.1: documents and plain text).
fn guessed_type(body: &str) -> &'static str {
    const TAGS: &[&str] = &[
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
        "<!--",
    ];
    let begin = body.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
    let is_tag = |tag: &&&str| {
        let (start, after) = begin.split_at_checked(tag.len()).unwrap_or((begin, ""));
        let ends = after.starts_with([' ', '>']) || **tag == "<!--";
        start.eq_ignore_ascii_case(tag) && ends
    };
    match begin {
        _ if TAGS.iter().any(|tag| is_tag(&tag)) => "text/html; charset=utf-8",
        xml if xml.starts_with("<?xml") => "text/xml; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_guessed_as_browsers_do() {
        for (body, guessed) in [
            ("\n <HTML>", "text/html; charset=utf-8"),
            ("<!-- a", "text/html; charset=utf-8"),
            ("<paragraph>", "text/plain; charset=utf-8"),
            ("<?xml version='1.0'?>", "text/xml; charset=utf-8"),
            ("{}", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(guessed_type(body), guessed, "{body}");
        }
    }
}
