//! base64 and basic authentication.
//!
//! Source: CEL extension library `encoders` (cel-go, 2026); ngrok documentation, base64 and basic auth
//! macros (2026-08-07), where a text without its padding is an error.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{Call, Cost, Library, Overload};
use crate::cel::values::fault::Fault;
use crate::cel::values::value::Value;
use crate::diagnostic::shorten;

/// As Go reads it: bits behind the last byte do not matter.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const UNPADDED: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, CONFIG.with_decode_padding_mode(DecodePaddingMode::RequireNone));

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("base64.encode(bytes) -> string", "the bytes in base64", Cost::Copy, encode),
    Overload::new(
        "base64.decode(string) -> bytes",
        "the bytes a text in base64 gives",
        Cost::Copy,
        decode_lenient,
    )
    .only(Library::Standard),
    Overload::new(
        "base64.decode(string) -> bytes",
        "the bytes a padded text in base64 gives",
        Cost::Copy,
        decode,
    )
    .only(Library::Policy),
    Overload::new("(string).encodeBase64() -> string", "the text in base64", Cost::Copy, encode)
        .only(Library::Policy),
    Overload::new(
        "(string).decodeBase64() -> string",
        "the text a padded text in base64 gives",
        Cost::Copy,
        decode_text,
    )
    .only(Library::Policy),
    Overload::new(
        "basic_auth.encode(string, string) -> string",
        "the `Authorization` header of a user and password",
        Cost::Copy,
        basic_auth,
    )
    .only(Library::Policy),
];

fn encode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    // Of bytes as `base64.encode`, of a text as `encodeBase64`.
    let bytes: &[u8] = match call.value(0)? {
        Value::Bytes(bytes) => bytes,
        Value::String(text) => text.as_bytes(),
        other => return Err(Fault::overload(other.type_name())),
    };
    let text = STANDARD.encode(bytes);
    call.room(text.len())?;
    Ok(Value::text(text))
}

fn decoded(call: &mut Call<'_, '_>, engine: &GeneralPurpose) -> Result<Vec<u8>, Fault> {
    let text = call.text(0)?;
    // Go passes over line ends.
    let joined: Cow<'_, str> = match text.contains(['\r', '\n']) {
        true => text.replace(['\r', '\n'], "").into(),
        false => text.into(),
    };
    let bytes = engine.decode(&*joined);
    let bytes = bytes.map_err(|_| Fault::Conversion(format!("`{}` is not base64", shorten(text)).into()))?;
    call.room(bytes.len())?;
    Ok(bytes)
}

fn decode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    decoded(call, &PADDED).map(|bytes| Value::Bytes(bytes.into()))
}

fn decode_lenient(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    let characters = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
    let padded = text.contains('=') || characters % 4 == 0;
    decoded(call, if padded { &PADDED } else { &UNPADDED }).map(|bytes| Value::Bytes(bytes.into()))
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
