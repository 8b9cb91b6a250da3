//! Facts: what a host knows about a connection when it asks for a decision.
//!
//! Facts know presence. A fact without a source is an error when it is read, never an empty text, and a
//! program says beforehand which facts it reads ([`crate::compile::Program::needs`]).

mod given;
mod state;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub(crate) use self::given::Given;
pub use self::given::{GivenError, GivenFacts};
pub use self::state::HIDDEN_SECRET;
pub(crate) use self::state::{MAX_SECRETS, State};
pub use crate::cel::Fact;
use crate::cel::{Borrowed, Fault, Host, Role, Tag, TextMap, Timestamp, Value};
use crate::lpm::Address;
use crate::message::{Changes, Part, RequestFacts, RequestView, ResponseHead, ResponseView};
use crate::url::EndpointUrl;
use crate::vocabulary::tag;

/// What a host knows beyond the connection itself: geography, a request, a response. Its answers are lent, headers as a
/// view ([`crate::cel::TextMap`]), so that a request is not copied to be asked about.
pub trait FactProvider: fmt::Debug + Sync {
    /// A fact; `None` if there is no source for it.
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>>;
}

/// The facts of one connection, borrowed from the host.
///
/// ```
/// use policy_core::facts::Facts;
/// let facts = Facts::new("::ffff:203.0.113.42".parse().expect("an address"));
/// assert_eq!(facts.client_ip().to_string(), "203.0.113.42");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// INVARIANT: canonical, so that no list is slipped past in the clothes of the other family.
    client: Address,
    client_port: Option<u16>,
    server_ip: Option<IpAddr>,
    server_port: Option<u16>,
    endpoint: Option<&'a EndpointUrl>,
    started: Option<Timestamp>,
    now: Option<Timestamp>,
    seed: Option<u64>,
    more: Option<&'a dyn FactProvider>,
    request: Option<&'a RequestFacts<'a>>,
    /// The endpoint is a target: what a host gives about an endpoint is about the one where the connection comes in.
    at_target: bool,
}

/// What a host says of a connection to make a fact known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactSource {
    /// Its addresses: [`Facts::from_connection`].
    Connection,
    /// The URL of the endpoint: [`Facts::at_endpoint`].
    Endpoint,
    /// When it began: [`Facts::started`].
    Start,
    /// What time it is: [`Facts::at_time`].
    Time,
    /// The request: [`Facts::with_request`].
    Request,
    /// The response to it: [`RequestFacts::with_response`](crate::message::RequestFacts::with_response).
    Response,
    /// Nothing: actions of the policy produce it.
    Actions,
    /// What else it knows: [`Facts::with`].
    Provider,
}

impl<'a> Facts<'a> {
    /// Facts of a connection of which only the source address is known.
    #[must_use]
    #[inline]
    pub fn new(client_ip: IpAddr) -> Self {
        Self {
            client: client_ip.into(),
            client_port: None,
            server_ip: None,
            server_port: None,
            endpoint: None,
            started: None,
            now: None,
            seed: None,
            more: None,
            request: None,
            at_target: false,
        }
    }

