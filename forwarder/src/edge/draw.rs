//! What the edge alone draws: one of several equals.

use crate::base::random::Random;

impl Random {
    /// A number below another one; 0 below 0.
    pub(crate) fn below(&self, end: usize) -> usize {
        let drawn = usize::try_from(self.number() >> 32).unwrap_or(0);
        drawn.checked_rem(end).unwrap_or(0)
    }
}
