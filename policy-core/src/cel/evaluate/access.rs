//! Looking into values: fields, positions, presence, optionals.

use super::{Evaluated, Interpreter, Raised, no_overload};
use crate::cel::check::code::NodeId;
use crate::cel::library::OR;
use crate::cel::syntax::macros::Macro;
use crate::cel::values::fault::Fault;
use crate::cel::values::value::Value;

impl Interpreter<'_, '_> {
    /// `operand.key`, `operand[key]`; an optional operand gives an optional.
    pub(super) fn get(&mut self, id: NodeId, operand: &Value, key: &Value, optional: bool) -> Evaluated {
        self.pay(id, key.hashing())?;
        let raise = |fault| Raised { fault, at: id };
        match operand {
            Value::Optional(None) => Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => look_up(inner, key)
                .map(|found| Value::Optional(found.ok().cloned().map(Into::into)))
                .map_err(raise),
            _ => match (look_up(operand, key).map_err(raise)?, optional) {
                (Ok(value), false) => Ok(value.clone()),
                (Ok(value), true) => Ok(Value::Optional(Some(value.clone().into()))),
                (Err(_), true) => Ok(Value::Optional(None)),
                (Err(missing), false) => Err(raise(missing)),
            },
        }
    }

    pub(super) fn has(&mut self, id: NodeId, operand: &Value, field: &Value) -> Evaluated {
        let operand = match operand {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(inner)) => inner,
            other => other,
        };
        look_up(operand, field)
            .map(|found| Value::Bool(found.is_ok()))
            .map_err(|fault| Raised { fault, at: id })
    }

    pub(super) fn or_else(
        &mut self,
        id: NodeId,
        operand: Value,
        otherwise: NodeId,
        unwrap: bool,
    ) -> Evaluated {
        match (operand, unwrap) {
            (Value::Optional(Some(value)), true) => Ok((*value).clone()),
            (Value::Optional(Some(value)), false) => Ok(Value::Optional(Some(value))),
            (Value::Optional(None), true) => self.eval(otherwise),
            (Value::Optional(None), false) => match self.eval(otherwise)? {
                value @ Value::Optional(_) => Ok(value),
                other => Err(Raised { fault: no_overload(OR, &[other]), at: id }),
            },
            (other, _) => Err(Raised { fault: no_overload(OR, &[other]), at: id }),
        }
    }

    pub(super) fn optional_map(
        &mut self,
        id: NodeId,
        operand: Value,
        slot: u16,
        body: NodeId,
        flat: bool,
    ) -> Evaluated {
        let value = match operand {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(value)) => value,
            other => return Err(Raised { fault: no_overload(Macro::OptMap.name(), &[other]), at: id }),
        };
        self.set(slot, (*value).clone());
        match (self.eval(body)?, flat) {
            (value, false) => Ok(Value::Optional(Some(value.into()))),
            (value @ Value::Optional(_), true) => Ok(value),
            (other, true) => Err(Raised { fault: no_overload(Macro::OptFlatMap.name(), &[other]), at: id }),
        }
    }
}

/// What stands under a key or position; inside, why there is nothing.
///
/// # Errors
/// If the value cannot be looked into this way at all.
fn look_up<'v>(value: &'v Value, key: &Value) -> Result<Result<&'v Value, Fault>, Fault> {
    match (value, key) {
        (
            Value::Map(map),
            Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_),
        ) => Ok(map.get(key).ok_or_else(|| Fault::NoSuchKey(key.to_string().into()))),
        (Value::Map(_), _) => Err(Fault::KeyType(key.type_name().into())),
        (Value::List(items), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            let at =
                position(key).ok_or_else(|| Fault::argument(format!("{key} is not a position in a list")))?;
            let item = usize::try_from(at).ok().and_then(|at| items.get(at));
            Ok(item.ok_or_else(|| Fault::NoSuchIndex(at.to_string().into())))
        }
        (_, Value::String(field)) => Err(Fault::NoSuchField(field.as_ref().into())),
        _ => Err(no_overload("[]", &[value.clone(), key.clone()])),
    }
}

/// A whole number of any type.
fn position(key: &Value) -> Option<i64> {
    match key {
        Value::Int(at) => Some(*at),
        Value::Uint(at) => i64::try_from(*at).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and small")]
        Value::Double(at) if at.fract() == 0.0 && at.abs() < 1e15 => Some(*at as i64),
        _ => None,
    }
}
