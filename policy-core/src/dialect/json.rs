//! JSON texts.
//!
//! Source: ngrok documentation, JSON macros (2026-08-07).

use crate::cel::library::overload::{Call, Cost, Fails, Form, Gives, Overload, TextTest};
use crate::cel::library::{read_json, write_json};
use crate::cel::{Fault, Value};

/// The text may be no JSON.
const NO_JSON: Fails = Fails::Unread {
    at: 0,
    test: TextTest::Json,
    message: "this fails if the string is not JSON",
    help: "check first: `text.isJson() && …`",
};

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("json.decode(string) -> dyn", "the value a string in JSON gives", Cost::Copy, decode)
        .failing(NO_JSON)
        .giving(Gives::Decoded),
    Overload::new("json.encode(dyn) -> string", "the value as JSON", Cost::Copy, encode),
    Overload::new("(string).decodeJson() -> dyn", "the value a string in JSON gives", Cost::Copy, decode)
        .failing(NO_JSON)
        .giving(Gives::Decoded),
    Overload::new("(list(A)).encodeJson() -> string", "the list as JSON", Cost::Copy, encode),
    Overload::new("(map(A, B)).encodeJson() -> string", "the map as JSON", Cost::Copy, encode),
    Overload::new("(string).isJson() -> bool", "true if the string is JSON", Cost::Copy, is_json)
        .known_as(Form::Passes(TextTest::Json)),
];

fn decode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(text)] = call.arguments else { return Err(Fault::overload("json.decode")) };
    read_json(text, call.budget)
}

fn encode(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [value] = call.arguments else { return Err(Fault::overload("json.encode")) };
    let mut out = String::new();
    write_json(&mut out, value, call.budget)?;
    Ok(Value::text(out))
}

fn is_json(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(text)] = call.arguments else { return Err(Fault::overload("isJson")) };
    match read_json(text, call.budget) {
        Err(fault) if fault.is_final() => Err(fault),
        read => Ok(Value::Bool(read.is_ok())),
    }
}
