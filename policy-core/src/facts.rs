//! Facts: what a host knows about a connection when it asks for a decision.
//!
//! Facts know presence. A fact without a source is an error when it is read, never an empty text, and a
//! program says beforehand which facts it reads ([`crate::compile::Program::needs`]).

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use crate::cel::Fact;
use crate::cel::{Borrowed, FactSource, Fault, Host, Timestamp, Type, Value};
use crate::diagnostic::{did_you_mean, shorten};
use crate::lpm::Address;
use crate::url::EndpointUrl;
use crate::variables;

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
    endpoint_url: Option<&'a str>,
    started: Option<Timestamp>,
    now: Option<Timestamp>,
    seed: Option<u64>,
    given: Option<&'a GivenFacts>,
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
            endpoint_url: None,
            started: None,
            now: None,
            seed: None,
            given: None,
        }
    }

    /// Facts of an accepted connection.
    #[must_use]
    pub fn of_connection(client: SocketAddr, server: SocketAddr) -> Self {
        Self {
            client_port: Some(client.port()),
            server_ip: Some(server.ip().to_canonical()),
            server_port: Some(server.port()),
            ..Self::new(client.ip())
        }
    }

    /// Says at which endpoint the policy runs.
    #[must_use]
    pub const fn at_endpoint(mut self, url: &'a str) -> Self {
        self.endpoint_url = Some(url);
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

    /// Gives randomness: the same seed makes the same draws.
    #[must_use]
    pub const fn seeded(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Adds facts that were given by name; they count before all others.
    #[must_use]
    pub const fn with(mut self, given: &'a GivenFacts) -> Self {
        self.given = Some(given);
        self
    }

    /// `conn.client_ip`: the layer-4 source, an IPv4-mapped one as IPv4.
    #[must_use]
    pub fn client_ip(&self) -> IpAddr {
        self.client.into()
    }

    pub(crate) const fn client(&self) -> Address {
        self.client
    }

    /// The facts that every edge of ours knows of a TCP connection, and what actions leave behind.
    #[must_use]
    pub fn known_to_edges(fact: Fact) -> bool {
        fact.source == FactSource::State
            || matches!(
                fact.path(),
                "conn.client_ip"
                    | "conn.client_port"
                    | "conn.server_ip"
                    | "conn.server_port"
                    | "conn.ts.start"
                    | "endpoint.addr"
                    | "endpoint.host"
                    | "endpoint.port"
                    | "endpoint.protocol"
                    | "endpoint.url"
                    | "time.now"
            )
    }

    /// Those of some facts for which there is no source, such as of [`crate::compile::Program::needs`]. Results and
    /// variables of a policy come from its actions.
    pub fn lacking(&self, needs: &[Fact]) -> impl Iterator<Item = Fact> {
        let of_connection = needs.iter().copied().filter(|fact| fact.source != FactSource::State);
        of_connection.filter(|fact| self.value(*fact).is_err())
    }

    /// True if there is randomness.
    #[must_use]
    pub const fn has_seed(&self) -> bool {
        self.seed.is_some()
    }

    /// The value of a fact.
    fn value(&self, fact: Fact) -> Result<Value, Fault> {
        if let Some(value) = self.given.and_then(|given| given.get(fact)) {
            return Ok(value.clone());
        }
        let known = match fact.source {
            FactSource::Started => self.started.map(Value::Timestamp),
            FactSource::Now => self.now.map(|now| Value::text(now.to_string())),
            FactSource::Endpoint => self.endpoint(fact.path()),
            _ => self.borrow(fact).map(Borrowed::to_value),
        };
        known.ok_or(Fault::NoSource(fact))
    }

    /// The value of a fact that is at hand.
    #[inline]
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        if let Some(given) = self.given
            && let Some(value) = given.get(fact)
        {
            return Some(Borrowed::Value(value));
        }
        match fact.source {
            FactSource::ClientIp => Some(match self.client {
                Address::V4(bits) => Borrowed::V4(bits.into()),
                Address::V6(bits) => Borrowed::V6(bits.into()),
            }),
            FactSource::ClientPort => self.client_port.map(|port| Borrowed::Int(port.into())),
            FactSource::ServerIp => self.server_ip.map(Borrowed::address),
            FactSource::ServerPort => self.server_port.map(|port| Borrowed::Int(port.into())),
            FactSource::EndpointUrl => self.endpoint_url.map(Borrowed::Text),
            _ => None,
        }
    }

    /// These facts as the host of an expression.
    #[must_use]
    pub fn host(&self) -> impl Host + '_ {
        FactsHost { facts: self, state: None, draws: 0 }
    }

    /// A part of the endpoint's URL.
    fn endpoint(&self, path: &str) -> Option<Value> {
        let url = EndpointUrl::parse(self.endpoint_url?).ok()?;
        match path {
            "endpoint.host" => Some(Value::text(url.host())),
            "endpoint.port" => Some(Value::Int(url.port()?.into())),
            "endpoint.addr" => Some(Value::text(format!("{}:{}", url.host(), url.port()?))),
            "endpoint.protocol" => Some(Value::text(url.scheme().name())),
            _ => None,
        }
    }
}

