//! `res.*`: the response.
//!
//! Source: ngrok documentation, response variables (2026-08-07).

use crate::cel::Meaning;
use crate::vocabulary::{Declared, RESPONSE};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("res.status_code", "int", RESPONSE, "the status code").meaning(Meaning::Status),
    Declared::new("res.content_length", "int", RESPONSE, "the length of the body, where it is known")
        .optional(),
    Declared::new("res.content_encoding", "list(string)", RESPONSE, "the encodings of the body"),
    Declared::new("res.content_type", "string", RESPONSE, "the media type of the body")
        .meaning(Meaning::MediaType),
    Declared::new(
        "res.content_type.parameters",
        "map(string, string)",
        RESPONSE,
        "the parameters of the media type",
    ),
    Declared::new("res.content_type.raw", "string", RESPONSE, "the whole `Content-Type` header"),
    Declared::new("res.headers", "map(string, list(string))", RESPONSE, "the headers, by name in lower case")
        .meaning(Meaning::Headers),
    Declared::new(
        "res.trailers",
        "map(string, list(string))",
        RESPONSE,
        "the trailers, by name in lower case",
    )
    .meaning(Meaning::Trailers),
    Declared::new("res.location", "string", RESPONSE, "the `Location` header"),
    Declared::new(
        "res.cookies",
        "map(string, list(Cookie))",
        RESPONSE,
        "the cookies that are set, longest path first",
    ),
];