    /// Facts of an accepted connection.
    #[must_use]
    pub fn from_connection(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client_port: Some(client.port()),
            server_ip: Some(server.ip().to_canonical()),
            server_port: Some(server.port()),
            ..Self::new(client.ip())
        }
    }

    /// The same of a connection from another client.
    pub(crate) fn with_client(mut self, client_ip: IpAddr) -> Self {
        self.client = client_ip.into();
        self
    }

    /// Says at which endpoint the policy runs.
    #[must_use]
    pub const fn at_endpoint(mut self, url: &'a EndpointUrl) -> Self {
        self.endpoint = Some(url);
        self
    }

    /// The facts at a target on the way: what its URL tells of the endpoint counts before what a host gives.
    pub(crate) const fn at_target(mut self, url: &'a EndpointUrl) -> Self {
        self.endpoint = Some(url);
        self.at_target = true;
        self
    }

    /// Says when the connection began.
    #[must_use]
    pub const fn started(mut self, at: Timestamp) -> Self {
        self.started = Some(at);
        self
    }

    /// Says what time it is.
    #[must_use]
    pub const fn at_time(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// What time it is, if the host says so.
    pub(crate) const fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// Gives randomness: the same seed makes the same draws.
    #[must_use]
    pub const fn seeded(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds what else the host knows; it counts before all others, but for the URL of a target on the way.
    #[must_use]
    pub const fn with(mut self, more: &'a dyn FactProvider) -> Self {
        self.more = Some(more);
        self
    }

    /// Adds the request, and its response with it.
    #[must_use]
    pub const fn with_request(mut self, request: &'a RequestFacts<'a>) -> Self {
        self.request = Some(request);
        self
    }

    /// The request with what rules have changed.
    pub(crate) fn request_view<'v>(&'v self, changes: Option<&'v Changes>) -> Option<RequestView<'v>> {
        Some(RequestView::with_changes(self.request?, changes))
    }

    /// The response with what rules have changed.
    pub(crate) fn response_view<'v>(&'v self, changes: Option<&'v Changes>) -> Option<ResponseView<'v>> {
        Some(ResponseView::with_changes(self.request?.response()?, changes))
    }

    /// The headers of the request as the host has them.
    pub(crate) fn request_headers(&self) -> Option<&'a dyn TextMap> {
        self.request.map(RequestFacts::headers)
    }

    /// The headers of the response as the host has them.
    pub(crate) fn response_headers(&self) -> Option<&'a dyn TextMap> {
        self.request?.response().map(ResponseHead::headers)
    }

    /// `conn.client_ip`: the layer-4 source, an IPv4-mapped one as IPv4.
    #[must_use]
    pub fn client_ip(&self) -> IpAddr {
        self.client.into()
    }

    pub(crate) const fn client(&self) -> Address {
        self.client
    }

    /// The facts that every edge of ours knows of a TCP connection, and what actions produce.
    #[must_use]
    pub fn known_to_edges(fact: Fact) -> bool {
        match Self::source(fact) {
            FactSource::Connection
            | FactSource::Endpoint
            | FactSource::Start
            | FactSource::Time
            | FactSource::Actions => true,
            FactSource::Request | FactSource::Response | FactSource::Provider => false,
        }
    }

    /// What a host says to make a fact known.
    ///
    /// ```
    /// use policy_core::facts::{FactSource, Facts};
    /// let fact = policy_core::variables::fact("endpoint.host").expect("declared");
    /// assert_eq!(Facts::source(fact), FactSource::Endpoint);
    /// ```
    #[must_use]
    pub fn source(fact: Fact) -> FactSource {
        match fact.tag {
            tag::CLIENT_IP | tag::CLIENT_PORT | tag::SERVER_IP | tag::SERVER_PORT => FactSource::Connection,
            tag::ENDPOINT_URL
            | tag::ENDPOINT_HOST
            | tag::ENDPOINT_PORT
            | tag::ENDPOINT_ADDR
            | tag::ENDPOINT_PROTOCOL => FactSource::Endpoint,
            tag::STARTED => FactSource::Start,
            tag::NOW => FactSource::Time,
            tag::STATE => FactSource::Actions,
            of => match tag::part(of) {
                Some(part) if part.is_of_response() => FactSource::Response,
                Some(_) => FactSource::Request,
                None => FactSource::Provider,
            },
        }
    }

    /// Those of some facts for which there is no source, such as of [`crate::compile::Program::needs`]. Results and
    /// variables of a policy come from its actions.
    pub fn lacking(&self, needs: &[Fact]) -> impl Iterator<Item = Fact> {
        let of_connection = needs.iter().copied().filter(|fact| fact.tag != tag::STATE);
        of_connection.filter(|fact| matches!(self.value(*fact), Err(Fault::NoSource(_))))
    }

    /// True if there is randomness.
    #[must_use]
    pub const fn has_seed(&self) -> bool {
        self.seed.is_some()
    }

    /// The value of a fact.
    fn value(&self, fact: Fact) -> Result<Value, Fault> {
        if let Some(value) = self.given(fact) {
            return Ok(value.to_value());
        }
        let known = match fact.tag {
            tag::STARTED => self.started.map(Value::Timestamp),
            tag::NOW => self.now.map(|now| Value::text(now.to_string())),
            of @ (tag::ENDPOINT_HOST | tag::ENDPOINT_PORT | tag::ENDPOINT_ADDR | tag::ENDPOINT_PROTOCOL) => {
                self.endpoint(of)
            }
            of => match tag::part(of) {
                Some(part) => {
                    return Messages::new(self.request.ok_or(Fault::NoSource(fact))?, None).value(part, fact);
                }
                None => self.borrow(fact).map(Borrowed::to_value),
            },
        };
        known.ok_or(Fault::NoSource(fact))
    }

    /// The value of a fact that is at hand.
    #[inline]
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        if self.more.is_some()
            && let Some(value) = self.given(fact)
        {
            return Some(value);
        }
        match fact.tag {
            tag::CLIENT_IP => Some(match self.client {
                Address::V4(bits) => Borrowed::V4(bits.into()),
                Address::V6(bits) => Borrowed::V6(bits.into()),
            }),
            tag::CLIENT_PORT => self.client_port.map(|port| Borrowed::Int(port.into())),
            tag::SERVER_IP => self.server_ip.map(Borrowed::address),
            tag::SERVER_PORT => self.server_port.map(|port| Borrowed::Int(port.into())),
            tag::ENDPOINT_URL => self.endpoint.map(|url| Borrowed::Text(url.as_str())),
            _ => None,
        }
    }

    /// What the host gives beside the connection; of a target only what its URL does not tell.
    fn given(&self, fact: Fact) -> Option<Borrowed<'_>> {
        let hidden = match fact.tag {
            tag::ENDPOINT_URL => self.at_target,
            of => self.at_target && self.endpoint(of).is_some(),
        };
        if hidden { None } else { self.more?.borrow(fact) }
    }

    /// These facts as the host of an expression.
    #[must_use]
    pub fn host(&self) -> impl Host + '_ {
        FactsHost::new(self, None, 0)
    }

    /// A part of the endpoint's URL.
    fn endpoint(&self, of: Tag) -> Option<Value> {
        let url = self.endpoint?;
        match of {
            tag::ENDPOINT_HOST => Some(Value::text(url.host())),
            tag::ENDPOINT_PORT => Some(Value::Int(url.port()?.into())),
            tag::ENDPOINT_ADDR => Some(Value::text(format!("{}:{}", url.host(), url.port()?))),
            tag::ENDPOINT_PROTOCOL => Some(Value::text(url.scheme().name())),
            _ => None,
        }
    }
}

