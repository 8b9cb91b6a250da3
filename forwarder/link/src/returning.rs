//! Over which time agents come back to an edge that went away: few at once, many in turns. The edge knows how many
//! there are, so it tells them.

use std::time::Duration;

/// The time of one agent: of a few, some three come back in a second; of many, one in fifteen. It is short enough for a
/// few, and long enough for those whom an edge that had just started took for a few.
const FOR_EACH: Duration = Duration::from_millis(400);
/// The time of a few, and of many.
const MIN: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(15);

/// A time over which agents come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReturnTime(Duration);

impl ReturnTime {
    /// Where nobody knows how many there are.
    pub const UNKNOWN: Self = Self(MAX);

    /// That of so many agents.
    #[must_use]
    pub fn for_agents(number: usize) -> Self {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Self(FOR_EACH.saturating_mul(number).clamp(MIN, MAX))
    }

    /// One that an edge tells, within the bounds.
    #[must_use]
    pub fn from_ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms).clamp(MIN, MAX))
    }

    /// As it is told.
    #[must_use]
    pub fn as_ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// As a time.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_that_of_the_number_within_bounds() {
        let ms = |number| ReturnTime::for_agents(number).as_ms();
        assert_eq!(
            [0, 1, 2, 5, 37, 38, usize::MAX].map(ms),
            [1_000, 1_000, 1_000, 2_000, 14_800, 15_000, 15_000]
        );
        assert_eq!(ReturnTime::from_ms(0), ReturnTime::for_agents(1));
        assert_eq!(ReturnTime::from_ms(u64::MAX), ReturnTime::UNKNOWN);
    }
}
