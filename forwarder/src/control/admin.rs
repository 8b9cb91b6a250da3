//! The admin API: ngrok's control-plane API, as far as this edge has its resources, over a Unix socket or TCP.
//!
//! A request passes, file by file:
//!
//! 1. `server`: a bounded number of connections, each with deadlines;
//! 2. `guard`: what TCP needs and a private socket does not: a key, a known `Host`, no `Origin`;
//! 3. [`Admin::answer`]: the resource, without a runtime; what changes something runs on a thread of its own,
//!    so that a client that leaves interrupts nothing;
//! 4. `audit`: one event a change, after it is safe on disk.
//!
//! Source: ngrok API reference and the types of its clients (2026-11-22). Ours are `expires_at` and
//! `last_used_at` of a credential.

mod answer;
mod api_keys;
mod audit;
mod credentials;
mod edge;
mod filter;
mod guard;
mod page;
mod server;
mod service_users;
mod sessions;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Method, StatusCode};

use crate::control::identity::{Identity, KeyRefusal, ServiceUserId};

pub use answer::{Answer, Fault};
pub use audit::Audit;
pub(crate) use audit::policy_changed;
pub use edge::{
    AgentsOfOwner, ChangedPolicy, EdgeControl, EdgeStatus, EndpointStatus, NotLoadedView, OfflineTarget,
    PolicyState, ReloadReport,
};
pub use guard::{Caller, RequestGuard};
pub use page::encode;
pub(crate) use server::CONNECTIONS;
pub use server::{AdminSocket, respond, serve_tcp, serve_unix};
pub use sessions::{Asked, EndpointView, NoSessions, Ref, SessionView, Sessions, Wish};

/// What the API works on. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    identity: Identity,
    sessions: Arc<dyn Sessions>,
    audit: Audit,
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
    /// Reads a body of JSON; an empty one is an empty object.
    fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Fault> {
        let body = if self.body.is_empty() { b"{}" } else { &*self.body };
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
        Self { identity, sessions, audit, edge: None, changes: Arc::default() }
    }

    /// Answers a request. Waits for the disk where the request changes something.
    #[must_use]
    pub fn answer(&self, call: &Call) -> Answer {
        // No code panics while it holds the lock.
        let changes = call.method != Method::GET && !Self::is_of_edge(call);
        let _one = changes.then(|| self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        // The key counted when the request began; its body may have taken a while.
        let counts = match call.caller {
            Caller::Key(id) if !self.identity.key_counts(id) => Err(KeyRefusal::Unknown.into()),
            Caller::Key(_) | Caller::Local => Ok(()),
        };
        counts.and_then(|()| self.route(call)).unwrap_or_else(Answer::from)
    }

    fn route(&self, call: &Call) -> Result<Answer, Fault> {
        let path = call.path.strip_prefix('/').unwrap_or(&call.path);
        let mut parts = path.split('/');
        let (collection, id, verb) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(Fault::not_served(&call.path));
        }
        let users =
            if collection == service_users::OLDER { service_users::OLDER } else { service_users::COLLECTION };
        match (collection, id, verb) {
            (service_users::COLLECTION | service_users::OLDER, None, None) => match call.method {
                Method::GET => self.list_service_users(call, users),
                Method::POST => self.create_service_user(call, users),
                _ => Err(Fault::wrong_method("GET and POST")),
            },
            (service_users::COLLECTION | service_users::OLDER, Some(id), None) => match call.method {
                Method::GET => self.read_service_user(call, users, id),
                Method::PATCH => self.update_service_user(call, users, id),
                Method::DELETE => self.delete_service_user(call, users, id),
                _ => Err(Fault::wrong_method("GET, PATCH and DELETE")),
            },
            (credentials::COLLECTION, None, None) => match call.method {
                Method::GET => self.list_credentials(call),
                Method::POST => self.create_credential(call),
                _ => Err(Fault::wrong_method("GET and POST")),
            },
            (credentials::COLLECTION, Some(id), None) => match call.method {
                Method::GET => self.read_credential(call, id),
                Method::PATCH => self.update_credential(call, id),
                Method::DELETE => self.delete_credential(call, id),
                _ => Err(Fault::wrong_method("GET, PATCH and DELETE")),
            },
            (api_keys::COLLECTION, None, None) => match call.method {
                Method::GET => self.list_api_keys(call),
                Method::POST => self.create_api_key(call),
                _ => Err(Fault::wrong_method("GET and POST")),
            },
            (api_keys::COLLECTION, Some(id), None) => match call.method {
                Method::GET => self.read_api_key(call, id),
                Method::PATCH => self.update_api_key(call, id),
                Method::DELETE => self.delete_api_key(call, id),
                _ => Err(Fault::wrong_method("GET, PATCH and DELETE")),
            },
            (sessions::SESSIONS, id, None) if call.method == Method::GET => self.read_sessions(call, id),
            (sessions::SESSIONS, Some(id), Some("stop")) if call.method == Method::POST => {
                self.stop_session(id)
            }
            (sessions::SESSIONS, Some(id), Some("restart")) if call.method == Method::POST => {
                self.restart_session(id)
            }
            (sessions::SESSIONS, Some(id), Some("update")) if call.method == Method::POST => {
                self.update_session(call, id)
            }
            (edge::EDGE, verb, None) => self.route_edge(call, verb),
            (sessions::ENDPOINTS, id, None) if call.method == Method::GET => self.read_endpoints(call, id),
            (sessions::SESSIONS | sessions::ENDPOINTS, _, None) => Err(Fault::wrong_method("GET")),
            (sessions::SESSIONS, Some(_), Some("stop" | "restart" | "update")) => {
                Err(Fault::wrong_method("POST"))
            }
            _ => Err(Fault::not_served(&call.path)),
        }
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
