//! Admission: how many connections may be open at once.
//!
//! Checked against the limit of open files before anything listens, so that the edge never meets that limit
//! at run time: two files a connection, and a reserve.

use std::fmt;

/// Files a connection needs: the client's and the upstream's.
const FILES_PER_CONNECTION: u64 = 2;
/// Files for everything else: listeners, events, the runtime, name lookups, upstreams with several addresses.
const RESERVED_FILES: u64 = 64;
/// Files that a default number of connections leaves to endpoints that later reloads add.
const SPARE_FILES: u64 = 256;
/// Connections where the configuration names no number and files are plenty.
const DEFAULT_CONNECTIONS: u64 = 10_000;

/// What needs files beside connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserve {
    /// Endpoints that listen.
    pub listeners: usize,
    /// `limits.max_agents`, where agents are served.
    pub max_agents: usize,
    /// Connections of agents that have not authenticated yet.
    pub unknown_agents: usize,
    /// The administration over TCP.
    pub admin: usize,
}

impl Reserve {
    /// An accepted connection waits at each listener while no slot is free.
    const fn fixed(&self) -> u64 {
        RESERVED_FILES.saturating_add(2 * self.listeners as u64).saturating_add(self.admin as u64)
    }

    const fn all(&self) -> u64 {
        self.fixed().saturating_add(self.max_agents as u64).saturating_add(self.unknown_agents as u64)
    }
}

/// The budget does not fit the limit of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// Connections that need files.
    pub connections: u64,
    /// What else needs them.
    pub reserve: Reserve,
    /// Files the process may open.
    pub limit: u64,
}

impl OverBudget {
    /// Files that would be needed.
    #[must_use]
    pub const fn needed(&self) -> u64 {
        self.reserve.all().saturating_add(self.connections.saturating_mul(FILES_PER_CONNECTION))
    }

    /// What can be lowered, the larger part first, as far as that helps.
    fn lower(&self) -> Vec<(&'static str, Option<u64>)> {
        let connections = self.connections.saturating_mul(FILES_PER_CONNECTION);
        let over = self.needed().saturating_sub(self.limit);
        let agents = self.reserve.max_agents as u64;
        let mut parts = [
            (agents, agents.saturating_sub(over), "limits.max_agents"),
            (
                connections,
                self.connections.saturating_sub(over.div_ceil(FILES_PER_CONNECTION)),
                "limits.max_connections",
            ),
        ];
        parts.sort_by_key(|(files, ..)| std::cmp::Reverse(*files));
        // One of the two alone, where it can be lowered far enough.
        let enough = parts.iter().find(|(_, left, _)| *left > 0);
        match enough {
            Some((_, left, key)) => vec![(*key, Some(*left))],
            None if self.reserve.fixed() + self.reserve.unknown_agents as u64 + 3 > self.limit => Vec::new(),
            None => parts.iter().map(|(_, _, key)| (*key, None)).collect(),
        }
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, reserve, limit } = self;
        write!(f, "the limits need {} open files and the process may open {limit}: ", self.needed())?;
        if reserve.max_agents > 0 {
            write!(f, "{} for `limits.max_agents`, ", reserve.max_agents)?;
        }
        let files = connections.saturating_mul(FILES_PER_CONNECTION);
        write!(f, "{files} for `limits.max_connections` ({connections}, {FILES_PER_CONNECTION} each), ")?;
        if reserve.unknown_agents > 0 {
            write!(f, "{} for agents that have not authenticated yet, ", reserve.unknown_agents)?;
        }
        write!(f, "{} for listeners and the edge itself; ", reserve.fixed())?;
        let to = |(key, left): &(&str, Option<u64>)| match left {
            Some(left) => format!("`{key}` to {left}"),
            None => format!("`{key}`"),
        };
        match &*self.lower() {
            [] => f.write_str("raise")?,
            lower => write!(f, "lower {}, or raise", lower.iter().map(to).collect::<Vec<_>>().join(" and "))?,
        }
        f.write_str(" the limit of open files (`ulimit -n`, `LimitNOFILE=`)")
    }
}

impl std::error::Error for OverBudget {}

