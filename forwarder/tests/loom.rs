//! The order of entering and sweeping, in every order of their steps.
//!
//! `src/edge/places.rs` is compiled here once more, with the lock of loom; what decides who may stay is an atomic
//! number of loom's, as weakly ordered as there is. Loom runs each test once for every order in which the steps of its
//! threads can go.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

#[path = "../src/edge/places.rs"]
#[allow(dead_code, unreachable_pub, reason = "the edge uses all of it")]
mod places;

/// The lock that `places` uses here.
mod base {
    pub(crate) mod sync {
        pub(crate) use loom::sync::{Mutex, MutexGuard};
    }
}

use places::Places;

/// Who has entered: by which generation it was judged, and whether it was cut.
struct Entry {
    generation: usize,
    cut: AtomicUsize,
}

impl Entry {
    fn of(generation: usize) -> Self {
        Self { generation, cut: AtomicUsize::new(0) }
    }

    /// Only the newest generation may stay, which is the one thing that policies, revocations and endpoints that go
    /// offline have in common.
    fn judge(&self, newest: usize) -> bool {
        let objects = newest != self.generation;
        if objects {
            self.cut.store(1, Relaxed);
        }
        objects
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Relaxed) == 1
    }
}

/// Enters by what is current, and never leaves; the generation.
fn enter_and_stay(places: &Places<Entry>, current: &AtomicUsize) -> usize {
    let generation = current.load(Relaxed);
    let look = |entry: &Entry| {
        entry.judge(current.load(Relaxed));
    };
    std::mem::forget(places.enter(Entry::of(generation), look));
    generation
}

/// A connection and a reload, a session and a revocation, a connection and an endpoint that goes offline.
#[test]
fn whoever_enters_while_things_change_is_judged_by_what_is_new() {
    loom::model(|| {
        let places = Arc::new(Places::<Entry>::default());
        let current = Arc::new(AtomicUsize::new(0));
        let entering = {
            let (places, current) = (Arc::clone(&places), Arc::clone(&current));
            thread::spawn(move || enter_and_stay(&places, &current))
        };
        places.sweep(|| current.store(1, Relaxed), |(), entry| entry.judge(1));
        let generation = entering.join().expect("no panic");
        let left = places.all();
        assert_eq!(left.len(), 1);
        assert!(generation == 1 || left[0].is_cut(), "an old generation stays");
        assert!(generation == 0 || !left[0].is_cut(), "the new generation is cut");
    });
}

/// Two changes one after the other, and one who enters.
#[test]
fn no_change_is_missed_between_two() {
    loom::model(|| {
        let places = Arc::new(Places::<Entry>::default());
        let current = Arc::new(AtomicUsize::new(0));
        let entering = {
            let (places, current) = (Arc::clone(&places), Arc::clone(&current));
            thread::spawn(move || enter_and_stay(&places, &current))
        };
        for newest in [1, 2] {
            places.sweep(|| current.store(newest, Relaxed), |(), entry| entry.judge(newest));
        }
        let generation = entering.join().expect("no panic");
        assert!(generation == 2 || places.all()[0].is_cut(), "an old generation stays");
    });
}

/// Who leaves is gone, whoever sweeps at the time.
#[test]
fn a_place_is_given_back_while_it_is_swept() {
    loom::model(|| {
        let places = Arc::new(Places::<Entry>::default());
        let current = Arc::new(AtomicUsize::new(0));
        let passing = {
            let places = Arc::clone(&places);
            thread::spawn(move || drop(places.enter(Entry::of(0), |_| {})))
        };
        places.sweep(|| current.store(1, Relaxed), |(), entry| entry.judge(1));
        passing.join().expect("no panic");
        assert_eq!(places.len(), 0);
    });
}

/// Two sessions of one agent at once: one of them meets the other.
#[test]
fn of_two_who_enter_at_once_exactly_one_stays() {
    loom::model(|| {
        let places = Arc::new(Places::<Entry>::default());
        let enter = |places: Arc<Places<Entry>>| {
            let end_older = |_: &Entry, other: &Entry| other.cut.store(1, Relaxed);
            std::mem::forget(places.enter_meeting(Entry::of(0), end_older, |_| {}));
        };
        let other = {
            let places = Arc::clone(&places);
            thread::spawn(move || enter(places))
        };
        enter(Arc::clone(&places));
        other.join().expect("no panic");
        let live = places.all().iter().filter(|entry| !entry.is_cut()).count();
        assert_eq!(live, 1);
    });
}
