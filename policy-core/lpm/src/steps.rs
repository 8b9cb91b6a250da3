//! Piecewise-constant functions of an address: what tables are built from.

use super::key::Key;

/// A function of an address in its unique smallest form: `codes[i]` holds from `starts[i]` up to the next start.
/// INVARIANT: the first start is the first address, starts ascend, and neighbours have different codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Steps<K> {
    starts: Vec<K>,
    codes: Vec<u32>,
}

impl<K: Key> Steps<K> {
    /// The function that is the same everywhere.
    pub(super) fn constant(code: u32) -> Self {
        Self { starts: vec![K::FIRST], codes: vec![code] }
    }

    /// The same with room for so many boundaries.
    pub(super) fn with_room(code: u32, boundaries: usize) -> Self {
        let (mut starts, mut codes) =
            (Vec::with_capacity(boundaries + 1), Vec::with_capacity(boundaries + 1));
        starts.push(K::FIRST);
        codes.push(code);
        Self { starts, codes }
    }

    /// Says what holds from an address on; addresses ascend, and the last word on one counts.
    pub(super) fn push(&mut self, start: K, code: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.codes.pop();
        }
        if self.codes.last() != Some(&code) {
            self.starts.push(start);
            self.codes.push(code);
        }
    }

    /// The same ranges with other codes; neighbours must differ again.
    pub(super) fn with_codes(self, codes: Vec<u32>) -> Self {
        Self { codes, ..self }
    }

    /// Number of ranges.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// What holds at the first address.
    pub(super) fn first(&self) -> u32 {
        self.codes.first().copied().unwrap_or(0)
    }

    /// Where the function changes, ascending, and what holds from there on.
    pub(super) fn boundaries(&self) -> impl ExactSizeIterator<Item = (K, u32)> + Clone {
        self.starts.iter().copied().zip(self.codes.iter().copied()).skip(1)
    }

    /// All ranges, in order: first and last address, and the code.
    pub(super) fn into_ranges(self) -> impl Iterator<Item = (K, K, u32)> {
        let ends: Vec<K> = self.starts.iter().skip(1).filter_map(|start| start.previous()).collect();
        let parts = self.starts.into_iter().zip(ends.into_iter().chain([K::LAST])).zip(self.codes);
        parts.map(|((first, last), code)| (first, last, code))
    }

    /// The starts and codes of all ranges.
    pub(super) fn parts(&self) -> (&[K], &[u32]) {
        (&self.starts, &self.codes)
    }

    /// One past the largest code.
    pub(super) fn codes(&self) -> u32 {
        self.codes.iter().max().map_or(0, |max| max.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_merge_and_the_last_word_counts() {
        let mut steps = Steps::constant(0);
        for (start, code) in [(0_u32, 1), (5, 1), (7, 2), (7, 1), (9, 3)] {
            steps.push(start, code);
        }
        assert_eq!(steps.parts(), (&[0, 9][..], &[1, 3][..]));
    }
}
