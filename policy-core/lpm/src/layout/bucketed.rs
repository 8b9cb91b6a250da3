//! Some hundred ranges: a small root says which of the sorted starts can matter.

use crate::key::Bits;
use crate::steps::Steps;

/// Root slots a start, about: memory for fewer starts to look at.
const SLOTS_EACH: usize = 8;
/// Starts of a slot that are counted one by one; more are halved.
const FEW: usize = 8;

/// Sorted starts below a root. INVARIANT: all starts lie from `low` to `high`, which share their first `skip` bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucketed<K> {
    low: K,
    high: K,
    skip: u32,
    bits: u32,
    /// For each slot the number of starts before it; one more at the end.
    root: Box<[u16]>,
    starts: Box<[K]>,
    /// `values[i]` holds after `i` starts.
    values: Box<[u32]>,
}

impl<K: Bits> Bucketed<K> {
    pub(super) fn new(steps: &Steps<K>) -> Self {
        let (all, values) = steps.parts();
        let starts = all.get(1..).unwrap_or_default();
        let (first, last) = (starts.first().copied(), starts.last().copied());
        let (first, last) = (first.unwrap_or(K::FIRST), last.unwrap_or(K::LAST));
        let skip = first.common(last).min(K::BITS - 1);
        let bits =
            (starts.len() * SLOTS_EACH).next_power_of_two().trailing_zeros().min(K::BITS - skip).max(1);
        let mut root = vec![0_u16; (1 << bits) + 1];
        for start in starts {
            // Counted after its own slot.
            if let Some(count) = root.get_mut(start.shifted(skip).head(bits) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut root {
            sum += *count;
            *count = sum;
        }
        Self {
            low: first.filled(skip, false),
            high: first.filled(skip, true),
            skip,
            bits,
            root: root.into(),
            starts: starts.into(),
            values: values.into(),
        }
    }

    #[inline]
    pub(super) fn get(&self, key: K) -> u32 {
        let value = |at: usize| self.values.get(at).copied().unwrap_or(0);
        if key < self.low {
            return value(0);
        }
        if key > self.high {
            return value(self.starts.len());
        }
        let slot = key.shifted(self.skip).head(self.bits);
        let (Some(&from), Some(&to)) = (self.root.get(slot), self.root.get(slot + 1)) else {
            return value(0);
        };
        let (from, to) = (usize::from(from), usize::from(to));
        let Some(starts) = self.starts.get(from..to) else { return value(0) };
        let behind = if starts.len() <= FEW {
            starts.iter().take_while(|start| **start <= key).count()
        } else {
            starts.partition_point(|start| *start <= key)
        };
        value(from + behind)
    }

    pub(super) fn walk(&self, each: &mut dyn FnMut(K, u32)) {
        let starts = [K::FIRST].into_iter().chain(self.starts.iter().copied());
        starts.zip(&self.values).for_each(|(start, value)| each(start, *value));
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.root) + size_of_val(&*self.starts) + size_of_val(&*self.values)
    }
}
