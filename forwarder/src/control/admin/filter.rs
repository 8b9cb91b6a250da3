//! `filter` of lists: a CEL expression over the item as `obj`, run by the engine that runs the conditions of policies.
//!
//! Each field is declared with its type, so a misspelt name or a wrong comparison is an error whatever the list
//! holds. The work of one call is bounded for all its items together.
//!
//! Source: ngrok documentation, API filtering (2026-08-07).

use hyper::StatusCode;
use jiff::Timestamp;
use policy_core::cel::{self, CelLimits, Env, EvalLimits, Expression, Fact, Host, Type, Value};
use policy_core::diagnostic::Severity;
use policy_core::ngrok::ERR_NGROK_250;
use policy_core::source::Span;
use serde::Serialize;
use serde_json::Value as Json;

use super::answer::Fault;

/// Bytes of an expression.
const MAX_BYTES: usize = 4 << 10;
/// Steps for all items of one call: fifty for each of the most credentials that it keeps.
const MAX_STEPS: u64 = 5_000_000;

/// What a field of an item holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    Text,
    Time,
    Flag,
    Number,
    Texts,
    /// An object with `id` and `uri`.
    Ref,
    /// Such a value, or null where there is none.
    Maybe(&'static FieldKind),
}

/// The fields of an item, by name.
pub(super) type Fields = &'static [(&'static str, FieldKind)];

/// The type of a field in a [`view!`].
pub(super) trait FieldType {
    /// What such a field holds.
    const KIND: FieldKind;
}

macro_rules! field_types {
    ($($type:ty: $kind:ident),*) => {$(
        impl FieldType for $type {
            const KIND: FieldKind = FieldKind::$kind;
        }
    )*};
}

field_types!(String: Text, Timestamp: Time, bool: Flag, u16: Number, Vec<String>: Texts);

impl<T: FieldType> FieldType for Option<T> {
    const KIND: FieldKind = FieldKind::Maybe(&T::KIND);
}

/// An item of a list.
pub(super) trait Filterable {
    /// What the list may be filtered by.
    const FIELDS: Fields;
}

/// The name of a field as it is shown, without the `r#` of one that is a word of Rust.
pub(super) const fn shown_name(field: &'static str) -> &'static str {
    let [b'r', b'#', name @ ..] = field.as_bytes() else { return field };
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => field,
    }
}

