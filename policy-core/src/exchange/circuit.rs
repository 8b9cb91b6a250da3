//! Circuit breakers: no requests for an upstream that fails.

use std::time::Duration;

use super::ActionId;

/// Parts of the window that are forgotten as wholes (ngrok documentation, circuit-breaker, 2026-08-07).
const BUCKETS: u128 = 10;

/// A circuit breaker of a policy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Circuit {
    /// The action; each has a state of its own.
    pub action: ActionId,
    /// The share of failures that opens it, from 0 to 1.
    pub error_threshold: f64,
    /// How many requests the window must have.
    pub volume_threshold: u32,
    /// Over which time requests count.
    pub window: Duration,
    /// How long it stays open.
    pub tripped: Duration,
}

/// Whether requests pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// They pass.
    Closed,
    /// None passes.
    Open,
    /// This one passes, to find out whether the upstream works again; others do not meanwhile.
    Trial,
}

/// The requests that passed a circuit breaker. The host has one for each action and endpoint, and the clock.
///
/// ```
/// use policy_core::exchange::{CircuitBreaker, CircuitState};
/// # use policy_core::{compile::{CompileOptions, Program}, exchange::{Asked, Effect, Reply, Step}, facts::Facts};
/// # use policy_core::{message::Request, phase::{Phase, PhaseSet}};
/// # let mut options = CompileOptions::default();
/// # options.phases = PhaseSet::new(&Phase::ALL);
/// # let config = "{error_threshold: 0.5, volume_threshold: 2}";
/// # let text = format!("on_http_request: [{{actions: [{{type: circuit-breaker, config: {config}}}]}}]");
/// # let program = Program::from_policy_with("p.yml", text, &options)?;
/// # let request = Request::new("GET", "https://a.example.com/");
/// # let request = request.facts()?;
/// # let facts = Facts::new("203.0.113.42".parse()?).with_request(&request);
/// # let mut run = program.run(Phase::OnHttpRequest, &facts);
/// # assert_eq!(run.start(), Step::Perform(Effect::AskCircuit));
/// # let Some(Asked::Circuit(circuit)) = run.asked() else { panic!("what is asked") };
/// // `circuit` opens when two of at least two requests in ten seconds have failed, for ten seconds.
/// let (mut breaker, mut now) = (CircuitBreaker::default(), std::time::Duration::ZERO);
/// for _ in 0..2 {
///     assert_eq!(breaker.ask(circuit, now), CircuitState::Closed);
///     breaker.record(circuit, (CircuitState::Closed, false), now);
/// }
/// assert_eq!(breaker.ask(circuit, now), CircuitState::Open);
/// now += circuit.tripped;
/// assert_eq!(breaker.ask(circuit, now), CircuitState::Trial);
/// assert_eq!(breaker.ask(circuit, now), CircuitState::Open);
/// breaker.record(circuit, (CircuitState::Trial, true), now);
/// assert_eq!(breaker.ask(circuit, now), CircuitState::Closed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CircuitBreaker {
    /// By the number of a part of the window modulo their count: which it is, requests and failures.
    buckets: [(u128, u32, u32); BUCKETS as usize],
    /// When it was opened.
    opened: Option<Duration>,
    /// When the request began that finds out whether the upstream works again.
    trial: Option<Duration>,
}

impl CircuitBreaker {
    /// Whether a request may pass at a time, from any beginning. O(1).
    pub fn ask(&mut self, circuit: &Circuit, now: Duration) -> CircuitState {
        let Some(opened) = self.opened else { return CircuitState::Closed };
        // A trial that is never recorded must not keep the circuit open for ever.
        let since = self.trial.unwrap_or(opened);
        if now.saturating_sub(since) < circuit.tripped {
            return CircuitState::Open;
        }
        self.trial = Some(now);
        CircuitState::Trial
    }

