//! The prefixes of one family, sorted, and the function of an address that they make.

use ipnetwork::{Ipv4Network, Ipv6Network};

use crate::cidr::{bounds_v4, bounds_v6};
use crate::key::{Bits, Key, number};
use crate::layout::Family;
use crate::limits::TooLarge;
use crate::steps::Steps;

/// Prefixes of one family that a table may have.
const MAX_PREFIXES: usize = 1 << 26;

/// A prefix as it is sorted: by its start, shorter ones first, then by its place in the input.
pub(super) trait Prefix: Copy + Ord {
    type Key: Family;
    type Network;
    fn new(network: Self::Network, index: u32) -> Self;
    fn start(self) -> Self::Key;
    fn length(self) -> u32;
    fn index(self) -> usize;
}

/// An IPv4 prefix in one word: 32 bits of the start, 6 of the length, 26 of the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PrefixV4(u64);

impl Prefix for PrefixV4 {
    type Key = u32;
    type Network = Ipv4Network;

    fn new(network: Ipv4Network, index: u32) -> Self {
        let (first, _) = bounds_v4(network);
        Self(u64::from(first) << 32 | u64::from(network.prefix()) << 26 | u64::from(index))
    }

    fn start(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or(0)
    }

    fn length(self) -> u32 {
        u32::try_from(self.0 >> 26 & 0x3f).unwrap_or(0)
    }

    fn index(self) -> usize {
        usize::try_from(self.0 & 0x3ff_ffff).unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PrefixV6 {
    start: u128,
    length: u8,
    index: u32,
}

impl Prefix for PrefixV6 {
    type Key = u128;
    type Network = Ipv6Network;

    fn new(network: Ipv6Network, index: u32) -> Self {
        Self { start: bounds_v6(network).0, length: network.prefix(), index }
    }

    fn start(self) -> u128 {
        self.start
    }

    fn length(self) -> u32 {
        self.length.into()
    }

    fn index(self) -> usize {
        self.index as usize
    }
}

/// The prefixes of one family, in order of the input.
pub(super) struct Prefixes<P> {
    prefixes: Vec<P>,
    values: Vec<u32>,
}

impl<P: Prefix> Prefixes<P> {
    pub(super) fn with_room(room: usize) -> Self {
        Self { prefixes: Vec::with_capacity(room), values: Vec::with_capacity(room) }
    }

    pub(super) fn push(&mut self, network: P::Network, value: u32) -> Result<(), TooLarge> {
        if self.prefixes.len() >= MAX_PREFIXES {
            return Err(TooLarge::Prefixes { limit: MAX_PREFIXES });
        }
        self.prefixes.push(P::new(network, number(self.prefixes.len())));
        self.values.push(value);
        Ok(())
    }

    /// The largest value.
    pub(super) fn max_value(&self) -> Option<u32> {
        self.values.iter().copied().max()
    }

    /// The function of an address, with the code that stands for each value; 0 where there is no prefix. Prefixes nest,
    /// so that those that hold an address are a stack. O(n log n).
    pub(super) fn flatten(mut self, mut code_of: impl FnMut(u32) -> u32) -> Steps<P::Key> {
        self.prefixes.sort_unstable();
        let room = self.prefixes.len() + self.prefixes.len() / 16;
        let mut steps = Steps::with_room(0, room);
        // The last address and the code of each open prefix.
        let mut open: Vec<(P::Key, u32)> = Vec::new();
        for prefix in self.prefixes {
            let start = prefix.start();
            close(&mut open, &mut steps, Some(start));
            let code = self.values.get(prefix.index()).map_or(0, |value| code_of(*value));
            open.push((start.filled(prefix.length(), true), code));
            steps.push(start, code);
        }
        close(&mut open, &mut steps, None);
        steps
    }
}

/// Ends the prefixes that end before an address, or all.
fn close<K: Key>(open: &mut Vec<(K, u32)>, steps: &mut Steps<K>, before: Option<K>) {
    while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|start| *last < start)) {
        if let Some(next) = last.next() {
            steps.push(next, open.last().map_or(0, |(_, code)| *code));
        }
    }
}
