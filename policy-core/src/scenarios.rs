//! Scenario files, `*.test.yml`: what a policy should do with connections and requests.
//!
//! Declared fields like those of every other file, so that findings have a place and a fix. Reading touches no other
//! file: whoever runs the cases reads the policy and what it is asked with.

mod expect;
mod kinds;
mod read;

use std::net::IpAddr;
use std::time::Duration;

use crate::cel::Timestamp;
use crate::diagnostic::Diagnostics;
use crate::language::language;
use crate::message::{Request, Response};
use crate::options::CheckOptions;
use crate::parse::{self, Document};
use crate::reader::Reader;
use crate::schema::{FieldDoc, rows};
use crate::source::{Source, Span, Spanned};
use crate::url::EndpointUrl;

pub use expect::{Answered, Expected, ExpectedEffect, ExpectedHeader, ExpectedOutcome, Sent};
pub use kinds::Availability;
pub(crate) use read::looks_like_scenarios;

/// A file of cases for one policy or configuration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scenarios {
    /// The policy or configuration; relative to the file, as all paths in it.
    pub policy: Spanned<Box<str>>,
    /// Configurations of agents that are connected to the edge.
    pub agents: Vec<Spanned<Box<str>>>,
    /// IP policies that a policy may name.
    pub ip_policies: Option<Spanned<Box<str>>>,
    /// Databases of places and networks.
    pub geoip: Vec<Spanned<Box<str>>>,
    /// Categories of addresses.
    pub categories: Option<Spanned<Box<str>>>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// What a policy is asked, and what it should answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Its name.
    pub name: Spanned<Box<str>>,
    /// Why it is skipped.
    pub skip: Option<Box<str>>,
    /// What is asked, one after the other: counts of rate limits and circuit breakers last through all of it.
    pub steps: Vec<CaseStep>,
}

/// One question, for each of its addresses and requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CaseStep {
    /// Where it stands.
    pub span: Span,
    /// How much later it comes than the one before.
    pub after: Duration,
    /// How often it is asked.
    pub repeat: u32,
    /// What is asked.
    pub asked: Asked,
    /// What should be answered.
    pub expect: Expected,
}

/// Something by its name.
pub type Named<T> = (Spanned<Box<str>>, T);

/// What a case says of a connection, where `None` is nothing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Asked {
    /// Source addresses.
    pub ips: Option<Vec<IpAddr>>,
    /// Where the connection comes in: a name or a URL.
    pub endpoint: Option<Spanned<Box<str>>>,
    /// Requests over the connection.
    pub requests: Option<Vec<FileOr<Request>>>,
    /// What the upstream answers.
    pub response: Option<FileOr<Response>>,
    /// What becomes of targets.
    pub targets: Vec<(Spanned<EndpointUrl>, Availability)>,
    /// Facts, by path.
    pub set: Vec<Named<Box<str>>>,
    /// Secrets, by `vault/name`.
    pub secrets: Vec<Named<Box<str>>>,
    /// Files with sets of keys, by URL.
    pub keys: Vec<Named<Spanned<Box<str>>>>,
    /// Who is logged in.
    pub login: Option<Box<str>>,
    /// What time it is.
    pub now: Option<Timestamp>,
    /// What random draws begin with.
    pub seed: Option<u64>,
    /// True if the endpoint has an upstream of its own.
    pub has_upstream: Option<bool>,
}

/// Something in a file of its own, or where it is wanted.
#[derive(Clone, Debug)]
pub enum FileOr<T> {
    /// The path of a file, relative to the scenarios.
    File(Spanned<Box<str>>),
    /// The thing itself.
    Inline(Box<T>),
}

impl Asked {
    /// These, with those of a base where nothing is said; entries of maps join those of the base.
    #[must_use]
    pub(crate) fn over(self, base: &Self) -> Self {
        Self {
            ips: self.ips.or_else(|| base.ips.clone()),
            endpoint: self.endpoint.or_else(|| base.endpoint.clone()),
            requests: self.requests.or_else(|| base.requests.clone()),
            response: self.response.or_else(|| base.response.clone()),
            targets: joined(&base.targets, self.targets, |url| url.value.to_string()),
            set: joined(&base.set, self.set, |path| path.value.clone()),
            secrets: joined(&base.secrets, self.secrets, |name| name.value.clone()),
            keys: joined(&base.keys, self.keys, |url| url.value.clone()),
            login: self.login.or_else(|| base.login.clone()),
            now: self.now.or(base.now),
            seed: self.seed.or(base.seed),
            has_upstream: self.has_upstream.or(base.has_upstream),
        }
    }
}

/// The entries of a map and those of a base that it does not have.
fn joined<K: Clone, V: Clone, N: PartialEq>(
    base: &[(K, V)],
    own: Vec<(K, V)>,
    name: impl Fn(&K) -> N,
) -> Vec<(K, V)> {
    let is_own = |key: &K| own.iter().any(|(other, _)| name(other) == name(key));
    let mut out: Vec<_> = base.iter().filter(|(key, _)| !is_own(key)).cloned().collect();
    out.extend(own);
    out
}

/// Reads a scenario file; it is there if nothing found is an error.
///
/// ```
/// use policy_core::{scenarios::load_scenarios, source::Source};
/// let text = "policy: device1.yml
/// cases:
///   - {name: the office, ip: 203.0.113.42, expect: {forward: 'tcp://device1.internal:22'}}
///   - {name: others, ip: [198.51.100.1, '2001:db8::1'], expect: {deny: true}}
/// ";
/// let (scenarios, found) = load_scenarios(&Source::new("device1.test.yml", text));
/// let scenarios = scenarios.unwrap_or_else(|| panic!("{found:?}"));
/// assert_eq!((scenarios.cases.len(), &*scenarios.cases[1].name.value), (2, "others"));
/// ```
#[must_use]
pub fn load_scenarios(source: &Source) -> (Option<Scenarios>, Diagnostics) {
    let (options, mut found) = (CheckOptions::default(), Diagnostics::default());
    let document = parse::parse(source, &options.limits, &mut found);
    let scenarios = check_document(&document, &options, &mut found);
    found.sort();
    (scenarios.filter(|_| !found.has_errors()), found)
}

/// Reads a document that is a scenario file.
pub(crate) fn check_document(
    document: &Document,
    options: &CheckOptions,
    found: &mut Diagnostics,
) -> Option<Scenarios> {
    let reader = Reader::new(document, options, language());
    let scenarios = document.root().and_then(|root| read::scenarios(root, &reader));
    found.append(reader.into_diagnostics());
    scenarios
}

/// The fields of a scenario file.
#[must_use]
pub fn scenario_fields() -> Vec<FieldDoc> {
    rows(read::TOP).into_iter().filter(|row| !row.path.contains('.')).collect()
}

/// The fields of a case, of which `defaults` and the steps of `then` have some.
#[must_use]
pub fn case_fields() -> Vec<FieldDoc> {
    // What stands below `expect` and `then` has tables of its own.
    rows(read::CASE).into_iter().filter(|row| !row.path.contains('.')).collect()
}

/// The fields of `expect`.
#[must_use]
pub fn expect_fields() -> Vec<FieldDoc> {
    rows(expect::FIELDS)
}

#[cfg(test)]
mod tests;
