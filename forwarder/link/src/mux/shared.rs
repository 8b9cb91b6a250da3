//! What the parts of a session share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::state::State;

/// What the parts of a session share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// It is to end at once.
    pub(super) closing: CancellationToken,
    pub(super) ended: CancellationToken,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
