//! Where tests take their operands from: facts, entries of facts, the item of a loop.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::given::Given;
use super::literals::{Literals, TextLiteral};
use crate::cel::values::fact::Fact;
use crate::cel::values::host::{Borrowed, Host, TextMap};
use crate::cel::values::value::{Map, Value};
use crate::lpm::AddressSet;

/// A text.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Literal(Arc<str>),
    Fact(Fact),
    /// The item of the loop around it.
    Item,
    /// An item of a list, by its position.
    At(List, usize),
}

/// A list of texts.
#[derive(Clone, Debug)]
pub(crate) enum List {
    Literal(Arc<[Value]>),
    Fact(Fact),
    /// The list under a key of a map; without the key nothing is known.
    Entry {
        map: Fact,
        key: Arc<str>,
    },
    /// The same; without the key it is empty.
    EntryOrEmpty {
        map: Fact,
        key: Arc<str>,
    },
}

/// What a loop goes over: texts.
#[derive(Clone, Debug)]
pub(crate) enum Over {
    List(List),
    /// The keys of a map.
    Keys(Fact),
}

/// A whole number.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Literal(i64),
    Fact(Fact),
    /// Number of items.
    Length(List),
}

/// A text that is borrowed, or that of an address.
pub(super) enum Found<'g> {
    Text(&'g str),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Found<'_> {
    /// Looks at the text.
    #[inline]
    pub(super) fn with<R>(&self, look: impl FnOnce(&str) -> R) -> R {
        match self {
            Self::Text(text) => look(text),
            Self::V4(address) => with_text(IpAddr::V4(*address), look),
            Self::V6(address) => with_text(IpAddr::V6(*address), look),
        }
    }

    #[inline(always)]
    pub(super) fn equals(&self, literal: &TextLiteral) -> bool {
        match self {
            Self::Text(text) => literal.equals(text.as_bytes()),
            _ => self.with(|text| text == literal.as_str()),
        }
    }

    #[inline(always)]
    pub(super) fn is_one_of(&self, literals: &Literals) -> bool {
        match self {
            Self::Text(text) => literals.contain(text.as_bytes()),
            _ => self.with(|text| literals.contain(text.as_bytes())),
        }
    }

    #[inline(always)]
    pub(super) fn starts_with(&self, literal: &TextLiteral) -> bool {
        match self {
            Self::Text(text) => literal.begins(text.as_bytes()),
            _ => self.with(|text| text.starts_with(literal.as_str())),
        }
    }

    /// Whether it is an address in a set.
    #[inline(always)]
    pub(super) fn is_within(&self, networks: &AddressSet) -> bool {
        match self {
            Self::V4(address) => networks.contains_v4(*address),
            // INVARIANT: hosts give canonical addresses.
            Self::V6(address) => networks.contains_v6(*address),
            Self::Text(text) => is_within(text, networks),
        }
    }
}

#[inline(never)]
fn is_within(text: &str, networks: &AddressSet) -> bool {
    text.parse().is_ok_and(|address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => networks.contains_v4(address),
        IpAddr::V6(address) => networks.contains_v6(address),
    })
}

/// The text of a fact.
#[inline(always)]
pub(super) fn text_of<H: Host>(host: &H, fact: Fact) -> Option<Found<'_>> {
    match host.borrow(fact)? {
        Borrowed::Text(text) => Some(Found::Text(text)),
        Borrowed::V4(address) => Some(Found::V4(address)),
        Borrowed::V6(address) => Some(Found::V6(address)),
        Borrowed::Value(Value::String(text)) => Some(Found::Text(text)),
        _ => None,
    }
}

