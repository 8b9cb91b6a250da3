//! How variables and results of actions are declared: path, type, and where they have a value.
//!
//! Source: ngrok documentation, Traffic Policy variables (2026-08-07).

mod lookups;
pub(crate) mod tag;
mod tls;

use std::marker::PhantomData;

use crate::cel::{About, Map, Meaning, PartOf, Role, Tag, Value};
use crate::phase::{Phase, PhaseSet};
use crate::url::Scheme;

pub(crate) use lookups::{
    LOOKUPS, QUERY_PARAMS, REQUEST_COOKIES, REQUEST_HEADERS, RESPONSE_COOKIES, RESPONSE_HEADERS,
};
pub(crate) use tls::{certificate, handshake};

/// Where a declared variable has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Where {
    pub(crate) phases: PhaseSet,
    /// Only on connections whose TLS the edge sees.
    pub(crate) tls: bool,
    /// Not on tcp and tls endpoints.
    pub(crate) http: bool,
    /// Only in a `retry_condition`.
    pub(crate) retry: bool,
    /// Only where pods connect.
    pub(crate) pods: bool,
    /// What it is a part of then.
    pub(crate) part_of: PartOf,
}

/// One declared variable or field of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    /// Its path, what it is a part of, and which values it has.
    pub(crate) about: About,
    pub(crate) ty: &'static str,
    pub(crate) at: Where,
    pub(crate) optional: bool,
    /// What the language knows it by.
    pub(crate) role: Role,
    /// What hosts know it by.
    pub(crate) tag: Tag,
    pub(crate) doc: &'static str,
}

pub(crate) const EVERYWHERE: Where = Where {
    phases: PhaseSet::new(&Phase::ALL),
    tls: false,
    http: false,
    retry: false,
    pods: false,
    part_of: PartOf::Connection,
};
/// The time: everywhere, and not the same.
pub(crate) const NOW: Where = Where { part_of: PartOf::Time, ..EVERYWHERE };
pub(crate) const TLS: Where = Where { tls: true, part_of: PartOf::Message, ..EVERYWHERE };
/// Where a pod connects, through an endpoint with the binding `kubernetes`, or may have.
pub(crate) const PODS: Where = Where { pods: true, ..EVERYWHERE };
pub(crate) const REQUEST: Where = Where {
    phases: PhaseSet::new(&[Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage]),
    http: true,
    part_of: PartOf::Message,
    ..EVERYWHERE
};
/// With a request, of the connection.
pub(crate) const WITH_REQUEST: Where = Where { part_of: PartOf::Connection, ..REQUEST };
/// How often a request was tried, in a retry condition.
pub(crate) const ATTEMPTS: &str = "attempts";
/// What its last try met.
pub(crate) const LAST_ATTEMPT: &str = "last_attempt";
pub(crate) const RETRY: Where = Where { retry: true, part_of: PartOf::Attempt, ..REQUEST };
pub(crate) const EVENT: Where = Where { phases: PhaseSet::new(&[Phase::OnEventStreamMessage]), ..REQUEST };
pub(crate) const RESPONSE: Where = Where {
    phases: PhaseSet::new(&[Phase::OnHttpResponse, Phase::OnEventStreamMessage]),
    http: true,
    part_of: PartOf::Message,
    ..EVERYWHERE
};

impl Declared {
    pub(crate) const fn new(path: &'static str, ty: &'static str, at: Where, doc: &'static str) -> Self {
        let about = About { path, part_of: at.part_of, meaning: Meaning::Any };
        Self { about, ty, at, optional: false, role: Role::Plain, tag: tag::OTHER, doc }
    }

    pub(crate) const fn path(&self) -> &'static str {
        self.about.path
    }

    /// Which values it has.
    pub(crate) const fn meaning(self, meaning: Meaning) -> Self {
        Self { about: About { meaning, ..self.about }, ..self }
    }

    /// What the language knows it by.
    pub(crate) const fn role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// What hosts know it by.
    pub(crate) const fn tag(self, tag: Tag) -> Self {
        Self { tag, ..self }
    }

    /// A connection or request may lack it.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// A result that an action sets: its line of the documentation, and the handle by which the action sets it. Values of