/// What actions leave behind for what runs after them.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// `vars`, a map.
    vars: Value,
    /// `actions.ngrok.*`, of the last run of each action.
    results: Vec<(Fact, Value)>,
}

impl Default for State {
    fn default() -> Self {
        Self { vars: Value::Map(Arc::default()), results: Vec::new() }
    }
}

impl State {
    /// Sets a variable of the phase.
    pub(crate) fn set(&mut self, name: &Arc<str>, value: Value) {
        if let Value::Map(vars) = &mut self.vars {
            Arc::make_mut(vars).set(Arc::clone(name), value);
        }
    }

    /// Leaves a result behind.
    pub(crate) fn leave(&mut self, path: &str, value: Value) {
        let Some(fact) = variables::fact(path) else { return };
        match self.results.iter_mut().find(|(known, _)| *known == fact) {
            Some(result) => result.1 = value,
            None => self.results.push((fact, value)),
        }
    }

    fn get(&self, fact: Fact) -> Option<&Value> {
        match fact.path() {
            "vars" => Some(&self.vars),
            _ => self.results.iter().find(|(known, _)| *known == fact).map(|(_, value)| value),
        }
    }
}

/// The host of expressions on a connection: its facts, what actions left behind, and draws from its seed.
#[derive(Debug)]
pub(crate) struct FactsHost<'a> {
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) state: Option<&'a State>,
    /// Draws so far.
    pub(crate) draws: u64,
}

impl Host for FactsHost<'_> {
    #[inline]
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        match fact.source {
            FactSource::State => self.state.and_then(|state| state.get(fact)).map(Borrowed::Value),
            _ => self.facts.borrow(fact),
        }
    }

    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        match fact.source {
            // Before its action has run, a result is missing, not unknown.
            FactSource::State => match (self.state.and_then(|state| state.get(fact)), fact.path()) {
                (Some(value), _) => Ok(value.clone()),
                (None, "vars") => Ok(Value::Map(Arc::default())),
                (None, _) => Err(Fault::Absent(fact)),
            },
            _ => self.facts.value(fact),
        }
    }

    fn random(&mut self) -> Result<u64, Fault> {
        let seed = self.facts.seed.ok_or(Fault::NoRandomness)?;
        self.draws += 1;
        // Each endpoint on the way of a connection draws its own numbers.
        let endpoint = self.facts.endpoint_url.map_or(0, |url| mixed(fnv(url.as_bytes())));
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

/// Facts given by name and text, as a dry run has them.
///
/// ```
/// use policy_core::facts::{Facts, GivenFacts};
/// let mut given = GivenFacts::default();
/// given.set("conn.geo.country_code", "DE")?;
/// given.set("conn.client_ip.categories", "com, com.github")?;
/// assert!(given.set("conn.client_port", "high").is_err());
/// let facts = Facts::new("203.0.113.42".parse().expect("an address")).with(&given);
/// # let _ = facts;
/// # Ok::<(), policy_core::facts::GivenError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GivenFacts {
    values: Vec<Given>,
}

