//! Builds a trie from the boundaries of a function, walking boundaries and never slots.

use std::collections::HashMap;

use super::{BUCKET, CHILDREN, Cell, Column, MAX_ROOT_BITS, NODE_CELLS, RANGES_EACH, Root, STRIDE, Trie};
use crate::key::{Bits, number, small};
use crate::steps::Steps;

/// Boundaries, and what holds from each on.
type Starts<'s> = &'s [(u32, u32)];

/// The arrays while they grow.
struct TrieBuilder {
    cells: Vec<Cell>,
    values: Vec<u32>,
    /// The first code that names a child.
    children_from: u32,
    /// Whether slots of the root with one value take nodes, as others do.
    all_nodes: bool,
}

/// A slot that needs a child: which value names it, what holds when it begins, and its boundaries.
struct Child<'s> {
    slot: usize,
    value: usize,
    before: u32,
    inner: Starts<'s>,
    is_bucket: bool,
}

pub(super) fn build<V: Column>(steps: &Steps<u32>) -> Trie<V> {
    let (starts, codes) = steps.parts();
    let starts = starts.get(1..).unwrap_or_default();
    let first = starts.first().copied().unwrap_or(0);
    let last = starts.last().copied().unwrap_or(u32::MAX);
    // One level follows in any case.
    let skip = first.common(last).min(u32::BITS - 2 * STRIDE);
    let root_bits = root_bits(starts, skip);
    let mut builder = TrieBuilder {
        cells: Vec::new(),
        values: Vec::new(),
        children_from: Trie::<V>::children_from(steps.codes()),
        all_nodes: Trie::<V>::ALL_NODES,
    };
    builder.cells.reserve(starts.len() / 8);
    builder.values.reserve(starts.len() + starts.len() / 16);

    let level = skip + root_bits;
    let mut root = vec![Root::default(); 1 << root_bits];
    let mut uniform: HashMap<u32, Root> = HashMap::new();
    let (mut at, mut before) = (0, steps.first());
    let mut group: Vec<(u32, u32)> = Vec::new();
    for (slot, entry) in root.iter_mut().enumerate() {
        group.clear();
        while let Some(&start) = starts.get(at).filter(|start| (*start << skip).head(root_bits) == slot) {
            at += 1;
            group.extend(codes.get(at).map(|code| (start, *code)));
        }
        let (current, inner) = enter(before, &group, level);
        before = group.last().map_or(before, |(_, code)| *code);
        *entry = match inner {
            [] => *uniform.entry(current).or_insert_with(|| builder.uniform(current)),
            _ => {
                let node = builder.room(NODE_CELLS);
                builder.fill_node(node, level, current, inner);
                Root::new(node, NODE_CELLS, builder.all_nodes)
            }
        };
    }
    Trie {
        low: first.filled(skip, false),
        high: first.filled(skip, true),
        before: steps.first(),
        behind: codes.last().copied().unwrap_or(0),
        skip,
        root_bits,
        root_shift: u32::BITS - root_bits,
        root: root.into(),
        cells: builder.cells.into(),
        values: V::new(&builder.values, super::codes(steps.codes())),
        count: steps.codes(),
    }
}

/// How many bits the root is entered by: so many that it has a slot for some ranges or, where that is smaller, up to
/// the sixteenth bit, so that nodes below end where many prefixes do.
fn root_bits(starts: &[u32], skip: u32) -> u32 {
    let sized = (starts.len() / RANGES_EACH).max(1).ilog2();
    let sized = sized.clamp(STRIDE, MAX_ROOT_BITS).min(u32::BITS - STRIDE - skip);
    let aligned = MAX_ROOT_BITS.saturating_sub(skip);
    // Of the root and of the nodes on the two levels below.
    let bytes = |root_bits: u32| {
        let nodes = nodes(starts, skip + root_bits) + nodes(starts, skip + root_bits + STRIDE);
        (size_of::<Root>() << root_bits) + nodes * size_of::<[Cell; NODE_CELLS]>()
    };
    if sized < aligned && bytes(aligned) < bytes(sized) { aligned } else { sized }
}

/// The slots that end at a bit and are cut further; ascending starts.
fn nodes(starts: &[u32], level: u32) -> usize {
    let slots = starts.chunk_by(|one, other| one.common(*other) >= level);
    slots.filter(|slot| slot.iter().any(|start| start.shifted(level) != 0)).count()
}

/// What holds at the first address of a slot whose bits end at `level`, and the boundaries within it.
fn enter(before: u32, group: Starts<'_>, level: u32) -> (u32, Starts<'_>) {
    match group {
        [(start, code), inner @ ..] if start.shifted(level) == 0 => (*code, inner),
        inner => (before, inner),
    }
}

