//! Values that may be missing.
//!
//! Source: CEL extension library `optional` (cel-go, 2026). `or` and `orValue` look at their argument only
//! if they need it; the interpreter does that.

use super::overload::{Call, Cost, Fails, Form, Overload, TextTest};
use crate::cel::values::fault::Fault;
use crate::cel::values::host::ITEM;
use crate::cel::values::value::Value;

/// The names of the functions that `a.?b` is made of, and of the one that `or` and `orValue` are told by.
pub(in crate::cel) const OF: &str = "optional.of";
pub(in crate::cel) const NONE: &str = "optional.none";
pub(in crate::cel) const OR: &str = "or";

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("optional.of(A) -> optional_type(A)", "an optional with this value", Cost::Unit, of)
        .known_as(Form::Wrap),
    Overload::new("optional.none() -> optional_type(A)", "an optional without a value", Cost::Unit, none),
    Overload::new(
        "optional.ofNonZeroValue(A) -> optional_type(A)",
        "an optional with this value unless it is zero or empty",
        Cost::Unit,
        of_non_zero,
    )
    .known_as(Form::Wrap),
    Overload::new("(optional_type(A)).hasValue() -> bool", "true if there is a value", Cost::Unit, has_value)
        .known_as(Form::Passes(TextTest::Value)),
    Overload::new(
        "(optional_type(A)).value() -> A",
        "the value; an error if there is none",
        Cost::Unit,
        value,
    )
    .known_as(Form::Unwrap)
    .failing(Fails::Empty),
    Overload::new(
        "(optional_type(A)).or(optional_type(A)) -> optional_type(A)",
        "the first, or the second if the first has no value",
        Cost::Unit,
        or,
    )
    .known_as(Form::Or),
    Overload::new(
        "(optional_type(A)).orValue(A) -> A",
        "the value, or the argument if there is none",
        Cost::Unit,
        or,
    )
    .known_as(Form::OrValue),
    Overload::new(
        "optional.unwrap(list(optional_type(A))) -> list(A)",
        "the values that are there",
        Cost::Copy,
        unwrap,
    ),
    Overload::new(
        "(list(optional_type(A))).unwrapOpt() -> list(A)",
        "the values that are there",
        Cost::Copy,
        unwrap,
    ),
];

fn of(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.value(0).map(|value| Value::Optional(Some(value.clone().into())))
}

fn none(_: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Optional(None))
}

fn of_non_zero(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.value(0).map(|value| Value::Optional((!value.is_zero()).then(|| value.clone().into())))
}

fn has_value(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Optional(value) => Ok(Value::Bool(value.is_some())),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn value(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Optional(value) => value.as_deref().cloned().ok_or(Fault::NoValue),
        other => Err(Fault::overload(other.type_name())),
    }
}

/// Only reached with a receiver that is no optional.
fn or(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Err(Fault::overload(call.value(0)?.type_name()))
}

fn unwrap(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.items(0)?.len() * ITEM)?;
    let mut out = Vec::new();
    for item in call.items(0)? {
        match item {
            Value::Optional(value) => out.extend(value.as_deref().cloned()),
            other => return Err(Fault::overload(other.type_name())),
        }
    }
    Ok(Value::list(out))
}