/// The number that a fact is.
#[inline(always)]
pub(super) fn number_of<H: Host>(host: &H, fact: Fact) -> Option<i64> {
    match host.borrow(fact)? {
        Borrowed::Int(number) => Some(number),
        Borrowed::Value(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

/// The longest text of an address: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`.
const MAX_ADDRESS: usize = 45;

/// Writes an address into a buffer of its own.
#[inline(never)]
fn with_text<R>(address: IpAddr, look: impl FnOnce(&str) -> R) -> R {
    struct Buffer {
        bytes: [u8; MAX_ADDRESS],
        used: usize,
    }
    impl std::fmt::Write for Buffer {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let end = self.used + text.len();
            self.bytes.get_mut(self.used..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
            self.used = end;
            Ok(())
        }
    }
    let mut buffer = Buffer { bytes: [0; MAX_ADDRESS], used: 0 };
    // INVARIANT: the buffer has room for every address.
    let _ = write!(buffer, "{address}");
    let text = buffer.bytes.get(..buffer.used).unwrap_or_default();
    look(std::str::from_utf8(text).unwrap_or_default())
}

impl Text {
    pub(super) fn find<'g, H: Host>(&'g self, given: &'g Given<'g, H>) -> Option<Found<'g>> {
        match self {
            Self::Literal(text) => Some(Found::Text(text)),
            Self::Fact(fact) => text_of(given.host, *fact),
            Self::Item => given.item.map(Found::Text),
            Self::At(list, at) => list.find(given)?.text(*at).map(Found::Text),
        }
    }
}

impl List {
    #[inline]
    pub(super) fn find<'g, H: Host>(&'g self, given: &'g Given<'g, H>) -> Option<Items<'g>> {
        let (map, key, or_empty) = match self {
            Self::Literal(items) => return Some(Items::Values(items)),
            Self::Fact(fact) => return items(given.host.borrow(*fact)?),
            Self::Entry { map, key } => (*map, key, false),
            Self::EntryOrEmpty { map, key } => (*map, key, true),
        };
        match entry(given.host.borrow(map)?, key)? {
            MapValue::Values(items) => Some(Items::Values(items)),
            MapValue::Texts(map, count) => Some(Items::Texts { map, name: key, count }),
            MapValue::Other => None,
            MapValue::Absent => or_empty.then_some(Items::Values(&[])),
        }
    }
}

impl Number {
    pub(super) fn find<H: Host>(&self, given: &Given<'_, H>) -> Option<i64> {
        match self {
            Self::Literal(number) => Some(*number),
            Self::Fact(fact) => number_of(given.host, *fact),
            Self::Length(list) => i64::try_from(list.find(given)?.len()).ok(),
        }
    }
}

/// A list, where its host has it.
#[derive(Clone, Copy)]
pub(super) enum Items<'g> {
    Values(&'g [Value]),
    /// The texts of a name.
    Texts {
        map: &'g dyn TextMap,
        name: &'g str,
        count: usize,
    },
}

impl<'g> Items<'g> {
    #[inline]
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Values(items) => items.len(),
            Self::Texts { count, .. } => *count,
        }
    }

    /// An item; nothing if there is none, or it is no text.
    #[inline]
    pub(super) fn text(&self, at: usize) -> Option<&'g str> {
        match self {
            Self::Values(items) => match items.get(at)? {
                Value::String(text) => Some(text),
                _ => None,
            },
            Self::Texts { map, name, count } => map.get(name, at).filter(|_| at < *count),
        }
    }
}

fn items(borrowed: Borrowed<'_>) -> Option<Items<'_>> {
    match borrowed {
        Borrowed::Value(Value::List(items)) => Some(Items::Values(items)),
        _ => None,
    }
}

/// What stands under a key.
pub(super) enum MapValue<'h> {
    Absent,
    Values(&'h [Value]),
    Texts(&'h dyn TextMap, usize),
    /// Something else than a list.
    Other,
}

/// What stands under a key; nothing at all if it is no map.
#[inline]
pub(super) fn entry<'h>(borrowed: Borrowed<'h>, key: &Arc<str>) -> Option<MapValue<'h>> {
    match borrowed {
        Borrowed::Value(Value::Map(map)) => Some(match Map::get_text(map, key) {
            Some(Value::List(items)) => MapValue::Values(items),
            Some(_) => MapValue::Other,
            None => MapValue::Absent,
        }),
        Borrowed::Texts(map) => {
            Some(map.count(key).map_or(MapValue::Absent, |count| MapValue::Texts(map, count)))
        }
        _ => None,
    }
}

/// Goes over the keys of a map, some of them perhaps twice, until `each` has seen enough; nothing at all if it is no map
/// of texts.
pub(super) fn each_key<'h>(
    borrowed: Borrowed<'h>,
    each: &mut dyn FnMut(&'h str) -> ControlFlow<()>,
) -> Option<()> {
    match borrowed {
        Borrowed::Value(Value::Map(map)) => {
            for (key, _) in map.iter() {
                let Value::String(key) = key else { return None };
                if each(key).is_break() {
                    break;
                }
            }
        }
        Borrowed::Texts(map) => {
            let _ = map.each_name(each);
        }
        _ => return None,
    }
    Some(())
}
