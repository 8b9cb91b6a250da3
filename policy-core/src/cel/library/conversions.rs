//! Conversions between types.
//!
//! Source: CEL specification, language definition, type conversions; numbers print as in the reference
//! implementation.

use super::numbers::shortest;
use super::overload::{Call, Cost, Fails, Form, Overload};
use crate::cel::values::fault::Fault;
use crate::cel::values::time::{Duration, Timestamp};
use crate::cel::values::value::Value;
use crate::diagnostic::shorten;

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("int(int) -> int", "the same number", Cost::Unit, same),
    Overload::new("int(uint) -> int", "the number; an error if it does not fit", Cost::Unit, to_int),
    Overload::new("int(double) -> int", "the whole part; an error if it does not fit", Cost::Unit, to_int),
    Overload::new("int(string) -> int", "the number a string spells", Cost::Scan, to_int)
        .failing(Fails::Conversion),
    Overload::new("int(timestamp) -> int", "seconds since 1970 began", Cost::Unit, to_int),
    Overload::new("uint(uint) -> uint", "the same number", Cost::Unit, same),
    Overload::new("uint(int) -> uint", "the number; an error if it is negative", Cost::Unit, to_uint),
    Overload::new("uint(double) -> uint", "the whole part; an error if it does not fit", Cost::Unit, to_uint),
    Overload::new("uint(string) -> uint", "the number a string spells", Cost::Scan, to_uint)
        .failing(Fails::Conversion),
    Overload::new("double(double) -> double", "the same number", Cost::Unit, same),
    Overload::new("double(int) -> double", "the nearest floating-point number", Cost::Unit, to_double),
    Overload::new("double(uint) -> double", "the nearest floating-point number", Cost::Unit, to_double),
    Overload::new("double(string) -> double", "the number a string spells", Cost::Scan, to_double)
        .failing(Fails::Conversion),
    Overload::new("string(string) -> string", "the same text", Cost::Unit, same)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new("string(bool) -> string", "`true` or `false`", Cost::Unit, to_text)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new("string(int) -> string", "the number in decimal", Cost::Unit, to_text)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new("string(uint) -> string", "the number in decimal", Cost::Unit, to_text)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new(
        "string(double) -> string",
        "the shortest text that reads as the number",
        Cost::Unit,
        to_text,
    )
    .known_as(Form::KeepsAddress)
    .adding_no_slash(),
    Overload::new("string(bytes) -> string", "the string the bytes hold in UTF-8", Cost::Copy, to_text)
        .failing(Fails::NoText)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new("string(timestamp) -> string", "the time in the notation of RFC 3339", Cost::Unit, to_text)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new(
        "string(duration) -> string",
        "the duration in seconds, such as `90s`",
        Cost::Unit,
        to_text,
    )
    .known_as(Form::KeepsAddress)
    .adding_no_slash(),
    Overload::new("string(net.IP) -> string", "the address as a string", Cost::Unit, to_text)
        .known_as(Form::KeepsAddress)
        .adding_no_slash(),
    Overload::new("string(net.CIDR) -> string", "the network as a string", Cost::Unit, to_text)
        .known_as(Form::KeepsAddress),
    Overload::new("bytes(bytes) -> bytes", "the same bytes", Cost::Unit, same),
    Overload::new("bytes(string) -> bytes", "the string in UTF-8", Cost::Copy, to_bytes),
    Overload::new("bool(bool) -> bool", "the same value", Cost::Unit, same),
    Overload::new("bool(string) -> bool", "what a string such as `true` or `0` says", Cost::Scan, to_bool)
        .failing(Fails::Conversion),
    Overload::new("timestamp(timestamp) -> timestamp", "the same time", Cost::Unit, same),
    Overload::new(
        "timestamp(string) -> timestamp",
        "the time a string in RFC 3339 gives",
        Cost::Unit,
        to_timestamp,
    )
    .failing(Fails::Conversion),
    Overload::new(
        "timestamp(int) -> timestamp",
        "the time so many seconds after 1970 began",
        Cost::Unit,
        to_timestamp,
    ),
    Overload::new("duration(duration) -> duration", "the same duration", Cost::Unit, same),
    Overload::new(
        "duration(string) -> duration",
        "the duration a string such as `1h30m` gives",
        Cost::Unit,
        to_duration,
    )
    .failing(Fails::Conversion),
    Overload::new("type(A) -> type(A)", "the type of a value", Cost::Unit, type_of),
];

