//! What only a host can give: random numbers and secrets.
//!
//! Source: ngrok documentation, random and secrets macros (2026-08-07). Whether `rand.int` may give its upper
//! bound is not documented; here it may, as a public example needs it.

use crate::cel::library::overload::{Call, Cost, Fails, Form, Gives, Outside, Overload};
use crate::cel::{Fault, Value};

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("rand.double() -> double", "a random number from 0 to before 1", Cost::Unit, double)
        .taking(Outside::Randomness),
    Overload::new("rand.int() -> int", "zero or one, at random", Cost::Unit, bit)
        .giving(Gives::Number(0, 1))
        .taking(Outside::Randomness),
    Overload::new(
        "rand.int(int, int) -> int",
        "a random whole number, both bounds included",
        Cost::Unit,
        int,
    )
    .failing(Fails::Order)
    .giving(Gives::Between)
    .taking(Outside::Randomness),
    Overload::new(
        "secrets.get(string, string) -> string",
        "the secret of this name in a vault",
        Cost::Unit,
        secret,
    )
    .known_as(Form::Secret(&["vault", "secret"]))
    .taking(Outside::Secrets),
];

fn double(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    // The 53 bits that a double holds exactly.
    const UNIT: f64 = 1.0 / 9_007_199_254_740_992.0;
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let bits = (call.host.random()? >> 11) as f64;
    Ok(Value::Double(bits * UNIT))
}

fn bit(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Int(i64::from(call.host.random()? >> 63 == 1)))
}

fn int(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (min, max) = (call.int(0)?, call.int(1)?);
    if min > max {
        return Err(Fault::argument(format!("the range from {min} to {max} is empty")));
    }
    let count = i128::from(max) - i128::from(min) + 1;
    // The high half of the product is uniform up to one part in 2^64 of the range.
    let offset = (u128::from(call.host.random()?) * count.unsigned_abs()) >> 64;
    let number = i128::from(min) + i128::try_from(offset).unwrap_or(0);
    i64::try_from(number).map(Value::Int).map_err(|_| Fault::Overflow)
}

fn secret(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(vault), Value::String(name)] = call.arguments else {
        return Err(Fault::overload("secrets.get"));
    };
    call.host.secret(vault, name)
}
