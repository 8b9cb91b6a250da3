//! The extension library `math`.
//!
//! Source: CEL extension library `math` (cel-go, 2026). `greatest` and `least` take any number of
//! arguments; the checker turns more than two into a list.

use std::cmp::Ordering;

use super::overload::{Call, Cost, Form, Overload};
use crate::cel::values::fault::Fault;
use crate::cel::values::value::Value;

/// The overloads of `greatest` or `least`.
macro_rules! extreme {
    ($name:literal, $run:ident, $doc:literal, [$($signature:literal),+ $(,)?]) => {
        &[$(
            Overload::new(concat!("math.", $name, $signature), $doc, Cost::Scan, $run).known_as(Form::Extreme)
        ),+]
    };
    ($name:literal, $run:ident, $doc:literal) => {
        extreme!($name, $run, $doc, [
            "(int) -> int", "(uint) -> uint", "(double) -> double",
            "(int, int) -> int", "(uint, uint) -> uint", "(double, double) -> double",
            "(int, uint) -> dyn", "(int, double) -> dyn", "(uint, int) -> dyn",
            "(uint, double) -> dyn", "(double, int) -> dyn", "(double, uint) -> dyn",
            "(list(int)) -> int", "(list(uint)) -> uint", "(list(double)) -> double",
        ])
    };
}

pub(super) static GREATEST: &[Overload] = extreme!("greatest", greatest, "the greatest of the numbers");
pub(super) static LEAST: &[Overload] = extreme!("least", least, "the least of the numbers");

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("math.ceil(double) -> double", "the next whole number above", Cost::Unit, ceil),
    Overload::new("math.floor(double) -> double", "the next whole number below", Cost::Unit, floor),
    Overload::new(
        "math.round(double) -> double",
        "the nearest whole number, halves away from zero",
        Cost::Unit,
        round,
    ),
    Overload::new("math.trunc(double) -> double", "the number without its fraction", Cost::Unit, trunc),
    Overload::new("math.abs(int) -> int", "the number without its sign", Cost::Unit, abs),
    Overload::new("math.abs(uint) -> uint", "the same number", Cost::Unit, abs),
    Overload::new("math.abs(double) -> double", "the number without its sign", Cost::Unit, abs),
    Overload::new("math.sign(int) -> int", "-1, 0 or 1", Cost::Unit, sign),
    Overload::new("math.sign(uint) -> uint", "zero or one, as a uint", Cost::Unit, sign),
    Overload::new("math.sign(double) -> double", "-1.0, 0.0 or 1.0; NaN of NaN", Cost::Unit, sign),
    Overload::new("math.sqrt(int) -> double", "the square root; NaN of a negative number", Cost::Unit, sqrt),
    Overload::new("math.sqrt(uint) -> double", "the square root of the number", Cost::Unit, sqrt),
    Overload::new(
        "math.sqrt(double) -> double",
        "the square root; NaN of a negative number",
        Cost::Unit,
        sqrt,
    ),
    Overload::new("math.isNaN(double) -> bool", "true if it is not a number", Cost::Unit, is_nan),
    Overload::new("math.isInf(double) -> bool", "true if it is infinite", Cost::Unit, is_inf),
    Overload::new(
        "math.isFinite(double) -> bool",
        "true if it is neither infinite nor NaN",
        Cost::Unit,
        is_finite,
    ),
    Overload::new("math.bitAnd(int, int) -> int", "the bits that both have", Cost::Unit, bit_and),
    Overload::new("math.bitAnd(uint, uint) -> uint", "the bits that both have", Cost::Unit, bit_and),
    Overload::new("math.bitOr(int, int) -> int", "the bits that one of them has", Cost::Unit, bit_or),
    Overload::new("math.bitOr(uint, uint) -> uint", "the bits that one of them has", Cost::Unit, bit_or),
    Overload::new("math.bitXor(int, int) -> int", "the bits in which they differ", Cost::Unit, bit_xor),
    Overload::new("math.bitXor(uint, uint) -> uint", "the bits in which they differ", Cost::Unit, bit_xor),
    Overload::new("math.bitNot(int) -> int", "the other bits", Cost::Unit, bit_not),
    Overload::new("math.bitNot(uint) -> uint", "the other bits", Cost::Unit, bit_not),
    Overload::new(
        "math.bitShiftLeft(int, int) -> int",
        "the bits moved up; zero beyond 63",
        Cost::Unit,
        shift_left,
    ),
    Overload::new(
        "math.bitShiftLeft(uint, int) -> uint",
        "the bits moved up; zero beyond 63",
        Cost::Unit,
        shift_left,
    ),
    Overload::new(
        "math.bitShiftRight(int, int) -> int",
        "the bits moved down, zeros after them",
        Cost::Unit,
        shift_right,
    ),
    Overload::new(
        "math.bitShiftRight(uint, int) -> uint",
        "the bits moved down, zeros after them",
        Cost::Unit,
        shift_right,
    ),
];

