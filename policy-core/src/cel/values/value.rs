//! Values: what an expression evaluates to.
//!
//! Source: CEL specification, language definition, values. Numbers compare by value across their types,
//!  texts by code points, a map finds `1`, `1u` and `1.0` under the same key.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::fault::Fault;
use super::time::{Duration, Timestamp};
use super::types::{CIDR, IP, OPTIONAL};

/// A value. Cheap to clone: what is large is shared.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed whole number.
    Int(i64),
    /// An unsigned whole number.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// A text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A list.
    List(Arc<[Value]>),
    /// A map.
    Map(Arc<Map>),
    /// A length of time.
    Duration(Duration),
    /// A point in time.
    Timestamp(Timestamp),
    /// A type, by its name.
    Type(Arc<str>),
    /// A value that may be missing.
    Optional(Option<Arc<Value>>),
    /// An address, `ip('…')`.
    Ip(IpAddr),
    /// A network, `cidr('…')`, host bits kept.
    Cidr(IpNetwork),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::list(items)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map.into())
    }
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// A list.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }

    /// The name of its type, as `type(…)` prints it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::Optional(_) => OPTIONAL,
            Self::Ip(_) => IP,
            Self::Cidr(_) => CIDR,
        }
    }

    /// Characters, bytes, items or entries; 1 for anything else: what work on it costs.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items) => items.len(),
            Self::Map(map) => map.len(),
            _ => 1,
        }
    }

    /// True for what `optional.ofNonZeroValue` leaves out.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Null | Self::Optional(None) => true,
            Self::Bool(value) => !value,
            Self::Int(value) => *value == 0,
            Self::Uint(value) => *value == 0,
            Self::Double(value) => *value == 0.0,
            Self::Duration(value) => value.nanos() == 0,
            Self::String(_) | Self::Bytes(_) | Self::List(_) | Self::Map(_) => self.size() == 0,
            Self::Timestamp(value) => value.seconds() == 0 && Timestamp::new(0, 0) == Some(*value),
            Self::Type(_) | Self::Optional(Some(_)) | Self::Ip(_) | Self::Cidr(_) => false,
        }
    }

    /// True if two values are equal; numbers of all types compare by value. `tick` is asked for each part
    /// that is looked at, with its steps: values may share parts and so be far larger than their memory.
    pub(crate) fn equals(
        &self,
        other: &Self,
        tick: &mut dyn FnMut(u64) -> Result<(), Fault>,
    ) -> Result<bool, Fault> {
        tick(match (self, other) {
            // Texts of different lengths differ at once.
            (Self::String(a), Self::String(b)) if a.len() == b.len() => 1 + a.len() as u64 / COMPARED,
            (Self::Bytes(a), Self::Bytes(b)) if a.len() == b.len() => 1 + a.len() as u64 / COMPARED,
            _ => 1,
        })?;
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Type(a), Self::Type(b)) => a == b,
            // One address in either family's notation (CEL's library of addresses).
            (Self::Ip(a), Self::Ip(b)) => a.to_canonical() == b.to_canonical(),
            (Self::Cidr(a), Self::Cidr(b)) => a == b,
            (Self::Optional(a), Self::Optional(b)) => match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => a.equals(b, tick)?,
                _ => false,
            },
            (Self::List(a), Self::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (a, b) in a.iter().zip(b.iter()) {
                    if !a.equals(b, tick)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Map(a), Self::Map(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (key, value) in a.iter() {
                    tick(key.hashing())?;
                    let Some(other) = b.get(key) else { return Ok(false) };
                    if !value.equals(other, tick)? {
                        return Ok(false);
                    }
                }
                true
            }
            _ => compare_numbers(self, other) == Some(Ordering::Equal),
        })
    }

    /// Steps of finding it as a key.
    pub(crate) fn hashing(&self) -> u64 {
        match self {
            Self::String(text) => text.len() as u64 / HASHED,
            _ => 0,
        }
    }

    /// Which of two values is smaller; `None` if they have no order or are not to be compared. The first
    /// level tells whether the types have an order at all.
    pub(crate) fn order(&self, other: &Self) -> Option<Option<Ordering>> {
        Some(match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::String(a), Self::String(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (
                Self::Int(_) | Self::Uint(_) | Self::Double(_),
                Self::Int(_) | Self::Uint(_) | Self::Double(_),
            ) => compare_numbers(self, other),
            _ => return None,
        })
    }
}

