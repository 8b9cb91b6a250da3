//! base64.
//!
//! Source: CEL extension library `encoders` (cel-go, 2026). A language may refuse a text without its padding.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::overload::{Call, Cost, Overload};
use crate::cel::values::fault::Fault;
use crate::cel::values::value::Value;
use crate::diagnostic::shorten;

/// As Go reads it: bits after the last byte do not matter.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
pub(crate) const PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const UNPADDED: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, CONFIG.with_decode_padding_mode(DecodePaddingMode::RequireNone));

pub(super) static OVERLOADS: &[Overload] =
    &[Overload::new("base64.encode(bytes) -> string", "the bytes in base64", Cost::Copy, encode)];

/// `base64.decode` as CEL has it: padding may be left out.
pub(super) static IN_CEL: &[Overload] = &[Overload::new(
    "base64.decode(string) -> bytes",
    "the bytes a string in base64 gives",
    Cost::Copy,
    decode_lenient,
)];

pub(crate) fn encode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
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

pub(crate) fn decoded(call: &mut Call<'_, '_>, engine: &GeneralPurpose) -> Result<Vec<u8>, Fault> {
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

fn decode_lenient(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    let characters = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).count();
    let padded = text.contains('=') || characters % 4 == 0;
    decoded(call, if padded { &PADDED } else { &UNPADDED }).map(|bytes| Value::Bytes(bytes.into()))
}
