//! Where records have what: names of MaxMind, nested, and the flat ones of others.
//!
//! Source: MaxMind, GeoIP2 databases; IPinfo, Lite and standard databases; sapics/ip-location-db; DB-IP, lite databases
//! (2026-11).

use std::fmt;

use policy_core::cel::Value;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A kind of fact, and where it stands.
pub(super) struct Kind {
    /// The facts, behind `conn.`; those of `client_ip` are facts of `server_ip` too.
    pub(super) facts: &'static [&'static str],
    /// Where a record may have it; the first that is there counts.
    pub(super) places: &'static [Place],
}

/// A place in a record.
pub(super) struct Place {
    path: &'static [Step],
    form: Form,
}

enum Step {
    Key(&'static str),
    First,
}

/// What is taken from a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Any text or number, as text.
    Text,
    /// A text that is no code of a country or continent.
    Name,
    /// A code of two letters.
    Code,
    /// `true` or `false`.
    Bool,
    /// A number, perhaps with `AS` before it.
    Number,
}

macro_rules! at {
    ($form:ident: $($step:tt).+) => {
        Place { path: &[$(step!($step)),+], form: Form::$form }
    };
}

macro_rules! step {
    (0) => {
        Step::First
    };
    ($key:ident) => {
        Step::Key(stringify!($key))
    };
}

/// All kinds.
pub(super) static KINDS: &[Kind] = &[
    Kind {
        facts: &["geo.city", "client_ip.geo.location.city"],
        places: &[at!(Text: city.names.en), at!(Text: city)],
    },
    Kind {
        facts: &["client_ip.geo.location.continent"],
        places: &[at!(Text: continent.names.en), at!(Text: continent_name), at!(Name: continent)],
    },
    Kind {
        facts: &["geo.country", "client_ip.geo.location.country"],
        places: &[at!(Text: country.names.en), at!(Text: country_name), at!(Name: country)],
    },
    Kind {
        facts: &["geo.country_code", "client_ip.geo.location.country_code"],
        places: &[at!(Code: country.iso_code), at!(Code: country_code), at!(Code: country)],
    },
    Kind { facts: &["client_ip.geo.location.is_eu"], places: &[at!(Bool: country.is_in_european_union)] },
    Kind {
        facts: &["geo.latitude", "client_ip.geo.location.latitude"],
        places: &[at!(Text: location.latitude), at!(Text: latitude), at!(Text: lat)],
    },
    Kind {
        facts: &["geo.longitude", "client_ip.geo.location.longitude"],
        places: &[at!(Text: location.longitude), at!(Text: longitude), at!(Text: lng)],
    },
    Kind {
        facts: &["geo.radius", "client_ip.geo.location.radius"],
        places: &[at!(Text: location.accuracy_radius), at!(Text: radius)],
    },
    Kind {
        facts: &["geo.subdivision", "client_ip.geo.location.subdivision"],
        places: &[at!(Text: subdivisions.0.names.en), at!(Text: region), at!(Text: state1)],
    },
    Kind { facts: &["client_ip.geo.location.metro_code"], places: &[at!(Text: location.metro_code)] },
    Kind {
        facts: &["client_ip.geo.location.postal_code"],
        places: &[at!(Text: postal.code), at!(Text: postal_code), at!(Text: postcode)],
    },
    Kind {
        facts: &["client_ip.geo.location.timezone"],
        places: &[at!(Text: location.time_zone), at!(Text: timezone)],
    },
    Kind {
        facts: &["client_ip.geo.registered_location.country"],
        places: &[at!(Text: registered_country.names.en)],
    },
    Kind {
        facts: &["client_ip.geo.registered_location.country_code"],
        places: &[at!(Code: registered_country.iso_code)],
    },
    Kind {
        facts: &["client_ip.geo.registered_location.is_eu"],
        places: &[at!(Bool: registered_country.is_in_european_union)],
    },
    Kind {
        facts: &["client_ip.as.number"],
        places: &[
            at!(Number: autonomous_system_number),
            at!(Number: traits.autonomous_system_number),
            at!(Number: asn),
        ],
    },
    Kind {
        facts: &["client_ip.as.organization"],
        places: &[
            at!(Text: autonomous_system_organization),
            at!(Text: traits.autonomous_system_organization),
            at!(Text: as_name),
        ],
    },
];

