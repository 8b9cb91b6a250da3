//! What one expression may cost to read and to check.

/// States of all constant patterns of an expression: about 4 MiB, and 25 ms at worst.
pub(in crate::cel) const MAX_STATES: u64 = 60_000;

/// What one expression may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CelLimits {
    /// Bytes of its text.
    pub bytes: usize,
    /// Brackets and conditionals inside one another.
    pub depth: usize,
    /// Nodes of its tree.
    pub nodes: usize,
    /// States of its constant regular expressions, estimated.
    pub pattern_states: u64,
}

impl Default for CelLimits {
    fn default() -> Self {
        Self { bytes: 8 << 10, depth: 64, nodes: 4_096, pattern_states: MAX_STATES }
    }
}
