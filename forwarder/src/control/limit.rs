//! How fast a source may fail to authenticate.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::sources::network;

/// What failures are counted for.
pub(crate) trait FailureKey: Copy + Eq + Hash {
    /// The same for all that count as one.
    #[must_use]
    fn counted_as(self) -> Self;
}

impl FailureKey for IpAddr {
    fn counted_as(self) -> Self {
        network(self)
    }
}

/// Counts failures a source and window, in bounded memory. Time is passed in.
#[derive(Debug)]
pub(crate) struct FailureLimit<K = IpAddr> {
    max_failures: u32,
    window: Duration,
    max_sources: usize,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    sources: HashMap<K, Failures>,
    /// The sources, about by the begin of their window.
    // INVARIANT: holds each key of `sources` once.
    order: VecDeque<K>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Default for FailureLimit {
    /// 10 failures a minute and source, 10,000 sources.
    fn default() -> Self {
        Self::new(10, Duration::from_secs(60), 10_000)
    }
}

impl<K: FailureKey> FailureLimit<K> {
    /// Refuses a source after `max_failures` in `window`; keeps at most `max_sources`, the oldest go first.
    #[must_use]
    pub(crate) fn new(max_failures: u32, window: Duration, max_sources: usize) -> Self {
        let table = Mutex::new(Table { sources: HashMap::new(), order: VecDeque::new() });
        Self { max_failures, window, max_sources: max_sources.max(1), table }
    }

    /// Whether a source may try; asked before its credential is looked at.
    #[must_use]
    pub(crate) fn allows(&self, source: K, now: Instant) -> bool {
        self.wait(source, now).is_none()
    }

    /// How long a source has to wait; `None` if it may try now.
    #[must_use]
    pub(crate) fn wait(&self, source: K, now: Instant) -> Option<Duration> {
        let table = self.table();
        let failures = table.sources.get(&source.counted_as())?;
        let since = now.saturating_duration_since(failures.since);
        let wait = self.window.checked_sub(since).filter(|wait| !wait.is_zero());
        wait.filter(|_| failures.count >= self.max_failures)
    }

    /// Notes that a source failed.
    pub(crate) fn note_failure(&self, source: K, now: Instant) {
        let source = source.counted_as();
        let mut guard = self.table();
        let table = &mut *guard;
        while let Some(oldest) = table.order.front().copied() {
            let over = table.sources.get(&oldest).is_none_or(|it| self.is_over(it, now));
            let full = table.sources.len() >= self.max_sources && !table.sources.contains_key(&source);
            if !over && !full {
                break;
            }
            table.order.pop_front();
            table.sources.remove(&oldest);
        }
        let order = &mut table.order;
        let failures = table.sources.entry(source).or_insert_with(|| {
            order.push_back(source);
            Failures { since: now, count: 0 }
        });
        if self.is_over(failures, now) {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }

    fn is_over(&self, failures: &Failures, now: Instant) -> bool {
        now.saturating_duration_since(failures.since) >= self.window
    }

    fn table(&self) -> MutexGuard<'_, Table<K>> {
        // No code panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_source_waits_after_its_failures_and_no_other_does() {
        let (limit, start) = (FailureLimit::new(3, MINUTE, 10), Instant::now());
        for _ in 0..3 {
            assert!(limit.allows(source("192.0.2.1"), start));
            limit.note_failure(source("192.0.2.1"), start);
        }
        assert!(!limit.allows(source("192.0.2.1"), start));
        assert!(!limit.allows(source("::ffff:192.0.2.1"), start));
        assert!(limit.allows(source("192.0.2.2"), start));
        assert!(!limit.allows(source("192.0.2.1"), start + MINUTE / 2));
        assert!(limit.allows(source("192.0.2.1"), start + MINUTE));
        limit.note_failure(source("192.0.2.1"), start + MINUTE);
        assert!(limit.allows(source("192.0.2.1"), start + MINUTE));
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let (limit, start) = (FailureLimit::new(1, MINUTE, 10), Instant::now());
        limit.note_failure(source("2001:db8::1"), start);
        assert!(!limit.allows(source("2001:db8::ffff"), start));
        assert!(limit.allows(source("2001:db8:0:1::1"), start));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes() {
        let (limit, start) = (FailureLimit::new(1, MINUTE, 100), Instant::now());
        for number in 0..10_000_u32 {
            limit.note_failure(IpAddr::V4(number.into()), start);
            limit.note_failure(IpAddr::V4(number.into()), start + MINUTE * (number % 3));
        }
        let table = limit.table();
        assert!(table.sources.len() <= 100 && table.order.len() == table.sources.len());
        drop(table);
        assert!(!limit.allows(IpAddr::V4(9_999.into()), start));
        assert!(limit.allows(IpAddr::V4(1.into()), start));
    }
}