/// Request and response as they are now.
#[derive(Debug)]
struct Messages<'a> {
    request: RequestView<'a>,
    response: Option<ResponseView<'a>>,
}

impl<'a> Messages<'a> {
    #[inline]
    fn new(facts: &'a RequestFacts<'a>, state: Option<&'a State>) -> Self {
        let changes = state.map(|state| &state.changes);
        let response = facts.response().map(|response| ResponseView::with_changes(response, changes));
        Self { request: RequestView::with_changes(facts, changes), response }
    }

    #[inline]
    fn borrow(&self, part: Part) -> Option<Borrowed<'_>> {
        match part.is_of_response() {
            false => self.request.borrow(part),
            true => self.response.as_ref()?.borrow(part),
        }
    }

    /// The value of a part; a message that is not known is no source, one that lacks it has none.
    fn value(&self, part: Part, fact: Fact) -> Result<Value, Fault> {
        let value = match part.is_of_response() {
            false => Some(self.request.value(part)),
            true => self.response.as_ref().map(|response| response.value(part)),
        };
        value.ok_or(Fault::NoSource(fact))?.ok_or(Fault::Absent(fact))
    }
}

/// The host of expressions on a connection: its facts, what actions produced, and draws from its seed.
#[derive(Debug)]
pub(crate) struct FactsHost<'a> {
    facts: &'a Facts<'a>,
    state: Option<&'a State>,
    messages: Option<Messages<'a>>,
    /// Draws so far.
    pub(crate) draws: u64,
    /// False where what is made is written down.
    pub(crate) lends_secrets: bool,
}

impl<'a> FactsHost<'a> {
    #[inline]
    pub(crate) fn new(facts: &'a Facts<'a>, state: Option<&'a State>, draws: u64) -> Self {
        let messages = facts.request.map(|request| Messages::new(request, state));
        Self { facts, state, messages, draws, lends_secrets: true }
    }
}

