//! `custom-response`: answers in place of the upstream.
//!
//! Source: ngrok documentation, custom-response (2026-08-07). `content` was the name of `body` until late
//! 2024.

use super::headers::{HEADERS as HEADER_MAP, HeaderList, check_body_allowed};
use super::{ActionType, Ends, MESSAGE_PHASES};
use crate::phase::PhaseSet;
use crate::reader::Fields;
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

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.body.iter().chain(self.headers.iter().map(|(_, value)| value)).for_each(each);
    }
}