fn extreme(call: &Call<'_, '_>, wanted: Ordering) -> Result<Value, Fault> {
    let numbers = match call.arguments {
        [Value::List(items)] => items,
        arguments => arguments,
    };
    let mut best: Option<&Value> = None;
    for number in numbers {
        if !matches!(number, Value::Int(_) | Value::Uint(_) | Value::Double(_)) {
            return Err(Fault::overload(number.type_name()));
        }
        let better = best.is_none_or(|best| number.order(best).flatten() == Some(wanted));
        best = if better { Some(number) } else { best };
    }
    best.cloned().ok_or_else(|| Fault::argument("no number to choose from"))
}

fn greatest(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    extreme(call, Ordering::Greater)
}

fn least(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    extreme(call, Ordering::Less)
}

fn double(call: &Call<'_, '_>) -> Result<f64, Fault> {
    match call.value(0)? {
        Value::Double(number) => Ok(*number),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn ceil(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Double(number.ceil()))
}

fn floor(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Double(number.floor()))
}

fn round(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Double(number.round()))
}

fn trunc(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Double(number.trunc()))
}

fn abs(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Int(number) => number.checked_abs().map(Value::Int).ok_or(Fault::Overflow),
        Value::Uint(number) => Ok(Value::Uint(*number)),
        Value::Double(number) => Ok(Value::Double(number.abs())),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn sign(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Int(number) => Ok(Value::Int(number.signum())),
        Value::Uint(number) => Ok(Value::Uint((*number).min(1))),
        Value::Double(number) if *number == 0.0 => Ok(Value::Double(0.0)),
        Value::Double(number) if number.is_nan() => Ok(Value::Double(*number)),
        Value::Double(number) => Ok(Value::Double(number.signum())),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn sqrt(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let number = match call.value(0)? {
        Value::Double(number) => *number,
        #[expect(clippy::cast_precision_loss, reason = "the root is a double anyway")]
        Value::Int(number) => *number as f64,
        #[expect(clippy::cast_precision_loss, reason = "the root is a double anyway")]
        Value::Uint(number) => *number as f64,
        other => return Err(Fault::overload(other.type_name())),
    };
    Ok(Value::Double(number.sqrt()))
}

fn is_nan(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Bool(number.is_nan()))
}

fn is_inf(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Bool(number.is_infinite()))
}

fn is_finite(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    double(call).map(|number| Value::Bool(number.is_finite()))
}

/// Works on the bits of two numbers of one type.
fn bits(call: &Call<'_, '_>, work: impl Fn(u64, u64) -> u64) -> Result<Value, Fault> {
    match (call.value(0)?, call.value(1)?) {
        (Value::Int(a), Value::Int(b)) => {
            Ok(Value::Int(work(a.cast_unsigned(), b.cast_unsigned()).cast_signed()))
        }
        (Value::Uint(a), Value::Uint(b)) => Ok(Value::Uint(work(*a, *b))),
        (other, _) => Err(Fault::overload(other.type_name())),
    }
}

fn bit_and(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    bits(call, |a, b| a & b)
}

fn bit_or(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    bits(call, |a, b| a | b)
}

fn bit_xor(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    bits(call, |a, b| a ^ b)
}

fn bit_not(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Int(number) => Ok(Value::Int(!number)),
        Value::Uint(number) => Ok(Value::Uint(!number)),
        other => Err(Fault::overload(other.type_name())),
    }
}

/// Moves bits by the second argument; by 64 and more nothing is left.
fn shift(call: &Call<'_, '_>, work: impl Fn(u64, u32) -> Option<u64>) -> Result<Value, Fault> {
    let by = call.int(1)?;
    if by < 0 {
        return Err(Fault::argument(format!("bits cannot be moved by {by}")));
    }
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    match call.value(0)? {
        Value::Int(number) => Ok(Value::Int(work(number.cast_unsigned(), by).unwrap_or(0).cast_signed())),
        Value::Uint(number) => Ok(Value::Uint(work(*number, by).unwrap_or(0))),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn shift_left(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    shift(call, u64::checked_shl)
}

fn shift_right(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    shift(call, u64::checked_shr)
}