/// A fact that was given, or that follows from one.
#[derive(Clone, Debug)]
struct Given {
    fact: Fact,
    value: Value,
    /// The fact that was given.
    by: Fact,
}

/// Why a fact cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GivenError {
    /// There is no such fact; perhaps the nearest that there is, or the fields of an object.
    Unknown {
        /// What was given.
        path: String,
        /// What may be meant.
        near: Option<&'static str>,
    },
    /// It contradicts what was given before.
    Contradicts {
        /// The fact.
        path: &'static str,
        /// What was given before: the same fact, or one from which its value follows.
        given: &'static str,
    },
    /// The text is no value of the fact's type.
    Value {
        /// The fact.
        path: &'static str,
        /// What it takes, with an example.
        expected: &'static str,
    },
}

impl fmt::Display for GivenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path, near: Some(near) } => {
                write!(f, "there is no fact `{}`; did you mean `{near}`?", shorten(path))
            }
            Self::Unknown { path, near: None } => write!(f, "there is no fact `{}`", shorten(path)),
            Self::Contradicts { path, given } if path == given => {
                write!(f, "`{path}` is given twice, with different values")
            }
            Self::Contradicts { path, given } => write!(f, "`{path}` contradicts `{given}`"),
            Self::Value { path, expected } => write!(f, "`{path}` takes {expected}"),
        }
    }
}

impl std::error::Error for GivenError {}

impl GivenFacts {
    /// Gives a fact; the text is read by its type. Lists are separated by commas or written as JSON, maps as
    /// JSON. Categories bring those with them that they lie in, and say whether the address is one of Tor.
    ///
    /// # Errors
    /// If there is no such fact, the text is no value of its type, or another value is known already.
    pub fn set(&mut self, path: &str, text: &str) -> Result<(), GivenError> {
        let fact = variables::fact(path).ok_or_else(|| GivenError::Unknown {
            path: path.to_owned(),
            near: did_you_mean(path, variables::facts().map(Fact::path)),
        })?;
        let ty = variables::type_of(fact);
        let value = match fact.path() {
            // Lists of addresses and conditions must see the same one.
            "conn.client_ip" => Err("no text: it is the address that is asked about"),
            "conn.server_ip" => canonical(text),
            path if path.ends_with("_port") || path == "endpoint.port" => {
                text.parse().map(|port: u16| Value::Int(port.into())).map_err(|_| "a port, 0 to 65535")
            }
            path if path.ends_with("_ip.categories") => read(ty, text).map(with_parents),
            _ => read(ty, text),
        };
        let value = value.map_err(|expected| GivenError::Value { path: fact.path(), expected })?;
        let follows = follows_from_categories(fact, &value);
        // Nothing is given if a part of it contradicts.
        for (of, value) in std::iter::once((fact, &value)).chain(follows.iter().map(|(of, it)| (*of, it))) {
            if let Some(known) = self.given(of).filter(|known| !is_same(&known.value, value)) {
                return Err(GivenError::Contradicts { path: fact.path(), given: known.by.path() });
            }
        }
        for (of, value) in std::iter::once((fact, value)).chain(follows) {
            if self.given(of).is_none() {
                self.values.push(Given { fact: of, value, by: fact });
            }
        }
        Ok(())
    }

    fn given(&self, fact: Fact) -> Option<&Given> {
        self.values.iter().find(|given| given.fact == fact)
    }

    /// A fact that was given.
    #[must_use]
    pub fn get(&self, fact: Fact) -> Option<&Value> {
        self.given(fact).map(|given| &given.value)
    }
}