impl Kind {
    /// What the fact is for an address of which nothing is known.
    pub(super) fn nothing(&self) -> Value {
        match self.places.first().map(|place| place.form) {
            Some(Form::Bool) => Value::Bool(false),
            Some(Form::Number) => Value::Int(0),
            Some(Form::Text | Form::Name | Form::Code) | None => Value::text(""),
        }
    }
}

impl Kind {
    /// The fact in a record.
    pub(super) fn value(&self, record: &Part) -> Option<Value> {
        self.places.iter().find_map(|place| place.value(record.at(place.path)?))
    }
}

impl Place {
    /// What stands there as a fact, if it is of this form.
    fn value(&self, part: &Part) -> Option<Value> {
        let is_code = |text: &str| text.len() == 2 && text.bytes().all(|c| c.is_ascii_alphabetic());
        match (self.form, part) {
            (_, Part::Text(text)) if text.is_empty() => None,
            (Form::Text, Part::Text(text) | Part::Float(text)) => Some(Value::text(text.as_str())),
            (Form::Text, Part::Number(number)) => Some(Value::text(number.to_string())),
            (Form::Name, Part::Text(text)) if !is_code(text) => Some(Value::text(text.as_str())),
            (Form::Code, Part::Text(text)) if is_code(text) => Some(Value::text(text.to_ascii_uppercase())),
            (Form::Bool, Part::Bool(value)) => Some(Value::Bool(*value)),
            (Form::Number, Part::Number(number)) => Some(Value::Int(*number)),
            (Form::Number, Part::Text(text)) => {
                let digits = text.strip_prefix("AS").unwrap_or(text);
                digits.parse().ok().filter(|number| *number >= 0).map(Value::Int)
            }
            _ => None,
        }
    }
}

/// A part of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(String),
    Number(i64),
    /// As it is written.
    Float(String),
    Bool(bool),
    /// The entries that are looked for.
    Map(Vec<(String, Part)>),
    /// A list, of which the first item is looked for.
    List(Option<Box<Part>>),
    /// Anything else.
    Other,
}

impl Part {
    fn at(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |part, step| match (part, step) {
            (Self::Map(entries), Step::Key(key)) => {
                entries.iter().find(|(known, _)| known == key).map(|(_, part)| part)
            }
            (Self::List(first), Step::First) => first.as_deref(),
            _ => None,
        })
    }
}

/// Maps and lists inside one another that are looked at.
const MAX_DEPTH: u8 = 5;
/// Bytes of a text; longer ones are no names.
const MAX_TEXT: usize = 1_024;

/// Reads a part at a depth.
#[derive(Clone, Copy)]
struct AtDepth(u8);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AtDepth(0).deserialize(deserializer)
    }
}

impl<'de> DeserializeSeed<'de> for AtDepth {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        if self.0 >= MAX_DEPTH {
            return IgnoredAny::deserialize(deserializer).map(|_| Part::Other);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AtDepth {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Part, E> {
        Ok(if text.len() > MAX_TEXT { Part::Other } else { Part::Text(text.to_owned()) })
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Part, E> {
        Ok(Part::Other)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
        Ok(Part::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Part, E> {
        Ok(Part::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Part, E> {
        Ok(i64::try_from(number).map_or(Part::Other, Part::Number))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Part, E> {
        Ok(i64::try_from(number).map_or(Part::Other, Part::Number))
    }

    fn visit_f32<E>(self, number: f32) -> Result<Part, E> {
        Ok(Part::Float(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Part, E> {
        Ok(Part::Float(number.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let wanted = steps().any(|step| matches!(step, Step::Key(known) if *known == key));
            if wanted && entries.len() < KINDS.len() * 2 {
                entries.push((key, map.next_value_seed(Self(self.0 + 1))?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Part::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Part, A::Error> {
        let first = list.next_element_seed(Self(self.0 + 1))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Part::List(first.map(Box::new)))
    }
}

/// All steps that lead to facts.
fn steps() -> impl Iterator<Item = &'static Step> {
    KINDS.iter().flat_map(|kind| kind.places).flat_map(|place| place.path)
}
