//! `res.*`: the response.
//!
//! Source: ngrok documentation, response variables (2026-08-07).

use crate::cel::Meaning;
use crate::message::Part;
use crate::vocabulary::{Declared, RESPONSE, RESPONSE_COOKIES, RESPONSE_HEADERS, tag};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("res.status_code", "int", RESPONSE, "the status code")
        .tag(tag::message(Part::StatusCode))
        .meaning(Meaning::Status),
    Declared::new("res.content_length", "int", RESPONSE, "the length of the body, where it is known")
        .tag(tag::message(Part::ResponseLength))
        .optional(),
    Declared::new("res.content_encoding", "list(string)", RESPONSE, "the encodings of the body")
        .tag(tag::message(Part::ResponseEncoding)),
    Declared::new("res.content_type", "string", RESPONSE, "the media type of the body")
        .tag(tag::message(Part::ResponseType))
        .meaning(Meaning::MediaType),
    Declared::new(
        "res.content_type.parameters",
        "map(string, string)",
        RESPONSE,
        "the parameters of the media type",
    )
    .tag(tag::message(Part::ResponseTypeParameters)),
    Declared::new("res.content_type.raw", "string", RESPONSE, "the whole `Content-Type` header")
        .tag(tag::message(Part::ResponseTypeRaw)),
    RESPONSE_HEADERS,
    Declared::new(
        "res.trailers",
        "map(string, list(string))",
        RESPONSE,
        "the trailers, by name in lower case",
    )
    .tag(tag::message(Part::ResponseTrailers))
    .meaning(Meaning::Trailers),
    Declared::new("res.location", "string", RESPONSE, "the `Location` header")
        .tag(tag::message(Part::ResponseLocation)),
    RESPONSE_COOKIES,
];