    /// Records what became of a request that passed, and as what. O(1).
    pub fn record(&mut self, circuit: &Circuit, (passed_as, succeeded): (CircuitState, bool), now: Duration) {
        if self.opened.is_some() {
            // Requests that passed before it opened say nothing new.
            if self.trial.is_some() && passed_as == CircuitState::Trial {
                *self =
                    if succeeded { Self::default() } else { Self { opened: Some(now), ..Self::default() } };
            }
            return;
        }
        let part = (circuit.window.as_nanos() / BUCKETS).max(1);
        let current = now.as_nanos() / part;
        if let Some(bucket) = self.buckets.get_mut((current % BUCKETS) as usize) {
            if bucket.0 != current {
                *bucket = (current, 0, 0);
            }
            bucket.1 = bucket.1.saturating_add(1);
            bucket.2 = bucket.2.saturating_add(u32::from(!succeeded));
        }
        let counts = self.buckets.iter().filter(|(number, ..)| current.saturating_sub(*number) < BUCKETS);
        let (requests, failures) = counts.fold((0_u64, 0_u64), |(all, bad), (_, more, failed)| {
            (all + u64::from(*more), bad + u64::from(*failed))
        });
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let share = failures as f64 / requests as f64;
        if failures > 0 && requests >= u64::from(circuit.volume_threshold) && share >= circuit.error_threshold
        {
            *self = Self { opened: Some(now), ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuit(error_threshold: f64, volume_threshold: u32) -> Circuit {
        Circuit {
            action: ActionId(0),
            error_threshold,
            volume_threshold,
            window: Duration::from_secs(10),
            tripped: Duration::from_secs(20),
        }
    }

    /// What it says after requests: at which second, and whether they succeeded.
    fn after(circuit: &Circuit, requests: &[(u64, bool)], at: u64) -> CircuitState {
        let mut breaker = CircuitBreaker::default();
        for (at, succeeded) in requests {
            let state = breaker.ask(circuit, Duration::from_secs(*at));
            if state != CircuitState::Open {
                breaker.record(circuit, (state, *succeeded), Duration::from_secs(*at));
            }
        }
        breaker.ask(circuit, Duration::from_secs(at))
    }

    #[test]
    fn opens_by_share_and_volume_within_the_window() {
        use CircuitState::{Closed, Open, Trial};
        let half = circuit(0.5, 4);
        assert_eq!(after(&half, &[(0, false), (0, false), (0, false)], 0), Closed);
        assert_eq!(after(&half, &[(0, false), (0, true), (0, true), (0, true)], 0), Closed);
        assert_eq!(after(&half, &[(0, false), (1, true), (2, true), (3, false)], 3), Open);
        // The first ones are forgotten.
        assert_eq!(after(&half, &[(0, false), (1, false), (11, true), (12, true), (13, true)], 13), Closed);
        let failures = [(0, false), (0, false), (0, false), (0, false)];
        assert_eq!(after(&half, &failures, 19), Open);
        assert_eq!(after(&half, &failures, 20), Trial);
        let again: Vec<_> = failures.into_iter().chain([(20, false)]).collect();
        assert_eq!((after(&half, &again, 39), after(&half, &again, 40)), (Open, Trial));
        let well: Vec<_> = failures.into_iter().chain([(20, true)]).collect();
        assert_eq!(after(&half, &well, 20), Closed);
        // Without any failure nothing opens, whatever the threshold.
        assert_eq!(after(&circuit(0.0, 1), &[(0, true)], 0), Closed);
    }

    #[test]
    fn a_trial_that_is_not_recorded_is_tried_again() {
        let once = circuit(1.0, 1);
        let mut breaker = CircuitBreaker::default();
        breaker.record(&once, (CircuitState::Closed, false), Duration::ZERO);
        let at = |breaker: &mut CircuitBreaker, second| breaker.ask(&once, Duration::from_secs(second));
        assert_eq!(at(&mut breaker, 20), CircuitState::Trial);
        assert_eq!(at(&mut breaker, 39), CircuitState::Open);
        assert_eq!(at(&mut breaker, 40), CircuitState::Trial);
    }
}
