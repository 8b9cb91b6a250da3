//! Responses: what a host lends of one, what policies read of it, and those that policies give.

use std::fmt;

use super::cookies::SetCookie;
use super::derived::{
    NO_EDITS, borrow_essence, by_name, encodings, essence, length, trailers, type_parameters, values,
};
use super::headers::EditedHeaders;
use super::parts::Part;
use super::{Changes, Headers};
use crate::cel::{Borrowed, TextMap, Value};

/// What a host has of a response.
pub trait ResponseHead: fmt::Debug + Sync {
    /// The status code.
    fn status(&self) -> u16;

    /// The headers, names in lower case.
    fn headers(&self) -> &dyn TextMap;

    /// The trailers, names in lower case; `None` before the body has arrived.
    fn trailers(&self) -> Option<&dyn TextMap> {
        None
    }
}

/// A response as it is now: what the host lends, and what rules have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseView<'a> {
    head: &'a dyn ResponseHead,
    pub(super) headers: EditedHeaders<'a>,
}

impl<'a> ResponseView<'a> {
    pub(crate) fn with_changes(head: &'a dyn ResponseHead, changes: Option<&'a Changes>) -> Self {
        let edits = changes.map_or(&NO_EDITS, |changes| &changes.response);
        Self { head, headers: EditedHeaders { of: head.headers(), edits } }
    }

    /// Every value of a header, its name in lower case.
    pub(crate) fn header_values<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v str> {
        values(&self.headers, name)
    }

    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    /// The first value of a header, its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name, 0)
    }

    /// A part that is at hand.
    #[inline]
    pub(crate) fn borrow(&self, part: Part) -> Option<Borrowed<'_>> {
        let header = |name| Some(Borrowed::Text(self.headers.get(name, 0).unwrap_or_default()));
        match part {
            Part::StatusCode => Some(Borrowed::Int(self.head.status().into())),
            Part::ResponseLocation => header("location"),
            Part::ResponseTypeRaw => header("content-type"),
            Part::ResponseType => borrow_essence(&self.headers),
            Part::ResponseHeaders if self.headers.edits.is_empty() => Some(Borrowed::Texts(self.headers.of)),
            Part::ResponseHeaders => Some(Borrowed::Texts(&self.headers)),
            Part::ResponseLength => length(&self.headers).map(Borrowed::Int),
            _ => None,
        }
    }

    /// The value of a part; `None` if this response does not have it.
    pub(crate) fn value(&self, part: Part) -> Option<Value> {
        match part {
            Part::ResponseType => Some(essence(&self.headers)),
            Part::ResponseTypeParameters => Some(type_parameters(&self.headers)),
            Part::ResponseEncoding => Some(encodings(&self.headers)),
            Part::ResponseCookies => self.cookies(),
            Part::ResponseTrailers => Some(trailers(self.head.trailers())),
            part => self.borrow(part).map(Borrowed::to_value),
        }
    }

    /// The cookies that it sets, those with the longest path first.
    fn cookies(&self) -> Option<Value> {
        let mut all: Vec<_> = values(&self.headers, "set-cookie").filter_map(SetCookie::read).collect();
        all.sort_by_key(|cookie| std::cmp::Reverse(cookie.path_length()));
        by_name(all.into_iter())
    }
}

/// A response of one's own: what a policy answers, or what an upstream is said to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers and body.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Headers::NONE, body: Vec::new() }
    }
}

impl ResponseHead for Response {
    fn status(&self) -> u16 {
        self.status
    }

    fn headers(&self) -> &dyn TextMap {
        &self.headers
    }
}
