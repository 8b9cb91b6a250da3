//! What tables may cost, and that one would cost more.

use std::fmt;

/// What tables may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableLimits {
    /// Bytes for the ranges and the test sets of all classes.
    pub bytes: usize,
}

impl TableLimits {
    /// A budget in bytes.
    #[must_use]
    pub const fn new(bytes: usize) -> Self {
        Self { bytes }
    }
}

impl Default for TableLimits {
    /// 64 MiB.
    fn default() -> Self {
        Self { bytes: 64 << 20 }
    }
}

/// A table would need more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLarge {
    /// More memory than its budget.
    Bytes {
        /// The budget in bytes.
        limit: usize,
        /// Classes found until the budget was spent.
        classes: usize,
        /// Ranges found until the budget was spent.
        ranges: usize,
    },
    /// More prefixes than an index can number.
    Prefixes {
        /// The most that there may be of one family.
        limit: usize,
    },
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { limit, classes, ranges } => {
                write!(f, "the address table needs over {limit} bytes ({classes} classes, {ranges} ranges)")
            }
            Self::Prefixes { limit } => write!(f, "there are over {limit} prefixes of one address family"),
        }
    }
}

impl std::error::Error for TooLarge {}
