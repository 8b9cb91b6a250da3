//! Predicates of rules.

use super::Bar;

/// The bars.
#[must_use]
pub const fn bars() -> Vec<Bar> {
    Vec::new()
}
