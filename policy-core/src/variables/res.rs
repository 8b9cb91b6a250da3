//! `res.*`: the response.
//!
//! Source: ngrok documentation, response variables (2026-08-07).

use super::{Declared, RESPONSE};

pub(super) static DECLARED: &[Declared] = &[
    Declared::new("res.status_code", "int", RESPONSE, "the status code"),
    Declared::new("res.content_length", "int", RESPONSE, "the length of the body, where it is known")
        .optional(),
    Declared::new("res.content_encoding", "list(string)", RESPONSE, "the encodings of the body"),
    Declared::new("res.content_type", "string", RESPONSE, "the media type of the body"),
    Declared::new(
        "res.content_type.parameters",
        "map(string, string)",
        RESPONSE,
        "the parameters of the media type",
    ),
    Declared::new("res.content_type.raw", "string", RESPONSE, "the whole `Content-Type` header"),
    Declared::new("res.headers", "map(string, list(string))", RESPONSE, "the headers, by name in lower case"),
    Declared::new(
        "res.trailers",
        "map(string, list(string))",
        RESPONSE,
        "the trailers, by name in lower case",
    ),
    Declared::new("res.location", "string", RESPONSE, "the `Location` header"),
    Declared::new(
        "res.cookies",
        "map(string, list(ResponseCookie))",
        RESPONSE,
        "the cookies that are set, longest path first",
    ),
    Declared::new("ResponseCookie.name", "string", RESPONSE, "the name of the cookie"),
    Declared::new("ResponseCookie.value", "string", RESPONSE, "the value of the cookie"),
    Declared::new("ResponseCookie.domain", "string", RESPONSE, "the domain of the cookie"),
    Declared::new("ResponseCookie.path", "string", RESPONSE, "the path of the cookie"),
    Declared::new("ResponseCookie.expires", "timestamp", RESPONSE, "when the cookie expires"),
    Declared::new("ResponseCookie.max_age", "duration", RESPONSE, "how long the cookie lives"),
    Declared::new("ResponseCookie.secure", "bool", RESPONSE, "true if only for TLS"),
    Declared::new("ResponseCookie.http_only", "bool", RESPONSE, "true if hidden from scripts"),
    Declared::new("ResponseCookie.same_site", "string", RESPONSE, "the `SameSite` attribute"),
    Declared::new("ResponseCookie.unparsed_attributes", "list(string)", RESPONSE, "attributes nobody knows"),
];
