//! Lines that would repeat themselves: one in some time for each key, the others are counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Beyond so many keys those that have nothing to tell are forgotten.
const MANY_KEYS: usize = 64;

/// What was written when, and what was not. Time is passed in.
#[derive(Debug)]
pub(crate) struct Repeats<K> {
    every: Duration,
    keys: Mutex<HashMap<K, Seen>>,
}

#[derive(Debug)]
struct Seen {
    written: Instant,
    counted: u64,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is written; so many before it were not.
    Write(u64),
    /// It is the first that is counted alone; the count is due after this time.
    Count(Duration),
    /// It is counted, as others are.
    Counted,
}

impl<K: Clone + Eq + Hash> Repeats<K> {
    /// Nothing was written yet; lines of a kind are counted for this long at a time.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, keys: Mutex::default() }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<K, Seen>> {
        // No code panics while it holds the lock.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is to be a line about something now.
    pub(crate) fn line(&self, key: &K, now: Instant) -> Line {
        let mut keys = self.keys();
        let Some(seen) = keys.get_mut(key) else {
            if keys.len() >= MANY_KEYS {
                keys.retain(|_, seen| seen.counted > 0 || now < seen.written + self.every);
            }
            keys.insert(key.clone(), Seen { written: now, counted: 0 });
            return Line::Write(0);
        };
        let due = seen.written + self.every;
        if now >= due {
            seen.written = now;
            return Line::Write(std::mem::take(&mut seen.counted));
        }
        seen.counted += 1;
        if seen.counted == 1 { Line::Count(due.saturating_duration_since(now)) } else { Line::Counted }
    }

    /// How many lines were not written; told now, unless it is none.
    pub(crate) fn counted(&self, key: &K, now: Instant) -> u64 {
        let mut keys = self.keys();
        let Some(seen) = keys.get_mut(key).filter(|seen| seen.counted > 0) else { return 0 };
        seen.written = now;
        std::mem::take(&mut seen.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_is_written_and_the_others_are_counted() {
        let (repeats, start) = (Repeats::new(Duration::from_secs(1)), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(repeats.line(&"a", at(0)), Line::Write(0));
        assert_eq!(repeats.line(&"b", at(0)), Line::Write(0), "another key has its own");
        assert_eq!(repeats.line(&"a", at(400)), Line::Count(Duration::from_millis(600)));
        for ms in 401..999 {
            assert_eq!(repeats.line(&"a", at(ms)), Line::Counted);
        }
        assert_eq!((repeats.counted(&"a", at(1_000)), repeats.counted(&"a", at(1_000))), (599, 0));
        assert_eq!(repeats.line(&"a", at(1_001)), Line::Count(Duration::from_millis(999)));
        // Whoever did not wait for the count has it with the next line.
        assert_eq!(repeats.line(&"a", at(2_000)), Line::Write(1));
        assert_eq!(repeats.counted(&"none", at(0)), 0);
    }

    #[test]
    fn keys_that_have_nothing_to_tell_are_forgotten() {
        let (repeats, start) = (Repeats::new(Duration::from_secs(1)), Instant::now());
        let later = start + Duration::from_secs(1);
        for key in 0..1_000 {
            repeats.line(&key, start);
        }
        repeats.line(&7, start);
        repeats.line(&1_000, later);
        assert_eq!(repeats.keys().len(), 2);
        assert_eq!(repeats.counted(&7, later), 1, "nothing that was counted is lost");
    }
}
