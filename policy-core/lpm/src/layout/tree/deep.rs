//! Windows that are cut further, as single hosts do: the starts within each, and what holds from each on.

use crate::key::{Bits, number};
use crate::layout::codes::Codes;

/// Windows by number. What lies behind a window is at most 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deep {
    /// Where the starts of each window begin; one more at the end.
    at: Box<[u32]>,
    starts: Box<[u64]>,
    /// For each window what holds when it begins and from each of its starts on.
    values: Codes,
}

/// The windows while they are found.
#[derive(Default)]
pub(super) struct Builder {
    at: Vec<u32>,
    starts: Vec<u64>,
    values: Vec<u32>,
}

impl Builder {
    /// The number of a window, by what holds when it begins and the starts within it.
    pub(super) fn push(&mut self, before: u32, inner: &[(u128, u32)]) -> u32 {
        self.at.push(number(self.starts.len()));
        self.starts.extend(inner.iter().map(|(start, _)| behind_window(*start)));
        self.values.push(before);
        self.values.extend(inner.iter().map(|(_, value)| *value));
        number(self.at.len() - 1)
    }

    pub(super) fn build(mut self) -> Deep {
        self.at.push(number(self.starts.len()));
        Deep { at: self.at.into(), starts: self.starts.into(), values: Codes::new(&self.values) }
    }
}

/// What lies behind the window of an address.
#[inline]
fn behind_window(address: u128) -> u64 {
    address.shifted(u64::BITS).window()
}

impl Deep {
    /// The value at an address in a window.
    pub(super) fn get(&self, window: u32, address: u128) -> u32 {
        let (first_value, starts) = self.part(window);
        let rest = behind_window(address);
        let behind = starts.partition_point(|start| *start <= rest);
        self.values.get(first_value + behind).unwrap_or(0)
    }

    /// What holds when a window begins, and its starts with what holds from each on.
    pub(super) fn each(&self, window: u32, mut each: impl FnMut(u64, u32)) {
        let (first_value, starts) = self.part(window);
        for (at, start) in (first_value..).zip([0].iter().chain(starts)) {
            each(*start, self.values.get(at).unwrap_or(0));
        }
    }

    /// Where the values of a window begin, and its starts.
    #[inline]
    fn part(&self, window: u32) -> (usize, &[u64]) {
        let at = |window: usize| self.at.get(window).map_or(0, |at| *at as usize);
        let window = window as usize;
        let (from, to) = (at(window), at(window + 1));
        (from + window, self.starts.get(from..to).unwrap_or_default())
    }

    /// Bytes on the heap, itself included.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.at) + size_of_val(&*self.starts) + self.values.bytes()
    }
}
