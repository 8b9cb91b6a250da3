//! Admission: how many connections may be open at once.
//!
//! Checked against the limit of open files before anything listens, so that the edge never meets that limit
//! at run time: two files a connection, and a reserve.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files a connection needs: the client's and the upstream's.
const FILES_PER_CONNECTION: u64 = 2;
/// Files for everything else: listeners, events, the runtime, name lookups.
const RESERVED_FILES: u64 = 64;
/// Connections where the configuration names no number and files are plenty.
const DEFAULT_CONNECTIONS: u64 = 10_000;

/// The budget does not fit the limit of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// Files that would be needed.
    pub needed: u64,
    /// Files the process may open.
    pub limit: u64,
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, limit } = self;
        write!(
            f,
            "the limits need {needed} open files and the process may open {limit}: lower \
             `limits.max_connections`, or raise the limit (`ulimit -n`, `LimitNOFILE=`)"
        )
    }
}

impl std::error::Error for OverBudget {}

/// The number of connections that may be open at once.
///
/// # Errors
/// [`OverBudget`] if the configured number, or a single connection, does not fit `files`. Agents need one file each.
pub fn connections(
    configured: Option<u32>,
    listeners: usize,
    agents: usize,
    files: u64,
) -> Result<usize, OverBudget> {
    // An accepted connection waits at each listener while no slot is free.
    let reserved = RESERVED_FILES.saturating_add(2 * listeners as u64).saturating_add(agents as u64);
    let wanted = configured.map_or(1, u64::from);
    let needed = reserved.saturating_add(wanted.saturating_mul(FILES_PER_CONNECTION));
    if needed > files {
        return Err(OverBudget { needed, limit: files });
    }
    let most = (files - reserved) / FILES_PER_CONNECTION;
    let number = configured.map_or(most.min(DEFAULT_CONNECTIONS), u64::from);
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// The limit of open files, raised as far as the system lets this process.
#[must_use]
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where raising is refused the present limit stands.
    let raised = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    raised.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_counts_files() {
        assert_eq!(connections(Some(10), 1, 0, 86), Ok(10));
        assert_eq!(connections(Some(11), 1, 0, 86), Err(OverBudget { needed: 88, limit: 86 }));
        assert_eq!(connections(None, 1, 0, 80), Ok(7));
        assert_eq!(connections(None, 1, 0, 60), Err(OverBudget { needed: 68, limit: 60 }));
        assert_eq!(connections(None, 3, 0, u64::MAX), Ok(10_000));
        assert_eq!(connections(None, 1, 20, 100), Ok(7));
    }
}