/// Compares numbers of any two types; `None` for NaN and for what is no number. A whole number is compared
/// with a double as the nearest double, as the conformance cases demand.
fn compare_numbers(a: &Value, b: &Value) -> Option<Ordering> {
    let whole = |value: &Value| match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Uint(number) => Some(i128::from(*number)),
        _ => None,
    };
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is compared")]
    let double = |value: &Value| match value {
        Value::Double(number) => Some(*number),
        other => whole(other).map(|number| number as f64),
    };
    match (a, b) {
        (Value::Double(_), _) | (_, Value::Double(_)) => double(a)?.partial_cmp(&double(b)?),
        _ => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

/// A key of a map: what equal keys have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum MapKey {
    Bool(bool),
    Number(i128),
    String(Arc<str>),
}

impl MapKey {
    /// The key of a value; a double counts if it is a whole number.
    fn from_value(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(number) => Self::Number((*number).into()),
            Value::Uint(number) => Self::Number((*number).into()),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the number is whole and far below the limit"
            )]
            Value::Double(number) if number.fract() == 0.0 && number.abs() < 1e20 => {
                Self::Number(*number as i128)
            }
            Value::String(text) => Self::String(Arc::clone(text)),
            _ => return None,
        })
    }
}

/// Entries up to which looking at each is faster than hashing a key.
const FEW_ENTRIES: usize = 12;

/// A map: entries in the order they were given, found by key in O(1).
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<(Value, Value)>,
    index: HashMap<MapKey, usize>,
}

impl Map {
    /// Makes a map of entries.
    ///
    /// # Errors
    /// A key that is given twice, or is neither a boolean, a whole number nor a text.
    pub fn new(entries: impl IntoIterator<Item = (Value, Value)>) -> Result<Self, Fault> {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value)?;
        }
        Ok(map)
    }

    /// A map from texts, as facts are; of a repeated key the last counts.
    #[must_use]
    pub fn from_texts<T: Into<Arc<str>>>(entries: impl IntoIterator<Item = (T, Value)>) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.set(key.into(), value);
        }
        map
    }

    pub(crate) fn insert(&mut self, key: Value, value: Value) -> Result<(), Fault> {
        // A double finds whole numbers, but is no key itself.
        let found = MapKey::from_value(&key).filter(|_| !matches!(key, Value::Double(_)));
        let Some(found) = found else { return Err(Fault::KeyType(key.type_name().into())) };
        if self.index.insert(found, self.entries.len()).is_some() {
            return Err(Fault::RepeatedKey(key.to_string().into()));
        }
        self.entries.push((key, value));
        Ok(())
    }

    /// Puts a value under a text; of a repeated key the last counts.
    pub(crate) fn set(&mut self, key: Arc<str>, value: Value) {
        match self.index.get(&MapKey::String(Arc::clone(&key))).and_then(|&at| self.entries.get_mut(at)) {
            Some(entry) => entry.1 = value,
            None => {
                self.index.insert(MapKey::String(Arc::clone(&key)), self.entries.len());
                self.entries.push((Value::String(key), value));
            }
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let at = *self.index.get(&MapKey::from_value(key)?)?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// The value under a text. Few entries are compared one by one, which is faster than hashing.
    pub(crate) fn get_text(&self, key: &Arc<str>) -> Option<&Value> {
        if self.entries.len() > FEW_ENTRIES {
            return self.get(&Value::String(Arc::clone(key)));
        }
        let is_it = |(own, _): &&(Value, Value)| matches!(own, Value::String(own) if **own == **key);
        self.entries.iter().find(is_it).map(|(_, value)| value)
    }

    /// The entries, in the order they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Written as an expression that has this value, cut where it becomes long.
///
/// ```
/// use policy_core::cel::Value;
/// let value = Value::list(vec![Value::Int(1), Value::text("a\"b")]);
/// assert_eq!(value.to_string(), r#"[1, "a\"b"]"#);
/// ```
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Bounded { out: String::new(), left: MAX_DISPLAYED };
        match write_value(&mut out, self) {
            Ok(()) => f.write_str(&out.out),
            Err(fmt::Error) => write!(f, "{}…", out.out),
        }
    }
}

