//! How a piecewise-constant function of an address is laid out in memory, by its size.
//!
//! | ranges | layout | a lookup |
//! |---|---|---|
//! | up to 33 | [`counted`]: fixed arrays | counts the starts that are not above the address, without a branch |
//! | up to 2,048 | [`bucketed`]: a small root over sorted starts | one slot of the root, then its few starts |
//! | more, IPv4 | [`trie`]: a root of up to 16 bits, then 8 bits a level | two loads a level, three in all for most |
//! | more, IPv6 | [`tree`]: a B+-tree of one-line nodes | a line for each level, without a branch |
//!
//! All are flat arrays and indices. Every layout can be walked to give back the function it was built from.

mod bucketed;
mod codes;
mod counted;
#[cfg(test)]
mod tests;
mod tree;
mod trie;

use super::key::Bits;
use super::steps::Steps;
use bucketed::Bucketed;
use codes::{Packed, Width};
use counted::Counted;
use tree::Tree;
use trie::Trie;

/// Ranges up to which a scan of all starts is fastest.
const MAX_COUNTED: usize = 33;
/// Ranges up to which a small root is better than anything with levels.
const MAX_BUCKETED: usize = 2_048;

/// Addresses that take each step of a search together: enough for their waits to overlap.
const GROUP: usize = 64;
/// Addresses that are handed to a layout at once, so many that what is set up for them does not count.
pub(super) const BATCH: usize = 512;

/// A function of an address, ready for lookups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout<K: Family> {
    Constant(u32),
    Counted4(Counted<K, 4>),
    Counted8(Box<Counted<K, 8>>),
    Counted16(Box<Counted<K, 16>>),
    Counted32(Box<Counted<K, 32>>),
    Bucketed(Bucketed<K>),
    Large(K::Large),
}

/// An address family, and what lays many of its ranges out.
pub(super) trait Family: Bits {
    type Large: Large<Self>;
}

impl Family for u32 {
    type Large = Tries;
}

impl Family for u128 {
    type Large = Tree;
}

/// A layout of many ranges.
pub(super) trait Large<K>: Clone + std::fmt::Debug + Eq {
    const NAME: &'static str;
    fn new(steps: &Steps<K>) -> Self;
    fn get(&self, key: K) -> u32;
    /// The values at as many addresses as both slices have.
    fn get_each(&self, keys: &[K], values: &mut [u32]);
    fn walk(&self, each: &mut dyn FnMut(K, u32));
    fn bytes(&self) -> usize;
}

/// Tries by the width of their values, which follows from their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    Byte(Trie<Box<[u8]>>),
    Pair(Trie<Box<[u16]>>),
    Packed(Trie<Packed>),
    Quad(Trie<Box<[u32]>>),
}

/// Whether a layout of so many ranges can hold codes below a number: large ones name places of their own after them.
pub(super) const fn takes_codes(ranges: usize, codes: u32) -> bool {
    ranges <= MAX_BUCKETED || codes <= u32::MAX - (1 << 28)
}

/// Bytes that the codes of a function of so many ranges and values take, about.
pub(super) const fn codes_bytes(ranges: usize, values: u32) -> usize {
    match ranges {
        // Small layouts have no narrow codes.
        0..=MAX_BUCKETED => ranges * size_of::<u32>(),
        _ => ranges * Width::new(trie::codes(values)).bits() as usize / 8,
    }
}

impl Large<u32> for Tries {
    const NAME: &'static str = "trie";

    fn new(steps: &Steps<u32>) -> Self {
        match Width::new(trie::codes(steps.codes())) {
            Width::Byte => Self::Byte(Trie::new(steps)),
            Width::Pair => Self::Pair(Trie::new(steps)),
            Width::Packed(_) => Self::Packed(Trie::new(steps)),
            Width::Quad => Self::Quad(Trie::new(steps)),
        }
    }

    #[inline]
    fn get(&self, key: u32) -> u32 {
        match self {
            Self::Byte(trie) => trie.get(key),
            Self::Pair(trie) => trie.get(key),
            Self::Packed(trie) => trie.get(key),
            Self::Quad(trie) => trie.get(key),
        }
    }

    fn get_each(&self, keys: &[u32], values: &mut [u32]) {
        match self {
            Self::Byte(trie) => trie.get_each(keys, values),
            Self::Pair(trie) => trie.get_each(keys, values),
            Self::Packed(trie) => trie.get_each(keys, values),
            Self::Quad(trie) => trie.get_each(keys, values),
        }
    }

