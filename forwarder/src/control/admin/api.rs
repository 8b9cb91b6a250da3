//! The API: answers requests, changes one after the other.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Method;

use super::answer::Answer;
use super::call::Call;
use super::edge::EdgeControl;
use super::parts::Parts;
use super::resource::{self, Resources};
use super::resources;
use super::sessions::Sessions;
use crate::control::audit::{Audit, Caller};
use crate::control::identity::{ApiKeyError, Identity};

/// What the API works on. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    pub(super) parts: Parts,
    pub(super) resources: Resources,
    /// Held from before a change until it is told, so that events come in the order of changes, and so that no
    /// key changes anything after it was deleted.
    pub(super) changes: Arc<Mutex<()>>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Admin {
    /// An API on these parts; every change is told to `audit`.
    pub fn new(identity: Identity, sessions: Arc<dyn Sessions>, audit: Audit) -> Self {
        let parts = Parts { identity, sessions, audit, edge: None };
        Self { parts, resources: resources::ALL, changes: Arc::default() }
    }

    /// The same API with the edge behind it.
    #[must_use]
    pub fn with_edge(self, edge: Arc<dyn EdgeControl>) -> Self {
        Self { parts: Parts { edge: Some(edge), ..self.parts }, ..self }
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
            Caller::Key(id) if !self.parts.identity.key_counts(id) => Err(ApiKeyError::Unknown.into()),
            Caller::Key(_) | Caller::Local => Ok(()),
        };
        counts.and_then(|()| resource::answer(&self.parts, self.resources, call)).unwrap_or_else(Answer::from)
    }
}
