//! Many IPv6 ranges: a static B+-tree of one-line nodes, entered from a table.
//!
//! At each level eight starts are compared at once, and the count says which child is next. Bits that all starts
//! share are skipped; the 64 bits after them are a *window*, eight of which fill one cache line. A table by the
//! first bits says at which line of the tree to begin. Below the tree stand [`runs`] of up to eleven windows that are
//! near one another, where there are such. Where starts lie within a window, as single hosts do, its value names a
//! short sorted list of them.
//!
//! Source: elementary intervals in a static B+-tree, as PlanB (NSDI 2026) searches IPv6 tables. A trie of 8-bit
//! nodes takes two loads a level and up to thirteen levels; the measurements are in ADR 13.

mod deep;
mod lines;
mod runs;

use super::GROUP;
use super::codes::Codes;
use crate::key::{Bits, Key};
use crate::steps::Steps;
use deep::Deep;
use lines::Lines;
use runs::Runs;

/// Starts for each entry of a tree of lines alone, about.
const STARTS_EACH: usize = 8;

/// The windows at which something changes, ascending, by what takes less memory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Windows {
    Runs(Runs),
    Lines(Lines),
}

impl Windows {
    fn new(windows: &[u64]) -> Self {
        Runs::new(windows).map_or_else(|| Self::Lines(Lines::new(windows, STARTS_EACH)), Self::Runs)
    }

    /// How many of all windows are not above one.
    #[inline]
    fn behind(&self, window: u64) -> usize {
        match self {
            Self::Runs(runs) => runs.behind(window),
            Self::Lines(lines) => lines.behind(window),
        }
    }

    /// The same of at most a group of windows.
    fn behind_each(&self, windows: &[u64], behind: &mut [usize]) {
        match self {
            Self::Runs(runs) => runs.behind_each(windows, behind),
            Self::Lines(lines) => lines.behind_each(windows, behind),
        }
    }

    fn each(&self, mut each: impl FnMut(u64)) {
        match self {
            Self::Runs(runs) => runs.windows().for_each(&mut each),
            Self::Lines(lines) => lines.windows().for_each(&mut each),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Runs(runs) => runs.bytes(),
            Self::Lines(lines) => lines.bytes(),
        }
    }
}

/// The tree. INVARIANT: all starts lie from `low` to `high`, which share their first `skip` bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    low: u128,
    high: u128,
    skip: u32,
    windows: Windows,
    /// `values[i]` holds after `i` windows; from `first_deep` on they name windows that are cut further.
    values: Codes,
    /// Seldom looked at, so that a table of few ranges need not be larger for it.
    deep: Box<Deep>,
    first_deep: u32,
    last: u32,
}

impl Tree {
    pub(super) fn new(steps: &Steps<u128>) -> Self {
        let (starts, codes) = steps.parts();
        let first = starts.get(1).copied().unwrap_or(0);
        let skip = starts.last().map_or(0, |last| first.common(*last)).min(u128::BITS - 1);
        let first_deep = steps.codes();
        let (mut windows, mut values, mut deep) = (Vec::new(), vec![steps.first()], deep::Builder::default());
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
            values.push(first_deep + deep.push(before, &inner));
            before = inner.last().map_or(before, |(_, code)| *code);
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
            windows: Windows::new(&windows),
            values: Codes::new(&values),
            deep: Box::new(deep.build()),
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
        let rest = key << self.skip;
        let value = self.values.get(self.windows.behind(rest.window())).unwrap_or(0);
        if value < self.first_deep { value } else { self.in_window(value, rest) }
    }

    /// The values at as many addresses as both slices have.
    pub(super) fn get_each(&self, keys: &[u128], values: &mut [u32]) {
        for (keys, values) in keys.chunks(GROUP).zip(values.chunks_mut(GROUP)) {
            let (mut windows, mut behind) = ([0; GROUP], [0; GROUP]);
            for (key, window) in keys.iter().zip(&mut windows) {
                *window = (key << self.skip).window();
            }
            self.windows.behind_each(windows.get(..keys.len()).unwrap_or(&windows), &mut behind);
            for ((key, behind), value) in keys.iter().zip(behind).zip(values) {
                let found = self.values.get(behind).unwrap_or(0);
                *value = match found {
                    _ if *key < self.low => self.values.get(0).unwrap_or(0),
                    _ if *key > self.high => self.last,
                    found if found < self.first_deep => found,
                    found => self.in_window(found, key << self.skip),
                };
            }
        }
    }

    #[inline(never)]
    fn in_window(&self, value: u32, rest: u128) -> u32 {
        self.deep.get(value - self.first_deep, rest)
    }

    pub(super) fn walk(&self, each: &mut dyn FnMut(u128, u32)) {
        let value = |at: usize| self.values.get(at).unwrap_or(0);
        each(u128::FIRST, value(0));
        let mut at = 0;
        self.windows.each(|window| {
            at += 1;
            let start =
                |rest: u64| self.low.joined(self.skip, u128::from(window) << u64::BITS | u128::from(rest));
            match value(at).checked_sub(self.first_deep) {
                None => each(start(0), value(at)),
                Some(deep) => self.deep.each(deep, |rest, value| each(start(rest), value)),
            }
        });
        if let Some(next) = self.high.next() {
            each(next, self.last);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.windows.bytes() + self.values.bytes() + self.deep.bytes()
    }
}
