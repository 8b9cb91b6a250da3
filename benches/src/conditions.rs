//! Conditions on requests, in the policy language and as the peers read it.

use policy_core::cel::{Env, Expression, Predicate};
use policy_core::phase::Phase;
use policy_core::variables;

/// One condition.
#[derive(Clone, Copy, Debug)]
pub struct Condition {
    /// The name in results.
    pub name: &'static str,
    /// In the policy language.
    pub text: &'static str,
    /// As the peers read it, if that is different: they have no function for headers.
    pub peer: Option<&'static str>,
}

/// A text compared with one other.
pub const METHOD: Condition = Condition::new("method", "req.method == 'POST'");

/// A text compared with four others.
pub const COUNTRY: Condition = Condition::new("country", "conn.geo.country_code in ['DE', 'FR', 'NL', 'BE']");

/// The beginning of a text.
pub const PATH: Condition = Condition::new("path", "req.url.path.startsWith('/api/')");

/// A text in the values of a header.
pub const HEADER: Condition = Condition {
    name: "header",
    text: "getReqHeader('user-agent').exists(v, v.contains('curl'))",
    peer: Some("req.headers['user-agent'].exists(v, v.contains('curl'))"),
};

/// An address in a network.
pub const NETWORK: Condition = Condition::new("network", "inCidrRange(conn.client_ip, '10.0.0.0/8')");

/// A number compared with another.
pub const PORT: Condition = Condition::new("port", "conn.client_port >= 16384");

/// Four of them.
pub const CHAIN: Condition = Condition::new(
    "chain of four",
    "req.method == 'POST' && conn.geo.country_code in ['DE', 'FR', 'NL', 'BE'] \
     && req.url.path.startsWith('/api/') && inCidrRange(conn.client_ip, '10.0.0.0/8')",
);

/// A regular expression.
pub const REGEX: Condition = Condition::new("regex", "req.url.path.matches('^/api/v[0-9]+/')");

/// All of them.
pub const ALL: [Condition; 8] = [METHOD, COUNTRY, PATH, HEADER, NETWORK, PORT, CHAIN, REGEX];

impl Condition {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, peer: None }
    }

    /// The text for the peers.
    #[must_use]
    pub fn peer(&self) -> &'static str {
        self.peer.unwrap_or(self.text)
    }

    /// The condition, checked for requests of HTTP.
    ///
    /// # Panics
    ///
    /// If it has an error.
    #[must_use]
    #[allow(clippy::expect_used, reason = "bench data is valid")]
    pub fn expression(&self) -> Expression {
        let site = variables::Site { phase: Some(Phase::OnHttpRequest), ..variables::Site::default() };
        let env: &Env = variables::env(site);
        env.check(self.text).0.expect("no errors")
    }

    /// The condition, compiled.
    ///
    /// # Panics
    ///
    /// If it has an error, or if a part of it is left to the interpreter.
    #[must_use]
    pub fn predicate(&self) -> Predicate {
        let predicate = Predicate::new(&self.expression());
        assert!(predicate.is_specialised(), "{}", self.text);
        predicate
    }
}