/// The text that cannot be read, and as what.
fn unreadable(text: &str, what: &str) -> Fault {
    Fault::Conversion(format!("`{}` is not {what}", shorten(text)).into())
}

fn same(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.value(0).cloned()
}

fn to_int(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    // The least whole number is left out, as in the reference implementation.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match call.value(0)? {
        Value::Uint(number) => i64::try_from(*number).map(Value::Int).map_err(|_| Fault::Overflow),
        Value::Double(number) if *number > -LIMIT && *number < LIMIT =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the magnitude fits, the fraction is cut by design"
            )]
            Ok(Value::Int(*number as i64))
        }
        Value::Double(_) => Err(Fault::Overflow),
        Value::String(text) => text.parse().map(Value::Int).map_err(|_| unreadable(text, "a whole number")),
        Value::Timestamp(at) => Ok(Value::Int(at.seconds())),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn to_uint(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    match call.value(0)? {
        Value::Int(number) => u64::try_from(*number).map(Value::Uint).map_err(|_| Fault::Overflow),
        Value::Double(number) if *number >= 0.0 && *number < LIMIT =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the number fits, the fraction is cut by design"
            )]
            Ok(Value::Uint(*number as u64))
        }
        Value::Double(_) => Err(Fault::Overflow),
        Value::String(text) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| text.parse().ok()).flatten();
            number.map(Value::Uint).ok_or_else(|| unreadable(text, "an unsigned whole number"))
        }
        other => Err(Fault::overload(other.type_name())),
    }
}

fn to_double(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
        Value::Int(number) => Ok(Value::Double(*number as f64)),
        #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
        Value::Uint(number) => Ok(Value::Double(*number as f64)),
        Value::String(text) => match text.parse::<f64>() {
            // Digits that mean more than there is are an error, `Infinity` is not.
            Ok(number) if number.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) => {
                Err(Fault::Overflow)
            }
            Ok(number) => Ok(Value::Double(number)),
            Err(_) => Err(unreadable(text, "a number")),
        },
        other => Err(Fault::overload(other.type_name())),
    }
}

fn to_text(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = plain_text(call.value(0)?)
        .ok_or_else(|| Fault::overload(call.value(0).map_or("", Value::type_name)))??;
    call.room(text.len())?;
    Ok(Value::text(text))
}

/// What `string(…)` makes of a value; `None` for a value that has no text.
pub(crate) fn plain_text(value: &Value) -> Option<Result<String, Fault>> {
    Some(Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => shortest(*number),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => return Some(Err(Fault::Conversion("the bytes are not valid UTF-8".into()))),
        },
        Value::Timestamp(at) => at.to_string(),
        Value::Duration(length) => length.to_string(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(network) => network.to_string(),
        _ => return None,
    }))
}

fn to_bytes(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.text(0)?.len())?;
    Ok(Value::Bytes(call.text(0)?.as_bytes().into()))
}

fn to_bool(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.text(0)? {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
        text => Err(unreadable(text, "true or false")),
    }
}

fn to_timestamp(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Int(seconds) => Timestamp::new(*seconds, 0).map(Value::Timestamp).ok_or(Fault::Overflow),
        Value::String(text) => Timestamp::parse(text)
            .map(Value::Timestamp)
            .ok_or_else(|| unreadable(text, "a time such as `2026-01-31T12:00:00Z` in the years 1 to 9999")),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn to_duration(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    Duration::parse(text)
        .map(Value::Duration)
        .ok_or_else(|| unreadable(text, "a duration such as `1h30m`, of at most 292 years"))
}

fn type_of(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.value(0).map(|value| Value::Type(value.type_name().into()))
}
