//! The maps of messages that functions look into by name: declared once, for variables, functions and data flow alike.
//!
//! Source: ngrok documentation, request and response variables (2026-08-07).

use super::{Declared, REQUEST, RESPONSE, tag};
use crate::cel::Meaning;
use crate::message::Part;

pub(crate) const REQUEST_HEADERS: Declared =
    Declared::new("req.headers", "map(string, list(string))", REQUEST, "the headers, by name in lower case")
        .tag(tag::message(Part::RequestHeaders))
        .meaning(Meaning::Headers);

pub(crate) const REQUEST_COOKIES: Declared =
    Declared::new("req.cookies", "map(string, list(Cookie))", REQUEST, "the cookies, by name")
        .tag(tag::message(Part::RequestCookies))
        .meaning(Meaning::SentCookies(&["name", "value"]));

pub(crate) const QUERY_PARAMS: Declared = Declared::new(
    "req.url.query_params",
    "map(string, list(string))",
    REQUEST,
    "the parameters of the query, by name",
)
.tag(tag::message(Part::QueryParams));

pub(crate) const RESPONSE_HEADERS: Declared =
    Declared::new("res.headers", "map(string, list(string))", RESPONSE, "the headers, by name in lower case")
        .tag(tag::message(Part::ResponseHeaders))
        .meaning(Meaning::Headers);

pub(crate) const RESPONSE_COOKIES: Declared = Declared::new(
    "res.cookies",
    "map(string, list(Cookie))",
    RESPONSE,
    "the cookies that are set, longest path first",
)
.tag(tag::message(Part::ResponseCookies));

/// All of them.
pub(crate) static LOOKUPS: [Declared; 5] =
    [REQUEST_HEADERS, REQUEST_COOKIES, QUERY_PARAMS, RESPONSE_HEADERS, RESPONSE_COOKIES];
