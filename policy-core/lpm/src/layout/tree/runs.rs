//! Sorted windows in runs of up to eleven, each in half a cache line.
//!
//! ```text
//! run: first window, 64 bits | windows before it, 28 bits | shift, 4 bits | 10 differences, 16 bits each
//! ```
//!
//! Prefixes are multiples of a power of two: what a window is above the first of its run, divided by the power that
//! all of the run have, fits into 16 bits where windows are dense, as in the tables of the Internet. Where they are
//! not, runs are short, and [`Lines`] alone take less memory.

use super::lines::Lines;
use crate::key::number;

/// Windows of a run beside the first.
const DIFFERENCES: usize = 10;
/// Shifts are multiples of this one, so that four bits name them.
const SHIFT_STEP: u32 = 4;
/// The largest difference there is; what is not used has a larger one.
const MAX_DIFFERENCE: u64 = 0xfffe;
const UNUSED: u16 = u16::MAX;
/// Runs for each entry of their tree, about.
const RUNS_EACH: usize = 2;
/// Bytes that a window takes in lines, about.
const LINE_BYTES: usize = 9;
/// The most windows that the places can number.
const MAX_WINDOWS: usize = 1 << 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(32))]
struct Run {
    first: u64,
    /// How many windows stand before the first, and in the last four bits the shift of the differences.
    place_and_shift: u32,
    differences: [u16; DIFFERENCES],
}

impl Run {
    /// The longest run at the front of some windows, and how many it has. Ascending windows, at least one.
    fn longest(windows: &[u64], place: usize) -> Option<(Self, usize)> {
        let (first, others) = windows.split_first()?;
        let mut taken = others.get(..DIFFERENCES).unwrap_or(others);
        while let (Some(last), Some((_, shorter))) = (taken.last(), taken.split_last()) {
            if (last - first) >> shift(*first, taken) <= MAX_DIFFERENCE {
                break;
            }
            taken = shorter;
        }
        let shift = shift(*first, taken);
        let mut differences = [UNUSED; DIFFERENCES];
        for (difference, window) in differences.iter_mut().zip(taken) {
            *difference = u16::try_from((window - first) >> shift).unwrap_or(UNUSED);
        }
        let place_and_shift = (number(place) << 4) | (shift / SHIFT_STEP);
        Some((Self { first: *first, place_and_shift, differences }, 1 + taken.len()))
    }

    #[inline]
    const fn place(self) -> usize {
        (self.place_and_shift >> 4) as usize
    }

    #[inline]
    const fn shift(self) -> u32 {
        (self.place_and_shift & 0xf) * SHIFT_STEP
    }

    /// How many of all windows are not above one that is in this run or after it.
    #[inline]
    fn behind(&self, window: u64) -> usize {
        let difference = (window.wrapping_sub(self.first) >> self.shift()).min(MAX_DIFFERENCE);
        let difference = u16::try_from(difference).unwrap_or(0);
        let mut behind = 0_u16;
        for other in &self.differences {
            behind += u16::from(*other <= difference);
        }
        self.place() + 1 + usize::from(behind)
    }

    /// Its windows, in order.
    fn windows(self) -> impl Iterator<Item = u64> {
        let used = self.differences.into_iter().take_while(|difference| *difference != UNUSED);
        let others = used.map(move |difference| self.first + (u64::from(difference) << self.shift()));
        std::iter::once(self.first).chain(others)
    }
}

/// By how many bits all differences from the first window can be shifted.
fn shift(first: u64, others: &[u64]) -> u32 {
    let zeros = others.iter().map(|window| (window - first).trailing_zeros()).min().unwrap_or(0);
    zeros.min(63) / SHIFT_STEP * SHIFT_STEP
}

/// Runs, and a tree over the first window of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    firsts: Lines,
    runs: Box<[Run]>,
}

impl Runs {
    /// The runs of ascending windows; nothing if lines alone take less memory.
    pub(super) fn new(windows: &[u64]) -> Option<Self> {
        if windows.len() > MAX_WINDOWS {
            return None;
        }
        Self::up_to(windows.len() * LINE_BYTES / (size_of::<Run>() + LINE_BYTES), windows)
    }

