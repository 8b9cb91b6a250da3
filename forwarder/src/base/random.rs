//! Where the program draws numbers: pauses, one of several equals, ids.
//!
//! An agent and an edge are handed their source when they are made. The program's is the system's; a simulation hands in
//! one with a seed, and then draws the same every time.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Fills bytes.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// Overwrites all of them with bytes that nobody outside can foretell.
    fn fill(&self, bytes: &mut [u8]);
}

/// A source of randomness. Cheap to clone; clones draw from the same source.
#[derive(Clone, Debug)]
pub(crate) struct Random(Arc<dyn Source>);

impl Random {
    /// That of the system.
    pub(crate) fn system() -> Self {
        Self::from_source(System)
    }

    fn from_source(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// So many bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// Any number.
    pub(crate) fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A number from 0 to 1, both included.
    pub(crate) fn fraction(&self) -> f64 {
        let [a, b, c, d, ..] = self.number().to_le_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX)
    }
}

/// The randomness of the system.
#[derive(Debug)]
struct System;

impl Source for System {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_ok() {
            return;
        }
        // The keys of the hasher were drawn when the system still had some, and differ every time.
        for eight in bytes.chunks_mut(8) {
            let drawn = RandomState::new().hash_one(0).to_le_bytes();
            eight.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// The same bytes for the same seed.
    #[derive(Debug)]
    struct Seeded(Mutex<u64>);

    impl Source for Seeded {
        fn fill(&self, bytes: &mut [u8]) {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for eight in bytes.chunks_mut(8) {
                // SplitMix64 (Steele, Lea and Flood 2014).
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                let drawn = (mixed ^ (mixed >> 31)).to_le_bytes();
                eight.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
            }
        }
    }

    /// Draws that a seed decides.
    pub(crate) fn seeded(seed: u64) -> Random {
        Random::from_source(Seeded(Mutex::new(seed)))
    }

    #[test]
    fn draws_are_within_their_bounds_and_differ() {
        for random in [Random::system(), seeded(1)] {
            assert_eq!((random.below(0), random.below(1)), (0, 0));
            let drawn: Vec<_> = (0..1_000).map(|_| random.below(3)).collect();
            assert!([0, 1, 2].iter().all(|number| drawn.contains(number)) && drawn.iter().all(|it| *it < 3));
            let fractions: Vec<_> = (0..1_000).map(|_| random.fraction()).collect();
            assert!(fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
            let has = |range: std::ops::Range<f64>| fractions.iter().any(|fraction| range.contains(fraction));
            assert!(has(0.0..0.1) && has(0.9..1.0), "the whole range is drawn");
            assert_ne!(random.bytes::<16>(), random.bytes::<16>());
        }
    }

    #[test]
    fn a_seed_draws_the_same_every_time_and_another_one_something_else() {
        let draw = |seed: u64| seeded(seed).bytes::<32>();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
