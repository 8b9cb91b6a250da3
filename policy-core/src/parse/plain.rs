//! Scalars by the YAML 1.2 core schema, and nodes as plain data without places.

use serde::{Serialize, Serializer};

use super::document::{NodeKind, NodeRef, Scalar, Style};

/// A node as plain data: what a `log` action attaches to an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is larger; files have none, values of expressions may.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    String(Box<str>),
    /// A list.
    List(Vec<Plain>),
    /// A map.
    Map(PlainMap),
}

/// A map of plain data, in document order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlainMap(pub Vec<(Box<str>, Plain)>);

impl PlainMap {
    /// Bytes of all keys and values, eight for each that is no text.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.weight()).sum()
    }
}

impl Serialize for PlainMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Uint(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => entries.serialize(serializer),
        }
    }
}

impl Plain {
    fn weight(&self) -> usize {
        const OTHER: usize = 8;
        match self {
            Self::String(text) => text.len(),
            Self::List(items) => OTHER + items.iter().map(Self::weight).sum::<usize>(),
            Self::Map(map) => OTHER + map.weight(),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Uint(_) | Self::Float(_) => OTHER,
        }
    }

    /// Copies a node. The document's depth limit bounds the recursion, its alias limits the size.
    #[must_use]
    pub fn from_node(node: NodeRef<'_>) -> Self {
        match node.kind() {
            NodeKind::Scalar(scalar) => Self::from_scalar(scalar),
            NodeKind::Sequence(items) => Self::List(items.iter().map(Self::from_node).collect()),
            NodeKind::Mapping(entries) => Self::Map(PlainMap(
                entries
                    .iter()
                    .filter_map(|(key, value)| match key.kind() {
                        NodeKind::Scalar(key) => Some((key.text.into(), Self::from_node(value))),
                        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
                    })
                    .collect(),
            )),
        }
    }

    /// Reads a scalar by the core schema (YAML 1.2.2 §10.3.2); a number that does not fit stays text.
    #[must_use]
    pub fn from_scalar(scalar: Scalar<'_>) -> Self {
        let text = scalar.text;
        if scalar.style == Style::Quoted {
            return Self::String(text.into());
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        integer(text)
            .map(Self::Int)
            .or_else(|| float(text).map(Self::Float))
            .unwrap_or(Self::String(text.into()))
    }
}

impl Scalar<'_> {
    /// What it would be without quotes.
    pub(crate) fn unquoted(self) -> Plain {
        Plain::from_scalar(Self { style: Style::Plain, ..self })
    }
}

fn integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0o") {
        return only(digits, |c| c.is_digit(8)).and_then(|digits| i64::from_str_radix(digits, 8).ok());
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return only(digits, |c| c.is_ascii_hexdigit())
            .and_then(|digits| i64::from_str_radix(digits, 16).ok());
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    only(digits, |c| c.is_ascii_digit())?;
    text.parse().ok()
}

fn only(text: &str, keep: impl Fn(char) -> bool) -> Option<&str> {
    (!text.is_empty() && text.chars().all(keep)).then_some(text)
}

fn float(text: &str) -> Option<f64> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match number {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let shaped = number.chars().all(|c| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'))
        && number.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && number.contains(|c: char| c.is_ascii_digit());
    if shaped { number.parse().ok().map(|number: f64| sign * number) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::document::Form;
    use super::*;
    use crate::source::Span;

    fn plain(text: &str) -> Plain {
        Plain::from_scalar(Scalar {
            text,
            style: Style::Plain,
            span: Span::default(),
            content: None,
            form: Form::Plain,
        })
    }

    #[test]
    fn the_core_schema_decides() {
        assert_eq!(plain(""), Plain::Null);
        assert_eq!(plain("True"), Plain::Bool(true));
        assert_eq!(plain("yes"), Plain::String("yes".into()));
        assert_eq!(plain("-12"), Plain::Int(-12));
        assert_eq!(plain("0x1f"), Plain::Int(31));
        assert_eq!(plain("0o17"), Plain::Int(15));
        assert_eq!(plain("1e3"), Plain::Float(1000.0));
        assert_eq!(plain("-.inf"), Plain::Float(f64::NEG_INFINITY));
        assert_eq!(plain("1.2.3"), Plain::String("1.2.3".into()));
        assert_eq!(plain("-"), Plain::String("-".into()));
        assert_eq!(plain("99999999999999999999"), Plain::Float(1e20));
        assert_eq!(plain("inf"), Plain::String("inf".into()));
    }

    #[test]
    fn quotes_make_a_string() {
        let quoted = Scalar {
            text: "1",
            style: Style::Quoted,
            span: Span::default(),
            content: None,
            form: Form::Plain,
        };
        assert_eq!(Plain::from_scalar(quoted), Plain::String("1".into()));
    }
}
