//! Lists in pages: `before_id` and `limit`, newest first.

use std::fmt;
use std::str::FromStr;

use hyper::StatusCode;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Answer, Call, Fault};

/// Objects of a page, also where a client asks for more.
const MOST: usize = 100;

/// What part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page<Id> {
    pub(super) before: Option<Id>,
    limit: usize,
}

impl<Id: FromStr<Err: fmt::Display>> Page<Id> {
    pub(super) fn of(call: &Call) -> Result<Self, Fault> {
        let mut page = Self { before: None, limit: MOST };
        let bad = |message| Err(Fault::new(StatusCode::BAD_REQUEST, message));
        let pairs = call.query.iter().flat_map(|query| query.split('&'));
        for (key, value) in
            pairs.filter_map(|pair| pair.split_once('=')).filter(|(_, value)| !value.is_empty())
        {
            match key {
                "before_id" => match value.parse() {
                    Ok(id) => page.before = Some(id),
                    Err(error) => return bad(format!("`before_id` is {error}")),
                },
                "limit" => match value.parse::<usize>() {
                    Ok(limit) if limit > 0 => page.limit = limit.min(MOST),
                    _ => return bad("`limit` is a number from 1 to 100".to_owned()),
                },
                "filter" => {
                    let message = "`filter` is not supported yet; leave it out and filter the answer";
                    return Err(Fault::new(StatusCode::BAD_REQUEST, message).coded(250));
                }
                _ => {}
            }
        }
        Ok(page)
    }

    /// How many to fetch: one more than are shown tells whether there is a next page.
    pub(super) fn to_fetch(&self) -> usize {
        self.limit + 1
    }

    /// The answer with what was fetched.
    pub(super) fn answer<T: Serialize>(
        &self,
        call: &Call,
        collection: &'static str,
        mut items: Vec<T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<Answer, Fault> {
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let uri = format!("{}/{collection}", call.base);
        let last = items.last().filter(|_| more).map(id);
        let next_page_uri = last.map(|last| format!("{uri}?before_id={last}&limit={}", self.limit));
        Answer::json(StatusCode::OK, &List { collection, items, uri, next_page_uri })
    }
}

/// The name of the collection is a key of the object.
struct List<T> {
    collection: &'static str,
    items: Vec<T>,
    uri: String,
    next_page_uri: Option<String>,
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(self.collection, &self.items)?;
        map.serialize_entry("uri", &self.uri)?;
        map.serialize_entry("next_page_uri", &self.next_page_uri)?;
        map.end()
    }
}
