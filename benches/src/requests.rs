//! Requests with mixed facts, as a server would have them, and as the host of conditions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use policy_core::cel::{Borrowed, Fact, Fault, Host, Map, Value};
use policy_core::variables;

use crate::data::Random;

/// How many requests take turns: so many that no answer is a constant, so few that they stay in the cache.
pub const NUMBER: usize = 256;

/// What a server knows of a request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `req.method`
    pub method: String,
    /// `req.url.path`
    pub path: String,
    /// `conn.geo.country_code`
    pub country: String,
    /// `conn.client_ip`
    pub client_ip: IpAddr,
    /// `conn.client_port`
    pub client_port: u16,
    /// `req.headers`: names in lower case, each with the list of its values.
    pub headers: Value,
}

impl Request {
    /// The headers as texts.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        fn text(value: &Value) -> Option<&str> {
            match value {
                Value::String(text) => Some(text),
                _ => None,
            }
        }
        let map = match &self.headers {
            Value::Map(map) => Some(map.iter()),
            _ => None,
        };
        map.into_iter().flatten().filter_map(move |(name, values)| match values {
            Value::List(values) => Some((text(name)?, values.iter().filter_map(text).collect())),
            _ => None,
        })
    }

    /// The values of a header, which are few: a scan, as fast as any way into so small a map.
    #[must_use]
    pub fn header(&self, name: &str) -> &[Value] {
        let Value::Map(map) = &self.headers else { return &[] };
        let is_it = |key: &Value| matches!(key, Value::String(key) if **key == *name);
        match map.iter().find(|(key, _)| is_it(key)) {
            Some((_, Value::List(values))) => values,
            _ => &[],
        }
    }
}

/// Requests from a seed. Each of the conditions holds for a half to three quarters of them.
#[must_use]
pub fn requests(number: usize) -> Vec<Request> {
    let mut random = Random::new(12);
    (0..number).map(|_| request(&mut random)).collect()
}

fn request(random: &mut Random) -> Request {
    let mut one_of = |texts: &[&'static str]| texts.get(random.below(texts.len())).copied().unwrap_or("");
    let method = one_of(&["POST", "POST", "POST", "POST", "POST", "GET", "PUT", "HEAD"]);
    let country = one_of(&["DE", "FR", "NL", "BE", "DE", "US", "JP", "BR"]);
    let folder =
        one_of(&["/api/v1/", "/api/v2/", "/api/v12/", "/api/", "/api/latest/", "/", "/static/", "/ap"]);
    let page =
        one_of(&["users", "users/17/orders?page=3", "index.html", "", "a/rather/long/path/to/some/thing"]);
    let agent = one_of(&[
        "curl/8.5.0",
        "curl/7.88.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "libcurl-agent/1.0",
        "Go-http-client/2.0",
        "",
    ]);
    let host = one_of(&["example.com", "api.example.com", "www.example.org"]);
    let headers = [
        ("host", host),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("user-agent", agent),
        ("content-type", "application/json"),
        ("x-request-id", "5f0c4e5e"),
        ("cache-control", "no-cache"),
        ("cookie", "session=0"),
    ];
    // A list without values stands for a header that is not there: the peers would fail at a missing key.
    let values = |text: &str| if text.is_empty() { Vec::new() } else { vec![Value::text(text)] };
    let headers = headers.map(|(name, text)| (name, Value::list(values(text))));
    let bits = random.wide();
    let client_ip = match random.below(8) {
        0 => IpAddr::V6(Ipv6Addr::from(0x2001_0db8_u128 << 96 | bits >> 32)),
        1 | 2 => IpAddr::V4(Ipv4Addr::from(u32::try_from(bits >> 96).unwrap_or(0))),
        _ => IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | u32::try_from(bits >> 104).unwrap_or(0))),
    };
    Request {
        method: method.to_owned(),
        path: format!("{folder}{page}"),
        country: country.to_owned(),
        client_ip,
        client_port: u16::try_from(bits & 0xffff).unwrap_or(0),
        headers: Value::Map(Arc::new(Map::from_texts(headers))),
    }
}

/// Where a fact is found in a request.
#[derive(Clone, Copy, Debug)]
enum Field {
    Method,
    Path,
    Country,
    ClientIp,
    ClientPort,
    Headers,
    Unknown,
}

/// The fields by the index of the fact.
#[derive(Debug)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// The fields of all facts there are.
    #[must_use]
    pub fn new() -> Self {
        let mut fields = Vec::new();
        for fact in variables::facts() {
            if fields.len() <= fact.index() {
                fields.resize(fact.index() + 1, Field::Unknown);
            }
            if let Some(field) = fields.get_mut(fact.index()) {
                *field = match fact.path() {
                    "req.method" => Field::Method,
                    "req.url.path" => Field::Path,
                    "conn.geo.country_code" => Field::Country,
                    "conn.client_ip" => Field::ClientIp,
                    "conn.client_port" => Field::ClientPort,
                    "req.headers" => Field::Headers,
                    _ => Field::Unknown,
                };
            }
        }
        Self(fields)
    }

    /// A request as the host of conditions.
    #[must_use]
    pub const fn host<'r>(&'r self, request: &'r Request) -> Delivery<'r> {
        Delivery { request, fields: self.0.as_slice() }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::new()
    }
}

/// A request that is asked for facts.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'r> {
    request: &'r Request,
    fields: &'r [Field],
}

impl Host for Delivery<'_> {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        self.borrow(fact).map(Borrowed::to_value).ok_or(Fault::NoSource(fact))
    }

    #[inline]
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        match self.fields.get(fact.index())? {
            Field::Method => Some(Borrowed::Text(&self.request.method)),
            Field::Path => Some(Borrowed::Text(&self.request.path)),
            Field::Country => Some(Borrowed::Text(&self.request.country)),
            Field::ClientIp => Some(Borrowed::address(self.request.client_ip)),
            Field::ClientPort => Some(Borrowed::Int(self.request.client_port.into())),
            Field::Headers => Some(Borrowed::Value(&self.request.headers)),
            Field::Unknown => None,
        }
    }
}
