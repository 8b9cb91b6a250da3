//! How far a long list is, on standard error.

use std::time::{Duration, Instant};

use crate::exit::note;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(1);

/// When it was said last.
pub(crate) struct Progress {
    last: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self { last: Instant::now() }
    }

    /// Says it, if that is due.
    pub(super) fn say(&mut self, addresses: usize) {
        self.say_of(addresses as u64, "addresses");
    }

    /// The same of other things.
    pub(crate) fn say_of(&mut self, number: u64, what: &str) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            note(&format!("{number} {what} so far"));
        }
    }
}
