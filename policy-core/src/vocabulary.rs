//! How variables and results of actions are declared: path, type, and where they have a value.
//!
//! Source: ngrok documentation, Traffic Policy variables (2026-08-07).

pub(crate) mod tag;
mod tls;

use std::marker::PhantomData;

use crate::cel::{Map, Where};
use crate::phase::{Phase, PhaseSet};

pub(crate) use tls::{certificate, handshake};

/// One declared variable or field of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared {
    pub(crate) path: &'static str,
    pub(crate) ty: &'static str,
    pub(crate) at: Where,
    pub(crate) optional: bool,
    pub(crate) doc: &'static str,
}

pub(crate) const EVERYWHERE: Where =
    Where { phases: PhaseSet::of(&Phase::ALL), tls: false, http: false, retry: false, pods: false };
pub(crate) const TLS: Where = Where { tls: true, ..EVERYWHERE };
/// Where a pod connects, through an endpoint with the binding `kubernetes`, or may have.
pub(crate) const PODS: Where = Where { pods: true, ..EVERYWHERE };
pub(crate) const REQUEST: Where = Where {
    phases: PhaseSet::of(&[Phase::OnHttpRequest, Phase::OnHttpResponse, Phase::OnEventStreamMessage]),
    http: true,
    ..EVERYWHERE
};
pub(crate) const RETRY: Where = Where { retry: true, ..REQUEST };
pub(crate) const EVENT: Where = Where { phases: PhaseSet::of(&[Phase::OnEventStreamMessage]), ..REQUEST };
pub(crate) const RESPONSE: Where = Where {
    phases: PhaseSet::of(&[Phase::OnHttpResponse, Phase::OnEventStreamMessage]),
    http: true,
    ..EVERYWHERE
};

impl Declared {
    pub(crate) const fn new(path: &'static str, ty: &'static str, at: Where, doc: &'static str) -> Self {
        Self { path, ty, at, optional: false, doc }
    }

    pub(crate) const fn path(&self) -> &'static str {
        self.path
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
    const fn of(path: &'static str, ty: &'static str, at: Where, doc: &'static str) -> Self {
        Self { declared: Declared::new(path, ty, at, doc), value: PhantomData }
    }

    /// Its line.
    pub(crate) const fn declared(&self) -> Declared {
        self.declared
    }

    pub(crate) const fn path(&self) -> &'static str {
        self.declared.path
    }
}

impl ActionResult<String> {
    /// A text.
    pub(crate) const fn text(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::of(path, "string", at, doc)
    }
}

impl ActionResult<Map> {
    /// A map of texts to anything.
    pub(crate) const fn map(path: &'static str, at: Where, doc: &'static str) -> Self {
        Self::of(path, "map(string, dyn)", at, doc)
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
