//! Requests that came before: what rate limits and circuit breakers of a dry run have counted.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policy_core::exchange::{
    ActionId, Circuit, CircuitBreaker, CircuitState, RateLimit, RateVerdict, SlidingWindow,
};

/// Requests that came before, counted by action and endpoint.
#[derive(Debug, Default)]
pub(crate) struct RequestHistory(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    now: Duration,
    windows: HashMap<(Box<str>, ActionId, Box<str>), SlidingWindow>,
    breakers: HashMap<(Box<str>, ActionId), CircuitBreaker>,
    /// Requests that circuit breakers have let through, until it is known what became of them.
    passed: Vec<(Box<str>, Circuit, CircuitState)>,
}

impl RequestHistory {
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the clock, from the begin of the case.
    pub(crate) fn set_now(&self, now: Duration) {
        self.counted().now = now;
    }

    /// Counts a request of a policy against a limit.
    pub(super) fn count(&self, policy: &str, limit: &RateLimit, key: &str) -> RateVerdict {
        let counted = &mut *self.counted();
        let window = counted.windows.entry((policy.into(), limit.action, key.into())).or_default();
        window.count(limit.capacity, limit.window, counted.now)
    }

    /// Asks a circuit breaker of a policy.
    pub(super) fn ask(&self, policy: &str, circuit: &Circuit) -> CircuitState {
        let counted = &mut *self.counted();
        let breaker = counted.breakers.entry((policy.into(), circuit.action)).or_default();
        let state = breaker.ask(circuit, counted.now);
        if state != CircuitState::Open {
            counted.passed.push((policy.into(), circuit.clone(), state));
        }
        state
    }

    /// Says what became of the request that circuit breakers have let through: nothing, if none was sent on.
    pub(crate) fn record(&self, succeeded: Option<bool>) {
        let counted = &mut *self.counted();
        for (policy, circuit, state) in counted.passed.drain(..) {
            let breaker = counted.breakers.get_mut(&(policy, circuit.action));
            if let (Some(breaker), Some(succeeded)) = (breaker, succeeded) {
                breaker.record(&circuit, (state, succeeded), counted.now);
            }
        }
    }
}

/// What was answered to the compiled form of a policy, for the policy as written: it is one request.
#[derive(Debug)]
pub(super) struct Repeated<T>(RefCell<VecDeque<T>>);

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Copy> Repeated<T> {
    /// An answer that is made for the one and given again to the other.
    pub(super) fn answer(&self, is_compiled: bool, make: impl FnOnce() -> T) -> T {
        if is_compiled {
            let made = make();
            self.0.borrow_mut().push_back(made);
            return made;
        }
        let known = self.0.borrow_mut().pop_front();
        known.unwrap_or_else(make)
    }
}
