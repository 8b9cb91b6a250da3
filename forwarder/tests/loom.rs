//! The order of registering and revalidating, in every order of their steps.
//!
//! `src/edge/registry.rs` is compiled here once more, with the lock of loom; what decides who may stay is an atomic
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

#[path = "../src/edge/registry.rs"]
#[allow(dead_code, unreachable_pub, reason = "the edge uses all of it")]
mod registry;

/// The lock that `registry` uses here.
mod edge {
    pub(crate) mod sync {
        pub(crate) use loom::sync::{Mutex, MutexGuard};
    }
}

use registry::Registry;

/// Who has entered: by which generation it was decided, and whether it was cut.
struct Entry {
    generation: usize,
    cut: AtomicUsize,
}

impl Entry {
    fn new(generation: usize) -> Self {
        Self { generation, cut: AtomicUsize::new(0) }
    }

    /// Only the newest generation may stay, which is the one thing that policies, revocations and endpoints that go
    /// offline have in common.
    fn decide(&self, newest: usize) -> bool {
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
fn register_and_stay(registry: &Registry<Entry>, current: &AtomicUsize) -> usize {
    let generation = current.load(Relaxed);
    let look = |entry: &Entry| {
        entry.decide(current.load(Relaxed));
    };
    std::mem::forget(registry.register(Entry::new(generation), look));
    generation
}

/// A connection and a reload, a session and a revocation, a connection and an endpoint that goes offline.
#[test]
fn whoever_enters_while_things_change_is_judged_by_what_is_new() {
    loom::model(|| {
        let registry = Arc::new(Registry::<Entry>::default());
        let current = Arc::new(AtomicUsize::new(0));
        let entering = {
            let (registry, current) = (Arc::clone(&registry), Arc::clone(&current));
            thread::spawn(move || register_and_stay(&registry, &current))
        };
        registry.revalidate(|| current.store(1, Relaxed), |(), entry| entry.decide(1));
        let generation = entering.join().expect("no panic");
        let left = registry.all();
        assert_eq!(left.len(), 1);
        assert!(generation == 1 || left[0].is_cut(), "an old generation stays");
        assert!(generation == 0 || !left[0].is_cut(), "the new generation is cut");
    });
}

/// Two changes one after the other, and one who enters.
#[test]
fn no_change_is_missed_between_two() {
    loom::model(|| {
        let registry = Arc::new(Registry::<Entry>::default());
        let current = Arc::new(AtomicUsize::new(0));
        let entering = {
            let (registry, current) = (Arc::clone(&registry), Arc::clone(&current));
            thread::spawn(move || register_and_stay(&registry, &current))
        };
        for newest in [1, 2] {
            registry.revalidate(|| current.store(newest, Relaxed), |(), entry| entry.decide(newest));
        }
        let generation = entering.join().expect("no panic");
        assert!(generation == 2 || registry.all()[0].is_cut(), "an old generation stays");
    });
}

/// Who leaves is gone, whoever looks at all at the time.
#[test]
fn a_registration_is_given_back_while_all_are_looked_at() {
    loom::model(|| {
        let registry = Arc::new(Registry::<Entry>::default());
        let current = Arc::new(AtomicUsize::new(0));
        let passing = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || drop(registry.register(Entry::new(0), |_| {})))
        };
        registry.revalidate(|| current.store(1, Relaxed), |(), entry| entry.decide(1));
        passing.join().expect("no panic");
        assert_eq!(registry.len(), 0);
    });
}

/// Two sessions of one agent at once: one of them meets the other.
#[test]
fn exactly_one_of_two_who_enter_at_once_stays() {
    loom::model(|| {
        let registry = Arc::new(Registry::<Entry>::default());
        let enter = |registry: Arc<Registry<Entry>>| {
            let end_older = |_: &Entry, other: &Entry| other.cut.store(1, Relaxed);
            std::mem::forget(registry.register_meeting(Entry::new(0), end_older, |_| {}));
        };
        let other = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || enter(registry))
        };
        enter(Arc::clone(&registry));
        other.join().expect("no panic");
        let live = registry.all().iter().filter(|entry| !entry.is_cut()).count();
        assert_eq!(live, 1);
    });
}
