//! The sweep: from many sets of addresses to one function, address → class of tests that hold.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::key::{Key, number};
use super::limits::{TableLimits, TooLarge};
use super::ranges::Ranges;
use super::steps::Steps;

/// The interned test sets while a table is built. INVARIANT: class 0 is the empty set.
pub(super) struct Classes {
    words: usize,
    sets: Vec<u64>,
    /// The last class of each fingerprint, and for each class the one before it. Sets are compared in full: of
    /// fingerprints alone an author could make two that collide.
    known: HashMap<u64, u32>,
    before: Vec<Option<u32>>,
    /// What each test adds to a fingerprint.
    marks: Vec<u64>,
    limit: usize,
}

impl Classes {
    pub(super) fn new(tests: usize, limits: TableLimits) -> Self {
        let words = tests.div_ceil(64).max(1);
        let seed = RandomState::new();
        let marks = (0..tests).map(|test| seed.hash_one(test)).collect();
        let known = HashMap::from([(0, 0)]);
        Self { words, sets: vec![0; words], known, before: vec![None], marks, limit: limits.bytes }
    }

    pub(super) const fn words(&self) -> usize {
        self.words
    }

    /// The sets, `words` for each class.
    pub(super) fn into_sets(self) -> Box<[u64]> {
        self.sets.into()
    }

    fn intern(&mut self, set: &[u64], fingerprint: u64) -> Result<u32, TooLarge> {
        let mut candidate = self.known.get(&fingerprint).copied();
        while let Some(class) = candidate {
            let at = class as usize * self.words;
            if self.sets.get(at..at + self.words) == Some(set) {
                return Ok(class);
            }
            candidate = self.before.get(class as usize).copied().flatten();
        }
        let class = number(self.before.len());
        self.sets.extend_from_slice(set);
        self.before.push(self.known.insert(fingerprint, class));
        self.budget(0, 0)?;
        Ok(class)
    }

    /// Fails if the sets and so many bytes more are over the budget.
    pub(super) fn budget(&self, bytes: usize, ranges: usize) -> Result<(), TooLarge> {
        if bytes + size_of_val(&*self.sets) <= self.limit {
            return Ok(());
        }
        Err(TooLarge::Bytes { limit: self.limit, classes: self.before.len(), ranges })
    }
}

/// One family: cuts it where a test begins or ends. O(boundaries · (log + words)).
pub(super) fn sweep<'t, K: Key + 't>(
    classes: &mut Classes,
    tests: impl Iterator<Item = &'t Ranges<K>> + Clone,
) -> Result<Steps<K>, TooLarge> {
    // An event toggles the bit of one test: a test's own ranges never touch, so no toggle is lost.
    let room = tests.clone().map(|ranges| ranges.as_slice().len() * 2).sum();
    let mut events: Vec<(K, u32)> = Vec::with_capacity(room);
    for (test, ranges) in (0..).zip(tests) {
        for &(first, last) in ranges.as_slice() {
            events.push((first, test));
            events.extend(last.next().map(|behind| (behind, test)));
        }
    }
    events.sort_unstable_by_key(|(at, _)| *at);

    let mut steps = Steps::constant(0);
    let (mut current, mut fingerprint) = (vec![0_u64; classes.words], 0);
    let mut events = events.into_iter().peekable();
    while let Some(&(at, _)) = events.peek() {
        // INVARIANT: a boundary is emitted only after all events at its address.
        while let Some((_, test)) = events.next_if(|&(position, _)| position == at) {
            if let Some(word) = current.get_mut(test as usize / 64) {
                *word ^= 1 << (test % 64);
            }
            fingerprint ^= classes.marks.get(test as usize).copied().unwrap_or(0);
        }
        steps.push(at, classes.intern(&current, fingerprint)?);
        // Of the layout only this much is certain.
        classes.budget(steps.len() * size_of::<u32>(), steps.len())?;
    }
    Ok(steps)
}