impl TrieBuilder {
    /// Room for so many cells.
    fn room(&mut self, cells: usize) -> usize {
        let at = self.cells.len();
        self.cells.resize(at + cells, Cell::default());
        at
    }

    fn set(&mut self, at: usize, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(at) {
            *slot = cell;
        }
    }

    /// The cells for a slot of the root with one value.
    fn uniform(&mut self, code: u32) -> Root {
        let cells = if self.all_nodes { NODE_CELLS } else { 1 };
        let (first, value) = (self.room(cells), self.values.len());
        self.values.push(code);
        (first..first + cells).for_each(|at| self.set(at, Cell::new(0, value, 0)));
        Root::new(first, cells, self.all_nodes)
    }

    /// Fills the node for the bits from `at` on; `current` holds when it begins. `starts` are within it.
    fn fill_node(&mut self, node: usize, at: u32, mut current: u32, mut starts: Starts<'_>) {
        let first_value = self.values.len();
        let mut runs = [0_u64; NODE_CELLS];
        let mut children: Vec<Child<'_>> = Vec::new();
        self.run(&mut runs, 0, current);
        // The slot after a child: what comes there is a run of its own.
        let mut pending = None;
        while let Some((first, _)) = starts.first() {
            let slot = first.shifted(at).head(STRIDE);
            let here = starts.iter().take_while(|(start, _)| start.shifted(at).head(STRIDE) == slot).count();
            let (group, rest) = starts.split_at_checked(here).unwrap_or_default();
            starts = rest;
            let (begin, inner) = enter(current, group, at + STRIDE);
            if let Some(behind) = pending.filter(|behind| *behind < slot) {
                self.run(&mut runs, behind, current);
            }
            if slot > 0 && (begin != current || pending == Some(slot) || !inner.is_empty()) {
                self.run(&mut runs, slot, begin);
            }
            pending = None;
            if !inner.is_empty() {
                let is_bucket = inner.len() <= BUCKET && at + 2 * STRIDE >= u32::BITS;
                children.push(Child { slot, value: self.values.len() - 1, before: begin, inner, is_bucket });
                pending = Some(slot + 1);
            }
            current = group.last().map_or(begin, |(_, code)| *code);
        }
        if let Some(behind) = pending.filter(|behind| *behind < 64 * NODE_CELLS) {
            self.run(&mut runs, behind, current);
        }
        self.fill_cells(node, at + STRIDE, first_value, runs, &children);
    }

    /// A run that begins at a slot.
    fn run(&mut self, runs: &mut [u64; NODE_CELLS], slot: usize, code: u32) {
        if let Some(bits) = runs.get_mut(slot / 64) {
            *bits |= 1 << (slot % 64);
            self.values.push(code);
        }
    }

    /// Writes the cells of a node whose values have been written, and its children, for the bits from `at` on.
    fn fill_cells(
        &mut self,
        node: usize,
        at: u32,
        first_value: usize,
        runs: [u64; NODE_CELLS],
        mut children: &[Child<'_>],
    ) {
        let mut behind = first_value;
        for (quarter, bits) in runs.into_iter().enumerate() {
            let here = children.iter().take_while(|child| child.slot / 64 == quarter).count();
            let (mine, others) = children.split_at_checked(here).unwrap_or_default();
            children = others;
            // Buckets lie before the nodes.
            let buckets = mine.iter().filter(|child| child.is_bucket).count();
            let base = self.room(buckets + (mine.len() - buckets) * NODE_CELLS) + buckets;
            // The run that holds at the first slot: one that begins there, or the last one before.
            let first = behind + small(bits & 1) - 1;
            behind += bits.count_ones() as usize;
            self.set(node + quarter, Cell::new(bits & !1, first, base));
            let (mut nodes, mut buckets) = (0, 0);
            for child in mine {
                let (count, kind) = if child.is_bucket { (&mut buckets, CHILDREN) } else { (&mut nodes, 0) };
                if let Some(value) = self.values.get_mut(child.value) {
                    *value = self.children_from + kind + number(*count);
                }
                *count += 1;
                match child.is_bucket {
                    true => self.fill_bucket(base - *count, at, child),
                    false => {
                        self.fill_node(base + (*count - 1) * NODE_CELLS, at, child.before, child.inner);
                    }
                }
            }
        }
    }

    fn fill_bucket(&mut self, bucket: usize, at: u32, child: &Child<'_>) {
        let mut starts = [u8::MAX; BUCKET];
        for (last, (start, _)) in starts.iter_mut().zip(child.inner) {
            let [bits, ..] = start.shifted(at).to_be_bytes();
            *last = bits;
        }
        self.set(bucket, Cell::new(u64::from_le_bytes(starts), self.values.len(), child.inner.len()));
        self.values.push(child.before);
        self.values.extend(child.inner.iter().map(|(_, code)| *code));
    }
}
