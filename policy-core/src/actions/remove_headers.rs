//! `remove-headers`: takes headers out of a request or response.
//!
//! Source: ngrok documentation, remove-headers (2026-08-07).

use super::headers::plain_headers;
use super::{ActionType, MESSAGE_PHASES};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared, Field, Items, Literal, check_header_name};
use crate::source::Spanned;
use crate::vocabulary::{self, REQUEST};

static HEADERS: Field<Items<Literal>> = Field::required(
    "headers",
    Items::new(Literal(256)).between(1, 10),
    "headers: [x-forwarded-for]",
    "The names to remove, in any case.",
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
    const PHASES: PhaseSet = MESSAGE_PHASES;
    const FIELDS: Declared = &[&HEADERS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = &[vocabulary::Declared::new(
        "actions.ngrok.remove_headers.headers_removed",
        "list(string)",
        REQUEST,
        "the names that were removed",
    )];
    const PAGE: &'static str = include_str!("../../../docs/actions/remove-headers.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let headers = cx.read(fields, &HEADERS)?;
        let mut fine = true;
        for name in &headers {
            fine &= check_header_name(&name.value, name.span, cx).is_some();
        }
        let names = headers.iter().map(|name| (&*name.value, name.span));
        fine &= cx.unique("header", names, false).is_some();
        fine.then_some(Self { headers })
    }

    fn changes_headers(&self) -> Option<(Vec<Box<str>>, bool)> {
        Some((plain_headers(self.headers.iter().map(|name| &*name.value))?, false))
    }
}