impl Host for FactsHost<'_> {
    #[inline]
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        match fact.tag {
            tag::STATE => self.state.and_then(|state| state.get(fact)).map(Borrowed::Value),
            of => match self.messages.as_ref().zip(tag::part(of)) {
                Some((messages, part)) => self.facts.given(fact).or_else(|| messages.borrow(part)),
                None => self.facts.borrow(fact),
            },
        }
    }

    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        match fact.tag {
            // Before its action has run, a result is missing, not unknown.
            tag::STATE => match (self.state.and_then(|state| state.get(fact)), fact.role) {
                (Some(value), _) => Ok(value.clone()),
                (None, Role::Variables) => Ok(Value::Map(Arc::default())),
                (None, _) => Err(Fault::Absent(fact)),
            },
            of => match self.messages.as_ref().zip(tag::part(of)) {
                Some((messages, part)) => match self.facts.given(fact) {
                    Some(given) => Ok(given.to_value()),
                    None => messages.value(part, fact),
                },
                None => self.facts.value(fact),
            },
        }
    }

    fn secret(&mut self, vault: &str, name: &str) -> Result<Value, Fault> {
        if !self.lends_secrets {
            return Err(Fault::NotProvided("secrets where they are logged"));
        }
        match self.state.and_then(|state| state.secret(vault, name)) {
            Some(Some(secret)) => Ok(Value::String(Arc::clone(secret.text()))),
            Some(None) => Err(Fault::NoSecret(format!("{vault}/{name}").into())),
            None => Err(Fault::SecretWanted { vault: vault.into(), name: name.into() }),
        }
    }

    fn random(&mut self) -> Result<u64, Fault> {
        let seed = self.facts.seed.ok_or(Fault::NoRandomness)?;
        self.draws += 1;
        // Each endpoint on the way of a connection draws its own numbers.
        let endpoint = self.facts.endpoint.map_or(0, |url| mixed(fnv(url.as_str().as_bytes())));
        let seed = seed.wrapping_add(endpoint);
        Ok(mixed(seed.wrapping_add(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo).
const fn fnv(mut bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    while let [byte, rest @ ..] = bytes {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        bytes = rest;
    }
    hash
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
const fn mixed(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables;

    fn fact(path: &str) -> Fact {
        variables::fact(path).expect(path)
    }

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).expect("a URL")
    }

    #[test]
    fn what_is_not_known_has_no_source() {
        let (client, server) = ("[::ffff:192.0.2.1]:5000", "192.0.2.2:22");
        let facts = Facts::from_connection(client.parse().expect("fine"), server.parse().expect("fine"));
        let url = url("tcp://edge.example.com:20022");
        let facts = facts.at_endpoint(&url);
        let text = |path: &str| facts.value(fact(path)).map(|value| value.to_string());
        assert_eq!(text("conn.client_ip").as_deref(), Ok("\"192.0.2.1\""));
        assert_eq!(text("conn.client_port").as_deref(), Ok("5000"));
        assert_eq!(text("endpoint.addr").as_deref(), Ok("\"edge.example.com:20022\""));
        assert_eq!(text("endpoint.port").as_deref(), Ok("20022"));
        assert_eq!(text("endpoint.protocol").as_deref(), Ok("\"tcp\""));
        let unknown = fact("conn.geo.country_code");
        assert_eq!(facts.value(unknown).map(|_| ()), Err(Fault::NoSource(unknown)));
        assert_eq!(text("time.now"), Err(Fault::NoSource(fact("time.now"))));
        let needs = ["vars", "conn.client_port", "time.now", "conn.geo.city"].map(fact);
        assert_eq!(facts.lacking(&needs).collect::<Vec<_>>(), ["time.now", "conn.geo.city"].map(fact));
    }

    #[test]
    fn given_facts_are_read_by_their_type() {
        let mut given = GivenFacts::default();
        for (path, text, value) in [
            ("conn.client_port", "22", "22"),
            ("conn.server_ip", "::ffff:192.0.2.7", "\"192.0.2.7\""),
            ("conn.geo.city", "22", "\"22\""),
            ("conn.client_ip.is_tor_node", "true", "true"),
            ("conn.client_ip.categories", "com, com.github", r#"["com", "com.github"]"#),
            ("conn.client_ip.categories", r#"["com"]"#, r#"["com"]"#),
            (
                "conn.client_ip.categories",
                "proxy.anonymous.tor",
                r#"["proxy", "proxy.anonymous", "proxy.anonymous.tor"]"#,
            ),
            (
                "conn.server_ip.categories",
                r#"["com.aws.sns", "com.github", "com.aws"]"#,
                r#"["com", "com.aws", "com.aws.sns", "com.github"]"#,
            ),
            ("conn.client_ip.categories", "", "[]"),
            ("conn.client_ip.categories", ".a", r#"[".a"]"#),
            ("conn.ts.start", "2026-01-31T12:00:00Z", "timestamp(\"2026-01-31T12:00:00Z\")"),
            ("conn.k8s.pod.metadata.annotations", r#"{"a": "b"}"#, r#"{"a": "b"}"#),
        ] {
            given = GivenFacts::default();
            given.set(path, text).expect(path);
            assert_eq!(given.get(fact(path)).expect(path).to_string(), value);
        }
        assert_eq!(
            given.set("conn.geo.contry_code", "DE").expect_err("misspelt").to_string(),
            "unknown fact `conn.geo.contry_code`; did you mean `conn.geo.country_code`?"
        );
        assert!(given.set("conn.ts.start", "now").is_err() && given.set("conn", "x").is_err());
        for (path, text) in [
            ("conn.client_ip", "203.0.113.42"),
            ("conn.client_port", "-7"),
            ("conn.client_port", "65536"),
            ("conn.client_ip.categories", r#"[1, {"a": 2}]"#),
            ("conn.k8s.pod.metadata.annotations", r#"{"a": 1}"#),
            ("conn.k8s.pod.metadata.annotations", r#"["a"]"#),
        ] {
            assert!(given.set(path, text).is_err(), "{path} {text}");
        }
    }

    #[test]
    fn edges_know_what_they_say_they_know() {
        let address = "192.0.2.1:5000".parse().expect("fine");
        let time = Timestamp::new(0, 0).expect("fine");
        let outer = url("tcp://edge.example.com:20022");
        let facts = Facts::from_connection(address, address).at_endpoint(&outer);
        let facts = facts.started(time).at_time(time);
        for fact in variables::facts().filter(|fact| fact.tag != tag::STATE) {
            assert_eq!(facts.value(fact).is_ok(), Facts::known_to_edges(fact), "{fact}");
        }
    }

    #[test]
    fn a_target_counts_by_its_url_and_not_by_what_was_given() {
        let mut given = GivenFacts::default();
        for (path, text) in [
            ("endpoint.host", "given.example.com"),
            ("endpoint.url", "tcp://given.example.com:1"),
            ("endpoint.id", "ep_1"),
            ("conn.client_port", "7"),
        ] {
            given.set(path, text).expect(path);
        }
        let (outer, inner) = (url("tcp://edge.example.com:20022"), url("tcp://inner.internal:22"));
        let entry = Facts::new("192.0.2.1".parse().expect("fine")).with(&given).at_endpoint(&outer);
        let target = entry.at_target(&inner);
        let text = |facts: &Facts<'_>, path: &str| facts.value(fact(path)).expect(path).to_string();
        assert_eq!(text(&entry, "endpoint.host"), "\"given.example.com\"");
        assert_eq!(text(&target, "endpoint.host"), "\"inner.internal\"");
        assert_eq!(text(&target, "endpoint.url"), "\"tcp://inner.internal:22\"");
        // No URL tells these.
        assert_eq!(
            (text(&target, "endpoint.id"), text(&target, "conn.client_port")),
            ("\"ep_1\"".to_owned(), "7".to_owned())
        );
    }

    #[test]
    fn a_seed_makes_the_same_draws() {
        let facts = Facts::new("192.0.2.1".parse().expect("fine")).seeded(7);
        let draws = || {
            let mut host = FactsHost::new(&facts, None, 0);
            [host.random(), host.random()].map(|draw| draw.expect("seeded"))
        };
        assert_eq!(draws(), draws());
        assert_ne!(draws()[0], draws()[1]);
        let inner = url("tcp://inner.internal:22");
        let elsewhere = facts.at_endpoint(&inner);
        let inside = FactsHost::new(&elsewhere, None, 0).random().expect("seeded");
        assert_ne!(inside, draws()[0]);
    }
}