/// Declares an object as the API shows it: its fields are what lists of it may be filtered by, but for those after `and`.
macro_rules! view {
    (
        $(#[$about:meta])*
        $visible:vis struct $name:ident {
            $($(#[$doc:meta])* $shown:vis $field:ident: $type:ty,)*
        }
        $(and {
            $($(#[$other_doc:meta])* $other_shown:vis $other:ident: $other_type:ty,)*
        })?
    ) => {
        $(#[$about])*
        $visible struct $name {
            $($(#[$doc])* $shown $field: $type,)*
            $($($(#[$other_doc])* $other_shown $other: $other_type,)*)?
        }

        impl $crate::control::admin::filter::Filterable for $name {
            const FIELDS: $crate::control::admin::filter::Fields = &[$((
                $crate::control::admin::filter::shown_name(stringify!($field)),
                <$type as $crate::control::admin::filter::FieldType>::KIND,
            )),*];
        }
    };
}

pub(super) use view;

impl FieldKind {
    fn to_type(self) -> Type {
        let parsed = |text| Type::parse(text).unwrap_or(Type::Dyn);
        match self {
            Self::Text => Type::String,
            Self::Time => Type::Timestamp,
            Self::Flag => Type::Bool,
            Self::Number => Type::Int,
            Self::Texts => parsed("list(string)"),
            Self::Ref => parsed("map(string, string)"),
            Self::Maybe(_) => Type::Dyn,
        }
    }
}

/// A filter, and what it may still cost.
#[derive(Debug)]
pub(super) struct Filter {
    expression: Expression,
    fields: Fields,
    now: Value,
    steps: u64,
}

impl Filter {
    /// Reads and checks an expression.
    pub(super) fn parse(text: &str, fields: Fields, now: Timestamp) -> Result<Self, Fault> {
        let mut env = Env::standard();
        env.declare("time.now", Type::Timestamp);
        for (name, kind) in fields {
            env.declare(&format!("obj.{name}"), kind.to_type());
        }
        let mut limits = CelLimits::default();
        limits.bytes = MAX_BYTES;
        let (expression, found) = env.check_within(text, &limits);
        if let Some(error) = found.iter().find(|it| it.severity == Severity::Error) {
            // A field is a name with a dot here, so the engine would complain of `obj`.
            let rest = text.get(error.span.to_range().start..).unwrap_or_default();
            let part = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '.';
            let name: String = rest.chars().take_while(|char| part(*char)).take(64).collect();
            let is_field = fields.iter().any(|(field, _)| name.strip_prefix("obj.") == Some(*field));
            if *error.code == cel::UNDECLARED && name.split('.').next() == Some("obj") && !is_field {
                let known: Vec<_> = fields.iter().map(|(field, _)| format!("`obj.{field}`")).collect();
                let message = format!("unknown field `{name}`; the fields are {}", known.join(", "));
                return Err(refuse(text, error.span, message));
            }
            let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
            return Err(refuse(text, error.span, format!("{}{help}", error.message)));
        }
        let whole = Span::from_range(0..0);
        let unusable = || refuse(text, whole, "it cannot be read".to_owned());
        let expression = expression.ok_or_else(unusable)?;
        match expression.result() {
            Type::Bool | Type::Dyn => {
                let now = to_time(now).ok_or_else(unusable)?;
                Ok(Self { expression, fields, now, steps: MAX_STEPS })
            }
            other => Err(refuse(text, whole, format!("it gives {other}, not true or false"))),
        }
    }

    /// Whether an item stays in the list.
    pub(super) fn keeps(&mut self, item: &impl Serialize, id: &str) -> Result<bool, Fault> {
        let json = serde_json::to_value(item).map_err(|error| Fault::internal(&error))?;
        let text = self.expression.text();
        let mut limits = EvalLimits::default();
        limits.steps = self.steps;
        let mut host = Item { json: &json, fields: self.fields, now: &self.now };
        let value = self.expression.evaluate_from(&mut host, &mut limits);
        self.steps = limits.steps;
        match value {
            Ok(Value::Bool(keeps)) => Ok(keeps),
            Ok(other) => {
                let message = format!("it gives {} for `{id}`, not true or false", other.type_name());
                Err(refuse(text, Span::from_range(0..0), message))
            }
            Err(error) if self.steps == 0 => {
                let message = "all items together take more steps than one call may; narrow it".to_owned();
                Err(refuse(text, error.span, message))
            }
            Err(error) => Err(refuse(text, error.span, format!("{error} for `{id}`"))),
        }
    }
}

/// What is wrong, and where in the expression.
fn refuse(text: &str, span: Span, message: String) -> Fault {
    let range = span.to_range();
    let before = text.get(..range.start).map_or(0, |before| before.chars().count());
    let message = format!("`filter`, character {}: {message}", before + 1);
    Fault::new(StatusCode::BAD_REQUEST, message).coded(ERR_NGROK_250)
}

fn to_time(time: Timestamp) -> Option<Value> {
    let nanos = time.subsec_nanosecond();
    // A time before 1970 has a part of a second that is negative.
    let (seconds, nanos) = match nanos < 0 {
        true => (time.as_second() - 1, nanos + 1_000_000_000),
        false => (time.as_second(), nanos),
    };
    cel::Timestamp::new(seconds, u32::try_from(nanos).ok()?).map(Value::Timestamp)
}

/// An item, as an expression reads it.
struct Item<'i> {
    json: &'i Json,
    fields: Fields,
    now: &'i Value,
}

impl Host for Item<'_> {
    fn fact(&self, fact: Fact) -> Result<Value, cel::Fault> {
        Err(cel::Fault::NoSource(fact))
    }

    fn variable(&self, name: &str) -> Result<Value, cel::Fault> {
        if name == "time.now" {
            return Ok(self.now.clone());
        }
        let unknown = || cel::Fault::UnknownName(name.into());
        let field = name.strip_prefix("obj.").ok_or_else(unknown)?;
        let (_, kind) = self.fields.iter().find(|(known, _)| *known == field).ok_or_else(unknown)?;
        let kind = if let FieldKind::Maybe(kind) = kind { *kind } else { kind };
        match (kind, self.json.get(field)) {
            (_, None | Some(Json::Null)) => Ok(Value::Null),
            (FieldKind::Time, Some(Json::String(text))) => time_of(text).ok_or_else(unknown),
            (_, Some(Json::String(text))) => Ok(Value::text(text.as_str())),
            (_, Some(Json::Bool(flag))) => Ok(Value::Bool(*flag)),
            (FieldKind::Number, Some(number)) => number.as_i64().map(Value::Int).ok_or_else(unknown),
            (_, Some(other)) => Value::from_json(&other.to_string()),
        }
    }
}

fn time_of(text: &str) -> Option<Value> {
    to_time(text.parse().ok()?)
}
