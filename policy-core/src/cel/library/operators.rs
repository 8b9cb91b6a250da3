//! Operators: comparison, arithmetic, membership, size.
//!
//! Source: CEL specification, language definition, standard definitions.

use std::cmp::Ordering;
use std::sync::Arc;

use super::overload::{Call, Cost, Fails, Form, Overload, Relation};
use crate::cel::values::fault::Fault;
use crate::cel::values::host::ITEM;
use crate::cel::values::value::Value;

/// The overloads of one comparison.
macro_rules! comparison {
    ($symbol:literal, $relation:ident, $run:ident, $doc:literal, [$($operands:literal),+ $(,)?]) => {
        &[$(
            Overload::new(concat!("_", $symbol, "_(", $operands, ") -> bool"), $doc, Cost::Scan, $run)
                .known_as(Form::Compare(Relation::$relation))
        ),+]
    };
    ($symbol:literal, $relation:ident, $run:ident, $doc:literal) => {
        comparison!($symbol, $relation, $run, $doc, [
            "bool, bool", "int, int", "uint, uint", "double, double", "string, string", "bytes, bytes",
            "timestamp, timestamp", "duration, duration", "int, double", "double, int", "int, uint",
            "uint, int", "uint, double", "double, uint",
        ])
    };
}

pub(super) static LESS: &[Overload] = comparison!("<", Less, less, "true if the first is less");
pub(super) static LESS_EQUAL: &[Overload] =
    comparison!("<=", LessEqual, less_equal, "true if the first is less or equal");
pub(super) static GREATER: &[Overload] = comparison!(">", Greater, greater, "true if the first is greater");
pub(super) static GREATER_EQUAL: &[Overload] =
    comparison!(">=", GreaterEqual, greater_equal, "true if the first is greater or equal");