/// another type than the declared one do not compile.
#[derive(Debug)]
pub(crate) struct ActionResult<T> {
    declared: Declared,
    value: PhantomData<fn(T)>,
}

impl<T> ActionResult<T> {
    const fn new(path: &'static str, ty: &'static str, at: Where, doc: &'static str) -> Self {
        Self { declared: Declared::new(path, ty, at, doc), value: PhantomData }
    }

    /// Its line.
    pub(crate) const fn declared(&self) -> Declared {
        self.declared
    }

    pub(crate) const fn path(&self) -> &'static str {
        self.declared.path()
    }
}

impl ActionResult<String> {
    /// A text.
    pub(crate) const fn text(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "string", at, doc)
    }
}

impl ActionResult<bool> {
    /// True or false.
    pub(crate) const fn bool(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "bool", at, doc)
    }
}

impl ActionResult<i64> {
    /// A whole number.
    pub(crate) const fn int(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "int", at, doc)
    }
}

impl ActionResult<Value> {
    /// Anything.
    pub(crate) const fn any(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "dyn", at, doc)
    }

    /// Of another declared type, such as a list of records.
    pub(crate) const fn of_type(path: &'static str, ty: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, ty, at, doc)
    }
}

impl ActionResult<Vec<Value>> {
    /// A list of texts.
    pub(crate) const fn texts(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "list(string)", at, doc)
    }

    /// A list of anything.
    pub(crate) const fn list(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "list(dyn)", at, doc)
    }
}

impl ActionResult<Map> {
    /// A map of texts to anything.
    pub(crate) const fn map(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::new(path, "map(string, dyn)", at, doc)
    }
}

/// The path of the action whose result is declared at a path: the first three names.
pub(crate) fn result_path(path: &'static str) -> Option<&'static str> {
    if !path.starts_with("actions.") {
        return None;
    }
    let end = path.match_indices('.').nth(2).map_or(path.len(), |(at, _)| at);
    path.get(..end)
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Its phase; nothing outside of policies.
    pub phase: Option<Phase>,
    /// The protocol of its endpoint, if known.
    pub scheme: Option<Scheme>,
    /// True for the `retry_condition` of an `http-request`, which knows the attempts so far.
    pub retry: bool,
    /// True if its endpoint is known to be public: no pod of a cluster is seen there.
    pub public: bool,
}

impl Site {
    /// Where a function cannot be called that can be in some phases, and what to do; `None` if it can.
    pub(crate) fn refuses(self, phases: PhaseSet) -> Option<(String, String)> {
        let phase = self.phase.filter(|phase| !phases.contains(*phase))?;
        let names: Vec<_> = phases.iter().map(Phase::name).collect();
        Some((format!("in {phase}"), format!("it can be called in {}", listed(&names))))
    }

    /// Where a variable has no value, and what to do; `None` if it has one here.
    pub(crate) fn lacks(self, at: Where) -> Option<(String, String)> {
        if let Some(phase) = self.phase.filter(|phase| !at.phases.contains(*phase)) {
            let names: Vec<_> = at.phases.iter().map(Phase::name).collect();
            let help =
                format!("it has one in {}; move the rule, or decide by what is known here", listed(&names));
            return Some((format!("in {phase}"), help));
        }
        if at.retry && !self.retry && self.phase.is_some() {
            let help = "it has one in the `retry_condition` of `http-request`".to_owned();
            return Some(("here".to_owned(), help));
        }
        if at.pods && self.public {
            let help = "it has one on endpoints with `bindings: [kubernetes]`; decide by what is known here";
            return Some(("on public endpoints".to_owned(), help.to_owned()));
        }
        let (on, has) = match self.scheme {
            Some(scheme @ (Scheme::Tcp | Scheme::Http)) if at.tls => (scheme, "tls and https"),
            Some(scheme @ (Scheme::Tcp | Scheme::Tls)) if at.http => (scheme, "http and https"),
            _ => return None,
        };
        let help = format!("it has one on {has} endpoints; decide by what is known here");
        Some((format!("on {} endpoints", on.name()), help))
    }
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
