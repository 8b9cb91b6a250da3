//! What was found so far, in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use super::compare::{Change, Changed};

/// Groups of a kind that are kept apart; what comes beyond is counted together.
const MAX_GROUPS: usize = 10_000;

/// How often something was found, and the line where it was found first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) count: u64,
    pub(super) first_line: u64,
}

impl Count {
    fn add(slot: &mut Option<Self>, more: Self) {
        *slot = Some(match slot {
            None => more,
            Some(known) => {
                Self { count: known.count + more.count, first_line: known.first_line.min(more.first_line) }
            }
        });
    }
}

/// Counts by key, so many of them apart.
#[derive(Debug)]
pub(super) struct Counts<K> {
    pub(super) by_key: HashMap<K, Count>,
    pub(super) others: Option<Count>,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), others: None }
    }
}

impl<K: Clone + Eq + Hash + Ord> Counts<K> {
    pub(super) fn add(&mut self, key: &K, more: Count) {
        if let Some(known) = self.by_key.get_mut(key) {
            known.count += more.count;
            known.first_line = known.first_line.min(more.first_line);
        } else if self.by_key.len() < MAX_GROUPS {
            self.by_key.insert(key.clone(), more);
        } else {
            Count::add(&mut self.others, more);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (key, count) in other.sorted() {
            self.add(key, count);
        }
        if let Some(more) = other.others {
            Count::add(&mut self.others, more);
        }
    }

    /// The most frequent first; of equals the first in order of their keys.
    pub(super) fn sorted(&self) -> Vec<(&K, Count)> {
        let mut all: Vec<_> = self.by_key.iter().map(|(key, count)| (key, *count)).collect();
        all.sort_by(|(a, x), (b, y)| y.count.cmp(&x.count).then_with(|| a.cmp(b)));
        all
    }

    pub(super) fn total(&self) -> u64 {
        let apart: u64 = self.by_key.values().map(|count| count.count).sum();
        apart + self.others.map_or(0, |count| count.count)
    }
}

/// Connections that change alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Group {
    pub(super) network: SourceNetwork,
    pub(super) changed: Changed,
}

/// A source network: an IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SourceNetwork(IpAddr);

impl SourceNetwork {
    pub(super) fn of(ip: IpAddr) -> Self {
        Self(match ip {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & !0xff).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 80 << 80).into()),
        })
    }
}

impl std::fmt::Display for SourceNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

/// Why lines were not decided: a name for programs, and words.
pub(super) type Why = (&'static str, String);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) lines: u64,
    pub(super) decided: u64,
    pub(super) same: u64,
    pub(super) other_reason: Option<Count>,
    pub(super) groups: BTreeMap<Change, Counts<Group>>,
    pub(super) undecided: Counts<Why>,
    pub(super) unreadable: Counts<Why>,
    pub(super) skipped: Counts<Why>,
    /// Lines that were written before the line before them.
    pub(super) clock: Option<Count>,
    /// Times of the first and last event of each block, and its first line; by block.
    pub(super) edges: Vec<(u64, u64, i64, i64)>,
}

impl Tally {
    pub(super) fn add_other_reason(&mut self, line: u64) {
        Count::add(&mut self.other_reason, Count { count: 1, first_line: line });
    }

    pub(super) fn clock_went_back(&mut self, line: u64) {
        Count::add(&mut self.clock, Count { count: 1, first_line: line });
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.decided += other.decided;
        self.same += other.same;
        for (slot, more) in [(&mut self.other_reason, other.other_reason), (&mut self.clock, other.clock)] {
            if let Some(more) = more {
                Count::add(slot, more);
            }
        }
        other
            .groups
            .iter()
            .for_each(|(change, groups)| self.groups.entry(*change).or_default().merge(groups));
        self.undecided.merge(&other.undecided);
        self.unreadable.merge(&other.unreadable);
        self.skipped.merge(&other.skipped);
        self.edges.extend(other.edges);
    }

    /// Compares the clock from block to block.
    pub(super) fn finish(&mut self) {
        let mut edges = std::mem::take(&mut self.edges);
        edges.sort_unstable();
        let back: Vec<u64> = edges
            .iter()
            .zip(edges.iter().skip(1))
            .filter(|((.., last), (_, _, first, _))| went_back(*last, *first))
            .map(|(_, (_, line, ..))| *line)
            .collect();
        back.into_iter().for_each(|line| self.clock_went_back(line));
    }

    pub(super) fn count_of(&self, change: Change) -> u64 {
        self.groups.get(&change).map_or(0, Counts::total)
    }
}

/// True if the clock went back between two lines; connections that end together may be written in any order.
pub(super) const fn went_back(before: i64, after: i64) -> bool {
    after + 1 < before
}
