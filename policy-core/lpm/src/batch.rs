//! Addresses of both families that are looked up together.

use std::net::IpAddr;

use super::key::Address;
use super::layout::BATCH;

/// At most a batch of addresses, those of a family side by side.
pub(super) struct Batch {
    v4: Side<u32>,
    v6: Side<u128>,
}

/// The addresses of a family, and their places in the batch.
struct Side<K> {
    keys: [K; BATCH],
    places: [usize; BATCH],
    count: usize,
}

impl<K: Copy + Default> Side<K> {
    fn new() -> Self {
        Self { keys: [K::default(); BATCH], places: [0; BATCH], count: 0 }
    }

    #[inline]
    fn push(&mut self, key: K, place: usize) {
        if let (Some(to), Some(at)) = (self.keys.get_mut(self.count), self.places.get_mut(self.count)) {
            (*to, *at) = (key, place);
            self.count += 1;
        }
    }

    /// Looks all of them up, and puts each answer in its place.
    #[inline]
    fn answer<T: Copy + Default>(&self, answers: &mut [T], look_up: impl FnOnce(&[K], &mut [T])) {
        let mut found = [T::default(); BATCH];
        look_up(self.keys.get(..self.count).unwrap_or(&self.keys), &mut found);
        for (place, found) in self.places.iter().take(self.count).zip(found) {
            if let Some(answer) = answers.get_mut(*place) {
                *answer = found;
            }
        }
    }
}

impl Batch {
    /// The first addresses, as many as a batch has.
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        let mut batch = Self { v4: Side::new(), v6: Side::new() };
        for (place, address) in addresses.iter().enumerate() {
            match Address::from(*address) {
                Address::V4(key) => batch.v4.push(key, place),
                Address::V6(key) => batch.v6.push(key, place),
            }
        }
        batch
    }

    /// Puts the answers in the places of their addresses, as far as there are places.
    pub(super) fn answer<T: Copy + Default>(
        &self,
        answers: &mut [T],
        v4: impl FnOnce(&[u32], &mut [T]),
        v6: impl FnOnce(&[u128], &mut [T]),
    ) {
        self.v4.answer(answers, v4);
        self.v6.answer(answers, v6);
    }
}
