//! Many IPv4 ranges: a root table, then a radix trie of 8 bits a level whose nodes hold their runs as bits.
//!
//! ```text
//! root[first bits] ─▶ node: 4 cells ─▶ cell of 64 slots: bit i = a new value begins at slot i
//!                                       value = values[first + number of bits up to the slot]
//! ```
//!
//! A node has 256 slots, but a value only for each *run* of equal slots: a cell knows where runs begin and where
//! their values lie, so that one load and one count of bits find the value. A value may instead name a child of
//! the cell: another node or, for a few ranges within the last eight bits, a *bucket* of sorted starts in one
//! cell. Slots of the root that are the same all through share one cell a value, which lookups
//! reach without a branch. For most addresses of a routing table that is three loads.
//!
//! Source: the counted bit maps of Poptrie (Asai, Ohara, SIGCOMM 2015) and of Tree Bitmap (Eatherton, Varghese,
//! Dittia, 2004), over runs instead of slots.

mod batch;
mod build;
mod walk;

use super::codes::Column;
use crate::key::{Bits, number, small};
use crate::steps::Steps;

/// Bits of a level.
const STRIDE: u32 = 8;
/// Cells of a node, of 64 slots each.
const NODE_CELLS: usize = 4;
/// Bits of the largest root.
const MAX_ROOT_BITS: u32 = 16;
/// Ranges for each slot of the root, about: smaller tables have smaller roots.
const RANGES_EACH: usize = 4;
/// Children that a cell can have, of each kind; so many codes name them.
const CHILDREN: u32 = 64;
/// Starts of a bucket.
const BUCKET: usize = 8;

/// Two words. Of a node: the bits of the runs, and where values and children lie. Of a bucket: its starts, and
/// where its values lie and how many starts there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
struct Cell([u64; 2]);

impl Cell {
    fn new(bits: u64, values: usize, children: usize) -> Self {
        Self([bits, u64::from(number(values)) | u64::from(number(children)) << 32])
    }

    /// The index of the first run's value.
    #[inline]
    const fn values(self) -> usize {
        let [_, at] = self.0;
        small(at & 0xffff_ffff)
    }

    /// Where its children lie: nodes from here on, buckets before it.
    #[inline]
    const fn children(self) -> usize {
        let [_, at] = self.0;
        small(at >> 32)
    }

    /// The index of the value that holds at a slot, 0 to 63.
    #[inline]
    const fn value(self, slot: usize) -> usize {
        let [runs, _] = self.0;
        self.values() + (runs & (2_u64 << slot).wrapping_sub(1)).count_ones() as usize
    }

    /// The index of the value in a bucket, by the last eight bits.
    #[inline]
    fn value_in_bucket(self, last: u8) -> usize {
        let [starts, _] = self.0;
        let behind: u8 = starts.to_le_bytes().iter().map(|start| u8::from(*start <= last)).sum();
        self.values() + usize::from(behind).min(self.children())
    }
}

/// A slot of the root: where its cells begin.
///
/// Where values are few each slot has a node. Where they are many a slot with one value has one cell, and the last two
/// bits say how many cells there are beside the first: they mask the number of a quarter, so that no lookup branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Root(u32);

impl Root {
    /// INVARIANT: 2^30 cells do not fit into the memory that a table may have.
    fn new(first: usize, cells: usize, all_nodes: bool) -> Self {
        Self(if all_nodes { number(first) } else { number(first) << 2 | number(cells - 1) })
    }

    /// The first cell, and how many there are beside it.
    #[inline]
    const fn cells(self, all_nodes: bool) -> (usize, usize) {
        let at = self.0 as usize;
        if all_nodes { (at, NODE_CELLS - 1) } else { (at >> 2, at & 3) }
    }

    /// The cell of a slot below, 0 to 255.
    #[inline]
    const fn cell(self, slot: usize, all_nodes: bool) -> usize {
        let (first, others) = self.cells(all_nodes);
        first + ((slot / 64) & others)
    }
}

/// The trie. INVARIANT: all boundaries lie from `low` to `high`, which share their first `skip` bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trie<V> {
    low: u32,
    high: u32,
    /// What holds before `low` and after `high`.
    before: u32,
    behind: u32,
    skip: u32,
    root_bits: u32,
    /// The bits after those of the root.
    root_shift: u32,
    root: Box<[Root]>,
    cells: Box<[Cell]>,
    values: V,
    /// One past the largest value.
    count: u32,
}

/// Codes that a trie of so many values needs: those that name children come after the values.
pub(super) const fn codes(values: u32) -> u32 {
    values.saturating_add(2 * CHILDREN)
}

/// What a code stands for.
enum Meaning {
    Value(u32),
    Node(usize),
    Bucket(usize),
}

impl<V: Column> Trie<V> {
    /// Whether each slot of the root has a node, also one with one value.
    const ALL_NODES: bool = V::NARROW.is_some();

    /// The first code that names a node, those of buckets behind; codes below are values.
    #[inline]
    const fn children_from(count: u32) -> u32 {
        match V::NARROW {
            Some(last) => last - 2 * CHILDREN + 1,
            None => count,
        }
    }

    pub(super) fn new(steps: &Steps<u32>) -> Self {
        build::build(steps)
    }

    #[inline]
    pub(super) fn get(&self, key: u32) -> u32 {
        if key < self.low {
            return self.before;
        }
        if key > self.high {
            return self.behind;
        }
        let mut rest = key << self.skip;
        let Some(&root) = self.root.get((rest >> self.root_shift) as usize) else { return self.before };
        rest <<= self.root_bits;
        let mut slot = rest.head(STRIDE);
        let mut at = root.cell(slot, Self::ALL_NODES);
        loop {
            let Some(&cell) = self.cells.get(at) else { return self.before };
            let Some(code) = self.values.value(cell.value(slot % 64)) else { return self.before };
            rest <<= STRIDE;
            match self.meaning(code, cell) {
                Meaning::Value(value) => return value,
                Meaning::Node(node) => {
                    slot = rest.head(STRIDE);
                    at = node + slot / 64;
                }
                Meaning::Bucket(at) => return self.in_bucket(rest, at),
            }
        }
    }

    #[inline]
    fn in_bucket(&self, rest: u32, at: usize) -> u32 {
        let [last, ..] = rest.to_be_bytes();
        let value = self.cells.get(at).and_then(|cell| self.values.value(cell.value_in_bucket(last)));
        value.unwrap_or(self.before)
    }

    /// What a code in a cell stands for.
    #[inline]
    fn meaning(&self, code: u32, cell: Cell) -> Meaning {
        match code.checked_sub(Self::children_from(self.count)) {
            None => Meaning::Value(code),
            Some(node) if node < CHILDREN => Meaning::Node(cell.children() + node as usize * NODE_CELLS),
            Some(bucket) => Meaning::Bucket(cell.children().wrapping_sub((bucket - CHILDREN) as usize + 1)),
        }
    }

    pub(super) fn walk(&self, each: &mut dyn FnMut(u32, u32)) {
        walk::walk(self, each);
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.root) + size_of_val(&*self.cells) + self.values.bytes()
    }
}
