//! Base64 of texts, and the header of a user and password.
//!
//! Source: ngrok documentation, encoding macros (2026-08-07).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cel::library::encoding::{PADDED, decoded, encode};
use crate::cel::library::overload::{Call, Cost, Fails, Overload, TextTest};
use crate::cel::{Fault, Value};

/// The text may be no base64.
const NO_BASE64: Fails = Fails::Unread {
    at: 0,
    test: TextTest::Matched,
    message: "this fails if the string is not base64",
    help: "check the string first, e.g. with `matches`",
};

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "base64.decode(string) -> bytes",
        "the bytes a padded text in base64 gives",
        Cost::Copy,
        decode,
    )
    .failing(NO_BASE64),
    Overload::new("(string).encodeBase64() -> string", "the string in base64", Cost::Copy, encode),
    Overload::new(
        "(string).decodeBase64() -> string",
        "the string a padded text in base64 gives",
        Cost::Copy,
        decode_text,
    )
    .failing(NO_BASE64),
    Overload::new(
        "basic_auth.encode(string, string) -> string",
        "the `Authorization` header of a user and password",
        Cost::Copy,
        basic_auth,
    ),
];

fn decode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    decoded(call, &PADDED).map(|bytes| Value::Bytes(bytes.into()))
}

fn decode_text(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let bytes = decoded(call, &PADDED)?;
    let text = String::from_utf8(bytes);
    text.map(Value::text).map_err(|_| Fault::Conversion("the bytes are not valid UTF-8".into()))
}

fn basic_auth(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = format!("Basic {}", STANDARD.encode(format!("{}:{}", call.text(0)?, call.text(1)?)));
    call.room(text.len())?;
    Ok(Value::text(text))
}
