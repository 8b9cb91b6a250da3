//! How far a long list is, on standard error.

use std::time::{Duration, Instant};

use crate::exit::note;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(1);

/// When it was said last.
pub(super) struct Progress {
    last: Instant,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self { last: Instant::now() }
    }

    /// Says it, if that is due.
    pub(super) fn say(&mut self, addresses: usize) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            note(&format!("{addresses} addresses so far"));
        }
    }
}