    /// The runs of ascending windows, if they are no more than so many.
    fn up_to(max: usize, windows: &[u64]) -> Option<Self> {
        let (mut runs, mut place) = (Vec::new(), 0);
        while let Some((run, count)) = windows.get(place..).and_then(|rest| Run::longest(rest, place)) {
            runs.push(run);
            place += count;
            if runs.len() > max {
                return None;
            }
        }
        let firsts: Vec<u64> = runs.iter().map(|run| run.first).collect();
        Some(Self { firsts: Lines::new(&firsts, RUNS_EACH), runs: runs.into() })
    }

    /// How many of all windows are not above one.
    #[inline]
    pub(super) fn behind(&self, window: u64) -> usize {
        let run = self.firsts.behind(window).checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(0, |run| run.behind(window))
    }

    /// The same of at most a group of windows.
    pub(super) fn behind_each(&self, windows: &[u64], behind: &mut [usize]) {
        self.firsts.behind_each(windows, behind);
        for (window, behind) in windows.iter().zip(behind) {
            let run = behind.checked_sub(1).and_then(|at| self.runs.get(at));
            *behind = run.map_or(0, |run| run.behind(*window));
        }
    }

    /// All windows, in order.
    pub(super) fn windows(&self) -> impl Iterator<Item = u64> {
        self.runs.iter().flat_map(|run| run.windows())
    }

    pub(super) fn bytes(&self) -> usize {
        self.firsts.bytes() + size_of_val(&*self.runs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::GROUP;

    /// Windows in crowds of every grain, and at the ends.
    fn windows() -> impl Strategy<Value = Vec<u64>> {
        let window = prop_oneof![
            6 => (0..400_u64, 0..64_u32).prop_map(|(at, grain)| at << grain.min(55)),
            6 => (0..3_u64, 0..200_u64).prop_map(|(crowd, at)| crowd << 61 | at << 20),
            2 => (0..40_u64).prop_map(|at| (7 << 40) | (at * 0xffff)),
            1 => (0..20_u64).prop_map(|at| u64::MAX - at),
            1 => any::<u64>(),
        ];
        prop::collection::btree_set(window, 0..300).prop_map(|windows| windows.into_iter().collect())
    }

    proptest! {
        #[test]
        fn runs_and_lines_count_alike(windows in windows(), more in prop::collection::vec(any::<u64>(), 20)) {
            let runs = Runs::up_to(usize::MAX, &windows).expect("as many as it takes");
            let lines = Lines::new(&windows, 8);
            prop_assert_eq!(runs.windows().collect::<Vec<_>>(), windows.clone());
            prop_assert_eq!(lines.windows().collect::<Vec<_>>(), windows.clone());
            let near = windows.iter().flat_map(|at| [at.wrapping_sub(1), *at, at.wrapping_add(1)]);
            for probe in near.chain(more).chain([0, u64::MAX]) {
                let expected = windows.partition_point(|window| *window <= probe);
                prop_assert_eq!(runs.behind(probe), expected, "{:#x} in runs", probe);
                prop_assert_eq!(lines.behind(probe), expected, "{:#x} in lines", probe);
            }
            let probes: Vec<u64> = windows.iter().copied().chain([0, u64::MAX]).collect();
            for probes in probes.chunks(GROUP) {
                let mut behind = [[0; GROUP]; 2];
                runs.behind_each(probes, &mut behind[0]);
                lines.behind_each(probes, &mut behind[1]);
                for (at, probe) in probes.iter().enumerate() {
                    let expected = windows.partition_point(|window| window <= probe);
                    prop_assert_eq!(behind.map(|of| of[at]), [expected; 2], "{:#x} with others", probe);
                }
            }
        }
    }

    #[test]
    fn runs_are_for_windows_that_are_dense() {
        let dense: Vec<u64> = (0..5_000).map(|at| 1 << 60 | at << 20).collect();
        let sparse: Vec<u64> = (0..5_000_u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let sparse: Vec<u64> = std::collections::BTreeSet::from_iter(sparse).into_iter().collect();
        let (runs, lines) = (Runs::new(&dense).expect("dense"), Lines::new(&dense, 8));
        assert!(runs.bytes() * 2 < lines.bytes() + 1_000, "{} {}", runs.bytes(), lines.bytes());
        assert_eq!(Runs::new(&sparse), None);
    }
}
