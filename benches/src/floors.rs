//! Single loads, which no table can beat: they answer nothing and only take their time.

#![allow(clippy::indexing_slicing, reason = "the bits that index are as many as the table is long")]

use std::hint::black_box;
use std::iter::repeat_n;
use std::net::{IpAddr, Ipv4Addr};

use crate::data::tables::Entry;

const LINES: usize = 1 << 24;

const SMALL: usize = 1 << 10;

/// One load at the first 24 bits, in a table of 32 MiB.
#[derive(Debug)]
pub struct RawLoad(Box<[u16; LINES]>);

impl RawLoad {
    /// A table with the first 24 bits of the networks, so that as many addresses as in theirs find nothing.
    #[must_use]
    #[allow(clippy::expect_used, reason = "as long as said")]
    pub fn new(entries: &[Entry]) -> Self {
        // Written rather than asked for as zeros, so that its pages are there.
        let table: Vec<u16> = repeat_n(black_box(0), LINES).collect();
        let mut table: Box<[u16; LINES]> = table.into_boxed_slice().try_into().expect("as long");
        for (network, id) in entries {
            if let (IpAddr::V4(first), IpAddr::V4(last)) = (network.network(), network.broadcast()) {
                let slots = (u32::from(first) >> 8) as usize..=(u32::from(last) >> 8) as usize;
                table[slots].fill(u16::try_from(id + 1).expect("a small id"));
            }
        }
        Self(table)
    }

    /// The load.
    #[must_use]
    pub fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        u32::from(self.0[(u32::from(address) >> 8) as usize]).checked_sub(1)
    }
}

/// One load at ten bits, in a table of 4 KiB.
#[derive(Debug)]
pub struct L1Load(Box<[u32; SMALL]>);

impl L1Load {
    /// A table with something everywhere.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new([1; SMALL]))
    }

    /// The load.
    #[must_use]
    pub fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.0[(u32::from(address) >> 22) as usize].checked_sub(1)
    }
}

impl Default for L1Load {
    fn default() -> Self {
        Self::new()
    }
}
