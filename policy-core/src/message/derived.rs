//! What follows from headers, of a request and of a response alike: all values of one, media types, lengths, cookies by
//! name.

use super::cookies::{MAX_COOKIES, SetCookie};
use super::headers::{EditedHeaders, HeaderEdits};
use super::media_type;
use crate::cel::{Borrowed, Map, TextMap, Value};

/// Nothing was changed.
pub(super) static NO_EDITS: HeaderEdits = HeaderEdits::NONE;

/// Every value of a header.
pub(super) fn values<'h>(headers: &'h EditedHeaders<'_>, name: &'h str) -> impl Iterator<Item = &'h str> {
    (0..headers.count(name).unwrap_or(0)).filter_map(move |at| headers.get(name, at))
}

/// Cookies by name, each name with its cookies in order; none if there are too many: a policy must not decide without some.
pub(super) fn by_name<'h>(all: impl Iterator<Item = SetCookie<'h>>) -> Option<Value> {
    let mut names: Vec<(&str, Vec<Value>)> = Vec::new();
    for (count, cookie) in all.enumerate() {
        if count >= MAX_COOKIES {
            return None;
        }
        match names.iter_mut().find(|(name, _)| *name == cookie.name) {
            Some((_, values)) => values.push(cookie.to_value()),
            None => names.push((cookie.name, vec![cookie.to_value()])),
        }
    }
    Some(Map::from_texts(names.into_iter().map(|(name, values)| (name, Value::list(values)))).into())
}

/// `content-length`, if it is a number.
pub(super) fn length(headers: &EditedHeaders<'_>) -> Option<i64> {
    headers.get("content-length", 0)?.parse().ok().filter(|length| *length >= 0)
}

/// The media type where it is written in lower case.
pub(super) fn borrow_essence<'b>(headers: &'b EditedHeaders<'_>) -> Option<Borrowed<'b>> {
    let essence = media_type::essence(headers.get("content-type", 0).unwrap_or_default());
    (!essence.contains(|c: char| c.is_ascii_uppercase())).then_some(Borrowed::Text(essence))
}

pub(super) fn essence(headers: &EditedHeaders<'_>) -> Value {
    let written = headers.get("content-type", 0).unwrap_or_default();
    Value::text(media_type::essence(written).to_ascii_lowercase())
}

pub(super) fn type_parameters(headers: &EditedHeaders<'_>) -> Value {
    let written = headers.get("content-type", 0).unwrap_or_default();
    let all = media_type::parameters(written).into_iter().map(|(name, value)| (name, Value::text(value)));
    Map::from_texts(all).into()
}

pub(super) fn encodings(headers: &EditedHeaders<'_>) -> Value {
    let all = values(headers, "content-encoding").flat_map(media_type::items);
    Value::list(all.map(|item| Value::text(item.to_ascii_lowercase())).collect())
}

pub(super) fn trailers(trailers: Option<&dyn TextMap>) -> Value {
    trailers.map_or_else(|| Map::default().into(), |trailers| Borrowed::Texts(trailers).to_value())
}
