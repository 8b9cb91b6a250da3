//! Few ranges: all starts are compared, without a branch.

use crate::key::Key;
use crate::steps::Steps;

/// At most `N` boundaries. INVARIANT: unused places hold the last address and the last value, so that counting
/// one too many changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted<K, const N: usize> {
    starts: [K; N],
    first: u32,
    values: [u32; N],
    used: usize,
}

impl<K: Key, const N: usize> Counted<K, N> {
    pub(super) fn new(steps: &Steps<K>) -> Self {
        let last = steps.boundaries().last().map_or(steps.first(), |(_, code)| code);
        let mut counted = Self { starts: [K::LAST; N], first: steps.first(), values: [last; N], used: 0 };
        let places = counted.starts.iter_mut().zip(&mut counted.values);
        for ((start, value), boundary) in places.zip(steps.boundaries()) {
            (*start, *value) = boundary;
            counted.used += 1;
        }
        counted
    }

    #[inline]
    pub(super) fn get(&self, key: K) -> u32 {
        let mut behind = 0_u32;
        for start in &self.starts {
            behind += u32::from(*start <= key);
        }
        match behind.checked_sub(1) {
            Some(at) => self.values.get(at as usize).copied().unwrap_or(self.first),
            None => self.first,
        }
    }

    pub(super) fn walk(&self, each: &mut dyn FnMut(K, u32)) {
        each(K::FIRST, self.first);
        for (start, value) in self.starts.iter().zip(&self.values).take(self.used) {
            each(*start, *value);
        }
    }
}