    fn walk(&self, each: &mut dyn FnMut(u32, u32)) {
        match self {
            Self::Byte(trie) => trie.walk(each),
            Self::Pair(trie) => trie.walk(each),
            Self::Packed(trie) => trie.walk(each),
            Self::Quad(trie) => trie.walk(each),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Byte(trie) => trie.bytes(),
            Self::Pair(trie) => trie.bytes(),
            Self::Packed(trie) => trie.bytes(),
            Self::Quad(trie) => trie.bytes(),
        }
    }
}

impl Large<u128> for Tree {
    const NAME: &'static str = "tree";

    fn new(steps: &Steps<u128>) -> Self {
        Self::new(steps)
    }

    #[inline]
    fn get(&self, key: u128) -> u32 {
        self.get(key)
    }

    fn get_each(&self, keys: &[u128], values: &mut [u32]) {
        self.get_each(keys, values);
    }

    fn walk(&self, each: &mut dyn FnMut(u128, u32)) {
        self.walk(each);
    }

    fn bytes(&self) -> usize {
        self.bytes()
    }
}

impl<K: Family> Layout<K> {
    /// Lays a function out. O(ranges).
    pub(super) fn new(steps: &Steps<K>) -> Self {
        match steps.len() {
            0 | 1 => Self::Constant(steps.first()),
            2..=5 => Self::Counted4(Counted::new(steps)),
            6..=9 => Self::Counted8(Box::new(Counted::new(steps))),
            10..=17 => Self::Counted16(Box::new(Counted::new(steps))),
            18..=MAX_COUNTED => Self::Counted32(Box::new(Counted::new(steps))),
            34..=MAX_BUCKETED => Self::Bucketed(Bucketed::new(steps)),
            _ => Self::Large(Large::new(steps)),
        }
    }

    /// The value at an address. What most lists are is put where it is asked for.
    #[inline(always)]
    pub(super) fn get(&self, key: K) -> u32 {
        match self {
            Self::Counted4(layout) => layout.get(key),
            other => other.get_of_more(key),
        }
    }

    #[inline]
    fn get_of_more(&self, key: K) -> u32 {
        match self {
            Self::Constant(code) => *code,
            Self::Counted4(layout) => layout.get(key),
            Self::Counted8(layout) => layout.get(key),
            Self::Counted16(layout) => layout.get(key),
            Self::Counted32(layout) => layout.get(key),
            Self::Bucketed(layout) => layout.get(key),
            Self::Large(layout) => layout.get(key),
        }
    }

    /// The values at as many addresses as both slices have. What takes one look or two is looked up one by one: the
    /// processor overlaps such lookups by itself.
    pub(super) fn get_each(&self, keys: &[K], values: &mut [u32]) {
        let pairs = keys.iter().zip(values.iter_mut());
        match self {
            Self::Constant(code) => pairs.for_each(|(_, value)| *value = *code),
            Self::Counted4(layout) => pairs.for_each(|(key, value)| *value = layout.get(*key)),
            Self::Counted8(layout) => pairs.for_each(|(key, value)| *value = layout.get(*key)),
            Self::Counted16(layout) => pairs.for_each(|(key, value)| *value = layout.get(*key)),
            Self::Counted32(layout) => pairs.for_each(|(key, value)| *value = layout.get(*key)),
            Self::Bucketed(layout) => pairs.for_each(|(key, value)| *value = layout.get(*key)),
            Self::Large(layout) => layout.get_each(keys, values),
        }
    }

    /// The function it was built from. O(ranges).
    pub(super) fn steps(&self) -> Steps<K> {
        let mut steps = Steps::constant(0);
        let mut push = |start, code| steps.push(start, code);
        match self {
            Self::Constant(code) => push(K::FIRST, *code),
            Self::Counted4(layout) => layout.walk(&mut push),
            Self::Counted8(layout) => layout.walk(&mut push),
            Self::Counted16(layout) => layout.walk(&mut push),
            Self::Counted32(layout) => layout.walk(&mut push),
            Self::Bucketed(layout) => layout.walk(&mut push),
            Self::Large(layout) => layout.walk(&mut push),
        }
        steps
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Constant(_) | Self::Counted4(_) => 0,
            Self::Counted8(_) => size_of::<Counted<K, 8>>(),
            Self::Counted16(_) => size_of::<Counted<K, 16>>(),
            Self::Counted32(_) => size_of::<Counted<K, 32>>(),
            Self::Bucketed(layout) => layout.bytes(),
            Self::Large(layout) => layout.bytes(),
        }
    }

    /// The name of the layout in listings.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Counted4(_) | Self::Counted8(_) | Self::Counted16(_) | Self::Counted32(_) => "array",
            Self::Bucketed(_) => "root and buckets",
            Self::Large(_) => K::Large::NAME,
        }
    }
}
