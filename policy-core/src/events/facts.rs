//! What an event knows of its connection, as a policy reads it.

use std::net::IpAddr;

use super::{Event, Text};
use crate::cel::{Borrowed, Fact, Value};
use crate::facts::{FactProvider, GivenFacts};
use crate::message::Part;
use crate::vocabulary::tag;

/// The facts of an event: those that it has, and no others.
#[derive(Debug)]
pub struct EventFacts<'e> {
    server_ip: Option<IpAddr>,
    client_port: Option<u16>,
    server_port: Option<u16>,
    server_name: Option<Value>,
    /// What was given for all events, and what this one knows of places.
    given: &'e GivenFacts,
    places: GivenFacts,
}

/// The beginning of the facts about places.
const GEO: &str = "conn.geo.";

impl<'e> EventFacts<'e> {
    /// The facts of an event that policies with these needs may read; those that are given count first.
    #[must_use]
    pub fn new(event: &Event<'_>, needs: &[Fact], given: &'e GivenFacts) -> Self {
        let name = event.fields.server_name.and_then(Text::get);
        Self {
            server_ip: event.server_ip,
            client_port: event.client_port,
            server_port: event.server_port,
            server_name: name.map(|name| Value::text(&*name)),
            given,
            places: event.fields.geo.map(|raw| places(raw, needs)).unwrap_or_default(),
        }
    }

    /// True for facts of a request that no event has: its version and its trailers.
    #[must_use]
    pub fn never_has(fact: Fact) -> bool {
        matches!(tag::part(fact.tag), Some(Part::Version | Part::RequestTrailers))
    }
}

/// What is known of places of the facts that are needed.
fn places(raw: &str, needs: &[Fact]) -> GivenFacts {
    let mut given = GivenFacts::default();
    let wanted = || needs.iter().filter_map(|fact| Some((fact, fact.path().strip_prefix(GEO)?)));
    if wanted().next().is_none() {
        return given;
    }
    let Ok(known) = serde_json::from_str::<serde_json::Value>(raw) else { return given };
    for (fact, name) in wanted() {
        let value = name.split('.').try_fold(&known, |value, key| value.get(key));
        let text = match value {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_))) => value.to_string(),
            _ => continue,
        };
        // One that is no value of the fact is not known.
        let _ = given.set(fact.path(), &text);
    }
    given
}

impl FactProvider for EventFacts<'_> {
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        if let Some(value) = self.given.get(fact).or_else(|| self.places.get(fact)) {
            return Some(Borrowed::Value(value));
        }
        match fact.tag {
            tag::CLIENT_PORT => self.client_port.map(|port| Borrowed::Int(port.into())),
            tag::SERVER_IP => self.server_ip.map(Borrowed::address),
            tag::SERVER_PORT => self.server_port.map(|port| Borrowed::Int(port.into())),
            tag::ENDPOINT_HOST => self.server_name.as_ref().map(Borrowed::Value),
            _ => None,
        }
    }
}
