//! Many IPv6 ranges: a static B+-tree of one-line nodes, entered from a table.
//!
//! At each level eight starts are compared at once, and the count says which child is next. Bits that all starts
//! share are skipped; the 64 bits behind them are a *window*, eight of which fill one cache line. A table by the
//! first bits says at which line of the tree to begin. Where starts lie within a window, as single hosts do, its
//! value names a short sorted list of them.
//!
//! Source: elementary intervals in a static B+-tree, as PlanB (NSDI 2026) searches IPv6 tables. A trie of 8-bit
//! nodes takes two loads a level and up to thirteen levels; the measurements are in ADR 13.

use super::codes::Codes;
use crate::key::{Key, number, small};
use crate::steps::Steps;

/// Starts of a node.
const WIDTH: usize = 8;
/// Starts for each entry, about, and bits of the most entries.
const STARTS_EACH: usize = 8;
const MOST_ENTRY_BITS: u32 = 16;

/// A window as it is stored: numbers with a sign compare faster on common machines.
#[inline]
const fn stored(window: u64) -> i64 {
    (window ^ 1 << 63).cast_signed()
}

const fn window(stored: i64) -> u64 {
    stored.cast_unsigned() ^ 1 << 63
}

/// Eight windows, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct Line([i64; WIDTH]);

impl Line {
    /// How many of the starts are not above a window.
    #[inline]
    fn behind(&self, stored: i64) -> usize {
        let mut behind = 0_i64;
        for start in &self.0 {
            behind += i64::from(*start <= stored);
        }
        small(behind.cast_unsigned())
    }
}

/// The lines of a tree, the root first, the leaves last. INVARIANT: unused places hold the last window.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lines {
    lines: Box<[Line]>,
    /// Where each level begins, the root's first.
    levels: Box<[usize]>,
    count: usize,
    /// For the first bits of a window the lowest line that has all starts with these bits below it.
    entries: Box<[Entry]>,
    bits: u32,
}

/// A line by its level and its place there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry(u32);

impl Entry {
    const LEVEL_AT: u32 = 28;

    fn new(level: usize, line: usize) -> Self {
        Self(number(level) << Self::LEVEL_AT | number(line))
    }

    #[inline]
    const fn level(self) -> usize {
        (self.0 >> Self::LEVEL_AT) as usize
    }

    #[inline]
    const fn line(self) -> usize {
        (self.0 & ((1 << Self::LEVEL_AT) - 1)) as usize
    }
}

impl Lines {
    fn new(starts: &[u64]) -> Self {
        let leaves = starts.len().div_ceil(WIDTH).max(1);
        // Lines of each level, and leaves below a line of it; leaves first.
        let mut sizes = vec![(leaves, 1)];
        while let Some(&(lines, below)) = sizes.last().filter(|(lines, _)| *lines > 1) {
            sizes.push((lines.div_ceil(WIDTH + 1), below * (WIDTH + 1)));
        }
        sizes.reverse();
        let (mut lines, mut levels) = (Vec::with_capacity(leaves + leaves / WIDTH + 8), Vec::new());
        let start = |at: usize| stored(starts.get(at).copied().unwrap_or(u64::MAX));
        for &(size, below) in &sizes {
            levels.push(lines.len());
            for line in 0..size {
                lines.push(Line(std::array::from_fn(|at| match below {
                    1 => start(line * WIDTH + at),
                    // The first start below the next child.
                    _ => start((line * (WIDTH + 1) + at + 1) * (below / (WIDTH + 1)) * WIDTH),
                })));
            }
        }
        let bits = (starts.len() / STARTS_EACH).max(1).ilog2().min(MOST_ENTRY_BITS);
        let mut tree = Self {
            lines: lines.into(),
            levels: levels.into(),
            count: starts.len(),
            entries: vec![Entry::default(); 1 << bits].into(),
            bits,
        };
        // The lines that the first and the last window of a slot pass, as far as they are the same.
        let entries = (0..1_u64 << bits).map(|slot| {
            let first = slot.checked_shl(64 - bits).unwrap_or(0);
            let last = first | u64::MAX.checked_shr(bits).unwrap_or(0);
            let both = tree.path(first).zip(tree.path(last)).take_while(|(first, last)| first == last);
            both.last().map_or(Entry::default(), |((level, line), _)| Entry::new(level, line))
        });
        let entries = entries.collect();
        tree.entries = entries;
        tree
    }

    /// The lines from the root to the leaf of a window.
    fn path(&self, window: u64) -> impl Iterator<Item = (usize, usize)> {
        let mut line = 0;
        self.levels.iter().enumerate().map(move |(level, offset)| {
            let here = line;
            let behind = self.lines.get(offset + here).map_or(0, |starts| starts.behind(stored(window)));
            line = here * (WIDTH + 1) + behind;
            (level, here)
        })
    }

