//! JSON texts and values.
//!
//! Source: ngrok documentation, JSON macros (2026-08-07); CEL specification, JSON data conversion: a number
//! is read as a double. Maps are written in the order of their keys.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::conversions::plain_text;
use super::numbers::decimal;
use crate::cel::values::fault::Fault;
use crate::cel::values::host::{Budget, EvalLimits, ITEM};
use crate::cel::values::value::{Map, Value};

/// Reads a JSON text; its nesting is bounded by the reader, its size by the budget.
pub(crate) fn read(text: &str, budget: &mut Budget) -> Result<Value, Fault> {
    let mut over = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Seed { budget, over: &mut over }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    match (read, over) {
        (_, Some(fault)) => Err(fault),
        (Ok(value), None) => Ok(value),
        (Err(error), None) => Err(Fault::Conversion(format!("the string is not JSON: {error}").into())),
    }
}

impl Value {
    /// Reads JSON; a number becomes a double.
    ///
    /// # Errors
    /// What keeps the text from being a value.
    pub fn from_json(text: &str) -> Result<Self, Fault> {
        read(text, &mut Budget::new(EvalLimits::default()))
    }
}

/// Builds a value, and stops when the budget is used up.
struct Seed<'b> {
    budget: &'b mut Budget,
    over: &'b mut Option<Fault>,
}

impl Seed<'_> {
    fn pay<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.budget.output(bytes).map_err(|fault| {
            *self.over = Some(fault);
            E::custom("too large")
        })
    }

    fn inner(&mut self) -> Seed<'_> {
        Seed { budget: self.budget, over: self.over }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a JSON number is a double")]
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Double(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "a JSON number is a double")]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Double(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Double(number))
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<Value, E> {
        self.pay(text.len())?;
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner())? {
            self.pay(ITEM)?;
            out.push(item);
        }
        Ok(Value::list(out))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut out: Vec<(Arc<str>, Value)> = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.pay(key.len() + 2 * ITEM)?;
            let value = entries.next_value_seed(self.inner())?;
            out.push((key.into(), value));
        }
        Ok(Value::Map(Map::from_texts(out).into()))
    }
}

fn push(out: &mut String, text: &str, budget: &mut Budget) -> Result<(), Fault> {
    budget.output(text.len())?;
    out.push_str(text);
    Ok(())
}

fn push_text(out: &mut String, text: &str, budget: &mut Budget) -> Result<(), Fault> {
    let quoted = serde_json::to_string(text).map_err(|error| Fault::argument(error.to_string()))?;
    push(out, &quoted, budget)
}

/// Writes a value. Values are nested no deeper than expressions and JSON may be.
pub(crate) fn write(out: &mut String, value: &Value, budget: &mut Budget) -> Result<(), Fault> {
    budget.steps(1)?;
    match value {
        Value::Null | Value::Optional(None) => push(out, "null", budget),
        Value::Bool(value) => push(out, &value.to_string(), budget),
        Value::Int(number) => push(out, &number.to_string(), budget),
        Value::Uint(number) => push(out, &number.to_string(), budget),
        Value::Double(number) if number.is_finite() => push(out, &decimal(*number), budget),
        Value::Double(_) => Err(Fault::argument("JSON has no NaN and no infinity")),
        Value::Optional(Some(value)) => write(out, value, budget),
        Value::Bytes(bytes) => push_text(out, &STANDARD.encode(bytes), budget),
        Value::List(items) => {
            push(out, "[", budget)?;
            for (index, item) in items.iter().enumerate() {
                push(out, if index > 0 { "," } else { "" }, budget)?;
                write(out, item, budget)?;
            }
            push(out, "]", budget)
        }
        Value::Map(map) => {
            let mut entries: Vec<(String, &Value)> = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                entries.push((plain_text(key).unwrap_or(Err(Fault::NoValue))?, value));
            }
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            push(out, "{", budget)?;
            for (index, (key, value)) in entries.iter().enumerate() {
                push(out, if index > 0 { "," } else { "" }, budget)?;
                push_text(out, key, budget)?;
                push(out, ":", budget)?;
                write(out, value, budget)?;
            }
            push(out, "}", budget)
        }
        Value::Type(name) => push_text(out, name, budget),
        other => match plain_text(other) {
            Some(text) => push_text(out, &text?, budget),
            None => Err(Fault::argument(format!("JSON has no values of type {}", other.type_name()))),
        },
    }
}