/// What follows from the categories of an address: whether it is one of Tor, and that without a blocklist it is on none.
/// Which blocklists count is not documented. O(categories).
fn follows_from_categories(fact: Fact, value: &Value) -> Vec<(Fact, Value)> {
    let (Some(path), Value::List(items)) = (fact.path().strip_suffix(".categories"), value) else {
        return Vec::new();
    };
    let has =
        |wanted: &str| items.iter().any(|item| matches!(item, Value::String(name) if &**name == wanted));
    let tor = Some(("is_tor_node", has("proxy.anonymous.tor")));
    let listed = (!has("blocklist")).then_some(("is_on_blocklist", false));
    let named = tor.into_iter().chain(listed);
    named
        .filter_map(|(name, value)| Some((variables::fact(&format!("{path}.{name}"))?, Value::Bool(value))))
        .collect()
}

/// True for values that are written alike: those of one fact have one type.
fn is_same(a: &Value, b: &Value) -> bool {
    a.to_string() == b.to_string()
}

/// Categories with the categories they lie in, those first: who is in `proxy.anonymous.tor` is in `proxy` and in
/// `proxy.anonymous`. O(length of the texts).
fn with_parents(categories: Value) -> Value {
    let Value::List(items) = &categories else { return categories };
    let mut seen: HashSet<&str> = HashSet::new();
    let mut out = Vec::with_capacity(items.len());
    for item in items.iter() {
        let Value::String(name) = item else { continue };
        let ends = name.match_indices('.').map(|(at, _)| at).take(MOST_LEVELS).chain([name.len()]);
        for prefix in ends.filter_map(|end| name.get(..end)).filter(|prefix| !prefix.is_empty()) {
            if seen.insert(prefix) {
                out.push(Value::text(prefix));
            }
        }
    }
    Value::list(out)
}

/// Levels of a category that are looked at; real ones have five.
const MOST_LEVELS: usize = 16;

/// The canonical text of an address, as connections have it.
fn canonical(text: &str) -> Result<Value, &'static str> {
    let address: Result<IpAddr, _> = text.parse();
    address.map(|address| Value::text(address.to_canonical().to_string())).map_err(|_| "an address")
}

/// True if a value read from JSON is one of a type, down to its items.
fn is_of(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::List(items), Type::List(item)) => items.iter().all(|value| is_of(value, item)),
        (Value::Map(map), Type::Map(of)) => map.iter().all(|(_, value)| is_of(value, &of.1)),
        // Records are maps.
        (Value::Map(_), Type::Object(_)) | (_, Type::Dyn) => true,
        (Value::String(_), Type::String) | (Value::Bool(_), Type::Bool) => true,
        (Value::Double(_), Type::Double) => true,
        _ => false,
    }
}

