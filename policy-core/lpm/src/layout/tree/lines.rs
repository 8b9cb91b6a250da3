//! Sorted windows as a static B+-tree of one-line nodes, entered from a table.

use crate::key::{number, small};
use crate::layout::GROUP;

/// Starts of a node.
const WIDTH: usize = 8;
/// Bits of the most entries.
const MAX_ENTRY_BITS: u32 = 16;

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
pub(super) struct Lines {
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

/// A window on its way down.
#[derive(Clone, Copy, Default)]
struct Open {
    stored: i64,
    /// The level at which it begins.
    level: usize,
    /// The line that was looked at last, and how many of its starts are not above the window.
    line: usize,
    behind: usize,
    /// The line to look at.
    next: usize,
}

impl Lines {
    /// The tree of ascending starts, with an entry for some `starts_each` of them.
    pub(super) fn new(starts: &[u64], starts_each: usize) -> Self {
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
        let bits = (starts.len() / starts_each).max(1).ilog2().min(MAX_ENTRY_BITS);
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

    /// How many of all starts are not above a window.
    #[inline]
    pub(super) fn behind(&self, window: u64) -> usize {
        // All are after the last window there is; unused places must not be counted.
        if window == u64::MAX {
            return self.count;
        }
        let slot = small((window >> 1) >> (63 - self.bits));
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

    /// The same of at most a group of windows: a level for all of them before the next one, so that the waits for their
    /// lines overlap.
    pub(super) fn behind_each(&self, windows: &[u64], behind: &mut [usize]) {
        let mut opens = [Open::default(); GROUP];
        let mut first = self.levels.len();
        for (window, open) in windows.iter().zip(&mut opens) {
            let slot = small((window >> 1) >> (63 - self.bits));
            let entry = self.entries.get(slot).copied().unwrap_or_default();
            first = first.min(entry.level());
            let next = entry.line();
            *open = Open { stored: stored(*window), level: entry.level(), next, ..Open::default() };
        }
        let opens = opens.get_mut(..windows.len()).unwrap_or_default();
        for (level, offset) in self.levels.iter().enumerate().skip(first) {
            for open in &mut *opens {
                // Who begins further down looks at the line where it will begin.
                let at = if open.level <= level { *offset } else { self.begin(open.level) };
                let line = self.lines.get(at + open.next);
                let count = line.map_or(0, |starts| starts.behind(open.stored));
                if open.level <= level {
                    (open.line, open.behind) = (open.next, count);
                    open.next = open.line * (WIDTH + 1) + count;
                }
            }
        }
        for ((window, open), behind) in windows.iter().zip(opens).zip(behind) {
            *behind = if *window == u64::MAX { self.count } else { open.line * WIDTH + open.behind };
        }
    }

    /// Where a level begins.
    #[inline]
    fn begin(&self, level: usize) -> usize {
        self.levels.get(level).copied().unwrap_or(0)
    }

    /// All starts, in order.
    pub(super) fn windows(&self) -> impl Iterator<Item = u64> {
        let leaves = self.levels.last().copied().unwrap_or(0);
        self.lines.iter().skip(leaves).flat_map(|line| line.0).take(self.count).map(window)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.lines) + size_of_val(&*self.levels) + size_of_val(&*self.entries)
    }
}
