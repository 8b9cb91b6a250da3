//! How often one source may begin TLS, and how refusals that repeat are answered.
//!
//! A right authtoken is always let in: looking at one costs a hash. What costs is TLS, so a source that begins it too
//! often waits for its turn. Who is refused again and again is told when to come again; nobody else is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::control::limit::{FailureKey, FailureLimit};
use crate::net::sources::network;

/// Refusals of one authtoken from one source, and of all from one source, before they are asked to wait.
const FAILURES: u32 = 10;
const FAILURES_OF_SOURCE: u32 = 30;
const WITHIN: Duration = Duration::from_secs(60);
const MAX_SOURCES: usize = 10_000;

/// Handshakes that one source may begin at once, as many as a site may have agents that come back, and then each
/// second.
const BURST: u32 = 600;
const PER_SECOND: u32 = 50;

/// An authtoken that was refused, by its hash, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Attempt(IpAddr, u64);

impl FailureKey for Attempt {
    fn counted_as(self) -> Self {
        Self(network(self.0), self.1)
    }
}

/// Refusals of late.
#[derive(Debug)]
pub(super) struct RecentFailures {
    of_authtoken: FailureLimit<Attempt>,
    of_source: FailureLimit,
    hasher: RandomState,
}

impl Default for RecentFailures {
    fn default() -> Self {
        Self {
            of_authtoken: FailureLimit::new(FAILURES, WITHIN, MAX_SOURCES),
            of_source: FailureLimit::new(FAILURES_OF_SOURCE, WITHIN, MAX_SOURCES),
            hasher: RandomState::new(),
        }
    }
}

impl RecentFailures {
    /// Notes one; how long its source should wait, if this has happened too often.
    pub(super) fn note(&self, source: IpAddr, authtoken: &str, now: Instant) -> Option<Duration> {
        let attempt = Attempt(source, self.hasher.hash_one(authtoken));
        self.of_authtoken.note_failure(attempt, now);
        self.of_source.note_failure(source, now);
        self.of_authtoken.wait(attempt, now).max(self.of_source.wait(source, now))
    }
}

/// When sources may begin TLS.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// When a source will have used up nothing of its allowance.
    free: Mutex<HashMap<IpAddr, Instant>>,
}

impl Handshakes {
    /// How long a source has to wait for its turn; `None` if that is longer than `patience`.
    pub(super) fn turn(&self, source: IpAddr, now: Instant, patience: Duration) -> Option<Duration> {
        const EACH: Duration = Duration::from_millis(1_000 / PER_SECOND as u64);
        let source = network(source);
        // No code panics while it holds the lock.
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() >= MAX_SOURCES {
            free.retain(|_, at| *at > now);
        }
        let at = free.get(&source).copied().unwrap_or(now).max(now) + EACH;
        let wait = at.saturating_duration_since(now).saturating_sub(EACH * BURST);
        if wait > patience {
            return None;
        }
        // Where all of them are busy, one more is not counted.
        if free.len() < MAX_SOURCES || free.contains_key(&source) {
            free.insert(source, at);
        }
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn who_is_refused_often_is_asked_to_wait_and_another_token_is_not() {
        let (refusals, start) = (RecentFailures::default(), Instant::now());
        let note =
            |token: &str, after: u64| refusals.note(source(1), token, start + Duration::from_secs(after));
        assert!((1..FAILURES).all(|_| note("revoked", 0).is_none()));
        assert_eq!(note("revoked", 10), Some(Duration::from_secs(50)));
        assert_eq!(note("another", 10), None);
        let guesses =
            (0..FAILURES_OF_SOURCE).map(|number| note(&number.to_string(), 20)).filter(Option::is_some);
        assert!(guesses.count() > 0, "who guesses is asked to wait, whatever the guess");
        assert_eq!(refusals.note(source(2), "revoked", start), None);
        assert_eq!(note("revoked", 60), None, "the minute is over");
    }

    #[test]
    fn a_source_that_begins_tls_too_often_waits_for_its_turn() {
        let (handshakes, now) = (Handshakes::default(), Instant::now());
        let patience = Duration::from_secs(1);
        let turns: Vec<_> =
            (0..BURST + 2 * PER_SECOND).map(|_| handshakes.turn(source(1), now, patience)).collect();
        let (burst, paced) = turns.split_at(BURST as usize);
        assert!(burst.iter().all(|wait| *wait == Some(Duration::ZERO)));
        assert!(paced.is_sorted_by(|one, other| one < other || other.is_none()));
        let served = paced.iter().flatten().count();
        assert_eq!(served, PER_SECOND as usize, "those who would wait for too long are let go");
        assert_eq!(handshakes.turn(source(2), now, patience), Some(Duration::ZERO));
        let later = now + Duration::from_secs(60);
        assert_eq!(handshakes.turn(source(1), later, patience), Some(Duration::ZERO));
    }

    #[test]
    fn memory_is_bounded() {
        let (handshakes, now) = (Handshakes::default(), Instant::now());
        for number in 0..3 * u32::try_from(MAX_SOURCES).expect("few") {
            let now = now + Duration::from_micros(number.into());
            assert!(handshakes.turn(source(number), now, WITHIN).is_some());
        }
        assert!(handshakes.free.lock().expect("whole").len() <= MAX_SOURCES);
    }
}