fn read(ty: &Type, text: &str) -> Result<Value, &'static str> {
    let json = |expected: &'static str| {
        let value = Value::from_json(text).ok().filter(|value| is_of(value, ty));
        value.ok_or(expected)
    };
    match ty {
        Type::String => Ok(Value::text(text)),
        Type::Bool => text.parse().map(Value::Bool).map_err(|_| "`true` or `false`"),
        Type::Int => text.parse().map(Value::Int).map_err(|_| "a whole number"),
        Type::Timestamp => {
            Timestamp::parse(text).map(Value::Timestamp).ok_or("a time such as `2026-01-31T12:00:00Z`")
        }
        Type::List(_) if text.trim_start().starts_with('[') => {
            json("a list, e.g. `a, b` or `[\"a\", \"b\"]`")
        }
        Type::List(item) if **item == Type::String => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::list(items.map(Value::text).collect()))
        }
        Type::List(_) => Err("a list in JSON"),
        Type::Map(_) => match json("a map in JSON, e.g. `{\"key\": \"value\"}`")? {
            map @ Value::Map(_) => Ok(map),
            _ => Err("a map in JSON, e.g. `{\"key\": \"value\"}`"),
        },
        _ => json("a value in JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(path: &str) -> Fact {
        variables::fact(path).expect(path)
    }

    #[test]
    fn what_is_not_known_has_no_source() {
        let (client, server) = ("[::ffff:192.0.2.1]:5000", "192.0.2.2:22");
        let facts = Facts::of_connection(client.parse().expect("fine"), server.parse().expect("fine"));
        let facts = facts.at_endpoint("tcp://edge.example.com:20022");
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
            "there is no fact `conn.geo.contry_code`; did you mean `conn.geo.country_code`?"
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
    fn facts_that_are_given_do_not_contradict_one_another() {
        let given = |facts: &[(&str, &str)]| {
            let mut given = GivenFacts::default();
            let set = facts.iter().try_for_each(|(path, text)| given.set(path, text));
            set.map(|()| given).map_err(|error| error.to_string())
        };
        let bool = |facts: &[(&str, &str)], path: &str| match given(facts).expect("fine").get(fact(path)) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        };
        let (categories, tor) = ("conn.client_ip.categories", "conn.client_ip.is_tor_node");
        let listed = "conn.client_ip.is_on_blocklist";
        assert_eq!(bool(&[(categories, "proxy.anonymous.tor")], tor), Some(true));
        assert_eq!(bool(&[(categories, "proxy.vpn.pia")], tor), Some(false));
        assert_eq!(bool(&[("conn.server_ip.categories", "proxy.anonymous.tor")], tor), None);
        assert_eq!(bool(&[(categories, "com.github")], listed), Some(false));
        assert_eq!(bool(&[(categories, "blocklist.stopforumspam")], listed), None);
        let both = [(categories, "blocklist.stopforumspam"), (listed, "true")];
        assert_eq!(bool(&both, listed), Some(true));
        assert_eq!(bool(&[(tor, "true"), (categories, "proxy.anonymous.tor")], tor), Some(true));
        assert_eq!(bool(&[(tor, "true"), (tor, "true")], tor), Some(true));
        let error = |facts: &[(&str, &str)]| given(facts).expect_err("a contradiction");
        assert_eq!(
            error(&[(tor, "true"), (tor, "false")]),
            format!("`{tor}` is given twice, with different values")
        );
        assert_eq!(
            error(&[(categories, "com"), (tor, "true")]),
            format!("`{tor}` contradicts `{categories}`")
        );
        assert_eq!(
            error(&[(tor, "true"), (categories, "com")]),
            format!("`{categories}` contradicts `{tor}`")
        );
        let ports = [("conn.client_port", "1"), ("conn.client_port", "01")];
        assert!(given(&ports).is_ok());
    }

    #[test]
    fn edges_know_what_they_say_they_know() {
        let address = "192.0.2.1:5000".parse().expect("fine");
        let time = Timestamp::new(0, 0).expect("fine");
        let facts = Facts::of_connection(address, address).at_endpoint("tcp://edge.example.com:20022");
        let facts = facts.started(time).at_time(time);
        for fact in variables::facts().filter(|fact| fact.source != FactSource::State) {
            assert_eq!(facts.value(fact).is_ok(), Facts::known_to_edges(fact), "{fact}");
        }
    }

    #[test]
    fn a_seed_makes_the_same_draws() {
        let facts = Facts::new("192.0.2.1".parse().expect("fine")).seeded(7);
        let draws = || {
            let mut host = FactsHost { facts: &facts, state: None, draws: 0 };
            [host.random(), host.random()].map(|draw| draw.expect("seeded"))
        };
        assert_eq!(draws(), draws());
        assert_ne!(draws()[0], draws()[1]);
        let elsewhere = facts.at_endpoint("tcp://inner.internal:22");
        let inside = FactsHost { facts: &elsewhere, state: None, draws: 0 }.random().expect("seeded");
        assert_ne!(inside, draws()[0]);
    }
}
