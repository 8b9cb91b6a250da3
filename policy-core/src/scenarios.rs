//! Scenario files, `*.test.yml`: what a policy should do with connections and requests.
//!
//! Declared fields like those of every other file, so that findings have a place and a fix. Reading touches no other
//! file: whoever runs the cases reads the policy and what it is asked with.

mod bless;
mod expect;
mod kinds;
mod read;

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
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

pub use bless::Actual;
pub use expect::{Answered, Expected, ExpectedEffect, ExpectedHeader, ExpectedOutcome, Sent};
pub use kinds::Availability;
#[cfg(test)]
pub(crate) use read::TOP;
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

/// What a case says of a connection, where `None` is nothing. What cases have of the defaults of their file they share.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Asked {
    /// Source addresses.
    pub ips: Option<Arc<[IpAddr]>>,
    /// Where the connection comes in: a name or a URL.
    pub endpoint: Option<Spanned<Box<str>>>,
    /// Requests over the connection.
    pub requests: Option<Arc<[FileOr<Request>]>>,
    /// What the upstream answers.
    pub response: Option<FileOr<Response>>,
    /// What becomes of targets.
    pub targets: Arc<[(Spanned<EndpointUrl>, Availability)]>,
    /// Facts, by path.
    pub set: Arc<[Named<Box<str>>]>,
    /// Secrets, by `vault/name`.
    pub secrets: Arc<[Named<Box<str>>]>,
    /// Files with sets of keys, by URL.
    pub keys: Arc<[Named<Spanned<Box<str>>>]>,
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
    Inline(Arc<T>),
}

impl Asked {
    /// These, with those of a base where nothing is said; entries of maps join those of the base. `None` if the maps that
    /// are joined have more entries than there is room for.
    pub(crate) fn over(self, base: &Self, room: &Cell<usize>) -> Option<Self> {
        Some(Self {
            ips: self.ips.or_else(|| base.ips.clone()),
            endpoint: self.endpoint.or_else(|| base.endpoint.clone()),
            requests: self.requests.or_else(|| base.requests.clone()),
            response: self.response.or_else(|| base.response.clone()),
            targets: joined(&base.targets, self.targets, |url| url.value.clone(), room)?,
            set: joined(&base.set, self.set, |path| path.value.clone(), room)?,
            secrets: joined(&base.secrets, self.secrets, |name| name.value.clone(), room)?,
            keys: joined(&base.keys, self.keys, |url| url.value.clone(), room)?,
            login: self.login.or_else(|| base.login.clone()),
            now: self.now.or(base.now),
            seed: self.seed.or(base.seed),
            has_upstream: self.has_upstream.or(base.has_upstream),
        })
    }

    /// How many questions there are: each address with each request. At least 1.
    pub(crate) fn questions(&self) -> u64 {
        let count = |len: Option<usize>| len.map_or(1, |len| len as u64);
        let (ips, requests) = (self.ips.as_deref(), self.requests.as_deref());
        count(ips.map(<[_]>::len)).saturating_mul(count(requests.map(<[_]>::len)))
    }
}

/// The entries of a map and those of a base that it does not have. O(both), which is taken from the room for all.
fn joined<K: Clone, V: Clone, N: Eq + Hash>(
    base: &Arc<[(K, V)]>,
    own: Arc<[(K, V)]>,
    name: impl Fn(&K) -> N,
    room: &Cell<usize>,
) -> Option<Arc<[(K, V)]>> {
    if own.is_empty() {
        return Some(Arc::clone(base));
    }
    if base.is_empty() {
        return Some(own);
    }
    room.set(room.get().checked_sub(base.len() + own.len())?);
    let names: HashSet<N> = own.iter().map(|(key, _)| name(key)).collect();
    let kept = base.iter().filter(|(key, _)| !names.contains(&name(key)));
    Some(kept.chain(own.iter()).cloned().collect())
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
