//! Rate limits: how many requests pass in a time.
//!
//! ngrok counts in steps of ten seconds (`rate` is a multiple of them) and does not say how a window slides over them. Ours
//! counts the running step and all steps that a window which ends now touches, so that never more than the capacity passes
//! in any stretch of the time, whatever its begin; what was refused is not counted.

use std::collections::VecDeque;
use std::time::Duration;

use super::ActionId;

/// What requests are counted in.
const STEP: Duration = Duration::from_secs(10);

/// A limit of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// The action; each has counts of its own.
    pub action: ActionId,
    /// Its name.
    pub name: Box<str>,
    /// How many requests pass.
    pub capacity: u32,
    /// In which time.
    pub window: Duration,
}

/// What a limit says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateVerdict {
    /// It passes, and is counted.
    Passes,
    /// It is over the limit.
    Limited {
        /// When the next one passes, if none comes meanwhile.
        retry_after: Duration,
    },
}

/// The requests of one client that passed a limit. The host has one for each key, and the clock.
///
/// ```
/// use policy_core::exchange::{RateVerdict, SlidingWindow};
/// use std::time::Duration;
/// let (mut window, minute) = (SlidingWindow::default(), Duration::from_secs(60));
/// assert_eq!(window.count(1, minute, Duration::from_secs(5)), RateVerdict::Passes);
/// let retry_after = Duration::from_secs(65);
/// assert_eq!(window.count(1, minute, Duration::from_secs(5)), RateVerdict::Limited { retry_after });
/// assert_eq!(window.count(1, minute, Duration::from_secs(70)), RateVerdict::Passes);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Steps with requests, oldest first, and how many. INVARIANT: not more than the capacity.
    steps: VecDeque<(u64, u32)>,
    total: u64,
}

impl SlidingWindow {
    /// Counts a request at a time, from any beginning, unless it is over the limit. A clock that goes back counts as standing
    /// still. O(1) amortised.
    pub fn count(&mut self, capacity: u32, window: Duration, now: Duration) -> RateVerdict {
        let newest = self.steps.back().map_or(0, |(step, _)| *step);
        let step = (now.as_secs() / STEP.as_secs()).max(newest);
        // A window that ends in this step begins as many steps before, within one of them.
        let reach = window.as_secs().div_ceil(STEP.as_secs());
        while let Some((old, count)) = self.steps.front().copied().filter(|(old, _)| old + reach < step) {
            self.steps.pop_front();
            self.total -= u64::from(count);
            debug_assert!(old < step);
        }
        if self.total >= u64::from(capacity) {
            return RateVerdict::Limited { retry_after: self.opens_at(capacity, reach).saturating_sub(now) };
        }
        self.total += 1;
        match self.steps.back_mut().filter(|(newest, _)| *newest == step) {
            Some((_, count)) => *count += 1,
            None => self.steps.push_back((step, 1)),
        }
        RateVerdict::Passes
    }

    /// When the oldest steps are gone with so many requests that another one passes.
    fn opens_at(&self, capacity: u32, reach: u64) -> Duration {
        let mut left = self.total;
        let last = self.steps.iter().find(|(_, count)| {
            left -= u64::from(*count);
            left < u64::from(capacity)
        });
        let step = last.map_or(0, |(step, _)| *step);
        Duration::from_secs((step + reach + 1).saturating_mul(STEP.as_secs()))
    }

    /// True if nothing in it counts any more, so that a host may forget it.
    #[must_use]
    pub fn is_stale(&self, window: Duration, now: Duration) -> bool {
        let reach = window.as_secs().div_ceil(STEP.as_secs());
        self.steps.back().is_none_or(|(step, _)| step + reach < now.as_secs() / STEP.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same from a list of the times of all requests that passed.
    fn naive(passed: &mut Vec<u64>, capacity: u32, window: u64, now: u64) -> bool {
        let first = (now / 10).saturating_sub(window.div_ceil(10)) * 10;
        let count = passed.iter().filter(|at| **at >= first).count();
        let passes = count < capacity as usize;
        if passes {
            passed.push(now);
        }
        passes
    }

    proptest! {
        #[test]
        fn counts_as_a_list_of_times_and_never_lets_more_through(
            gaps in prop::collection::vec(0_u64..40, 1..200),
            capacity in 1_u32..8,
            steps in 6_u64..12,
        ) {
            let (mut counted, mut passed, mut now) = (SlidingWindow::default(), Vec::new(), 0);
            let window = steps * 10;
            for gap in gaps {
                now += gap;
                let verdict = counted.count(capacity, Duration::from_secs(window), Duration::from_secs(now));
                let passes = naive(&mut passed, capacity, window, now);
                prop_assert_eq!(verdict == RateVerdict::Passes, passes);
                if let RateVerdict::Limited { retry_after } = verdict {
                    let opens = Duration::from_secs(now) + retry_after;
                    let mut before = counted.clone();
                    let just_before = opens.saturating_sub(Duration::from_nanos(1));
                    prop_assert_ne!(
                        before.count(capacity, Duration::from_secs(window), just_before),
                        RateVerdict::Passes
                    );
                    let mut then = counted.clone();
                    prop_assert_eq!(then.count(capacity, Duration::from_secs(window), opens), RateVerdict::Passes);
                }
            }
            // In no stretch of the time, wherever it begins, more than the capacity.
            for begin in &passed {
                let inside = passed.iter().filter(|at| (*begin..begin + window).contains(at)).count();
                prop_assert!(inside <= capacity as usize);
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_opens_nothing() {
        let (mut window, minute) = (SlidingWindow::default(), Duration::from_secs(60));
        assert_eq!(window.count(1, minute, Duration::from_secs(1_000)), RateVerdict::Passes);
        assert_ne!(window.count(1, minute, Duration::from_secs(1)), RateVerdict::Passes);
        assert!(!window.is_stale(minute, Duration::from_secs(1_060)));
        assert!(window.is_stale(minute, Duration::from_secs(1_070)));
    }
}
