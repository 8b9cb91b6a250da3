//! `add-headers`: adds headers to a request or response.
//!
//! Source: ngrok documentation, add-headers (2026-08-07).

use super::headers::{HeaderList, SOME_HEADERS, plain_headers};
use super::{ActionType, MESSAGE_PHASES};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Context, Declared, Entries, Field, HeaderValue, Text};
use crate::vocabulary::{self, REQUEST};

static HEADERS: Field<Entries<HeaderValue>> = Field::required(
    "headers",
    SOME_HEADERS,
    "headers: {x-site: berlin}",
    "What to add; a header that is there gets a further value, `host` is replaced.",
);

/// Adds headers to a request or response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AddHeaders {
    /// What to add.
    pub headers: HeaderList,
}

impl ActionType for AddHeaders {
    const NAME: &'static str = "add-headers";
    const PHASES: PhaseSet = MESSAGE_PHASES;
    const FIELDS: Declared = &[&HEADERS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = &[vocabulary::Declared::new(
        "actions.ngrok.add_headers.headers_added",
        "map(string, dyn)",
        REQUEST,
        "the headers that were added, with their values",
    )];
    const PAGE: &'static str = include_str!("../../../docs/actions/add-headers.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { headers: cx.read(fields, &HEADERS)? })
    }

    fn changes_headers(&self) -> Option<(Vec<Box<str>>, bool)> {
        Some((plain_headers(self.headers.iter().map(|(name, _)| &*name.value))?, true))
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.headers.iter().for_each(|(_, value)| each(value));
    }
}