    /// How many of all starts are not above a window. INVARIANT: it is not the last one.
    #[inline]
    fn behind(&self, window: u64) -> usize {
        let slot = small(window.checked_shr(64 - self.bits).unwrap_or(0));
        let Some(&entry) = self.entries.get(slot) else { return 0 };
        let window = stored(window);
        let (mut line, mut next, mut behind) = (0, entry.line(), 0);
        for offset in self.levels.get(entry.level()..).unwrap_or_default() {
            line = next;
            behind = self.lines.get(offset + line).map_or(0, |starts| starts.behind(window));
            next = line * (WIDTH + 1) + behind;
        }
        line * WIDTH + behind
    }

    /// All starts, in order.
    fn starts(&self) -> impl Iterator<Item = u64> {
        let leaves = self.levels.last().copied().unwrap_or(0);
        self.lines.iter().skip(leaves).flat_map(|line| line.0).take(self.count).map(window)
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + size_of_val(&*self.levels) + size_of_val(&*self.entries)
    }
}

/// The starts within one window, and what holds from each on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deep {
    /// What holds when the window begins.
    before: u32,
    starts: Box<[(u128, u32)]>,
}

impl Deep {
    fn get(&self, rest: u128) -> u32 {
        let behind = self.starts.partition_point(|(start, _)| *start <= rest);
        let last = behind.checked_sub(1).and_then(|at| self.starts.get(at));
        last.map_or(self.before, |(_, value)| *value)
    }
}

/// The tree. INVARIANT: all starts lie from `low` to `high`, which share their first `skip` bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    low: u128,
    high: u128,
    skip: u32,
    windows: Lines,
    /// `values[i]` holds behind `i` windows; from `first_deep` on they name windows that are cut further.
    values: Codes,
    deep: Box<[Deep]>,
    first_deep: u32,
    last: u32,
}

impl Tree {
    pub(super) fn new(steps: &Steps<u128>) -> Self {
        let (starts, codes) = steps.parts();
        let first = starts.get(1).copied().unwrap_or(0);
        let skip = starts.last().map_or(0, |last| first.common(*last)).min(u128::BITS - 1);
        let first_deep = steps.codes();
        let (mut windows, mut values, mut deep) = (Vec::new(), vec![steps.first()], Vec::new());
        let mut boundaries = steps.boundaries().map(|(start, code)| (start.shifted(skip), code)).peekable();
        let mut before = steps.first();
        while let Some((start, code)) = boundaries.next() {
            let window = start.window();
            let mut inner = Vec::new();
            if start.fits_window() {
                before = code;
            } else {
                inner.push((start, code));
            }
            while let Some(next) = boundaries.next_if(|(next, _)| next.window() == window) {
                inner.push(next);
            }
            windows.push(window);
            if inner.is_empty() {
                values.push(before);
                continue;
            }
            values.push(first_deep + number(deep.len()));
            let after = inner.last().map_or(before, |(_, code)| *code);
            deep.push(Deep { before, starts: inner.into() });
            before = after;
            // The next window begins anew, unless something begins there anyway.
            let next = window.checked_add(1);
            if let Some(next) =
                next.filter(|next| boundaries.peek().is_none_or(|(it, _)| it.window() > *next))
            {
                windows.push(next);
                values.push(before);
            }
        }
        Self {
            low: first.filled(skip, false),
            high: first.filled(skip, true),
            skip,
            windows: Lines::new(&windows),
            values: Codes::new(&values),
            deep: deep.into(),
            first_deep,
            last: codes.last().copied().unwrap_or(0),
        }
    }

    #[inline]
    pub(super) fn get(&self, key: u128) -> u32 {
        if key < self.low {
            return self.values.get(0).unwrap_or(0);
        }
        if key > self.high {
            return self.last;
        }
        let rest = key.shifted(self.skip);
        let window = rest.window();
        // All windows are behind the last one; unused places must not be counted.
        let behind = if window == u64::MAX { self.windows.count } else { self.windows.behind(window) };
        let value = self.values.get(behind).unwrap_or(0);
        if value < self.first_deep { value } else { self.in_window(value, rest) }
    }

    #[inline(never)]
    fn in_window(&self, value: u32, rest: u128) -> u32 {
        self.deep.get((value - self.first_deep) as usize).map_or(0, |deep| deep.get(rest))
    }

    pub(super) fn walk(&self, each: &mut dyn FnMut(u128, u32)) {
        let value = |at: usize| self.values.get(at).unwrap_or(0);
        each(u128::FIRST, value(0));
        for (at, window) in (1..).zip(self.windows.starts()) {
            let start = self.low.joined(self.skip, u128::from(window) << 64);
            match value(at).checked_sub(self.first_deep).and_then(|deep| self.deep.get(deep as usize)) {
                None => each(start, value(at)),
                Some(deep) => {
                    each(start, deep.before);
                    for (rest, value) in &deep.starts {
                        each(self.low.joined(self.skip, *rest), *value);
                    }
                }
            }
        }
        if let Some(next) = self.high.next() {
            each(next, self.last);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let deep: usize = self.deep.iter().map(|deep| size_of_val(deep) + size_of_val(&*deep.starts)).sum();
        self.windows.bytes() + self.values.bytes() + deep
    }
}
