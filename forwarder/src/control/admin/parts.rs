//! What the API works on.

use std::sync::Arc;

use super::edge::EdgeControl;
use super::sessions::Sessions;
use crate::control::audit::Audit;
use crate::control::identity::Identity;

/// The parts behind an API. Cheap to clone.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) identity: Identity,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) audit: Audit,
    /// `None` where no edge runs behind the API.
    pub(super) edge: Option<Arc<dyn EdgeControl>>,
}
