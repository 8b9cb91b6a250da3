//! The budgets of the document reader.

/// Largest file that is read, in bytes (64 MiB; the full Internet table as a policy is about 20 MB).
pub const MAX_SOURCE_BYTES: usize = 64 << 20;

/// What one document may cost. Exceeding a limit is a diagnostic, never an abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Nodes written in the file: every scalar, list, map and alias.
    pub nodes: usize,
    /// Lists and maps inside one another, aliases followed.
    pub depth: usize,
    /// Nodes that all aliases together stand for.
    pub alias_nodes: usize,
    /// Bytes of text that all aliases together stand for.
    pub alias_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 4_000_000, depth: 128, alias_nodes: 100_000, alias_bytes: 4 << 20 }
    }
}
