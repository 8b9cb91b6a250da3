//! Types of expressions, and their spelling.
//!
//! Source: CEL specification, language definition, values and types; spellings as CEL prints them
//! (`map(string, dyn)`, `optional_type(int)`, `google.protobuf.Timestamp`).

use std::fmt;
use std::sync::Arc;

use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::multispace0;
use nom::combinator::{all_consuming, map, opt};
use nom::multi::separated_list1;
use nom::sequence::{delimited, pair};
use nom::{IResult, Parser};

/// An object of facts: a place in the tree of declared variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// Index in the tree.
    pub(crate) node: u16,
    /// True if it is a text as well, as `req.url` is.
    pub(crate) text: bool,
    /// How it is written, `conn.client_ip`; for a record the record's name.
    pub(crate) name: &'static str,
}

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Only known at run time.
    Dyn,
    /// Of a part that is wrong; agrees with everything, so that one fault is reported once.
    Error,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A signed whole number of 64 bits.
    Int,
    /// An unsigned whole number of 64 bits.
    Uint,
    /// A floating-point number of 64 bits.
    Double,
    /// A text.
    String,
    /// Bytes.
    Bytes,
    /// A length of time.
    Duration,
    /// A point in time.
    Timestamp,
    /// A type as a value.
    Type(Arc<Type>),
    /// A list.
    List(Arc<Type>),
    /// A map: key and value.
    Map(Arc<(Type, Type)>),
    /// Any other type, by its name, with its parameters: `optional_type(int)`, `net.IP`.
    Opaque(Arc<str>, Arc<[Type]>),
    /// An object with declared fields.
    Object(Object),
    /// A type parameter of a function, or one not yet known.
    Param(u32),
}

/// The name of the type of optional values.
pub(crate) const OPTIONAL: &str = "optional_type";
/// The name of the type of addresses.
pub(crate) const IP: &str = "net.IP";
/// The name of the type of networks.
pub(crate) const CIDR: &str = "net.CIDR";

impl Type {
    pub(crate) fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    pub(crate) fn optional(of: Self) -> Self {
        Self::Opaque(OPTIONAL.into(), [of].into())
    }

    pub(crate) fn type_of(of: Self) -> Self {
        Self::Type(Arc::new(of))
    }

    /// The type inside an optional.
    pub(crate) fn optional_of(&self) -> Option<&Self> {
        match self {
            Self::Opaque(name, of) if &**name == OPTIONAL => of.first(),
            _ => None,
        }
    }

    pub(crate) const fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// The name that `type(…)` of a value gives.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Dyn | Self::Error | Self::Param(_) => "dyn",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Opaque(name, _) => name,
            Self::Object(object) => object.name,
        }
    }

    /// The type of a plain name; `None` for a name that takes parameters or is no type.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "dyn" => Self::Dyn,
            "null_type" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "duration" | "google.protobuf.Duration" => Self::Duration,
            "timestamp" | "google.protobuf.Timestamp" => Self::Timestamp,
            IP | CIDR => Self::Opaque(name.into(), [].into()),
            _ => return None,
        })
    }

    /// Reads a type as CEL spells it; a single capital letter or `$NAME` is a parameter. O(length).
    ///
    /// ```
    /// use policy_core::cel::Type;
    /// let read = Type::parse("map(string, list(int))").expect("a type");
    /// assert_eq!(read.to_string(), "map(string, list(int))");
    /// assert!(Type::parse("map(string").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_with(text, &|_| None)
    }

    /// The same with further names.
    pub(crate) fn parse_with(text: &str, named: &dyn Fn(&str) -> Option<Self>) -> Option<Self> {
        // Spellings come from declarations; the bound keeps the recursion small for any other text.
        if text.len() > 256 {
            return None;
        }
        let (_, parsed) = all_consuming(spelling).parse(text).ok()?;
        parsed.resolve(named)
    }
}

/// A type as written: a name and its parameters.
struct WrittenType<'a> {
    name: &'a str,
    parameters: Vec<WrittenType<'a>>,
}

fn spelling(text: &str) -> IResult<&str, WrittenType<'_>> {
    let name = take_while1(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'));
    let comma = delimited(multispace0, tag(","), multispace0);
    let parameters =
        delimited(pair(tag("("), multispace0), separated_list1(comma, spelling), pair(multispace0, tag(")")));
    map(pair(name, opt(parameters)), |(name, of)| WrittenType { name, parameters: of.unwrap_or_default() })
        .parse(text)
}

impl WrittenType<'_> {
    fn resolve(self, named: &dyn Fn(&str) -> Option<Type>) -> Option<Type> {
        let name = self.name;
        let mut of = Vec::with_capacity(self.parameters.len());
        for parameter in self.parameters {
            of.push(parameter.resolve(named)?);
        }
        if of.is_empty() {
            let letter = name.strip_prefix('$').or((name.len() == 1).then_some(name));
            if let Some(letter) =
                letter.and_then(|letter| letter.bytes().next()).filter(u8::is_ascii_uppercase)
            {
                return Some(Type::Param(u32::from(letter)));
            }
            let bare = || match name {
                "list" => Some(Type::list(Type::Dyn)),
                "map" => Some(Type::map(Type::Dyn, Type::Dyn)),
                "type" => Some(Type::type_of(Type::Dyn)),
                OPTIONAL => Some(Type::optional(Type::Dyn)),
                _ => None,
            };
            return Type::from_name(name).or_else(|| named(name)).or_else(bare);
        }
        let mut parameters = of.clone().into_iter();
        match (name, parameters.next(), parameters.next(), of.len()) {
            ("list", Some(item), None, 1) => Some(Type::list(item)),
            ("map", Some(key), Some(value), 2) => Some(Type::map(key, value)),
            ("type", Some(of), None, 1) => Some(Type::type_of(of)),
            ("list" | "map" | "type", ..) => None,
            _ => Some(Type::Opaque(name.into(), of.into())),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(of) => write!(f, "map({}, {})", of.0, of.1),
            Self::Type(of) => write!(f, "type({of})"),
            Self::Opaque(name, of) if of.is_empty() => f.write_str(name),
            Self::Opaque(name, of) => {
                write!(f, "{name}(")?;
                for (index, parameter) in of.iter().enumerate() {
                    write!(f, "{}{parameter}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Self::Object(object) if object.text => f.write_str("string"),
            Self::Object(object) => write!(f, "object {}", object.name),
            // As people write them; the full names are for `type(…)`.
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            other => f.write_str(other.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_and_print() {
        for text in [
            "int",
            "list(list(dyn))",
            "map(string, bool)",
            "optional_type(int)",
            "net.IP",
            "tuple(int, uint)",
        ] {
            assert_eq!(Type::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Type::parse("google.protobuf.Timestamp"), Some(Type::Timestamp));
        assert_eq!(Type::parse("list($T)"), Some(Type::list(Type::Param(84))));
        for bad in ["", "list(", "list(int, int)", "map(int)", "no-type", "unknown"] {
            assert_eq!(Type::parse(bad), None, "{bad}");
        }
    }
}
