//! What the policies that agents bring may take of the edge: steps in a second and memory, of one authtoken and in all.
//!
//! Time is passed in. A share outlives the sessions of its authtoken, so that nobody gets a new one by connecting again.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::control::identity::CredentialId;

/// Steps a second that the policies of one authtoken may take: about a twentieth of one processor.
const STEPS_PER_SECOND: u64 = 1_250_000;
/// The same of all authtokens together.
const ALL_STEPS_PER_SECOND: u64 = 6_250_000;
/// Nanoseconds of a check that count as one step: a quarter of its time, for it holds up no connection.
const CHECK_NANOS: u128 = 160;
/// Steps that an authtoken has left which has hardly used any.
const FRUGAL: i64 = 937_500;
/// Nanoseconds of a second.
const NANOS: u128 = 1_000_000_000;
/// Shares of authtokens that are kept.
const MAX_IDLE: usize = 4_096;

/// How much of something there is, and how fast more comes.
#[derive(Debug)]
struct StepBucket {
    per_second: u64,
    level: Mutex<Level>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// Below zero after work whose price was known only when it was done.
    steps: i64,
    since: Option<Instant>,
}

impl StepBucket {
    fn new(per_second: u64) -> Self {
        let steps = i64::try_from(per_second).unwrap_or(i64::MAX);
        Self { per_second, level: Mutex::new(Level { steps, since: None }) }
    }

    /// Takes steps, and tells what is left.
    fn take(&self, steps: u64, now: Instant) -> i64 {
        // No code panics while it holds the lock.
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let max = i64::try_from(self.per_second).unwrap_or(i64::MAX);
        let elapsed = level.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let more = u128::from(self.per_second).saturating_mul(elapsed.as_nanos()) / NANOS;
        // The part of a step that a moment brings is counted later.
        let counted = more.saturating_mul(NANOS) / u128::from(self.per_second.max(1));
        let counted = Duration::from_nanos(u64::try_from(counted).unwrap_or(u64::MAX));
        level.since = Some(level.since.map_or(now, |since| since.checked_add(counted).unwrap_or(now)));
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        let steps = i64::try_from(steps).unwrap_or(i64::MAX);
        level.steps = level.steps.saturating_add(more).min(max).saturating_sub(steps);
        level.steps
    }
}

/// The shares of all authtokens.
#[derive(Debug)]
pub struct PolicyShares {
    steps: Arc<StepBucket>,
    memory: Arc<AtomicUsize>,
    owners: Mutex<HashMap<CredentialId, Arc<PolicyShare>>>,
}

impl Default for PolicyShares {
    fn default() -> Self {
        Self {
            steps: Arc::new(StepBucket::new(ALL_STEPS_PER_SECOND)),
            memory: Arc::default(),
            owners: Mutex::default(),
        }
    }
}

/// What the policies of one authtoken may take.
#[derive(Debug)]
pub struct PolicyShare {
    steps: StepBucket,
    all_steps: Arc<StepBucket>,
    memory: Arc<AtomicUsize>,
    all_memory: Arc<AtomicUsize>,
    /// One of its policies is checked at a time.
    checks: Arc<tokio::sync::Semaphore>,
}

impl PolicyShares {
    fn owners(&self) -> MutexGuard<'_, HashMap<CredentialId, Arc<PolicyShare>>> {
        // No code panics while it holds the lock.
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The share of an authtoken.
    pub fn share_of(&self, owner: CredentialId, now: Instant) -> Arc<PolicyShare> {
        let mut owners = self.owners();
        if owners.len() >= MAX_IDLE && !owners.contains_key(&owner) {
            // Those that have been used lately stay: nobody gets a new share by coming again.
            let full = i64::try_from(STEPS_PER_SECOND).unwrap_or(i64::MAX);
            owners.retain(|_, share| Arc::strong_count(share) > 1 || share.steps.take(0, now) < full);
        }
        let share = owners.entry(owner).or_insert_with(|| {
            Arc::new(PolicyShare {
                steps: StepBucket::new(STEPS_PER_SECOND),
                all_steps: Arc::clone(&self.steps),
                memory: Arc::default(),
                all_memory: Arc::clone(&self.memory),
                checks: Arc::new(tokio::sync::Semaphore::new(1)),
            })
        });
        Arc::clone(share)
    }
}

impl PolicyShare {
    /// Steps that may be taken now.
    #[must_use]
    pub fn available(&self, now: Instant) -> u64 {
        let (own, all) = (self.steps.take(0, now), self.all_steps.take(0, now));
        // Who has hardly used its own share is not made to wait for those who have used up that of all.
        let available = if own >= FRUGAL { own } else { own.min(all) };
        u64::try_from(available).unwrap_or(0)
    }

    /// True if the authtoken itself has used up its steps.
    #[must_use]
    pub fn is_own_used_up(&self, now: Instant) -> bool {
        self.steps.take(0, now) <= 0
    }

    /// Notes steps that were taken.
    pub fn charge(&self, steps: u64, now: Instant) {
        self.steps.take(steps, now);
        self.all_steps.take(steps, now);
    }

    /// Notes a check that took so long.
    pub fn charge_time(&self, time: Duration, now: Instant) {
        self.charge(u64::try_from(time.as_nanos() / CHECK_NANOS).unwrap_or(u64::MAX), now);
    }

