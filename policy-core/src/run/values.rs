//! Values that a run keeps or logs: their weight, and their plain form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cel::{Map, Value};
use crate::parse::{Plain, PlainMap};

/// Bytes that a run may keep: variables, targets and log entries. Values share parts, so each is counted as if it
/// stood alone.
pub(super) const MAX_KEPT: usize = 4 << 20;
/// Lists and maps inside one another in a value that is kept.
pub(super) const MAX_LEVELS: usize = 64;
/// Bytes that an item counts as.
const ITEM: usize = 16;

/// Takes the bytes of a value, of shared parts each time they are seen; nothing if they or the levels do not suffice.
pub(super) fn weigh(value: &Value, left: &mut usize, levels: usize) -> Option<()> {
    let own = match value {
        Value::String(text) => text.len(),
        // As they are logged, in Base64.
        Value::Bytes(bytes) => bytes.len().div_ceil(3) * 4,
        _ => 0,
    };
    *left = left.checked_sub(ITEM + own)?;
    match value {
        Value::List(items) => items.iter().try_for_each(|item| weigh(item, left, levels.checked_sub(1)?)),
        Value::Map(map) => map.iter().try_for_each(|(key, value)| {
            weigh(key, left, levels.checked_sub(1)?)?;
            weigh(value, left, levels.checked_sub(1)?)
        }),
        Value::Optional(Some(inner)) => weigh(inner, left, levels.checked_sub(1)?),
        _ => Some(()),
    }
}

/// The value of plain data.
pub(super) fn from_plain(plain: &Plain) -> Value {
    match plain {
        Plain::Null => Value::Null,
        Plain::Bool(value) => Value::Bool(*value),
        Plain::Int(number) => Value::Int(*number),
        Plain::Uint(number) => Value::Uint(*number),
        Plain::Float(number) => Value::Double(*number),
        Plain::String(text) => Value::text(&**text),
        Plain::List(items) => Value::list(items.iter().map(from_plain).collect()),
        Plain::Map(map) => map_from_plain(map).into(),
    }
}

/// The map of plain data.
pub(crate) fn map_from_plain(PlainMap(entries): &PlainMap) -> Map {
    Map::from_texts(entries.iter().map(|(key, value)| (&**key, from_plain(value))))
}

/// A value as plain data: numbers as numbers, what JSON has no notation for as its text, bytes in Base64.
pub(super) fn to_plain(value: &Value) -> Plain {
    match value {
        Value::Null | Value::Optional(None) => Plain::Null,
        Value::Bool(value) => Plain::Bool(*value),
        Value::Int(number) => Plain::Int(*number),
        Value::Uint(number) => i64::try_from(*number).map_or(Plain::Uint(*number), Plain::Int),
        Value::Double(number) if number.is_finite() => Plain::Float(*number),
        Value::Optional(Some(value)) => to_plain(value),
        Value::List(items) => Plain::List(items.iter().map(to_plain).collect()),
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| (text_of(key), to_plain(value)));
            Plain::Map(PlainMap(entries.collect()))
        }
        other => Plain::String(text_of(other)),
    }
}

/// The text of a value that is no list or map.
fn text_of(value: &Value) -> Box<str> {
    match value {
        Value::String(text) => (**text).into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::Uint(number) => number.to_string().into(),
        Value::Duration(length) => length.to_string().into(),
        Value::Timestamp(time) => time.to_string().into(),
        Value::Ip(address) => address.to_string().into(),
        Value::Cidr(network) => network.to_string().into(),
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::{Duration, Timestamp};

    fn logged(value: &Value) -> String {
        serde_json::to_string(&to_plain(value)).expect("plain data")
    }

    #[test]
    fn values_are_logged_as_plain_data() {
        let time = Value::Timestamp(Timestamp::new(1_769_860_800, 0).expect("a time"));
        let length = Value::Duration(Duration::from_nanos(5_400_000_000_000));
        for (value, text) in [
            (time.clone(), "\"2026-01-31T12:00:00Z\""),
            (length.clone(), "\"5400s\""),
            (Value::Uint(7), "7"),
            (Value::Uint(u64::MAX), "18446744073709551615"),
            (Value::Ip("2001:db8::1".parse().expect("an address")), "\"2001:db8::1\""),
            (Value::Cidr("10.0.0.0/8".parse().expect("a network")), "\"10.0.0.0/8\""),
            (Value::Bytes(b"ab".as_slice().into()), "\"YWI=\""),
            (Value::Type("int".into()), "\"int\""),
            (Value::Double(f64::NAN), "\"NaN\""),
            (Value::Optional(Some(length.clone().into())), "\"5400s\""),
            (Value::list(vec![time, Value::list(vec![length])]), "[\"2026-01-31T12:00:00Z\",[\"5400s\"]]"),
            (Value::Map(Map::from_texts([("a", Value::Uint(1))]).into()), "{\"a\":1}"),
        ] {
            assert_eq!(logged(&value), text);
        }
    }
}
