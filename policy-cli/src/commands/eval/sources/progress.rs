//! How far a long list is, on standard error.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crate::exit::note;

/// How often it is said at a terminal, and in a log.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_IN_LOGS: Duration = Duration::from_secs(10);

/// When it was said last.
pub(crate) struct Progress {
    last: Instant,
    every: Duration,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let every = if io::stderr().is_terminal() { EVERY } else { EVERY_IN_LOGS };
        Self { last: Instant::now(), every }
    }

    /// Says it, if that is due.
    pub(super) fn say(&mut self, addresses: usize) {
        self.say_of(addresses as u64, "addresses");
    }

    /// The same of other things.
    pub(crate) fn say_of(&mut self, number: u64, what: &str) {
        if self.last.elapsed() >= self.every {
            self.last = Instant::now();
            note(&format!("{number} {what} so far"));
        }
    }
}