    /// One check of a policy at a time.
    #[must_use]
    pub fn checks(&self) -> Arc<tokio::sync::Semaphore> {
        Arc::clone(&self.checks)
    }

    /// Takes memory for as long as the result lives.
    ///
    /// # Errors
    /// [`Full`], with what would have been exceeded.
    pub fn reserve(&self, bytes: usize, max: usize, max_in_all: usize) -> Result<Reserved, Full> {
        let own = Part::take(&self.memory, bytes, max).ok_or(Full::Own { bytes, max })?;
        let all = Part::take(&self.all_memory, bytes, max_in_all).ok_or(Full::All { max: max_in_all })?;
        Ok(Reserved { _parts: [own, all] })
    }
}

/// Why there is no memory for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The authtoken has used up its part.
    Own {
        /// What the policy takes.
        bytes: usize,
        /// What all of the authtoken's policies may take.
        max: usize,
    },
    /// All authtokens together have.
    All {
        /// What all policies of agents may take.
        max: usize,
    },
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own { bytes, max } => write!(
                f,
                "the policy takes {bytes} bytes of memory, and the policies of one authtoken may take {max} together \
                 (`limits.max_policy_memory_per_authtoken`)"
            ),
            Self::All { max } => write!(
                f,
                "the policies of all agents take the {max} bytes of memory that they may (`limits.max_policy_memory`)"
            ),
        }
    }
}

/// Memory that is taken until this is dropped.
#[derive(Debug, Default)]
pub struct Reserved {
    _parts: [Part; 2],
}

#[derive(Debug, Default)]
struct Part {
    of: Arc<AtomicUsize>,
    bytes: usize,
}

impl Part {
    fn take(of: &Arc<AtomicUsize>, bytes: usize, max: usize) -> Option<Self> {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= max);
        of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self { of: Arc::clone(of), bytes })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    fn owner() -> CredentialId {
        CredentialId(Ulid::generate())
    }

    #[test]
    fn steps_come_back_with_time_and_not_with_a_new_session() {
        let (shares, one, start) = (PolicyShares::default(), owner(), Instant::now());
        let share = shares.share_of(one, start);
        assert_eq!(share.available(start), STEPS_PER_SECOND);
        share.charge(STEPS_PER_SECOND + 500, start);
        assert_eq!(share.available(start), 0);
        drop(share);
        assert_eq!(
            shares.share_of(one, start).available(start),
            0,
            "the same share after all sessions have ended"
        );
        assert_eq!(shares.share_of(owner(), start).available(start), STEPS_PER_SECOND, "another has its own");
        let later = start + Duration::from_millis(500);
        assert_eq!(shares.share_of(one, start).available(later), STEPS_PER_SECOND / 2 - 500);
        assert_eq!(shares.share_of(one, start).available(start + Duration::from_secs(9)), STEPS_PER_SECOND);
        // Many small looks lose nothing.
        shares.share_of(one, start).charge(STEPS_PER_SECOND, start + Duration::from_secs(9));
        let looks =
            (0..1_000_000).step_by(7).map(|nanos| start + Duration::from_nanos(9_000_000_000 + nanos));
        let last = looks.map(|now| shares.share_of(one, start).available(now)).last();
        assert!(last.is_some_and(|left| left >= STEPS_PER_SECOND / 1_000 - 2), "{last:?}");
    }

    #[test]
    fn all_together_have_a_bound_too() {
        let (shares, start) = (PolicyShares::default(), Instant::now());
        let greedy: Vec<_> = (0..5).map(|_| shares.share_of(owner(), start)).collect();
        greedy.iter().for_each(|share| share.charge(STEPS_PER_SECOND, start));
        assert_eq!(
            shares.share_of(owner(), start).available(start),
            STEPS_PER_SECOND,
            "who has used nothing does not wait"
        );
        greedy[0].charge_time(Duration::from_secs(1), start);
        assert_eq!(
            greedy[0].available(start + Duration::from_secs(4)),
            0,
            "a second of checks is five of a share"
        );
    }

    #[test]
    fn memory_is_taken_and_given_back() {
        let (shares, start) = (PolicyShares::default(), Instant::now());
        let (one, other) = (shares.share_of(owner(), start), shares.share_of(owner(), start));
        let first = one.reserve(60, 100, 150).expect("room");
        assert_eq!(one.reserve(41, 100, 150).err(), Some(Full::Own { bytes: 41, max: 100 }));
        let _second = other.reserve(90, 100, 150).expect("room");
        assert_eq!(one.reserve(1, 100, 150).err(), Some(Full::All { max: 150 }));
        drop(first);
        assert!(one.reserve(60, 100, 150).is_ok(), "a refusal keeps nothing");
    }

    #[test]
    fn shares_that_nobody_uses_are_given_up() {
        let (shares, start) = (PolicyShares::default(), Instant::now());
        let kept = (owner(), owner());
        let used = shares.share_of(kept.0, start);
        used.charge(STEPS_PER_SECOND, start);
        for _ in 0..MAX_IDLE * 3 {
            shares.share_of(owner(), start);
        }
        assert!(shares.owners().len() <= MAX_IDLE && shares.owners().contains_key(&kept.0));
    }
}
