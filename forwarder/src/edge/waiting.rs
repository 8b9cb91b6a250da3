//! Open connections that are revalidated later, in turn.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::open::Open;

/// Connections whose policies take long, each once, in the order in which reloads left them undecided. However many
/// reloads there are, one task revalidates them.
#[derive(Debug)]
pub(super) struct Waiting<T = Open> {
    turns: Mutex<Turns<T>>,
}

#[derive(Debug)]
struct Turns<T> {
    waiting: VecDeque<Arc<T>>,
    /// True while a task takes them.
    served: bool,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { turns: Mutex::new(Turns { waiting: VecDeque::new(), served: false }) }
    }
}

impl<T> Waiting<T> {
    fn turns(&self) -> MutexGuard<'_, Turns<T>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds those that do not wait yet. True if the caller has to see to a task that takes them. O(waiting).
    pub(super) fn add(&self, undecided: Vec<Arc<T>>) -> bool {
        let mut turns = self.turns();
        let known: HashSet<_> = turns.waiting.iter().map(Arc::as_ptr).collect();
        let fresh: Vec<_> = undecided.into_iter().filter(|it| !known.contains(&Arc::as_ptr(it))).collect();
        turns.waiting.extend(fresh);
        // Those that have ended: there are never more here than open connections and those of one reload.
        turns.waiting.retain(|it| Arc::strong_count(it) > 1);
        let serve = !turns.served && !turns.waiting.is_empty();
        turns.served |= serve;
        serve
    }

    /// The next one; with none the task is over.
    pub(super) fn next(&self) -> Option<Arc<T>> {
        let mut turns = self.turns();
        let next = turns.waiting.pop_front();
        turns.served = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_waits_once_and_one_task_takes_them() {
        let waiting = Waiting::<u8>::default();
        let open: Vec<_> = (0..4).map(Arc::new).collect();
        let some = |numbers: &[usize]| numbers.iter().map(|at| Arc::clone(&open[*at])).collect();
        assert!(!waiting.add(Vec::new()), "nobody waits");
        assert!(waiting.add(some(&[2, 0])), "the first ones need a task");
        assert!(!waiting.add(some(&[0, 1, 2])), "there is one already");
        assert!(!waiting.add(vec![Arc::new(9)]), "it has ended");
        let taken: Vec<_> = std::iter::from_fn(|| waiting.next()).map(|it| *it).collect();
        assert_eq!(taken, [2, 0, 1]);
        assert!(waiting.add(some(&[3])), "the task is over");
    }
}
