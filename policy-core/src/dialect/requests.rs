//! Headers, cookies and query parameters of requests and responses.
//!
//! Source: ngrok documentation, request and response macros (2026-08-07). Header names match in any case.
//! The fact a call looks into stands before its written arguments.

use crate::cel::library::overload::{Call, Cost, Fails, Form, Gives, Overload, Spelling};
use crate::cel::{Fault, Map, Value};
use crate::diagnostic::shorten;
use crate::vocabulary::{QUERY_PARAMS, REQUEST_COOKIES, REQUEST_HEADERS, RESPONSE_COOKIES, RESPONSE_HEADERS};

/// There may be no such cookie.
const NO_COOKIE: Fails = Fails::Missing(
    "this fails if the cookie is missing",
    "check first: `hasReqCookie(…) && …`, or `hasResCookie`",
);

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "getReqHeader(string) -> list(string)",
        "the values of a request header; none if it is absent",
        Cost::Scan,
        header,
    )
    .reading(REQUEST_HEADERS.path())
    .known_as(Form::Named(Spelling::LowerCase))
    .giving(Gives::Entries(
        "check first: `hasReqHeader('…') && …`, or write `getReqHeader('…').exists(x, …)`",
    )),
    Overload::new(
        "hasReqHeader(string) -> bool",
        "true if the request has this header",
        Cost::Scan,
        has_header,
    )
    .reading(REQUEST_HEADERS.path())
    .known_as(Form::HasName(Spelling::LowerCase)),
    Overload::new(
        "getReqCookie(string) -> Cookie",
        "the first cookie of this name; an error if there is none",
        Cost::Scan,
        cookie,
    )
    .reading(REQUEST_COOKIES.path())
    .known_as(Form::First(Spelling::AsWritten))
    .failing(NO_COOKIE),
    Overload::new("hasReqCookie(string) -> bool", "true if the request has this cookie", Cost::Scan, has_key)
        .reading(REQUEST_COOKIES.path())
        .known_as(Form::HasName(Spelling::AsWritten)),
    Overload::new(
        "getQueryParam(string) -> list(string)",
        "the values of a query parameter; none if it is absent",
        Cost::Scan,
        parameter,
    )
    .reading(QUERY_PARAMS.path())
    .known_as(Form::Named(Spelling::AsWritten))
    .giving(Gives::Entries("check first: `hasQueryParam('…') && …`")),
    Overload::new(
        "hasQueryParam(string) -> bool",
        "true if the request has this query parameter",
        Cost::Scan,
        has_key,
    )
    .reading(QUERY_PARAMS.path())
    .known_as(Form::HasName(Spelling::AsWritten)),
    Overload::new(
        "getResHeader(string) -> list(string)",
        "the values of a response header; none if it is absent",
        Cost::Scan,
        header,
    )
    .reading(RESPONSE_HEADERS.path())
    .known_as(Form::Named(Spelling::LowerCase))
    .giving(Gives::Entries(
        "check first: `hasResHeader('…') && …`, or write `getResHeader('…').exists(x, …)`",
    )),
    Overload::new(
        "hasResHeader(string) -> bool",
        "true if the response has this header",
        Cost::Scan,
        has_header,
    )
    .reading(RESPONSE_HEADERS.path())
    .known_as(Form::HasName(Spelling::LowerCase)),
    Overload::new(
        "getResCookie(string) -> Cookie",
        "the cookie of this name with the longest path; an error if there is none",
        Cost::Scan,
        cookie,
    )
    .reading(RESPONSE_COOKIES.path())
    .known_as(Form::First(Spelling::AsWritten))
    .failing(NO_COOKIE),
    Overload::new(
        "hasResCookie(string) -> bool",
        "true if the response sets this cookie",
        Cost::Scan,
        has_key,
    )
    .reading(RESPONSE_COOKIES.path())
    .known_as(Form::HasName(Spelling::AsWritten)),
];

fn map<'c>(call: &'c Call<'_, '_>) -> Result<&'c Map, Fault> {
    match call.value(0)? {
        Value::Map(map) => Ok(map),
        other => Err(Fault::overload(other.type_name())),
    }
}

/// The entry of a header; hosts give the names in lower case.
fn header_entry<'c>(call: &'c Call<'_, '_>) -> Result<Option<&'c Value>, Fault> {
    let name = Value::text(call.text(1)?.to_ascii_lowercase());
    Ok(map(call)?.get(&name))
}

fn header(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(header_entry(call)?.cloned().unwrap_or_else(|| Value::list(Vec::new())))
}

fn has_header(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    header_entry(call).map(|entry| Value::Bool(entry.is_some()))
}

fn parameter(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(map(call)?.get(call.value(1)?).cloned().unwrap_or_else(|| Value::list(Vec::new())))
}

fn has_key(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(map(call)?.get(call.value(1)?).is_some()))
}

fn cookie(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let name = call.text(1)?;
    let found = map(call)?.get(call.value(1)?).and_then(|cookies| match cookies {
        Value::List(items) => items.first(),
        _ => None,
    });
    found.cloned().ok_or_else(|| Fault::NoSuchKey(format!("no cookie `{}`", shorten(name)).into()))
}
