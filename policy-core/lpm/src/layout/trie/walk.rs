//! Walks a trie: the function it was built from, in order.

use super::{Column, Meaning, NODE_CELLS, STRIDE, Trie};
use crate::key::{Bits, Key};

/// Tells where values begin, in order; neighbours may have the same.
pub(super) fn walk<V: Column>(trie: &Trie<V>, each: &mut dyn FnMut(u32, u32)) {
    each(u32::FIRST, trie.before);
    for (slot, root) in trie.root.iter().enumerate() {
        let start = trie.low.with_bits(trie.skip, trie.root_bits, slot);
        let (first, others) = root.cells(Trie::<V>::ALL_NODES);
        walk_cells(trie, (first, 1 + others), start, trie.skip + trie.root_bits, each);
    }
    if let Some(next) = trie.high.next() {
        each(next, trie.behind);
    }
}

/// The cells of a node, or the one of a slot with one value.
fn walk_cells<V: Column>(
    trie: &Trie<V>,
    (first, count): (usize, usize),
    start: u32,
    at: u32,
    each: &mut dyn FnMut(u32, u32),
) {
    for quarter in 0..count {
        let Some(&cell) = trie.cells.get(first + quarter) else { return };
        let [runs, _] = cell.0;
        // The first run of a cell begins with it.
        let mut left = runs | 1;
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            let start = start.with_bits(at, STRIDE, quarter * 64 + slot);
            let code = trie.values.value(cell.value(slot)).unwrap_or(0);
            match trie.meaning(code, cell) {
                Meaning::Value(value) => each(start, value),
                Meaning::Node(child) => walk_cells(trie, (child, NODE_CELLS), start, at + STRIDE, each),
                Meaning::Bucket(child) => walk_bucket(trie, child, start, at + STRIDE, each),
            }
        }
    }
}

fn walk_bucket<V: Column>(
    trie: &Trie<V>,
    bucket: usize,
    start: u32,
    at: u32,
    each: &mut dyn FnMut(u32, u32),
) {
    let Some(cell) = trie.cells.get(bucket) else { return };
    let value = |index: usize| trie.values.value(cell.values() + index).unwrap_or(0);
    each(start, value(0));
    let [starts, _] = cell.0;
    for (index, last) in starts.to_le_bytes().into_iter().take(cell.children()).enumerate() {
        each(start.with_bits(at, STRIDE, last.into()), value(index + 1));
    }
}
