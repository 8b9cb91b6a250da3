//! The admin API: ngrok's control-plane API, as far as this edge has its resources, over a Unix socket or TCP.
//!
//! A request passes, file by file:
//!
//! 1. `server`: a bounded number of connections, each with deadlines;
//! 2. `guard`: what TCP needs and a private socket does not: a key, a known `Host`, no `Origin`;
//! 3. [`Admin::answer`]: without a runtime; what changes something runs on a thread of its own, so that a client that
//!    leaves interrupts nothing. `resource` finds who is asked, by the list in `resources`, where each has its file;
//!    `records` is what those of the identity store do alike;
//! 4. [`Audit`]: one event a change, after it is safe on disk.
//!
//! Source: ngrok API reference and the types of its clients (2026-11-22). Ours are `expires_at` and
//! `last_used_at` of a credential.

mod answer;
mod edge;
mod filter;
mod guard;
mod page;
mod records;
mod resource;
mod resources;
mod server;
mod sessions;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::control::audit::{Audit, Caller};
use crate::control::identity::{Identity, KeyRefusal, ServiceUserId};

pub use answer::{Answer, Fault};
pub use edge::{
    AgentsOfOwner, ChangedPolicy, EdgeControl, EdgeStatus, EndpointStatus, NotLoadedView, OfflineTarget,
    PolicyState, ReloadReport,
};
pub use guard::RequestGuard;
pub use page::encode;
use resource::Resources;
pub(crate) use server::CONNECTIONS;
pub use server::{AdminSocket, respond, serve_tcp, serve_unix};
pub use sessions::{Delivery, EndpointView, NoSessions, Ref, SessionCommand, SessionView, Sessions};

/// What the API works on. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    identity: Identity,
    sessions: Arc<dyn Sessions>,
    audit: Audit,
    resources: Resources,
    /// `None` where no edge runs behind the API.
    edge: Option<Arc<dyn EdgeControl>>,
    /// Held from before a change until it is told, so that events come in the order of changes, and so that no
    /// key changes anything after it was deleted.
    changes: Arc<Mutex<()>>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// A request that passed the guard, read whole.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, from `/` on.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
    /// The body.
    pub body: Bytes,
    /// What the URIs in the answer begin with, such as `http://localhost`.
    pub base: String,
    /// Who calls.
    pub caller: Caller,
}

impl Call {
    /// Reads a body of JSON that is no list; an empty one is an empty object.
    fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Fault> {
        let body = if self.body.is_empty() { b"{}" } else { &*self.body };
        // A list would be taken for the fields in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            let message = "the body cannot be used: it is a list, not a JSON object".to_owned();
            return Err(Fault::new(StatusCode::BAD_REQUEST, message));
        }
        serde_json::from_slice(body)
            .map_err(|error| Fault::new(StatusCode::BAD_REQUEST, format!("the body cannot be used: {error}")))
    }

    fn uri(&self, collection: &str, id: impl fmt::Display) -> String {
        format!("{}/{collection}/{id}", self.base)
    }
}

impl Admin {
    /// An API on these parts; every change is told to `audit`.
    pub fn new(identity: Identity, sessions: Arc<dyn Sessions>, audit: Audit) -> Self {
        Self { identity, sessions, audit, resources: resources::ALL, edge: None, changes: Arc::default() }
    }

    /// Answers a request. Waits for the disk where the request changes something.
    #[must_use]
    pub fn answer(&self, call: &Call) -> Answer {
        // No code panics while it holds the lock.
        let takes_turn = resource::find(self.resources, &call.path).is_none_or(|(it, _)| it.takes_turns());
        let changes = call.method != Method::GET && takes_turn;
        let _one = changes.then(|| self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        // The key counted when the request began; its body may have taken a while.
        let counts = match call.caller {
            Caller::Key(id) if !self.identity.key_counts(id) => Err(KeyRefusal::Unknown.into()),
            Caller::Key(_) | Caller::Local => Ok(()),
        };
        counts.and_then(|()| resource::answer(self, call)).unwrap_or_else(Answer::from)
    }
}

/// The owner that a body names, if any.
fn owner(id: Option<String>, email: Option<String>) -> Result<Option<ServiceUserId>, Fault> {
    let bad = |message: String| Fault::new(StatusCode::BAD_REQUEST, message);
    if email.is_some_and(|email| !email.is_empty()) {
        return Err(bad("`owner_email` is not supported: give the `owner_id` of a service user".to_owned()));
    }
    // Some clients send an empty text for nothing.
    let id = id.filter(|id| !id.is_empty()).map(|id| id.parse()).transpose();
    id.map_err(|error| bad(format!("`owner_id` is {error}")))
}

#[cfg(test)]
mod tests;
