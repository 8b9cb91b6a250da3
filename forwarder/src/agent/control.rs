//! How an agent is told what to do while it runs.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How an agent is told what to do while it runs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Control {
    pub(super) stop: CancellationToken,
    pub(super) reload: Arc<Notify>,
}

impl Control {
    /// Has it end its session and its connections.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Has it read its configuration again, and change what differs.
    pub fn reload(&self) {
        self.reload.notify_one();
    }
}

impl From<CancellationToken> for Control {
    fn from(stop: CancellationToken) -> Self {
        Self { stop, ..Self::default() }
    }
}
