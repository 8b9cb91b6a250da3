//! What bars share: how to measure, and tables that are built when the first bar asks.

use std::cell::OnceCell;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::measure::Meter;
use crate::data::generated::{self, SMALL_V4, SMALL_V6};
use crate::data::probes::{self, Draw};
use crate::data::tables::{self, Entry};
use crate::peers::{Dir24, Longest as _, Ours, TrieMap};

/// How many addresses a quick run looks up.
const FEW: usize = 1 << 10;

/// The shared state of a run.
#[derive(Debug)]
pub struct Context {
    /// How to measure.
    pub meter: Meter,
    v4: OnceCell<Table<Ipv4Addr>>,
    v6: OnceCell<Table<Ipv6Addr>>,
    dir24: OnceCell<Dir24>,
}

/// A full table with the addresses to look up and those who know it.
pub struct Table<A> {
    /// The prefixes.
    pub entries: Vec<Entry>,
    /// Ours.
    pub ours: Ours,
    /// `prefix-trie`.
    pub trie: TrieMap,
    probes: [Vec<A>; 3],
}

impl<A> fmt::Debug for Table<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Table").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

impl<A> Table<A> {
    fn new(entries: Vec<Entry>, draw: impl Fn(Draw, &[Entry]) -> Vec<A>) -> Self {
        let probes = Draw::ALL.map(|way| draw(way, &entries));
        Self { ours: Ours::build(&entries), trie: TrieMap::build(&entries), entries, probes }
    }

    /// The addresses drawn in this way.
    #[must_use]
    pub const fn probes(&self, draw: Draw) -> &[A] {
        let [random, in_prefix, zipf] = &self.probes;
        match draw {
            Draw::Random => random.as_slice(),
            Draw::InPrefix => in_prefix.as_slice(),
            Draw::Zipf => zipf.as_slice(),
        }
    }
}

impl Context {
    /// Nothing built yet.
    #[must_use]
    pub const fn new(meter: Meter) -> Self {
        Self { meter, v4: OnceCell::new(), v6: OnceCell::new(), dir24: OnceCell::new() }
    }

    /// How many addresses a list of probes has.
    #[must_use]
    pub const fn number(&self, full: usize) -> usize {
        if self.meter.quick { FEW } else { full }
    }

    /// The IPv4 Internet, or a hundredth of one in a quick run.
    pub fn v4(&self) -> &Table<Ipv4Addr> {
        let number = self.number(probes::NUMBER);
        self.v4.get_or_init(|| {
            let entries = if self.meter.quick { generated::table(&SMALL_V4) } else { tables::internet_v4() };
            Table::new(entries, |draw, entries| probes::v4(draw, entries, number, 40))
        })
    }

    /// The IPv6 Internet, or a hundredth of one in a quick run.
    pub fn v6(&self) -> &Table<Ipv6Addr> {
        let number = self.number(probes::NUMBER);
        self.v6.get_or_init(|| {
            let entries = if self.meter.quick { generated::table(&SMALL_V6) } else { tables::internet_v6() };
            Table::new(entries, |draw, entries| probes::v6(draw, entries, number, 60))
        })
    }

    /// The IPv4 Internet in DIR-24-8.
    pub fn dir24(&self) -> &Dir24 {
        self.dir24.get_or_init(|| Dir24::build(&self.v4().entries))
    }
}
