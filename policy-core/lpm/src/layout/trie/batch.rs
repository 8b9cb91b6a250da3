//! Many addresses at once: each step of the search is taken for a whole group before the next one.
//!
//! A lookup alone waits for each of its loads, and where the branch after it was guessed wrongly, all that was begun
//! behind it is thrown away. Here loops do nothing but load, so that as many loads wait at a time as the processor has
//! room for, and who is done is sorted out without a branch.

use super::{CHILDREN, Cell, Column, NODE_CELLS, Root, STRIDE, Trie};
use crate::key::Bits;
use crate::layout::GROUP;

/// What is kept of a group of addresses, each in its place.
struct Group {
    /// The bits of the addresses that are left.
    rests: [u32; GROUP],
    /// Which addresses are not found yet, the first `open`, by their places.
    open: [u8; GROUP],
    /// Of those that are open, in their order: where their cells and values lie, and the cells.
    at: [usize; GROUP],
    cells: [Cell; GROUP],
    /// By place, where the children of the last cell lie.
    children: [usize; GROUP],
}

impl Group {
    const fn new() -> Self {
        Self {
            rests: [0; GROUP],
            open: [0; GROUP],
            at: [0; GROUP],
            cells: [Cell([0; 2]); GROUP],
            children: [0; GROUP],
        }
    }
}

impl<V: Column> Trie<V> {
    /// The values at as many addresses as both slices have.
    pub(in crate::layout) fn get_each(&self, keys: &[u32], values: &mut [u32]) {
        let mut group = Group::new();
        for (keys, values) in keys.chunks(GROUP).zip(values.chunks_mut(GROUP)) {
            let mut open = self.begin(&mut group, keys, values);
            while open > 0 {
                open = self.step(&mut group, open, values);
            }
            // What lies outside of the trie, if anything does, was looked up as if it lay inside.
            if self.skip > 0 {
                for (key, value) in keys.iter().zip(values) {
                    *value = if *key < self.low { self.before } else { *value };
                    *value = if *key > self.high { self.behind } else { *value };
                }
            }
        }
    }

    /// From the root through the first cell; gives how many are open.
    #[inline]
    fn begin(&self, group: &mut Group, keys: &[u32], values: &mut [u32]) -> usize {
        for ((key, rest), at) in keys.iter().zip(&mut group.rests).zip(&mut group.at) {
            let inside = key << self.skip;
            let root: Root = self.root.get((inside >> self.root_shift) as usize).copied().unwrap_or_default();
            *rest = inside << self.root_bits;
            *at = root.cell(rest.head(STRIDE), Self::ALL_NODES);
        }
        self.load_cells(group, keys.len());
        let of = group.cells.iter().zip(&group.rests).zip(group.at.iter_mut().zip(&mut group.children));
        for ((cell, rest), (at, children)) in of.take(keys.len()) {
            *at = cell.value(rest.head(STRIDE) % 64);
            *children = cell.children();
        }
        for (at, value) in group.at.iter().zip(&mut *values) {
            *value = self.values.value(*at).unwrap_or(self.before);
        }
        let from = Self::children_from(self.count);
        let largest = values.iter().take(keys.len()).copied().max().unwrap_or(0);
        // Seldom in tables of routes.
        if largest >= from { self.open(group, keys.len(), values) } else { 0 }
    }

    /// Finds those that are open; gives how many.
    fn open(&self, group: &mut Group, count: usize, values: &[u32]) -> usize {
        let (from, mut open) = (Self::children_from(self.count), 0);
        for (place, value) in (0..).zip(values).take(count) {
            open += push(&mut group.open, open, place, *value >= from);
        }
        open
    }

    /// Takes those that are open through one cell more; gives how many still are.
    #[inline]
    fn step(&self, group: &mut Group, open: usize, values: &mut [u32]) -> usize {
        let from = Self::children_from(self.count);
        for (place, at) in group.open.iter().zip(&mut group.at).take(open) {
            let place = usize::from(*place) % GROUP;
            let child = values.get(place).map_or(0, |code| code.wrapping_sub(from));
            let first = group.children.get(place).copied().unwrap_or_default();
            let rest = group.rests.get_mut(place).map_or(0, |rest| {
                *rest <<= STRIDE;
                *rest
            });
            // As in `meaning`.
            let node = first.wrapping_add(child as usize * NODE_CELLS).wrapping_add(rest.head(STRIDE) / 64);
            let bucket = first.wrapping_sub(child.wrapping_sub(CHILDREN) as usize).wrapping_sub(1);
            *at = if child < CHILDREN { node } else { bucket };
        }
        self.load_cells(group, open);
        for ((place, cell), at) in group.open.iter().zip(&group.cells).zip(&mut group.at).take(open) {
            let place = usize::from(*place) % GROUP;
            let is_node = values.get(place).is_some_and(|code| code.wrapping_sub(from) < CHILDREN);
            let rest = group.rests.get(place).copied().unwrap_or_default();
            let [last, ..] = rest.to_be_bytes();
            let (in_node, in_bucket) = (cell.value(rest.head(STRIDE) % 64), cell.value_in_bucket(last));
            *at = if is_node { in_node } else { in_bucket };
            if let Some(children) = group.children.get_mut(place) {
                *children = cell.children();
            }
        }
        let (places, mut left) = (group.open, 0);
        for (place, at) in places.iter().zip(&group.at).take(open) {
            let code = self.values.value(*at).unwrap_or(self.before);
            if let Some(value) = values.get_mut(usize::from(*place)) {
                *value = code;
            }
            // What a bucket has are values.
            left += push(&mut group.open, left, *place, code >= from);
        }
        left
    }

    /// Nothing but loads.
    #[inline]
    fn load_cells(&self, group: &mut Group, count: usize) {
        for (at, cell) in group.at.iter().zip(&mut group.cells).take(count) {
            *cell = self.cells.get(*at).copied().unwrap_or_default();
        }
    }
}

/// Puts a place behind others, and gives whether it is to stay.
#[inline(always)]
fn push(open: &mut [u8; GROUP], count: usize, place: u8, stays: bool) -> usize {
    if let Some(at) = open.get_mut(count % GROUP) {
        *at = place;
    }
    usize::from(stays)
}