/// The number of connections that may be open at once.
///
/// # Errors
/// [`OverBudget`] if the configured number, or a single connection, does not fit `files`. Agents need one file each.
pub fn connections(configured: Option<u32>, reserve: Reserve, files: u64) -> Result<usize, OverBudget> {
    let wanted = configured.map_or(1, u64::from);
    let budget = OverBudget { connections: wanted, reserve, limit: files };
    if budget.needed() > files {
        return Err(budget);
    }
    let left = files.saturating_sub(reserve.all());
    // Where files are few, the spare ones are few too.
    let max = (left - SPARE_FILES.min(left / 8)) / FILES_PER_CONNECTION;
    let number = configured.map_or(max.clamp(1, DEFAULT_CONNECTIONS), u64::from);
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_counts_files() {
        let one = Reserve { listeners: 1, ..Reserve::default() };
        assert_eq!(connections(Some(10), one, 86), Ok(10));
        assert_eq!(connections(Some(11), one, 86).map_err(|it| it.needed()), Err(88));
        assert_eq!(connections(None, one, 80), Ok(6));
        assert_eq!(connections(None, one, 20_000), Ok((20_000 - 66 - 256) / 2), "endpoints may be added");
        assert_eq!(connections(None, one, 60).map_err(|it| it.needed()), Err(68));
        assert_eq!(connections(None, Reserve { listeners: 3, ..one }, u64::MAX), Ok(10_000));
        assert_eq!(connections(None, Reserve { max_agents: 20, ..one }, 100), Ok(6));
    }

    /// Whoever does what is said can start, whatever needs the files.
    #[test]
    fn what_is_said_helps_in_every_mix() {
        let numbers = [1, 2, 10, 255, 500, 1_000, 20_000, 1_000_000];
        let (mut one, mut both, mut neither) = (0, 0, 0);
        for files in [60, 100, 256, 600, 1_024, 4_096, 65_536] {
            for configured in numbers {
                for max_agents in [0, 1, 10, 255, 1_000, 1_000_000] {
                    for (listeners, admin) in [(0, 0), (1, 65), (100, 0)] {
                        let unknown_agents = if max_agents > 0 { 512 } else { 0 };
                        let reserve = Reserve { listeners, max_agents, unknown_agents, admin };
                        let Err(over) = connections(Some(configured), reserve, files) else { continue };
                        let with = |key: &str, left: u64| match key {
                            "limits.max_connections" => connections(u32::try_from(left).ok(), reserve, files),
                            "limits.max_agents" => {
                                let max_agents = usize::try_from(left).expect("a number");
                                connections(Some(configured), Reserve { max_agents, ..reserve }, files)
                            }
                            other => panic!("`{other}` needs no files"),
                        };
                        let min = Reserve { max_agents: max_agents.min(1), ..reserve };
                        match &*over.lower() {
                            [] => {
                                neither += 1;
                                assert!(connections(Some(1), min, files).is_err(), "{over}");
                            }
                            [(key, Some(left))] => {
                                one += 1;
                                assert!(with(key, *left).is_ok() && with(key, *left + 1).is_err(), "{over}");
                            }
                            parts => {
                                both += 1;
                                assert!(parts.len() == 2 && parts.iter().all(|it| it.1.is_none()), "{over}");
                                assert!(connections(Some(1), min, files).is_ok(), "{over}");
                            }
                        }
                    }
                }
            }
        }
        assert!(one > 0 && both > 0 && neither > 0, "{one} {both} {neither}");
    }

    #[test]
    fn a_budget_that_does_not_fit_names_what_needs_most() {
        let agents = Reserve { listeners: 1, max_agents: 1_000, unknown_agents: 512, admin: 65 };
        let text = |configured, reserve, files| {
            connections(configured, reserve, files).expect_err("too many").to_string()
        };
        assert_eq!(
            text(Some(1), agents, 1_024),
            "the limits need 1645 open files and the process may open 1024: 1000 for `limits.max_agents`, 2 for \
             `limits.max_connections` (1, 2 each), 512 for agents that have not authenticated yet, 131 for listeners \
             and the edge itself; lower `limits.max_agents` to 379, or raise the limit of open files (`ulimit -n`, \
             `LimitNOFILE=`)"
        );
        let lowered = connections(Some(1), Reserve { max_agents: 379, ..agents }, 1_024);
        assert_eq!(lowered, Ok(1), "what it says helps");
        let none = Reserve { listeners: 1, ..Reserve::default() };
        let connections_alone = text(Some(2_000), none, 1_024);
        assert!(connections_alone.ends_with("lower `limits.max_connections` to 479, or raise the limit of open files (`ulimit -n`, `LimitNOFILE=`)"), "{connections_alone}");
        assert_eq!(connections(Some(479), none, 1_024), Ok(479));
        let both = text(Some(500), Reserve { max_agents: 900, ..agents }, 1_024);
        assert!(both.contains("lower `limits.max_connections` and `limits.max_agents`, or raise"), "{both}");
        let neither = text(Some(1), agents, 600);
        assert!(neither.contains("itself; raise the limit of open files"), "{neither}");
    }
}
