//! Lists in pages: `before_id`, `limit` and `filter`, newest first.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::answer::{Answer, Fault};
use super::call::Call;
use super::filter::{Fields, Filter};

/// Objects of a page, also where a client asks for more.
const MAX: usize = 100;
/// Objects that are fetched at once to be filtered.
const FILTERED: usize = 500;

/// A list: the path of its collection, the key of its items in the answer, and the fields that filters know.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) path: &'static str,
    pub(super) key: &'static str,
    pub(super) fields: Fields,
}

/// What part of a list is asked for.
#[derive(Debug)]
struct Page<Id> {
    before: Option<Id>,
    limit: usize,
    filter: Option<(String, Filter)>,
}

impl<Id: FromStr<Err: fmt::Display>> Page<Id> {
    fn from_call(call: &Call, list: List) -> Result<Self, Fault> {
        let mut page = Self { before: None, limit: MAX, filter: None };
        let bad = |message: &str| Fault::new(StatusCode::BAD_REQUEST, message);
        for (key, value) in pairs(call).filter(|(_, value)| !value.is_empty()) {
            let value = decode(value).ok_or_else(|| bad("the query is not percent-encoded"))?;
            match key {
                "before_id" => match value.parse() {
                    Ok(id) => page.before = Some(id),
                    Err(error) => return Err(bad(&format!("`before_id` is {error}"))),
                },
                "limit" => match value.parse::<usize>() {
                    Ok(limit) if limit > 0 => page.limit = limit.min(MAX),
                    _ => return Err(bad("`limit` is a number from 1 to 100")),
                },
                "filter" => {
                    let filter = Filter::parse(&value, list.fields, Timestamp::now())?;
                    page.filter = Some((value, filter));
                }
                _ => {}
            }
        }
        Ok(page)
    }
}

impl List {
    /// One page. `fetch` gives so many items that are older than an id, newest first.
    pub(super) fn answer<Id: FromStr<Err: fmt::Display>, T: Serialize>(
        self,
        call: &Call,
        id: impl Fn(&T) -> &str,
        fetch: impl Fn(Option<&Id>, usize) -> Vec<T>,
    ) -> Result<Answer, Fault> {
        let Page { before, limit, mut filter } = Page::<Id>::from_call(call, self)?;
        let Some((_, filter_of)) = &mut filter else {
            // One more than is shown tells whether there is a next page.
            let items = fetch(before.as_ref(), limit + 1);
            return self.page(call, items, limit, "", id);
        };
        let (mut items, mut before) = (Vec::new(), before);
        while items.len() <= limit {
            let fetched = fetch(before.as_ref(), FILTERED);
            let last = fetched.len() < FILTERED;
            before = fetched.last().and_then(|item| id(item).parse().ok());
            for item in fetched {
                if filter_of.keeps(&item, id(&item))? {
                    items.push(item);
                }
                if items.len() > limit {
                    break;
                }
            }
            if last || before.is_none() {
                break;
            }
        }
        let again = filter.map(|(text, _)| format!("&filter={}", encode(&text))).unwrap_or_default();
        self.page(call, items, limit, &again, id)
    }

    fn page<T: Serialize>(
        self,
        call: &Call,
        mut items: Vec<T>,
        limit: usize,
        again: &str,
        id: impl Fn(&T) -> &str,
    ) -> Result<Answer, Fault> {
        let more = items.len() > limit;
        items.truncate(limit);
        let uri = format!("{}/{}", call.base, self.path);
        let last = items.last().filter(|_| more).map(id);
        let next_page_uri = last.map(|last| format!("{uri}?before_id={last}&limit={limit}{again}"));
        Answer::json(StatusCode::OK, &ListPage { key: self.key, items, uri, next_page_uri })
    }
}

/// An id of any kind: compared as text, and shown in a URI only after it was found.
struct AnyId(String);

impl FromStr for AnyId {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// One object or a page of them, newest first.
pub(super) fn show<T: Serialize + Clone>(
    call: &Call,
    list: List,
    mut views: Vec<T>,
    wanted: Option<&str>,
    id: impl Fn(&T) -> &str,
) -> Result<Answer, Fault> {
    if let Some(wanted) = wanted {
        let view = views.iter().find(|view| id(view) == wanted);
        return Answer::json(StatusCode::OK, view.ok_or_else(|| Fault::not_found(wanted))?);
    }
    views.sort_unstable_by(|a, b| id(b).cmp(id(a)));
    list.answer(call, &id, |before: Option<&AnyId>, max| {
        let first = before.map_or(0, |before| views.partition_point(|view| *id(view) >= *before.0));
        views.iter().skip(first).take(max).cloned().collect()
    })
}

/// True if a list is to be filtered, which takes a while.
pub(super) fn filters(call: &Call) -> bool {
    pairs(call).any(|(key, value)| key == "filter" && !value.is_empty())
}

fn pairs(call: &Call) -> impl Iterator<Item = (&str, &str)> {
    call.query.iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='))
}

/// Reads a value of a query.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|it| u8::try_from(it).ok());
                (digit()? << 4) | digit()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Writes a value of a query, percent-encoded.
#[must_use]
pub fn encode(text: &str) -> String {
    let part = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(part).collect()
}

/// The name of the list is a key of the object.
struct ListPage<T> {
    key: &'static str,
    items: Vec<T>,
    uri: String,
    next_page_uri: Option<String>,
}

impl<T: Serialize> Serialize for ListPage<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(self.key, &self.items)?;
        map.serialize_entry("uri", &self.uri)?;
        map.serialize_entry("next_page_uri", &self.next_page_uri)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_queries_go_both_ways() {
        for text in ["", "a b", "obj.name == \"ä+%\" && true", "\u{0}~"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(decode("a+b%20c%2B").as_deref(), Some("a b c+"));
        for wrong in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