/// The name of the function of sizes: keys of parts have it.
pub(in crate::cel) const SIZE: &str = "size";

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("_==_(A, A) -> bool", "true if both are equal", Cost::Scan, equal)
        .known_as(Form::Compare(Relation::Equal))
        .adding_no_slash(),
    Overload::new("_!=_(A, A) -> bool", "true if both differ", Cost::Scan, not_equal)
        .known_as(Form::Compare(Relation::NotEqual))
        .adding_no_slash(),
    Overload::new("_in_(A, list(A)) -> bool", "true if the list has an equal item", Cost::Items, in_list)
        .known_as(Form::In),
    Overload::new("_in_(A, map(A, B)) -> bool", "true if the map has this key", Cost::Unit, in_map)
        .known_as(Form::In),
    Overload::new("!(bool) -> bool", "true for false, false for true", Cost::Unit, not)
        .known_as(Form::Not)
        .adding_no_slash(),
    Overload::new("-_(int) -> int", "the number with the other sign", Cost::Unit, negate),
    Overload::new("-_(double) -> double", "the number with the other sign", Cost::Unit, negate),
    Overload::new("_+_(int, int) -> int", "the sum; an error if it does not fit", Cost::Unit, add)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(uint, uint) -> uint", "the sum; an error if it does not fit", Cost::Unit, add)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(double, double) -> double", "the sum of two numbers", Cost::Unit, add)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(string, string) -> string", "one string after the other", Cost::Copy, add_text)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(bytes, bytes) -> bytes", "one after the other", Cost::Copy, add_bytes)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(list(A), list(A)) -> list(A)", "the items of both lists", Cost::Copy, add_lists)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(duration, duration) -> duration", "the sum of two durations", Cost::Unit, add)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(timestamp, duration) -> timestamp", "the time a duration later", Cost::Unit, add)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new("_+_(duration, timestamp) -> timestamp", "the time a duration later", Cost::Unit, add)
        .known_as(Form::Add)
        .adding_no_slash(),
    Overload::new(
        "_-_(int, int) -> int",
        "the difference; an error if it does not fit",
        Cost::Unit,
        subtract,
    )
    .known_as(Form::Subtract),
    Overload::new(
        "_-_(uint, uint) -> uint",
        "the difference; an error if it does not fit",
        Cost::Unit,
        subtract,
    )
    .known_as(Form::Subtract),
    Overload::new("_-_(double, double) -> double", "the difference of two numbers", Cost::Unit, subtract)
        .known_as(Form::Subtract),
    Overload::new(
        "_-_(duration, duration) -> duration",
        "the difference of two durations",
        Cost::Unit,
        subtract,
    )
    .known_as(Form::Subtract),
    Overload::new(
        "_-_(timestamp, duration) -> timestamp",
        "the time a duration earlier",
        Cost::Unit,
        subtract,
    )
    .known_as(Form::Subtract),
    Overload::new(
        "_-_(timestamp, timestamp) -> duration",
        "the time between two times",
        Cost::Unit,
        subtract,
    )
    .known_as(Form::Subtract),
    Overload::new("_*_(int, int) -> int", "the product; an error if it does not fit", Cost::Unit, multiply),
    Overload::new(
        "_*_(uint, uint) -> uint",
        "the product; an error if it does not fit",
        Cost::Unit,
        multiply,
    ),
    Overload::new("_*_(double, double) -> double", "the product of two numbers", Cost::Unit, multiply),
    Overload::new("_/_(int, int) -> int", "the quotient, cut towards zero", Cost::Unit, divide)
        .failing(Fails::Zero),
    Overload::new("_/_(uint, uint) -> uint", "the quotient, cut to a whole number", Cost::Unit, divide)
        .failing(Fails::Zero),
    Overload::new("_/_(double, double) -> double", "the quotient of two numbers", Cost::Unit, divide),
    Overload::new("_%_(int, int) -> int", "the remainder, with the sign of the first", Cost::Unit, modulo)
        .failing(Fails::Zero),
    Overload::new("_%_(uint, uint) -> uint", "the remainder of a division", Cost::Unit, modulo)
        .failing(Fails::Zero),
    Overload::new("size(string) -> int", "number of characters", Cost::Scan, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("size(bytes) -> int", "number of bytes", Cost::Unit, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("size(list(A)) -> int", "number of items", Cost::Unit, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("size(map(A, B)) -> int", "number of entries", Cost::Unit, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("dyn(A) -> dyn", "the same value, with its type known at run time only", Cost::Unit, same),
    Overload::new("(string).size() -> int", "number of characters", Cost::Scan, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("(bytes).size() -> int", "number of bytes", Cost::Unit, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("(list(A)).size() -> int", "number of items", Cost::Unit, size)
        .known_as(Form::Size)
        .adding_no_slash(),
    Overload::new("(map(A, B)).size() -> int", "number of entries", Cost::Unit, size)
        .known_as(Form::Size)
        .adding_no_slash(),
];

fn ordering(call: &Call<'_, '_>) -> Result<Option<Ordering>, Fault> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    a.order(b).ok_or_else(|| Fault::overload(a.type_name()))
}

fn less(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ordering(call).map(|order| Value::Bool(order.is_some_and(Ordering::is_lt)))
}

fn less_equal(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ordering(call).map(|order| Value::Bool(order.is_some_and(Ordering::is_le)))
}

fn greater(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ordering(call).map(|order| Value::Bool(order.is_some_and(Ordering::is_gt)))
}

fn greater_equal(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ordering(call).map(|order| Value::Bool(order.is_some_and(Ordering::is_ge)))
}

fn equal(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [a, b] = call.arguments else { return Err(Fault::overload("==")) };
    let budget = &mut *call.budget;
    a.equals(b, &mut |steps| budget.steps(steps)).map(Value::Bool)
}

fn not_equal(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match equal(call)? {
        Value::Bool(equal) => Ok(Value::Bool(!equal)),
        other => Ok(other),
    }
}

fn in_list(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [wanted, Value::List(items)] = call.arguments else { return Err(Fault::overload("in")) };
    let budget = &mut *call.budget;
    for item in items.iter() {
        if wanted.equals(item, &mut |steps| budget.steps(steps))? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn in_map(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.arguments {
        [key, Value::Map(map)] => {
            call.budget.steps(key.hashing())?;
            Ok(Value::Bool(map.get(key).is_some()))
        }
        _ => Err(Fault::overload("in")),
    }
}

fn not(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Bool(value) => Ok(Value::Bool(!value)),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn negate(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Fault::Overflow),
        Value::Double(number) => Ok(Value::Double(-number)),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn add(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match (call.value(0)?, call.value(1)?) {
        (Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int).ok_or(Fault::Overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_add(*b).map(Value::Uint).ok_or(Fault::Overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::Duration(a), Value::Duration(b)) => a.plus(*b).map(Value::Duration),
        (Value::Timestamp(at), Value::Duration(length)) | (Value::Duration(length), Value::Timestamp(at)) => {
            at.plus(*length).map(Value::Timestamp)
        }
        (other, _) => Err(Fault::overload(other.type_name())),
    }
}

fn add_text(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.text(0)?.len() + call.text(1)?.len())?;
    let (a, b) = (call.text(0)?, call.text(1)?);
    Ok(Value::text([a, b].concat()))
}

fn add_bytes(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::Bytes(a), Value::Bytes(b)] = call.arguments else { return Err(Fault::overload("+")) };
    call.budget.output(a.len() + b.len())?;
    Ok(Value::Bytes([&**a, &**b].concat().into()))
}

fn add_lists(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::List(a), Value::List(b)] = call.arguments else { return Err(Fault::overload("+")) };
    call.budget.output((a.len() + b.len()) * ITEM)?;
    Ok(Value::List(a.iter().chain(b.iter()).cloned().collect::<Arc<[_]>>()))
}

fn subtract(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match (call.value(0)?, call.value(1)?) {
        (Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int).ok_or(Fault::Overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_sub(*b).map(Value::Uint).ok_or(Fault::Overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Duration(a), Value::Duration(b)) => a.minus(*b).map(Value::Duration),
        (Value::Timestamp(at), Value::Duration(length)) => at.minus(*length).map(Value::Timestamp),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.since(*b).map(Value::Duration),
        (other, _) => Err(Fault::overload(other.type_name())),
    }
}

fn multiply(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match (call.value(0)?, call.value(1)?) {
        (Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int).ok_or(Fault::Overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_mul(*b).map(Value::Uint).ok_or(Fault::Overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        (other, _) => Err(Fault::overload(other.type_name())),
    }
}

fn divide(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match (call.value(0)?, call.value(1)?) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => Err(Fault::DivisionByZero),
        (Value::Int(a), Value::Int(b)) => a.checked_div(*b).map(Value::Int).ok_or(Fault::Overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_div(*b).map(Value::Uint).ok_or(Fault::Overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        (other, _) => Err(Fault::overload(other.type_name())),
    }
}

fn modulo(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match (call.value(0)?, call.value(1)?) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => Err(Fault::DivisionByZero),
        (Value::Int(a), Value::Int(b)) => a.checked_rem(*b).map(Value::Int).ok_or(Fault::Overflow),
        (Value::Uint(a), Value::Uint(b)) => a.checked_rem(*b).map(Value::Uint).ok_or(Fault::Overflow),
        (other, _) => Err(Fault::overload(other.type_name())),
    }
}

fn size(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let size = match call.value(0)? {
        Value::String(text) => text.chars().count(),
        other => other.size(),
    };
    Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn same(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.value(0).cloned()
}