impl Value {
    /// It as [`fmt::Display`] writes it, whole; `None` if that is longer than so many bytes.
    pub(in crate::cel) fn written_within(&self, max: usize) -> Option<String> {
        let mut out = Bounded { out: String::new(), left: max };
        write_value(&mut out, self).is_ok().then_some(out.out)
    }
}

/// Bytes that are compared, and hashed, in the time of one step.
const COMPARED: u64 = 64;
const HASHED: u64 = 16;

/// Bytes after which a written value is cut.
const MAX_DISPLAYED: usize = 2_000;

/// A text that refuses to grow beyond a length.
struct Bounded {
    out: String,
    left: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > self.left {
            let cut = (0..=self.left).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            self.out.push_str(text.get(..cut).unwrap_or_default());
            self.left = 0;
            return Err(fmt::Error);
        }
        self.left -= text.len();
        self.out.push_str(text);
        Ok(())
    }
}

fn write_value(out: &mut Bounded, value: &Value) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Uint(value) => write!(out, "{value}u"),
        Value::Double(value) if value.is_infinite() => {
            out.write_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Value::Double(value) => write!(out, "{value:?}"),
        Value::String(text) => super::quote::write_quoted(out, text),
        Value::Bytes(bytes) => super::quote::write_bytes(out, bytes),
        Value::List(items) => {
            out.write_str("[")?;
            for (index, item) in items.iter().enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                write_value(out, item)?;
            }
            out.write_str("]")
        }
        Value::Map(map) => {
            out.write_str("{")?;
            for (index, (key, value)) in map.iter().enumerate() {
                out.write_str(if index > 0 { ", " } else { "" })?;
                write_value(out, key)?;
                out.write_str(": ")?;
                write_value(out, value)?;
            }
            out.write_str("}")
        }
        Value::Duration(value) => write!(out, "duration(\"{value}\")"),
        Value::Timestamp(value) => write!(out, "timestamp(\"{value}\")"),
        Value::Type(name) => out.write_str(name),
        Value::Optional(None) => out.write_str("optional.none()"),
        Value::Optional(Some(value)) => {
            out.write_str("optional.of(")?;
            write_value(out, value)?;
            out.write_str(")")
        }
        Value::Ip(value) => write!(out, "ip(\"{value}\")"),
        Value::Cidr(value) => write!(out, "cidr(\"{value}\")"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(a: &Value, b: &Value) -> bool {
        a.equals(b, &mut |_| Ok(())).expect("no limit")
    }

    #[test]
    fn numbers_compare_by_value() {
        assert!(equal(&Value::Int(1), &Value::Uint(1)) && equal(&Value::Double(1.0), &Value::Uint(1)));
        assert!(!equal(&Value::Int(-1), &Value::Uint(u64::MAX)));
        assert!(equal(&Value::Int(i64::MAX), &Value::Double(9_223_372_036_854_775_808.0)));
        assert!(!equal(&Value::Int(i64::MAX), &Value::Uint(1 << 63)));
        let order = |a: f64, b: i64| Value::Double(a).order(&Value::Int(b));
        assert_eq!(order(-1.5, -1), Some(Some(Ordering::Less)));
        assert_eq!(order(f64::NAN, 1), Some(None));
        assert_eq!(order(f64::INFINITY, i64::MAX), Some(Some(Ordering::Greater)));
        assert_eq!(Value::Null.order(&Value::Null), None);
    }

    #[test]
    fn a_map_finds_equal_numbers() {
        let map =
            Map::new([(Value::Int(1), Value::text("a")), (Value::Uint(2), Value::text("b"))]).expect("a map");
        assert!(map.get(&Value::Double(1.0)).is_some() && map.get(&Value::Int(2)).is_some());
        assert!(map.get(&Value::Double(1.5)).is_none() && map.get(&Value::Double(f64::NAN)).is_none());
        let twice = Map::new([(Value::Int(1), Value::Null), (Value::Uint(1), Value::Null)]);
        assert_eq!(twice.expect_err("equal"), Fault::RepeatedKey("1u".into()));
        assert!(Map::new([(Value::Double(1.0), Value::Null)]).is_err());
    }

    #[test]
    fn long_values_are_cut_when_written() {
        let mut value = Value::text("ü".repeat(100));
        for _ in 0..60 {
            value = Value::list(vec![value.clone(), value]);
        }
        let text = value.to_string();
        assert!(text.len() <= MAX_DISPLAYED + "…".len() && text.ends_with('…'));
    }
}
