//! What a run keeps: it outlives the phase, in the hands of the host.

use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::cel::{EvalLimits, Unrendered, Value};
use crate::exchange::{ActionId, Asked, LogId, TargetId};
use crate::facts::State;
use crate::message::{Body, BySide, Changes, Side};
use crate::parse::PlainMap;
use crate::url::EndpointUrl;

/// What a policy has taken and made so far of one connection or request: results, variables, draws of random numbers,
/// and the budget that is left. A host hands it from phase to phase. Of this only the budget and the message as it
/// is now go on to the policy of a target ([`Self::for_target`]), or to a second policy of the same endpoint.
///
/// ```
/// use policy_core::{compile::Program, evaluate::RunState, exchange::Reply, facts::Facts, phase::Phase};
/// let text = "on_tcp_connect: [{actions: [{type: log, config: {metadata: {a: b}}}]}]";
/// let program = Program::from_policy("p.yml", text)?;
/// let facts = Facts::new("203.0.113.42".parse()?);
/// let mut run = program.run_from(Phase::OnTcpConnect, &facts, RunState::with_steps(10_000));
/// run.run(|_, _| Reply::Logged);
/// let next = run.into_state().into_next_phase();
/// assert_eq!(next.steps_left(), 10_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RunState {
    /// What is left for conditions and values: all of a connection share the steps.
    pub(crate) limits: EvalLimits,
    /// Draws of random numbers so far. Each endpoint draws numbers of its own, by its URL.
    pub(crate) draws: u64,
    /// The last address test that was made at run time, and its verdict.
    pub(crate) tested: Option<(ActionId, bool)>,
    pub(crate) kept: Option<Box<Kept>>,
}

/// What is known of a run only, behind a pointer: most runs have none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) state: State,
    /// Bytes kept so far.
    pub(crate) bytes: usize,
    /// Targets beyond those of the program.
    pub(crate) targets: Vec<EndpointUrl>,
    /// Log entries beyond those of the program.
    pub(crate) logs: Vec<Arc<PlainMap>>,
    /// What the last list with entries of this run said.
    pub(crate) decided: Option<ListDecision>,
    /// What the open effect is about.
    pub(crate) asked: Option<Asked>,
    /// Sets of keys that were fetched, by URL.
    pub(crate) key_sets: Vec<(Box<str>, Option<Arc<str>>)>,
    /// What became of a request's attempts so far.
    pub(crate) attempts: Vec<Value>,
    /// Bodies as they were read.
    pub(crate) bodies: BySide<Body>,
    /// What has no value, at which the phase ended.
    pub(crate) failed: Option<Unrendered>,
}

/// Why a list with entries that are known for each connection only permits or refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListDecision {
    pub(crate) by: ActionId,
    pub(crate) denied: Option<IpNetwork>,
    pub(crate) allowed: Option<IpNetwork>,
}

impl RunState {
    /// The state of a connection whose policies may take so many steps; [`Default`] gives a million.
    #[must_use]
    pub fn with_steps(steps: u64) -> Self {
        let mut state = Self::default();
        state.limits.steps = steps;
        state
    }

    /// Steps that are left.
    #[must_use]
    pub const fn steps_left(&self) -> u64 {
        self.limits.steps
    }

    /// Sets how many steps are left.
    pub const fn set_steps_left(&mut self, steps: u64) {
        self.limits.steps = steps;
    }

    /// The state with which the next phase of the same connection or request begins: results (`actions.*`), draws and
    /// budget stay, the variables of the phase (`vars.*`) and what was answered go.
    #[must_use]
    pub fn into_next_phase(mut self) -> Self {
        if let Some(kept) = self.kept.as_deref_mut() {
            kept.state.end_phase();
            kept.state.changes.answer = None;
            // Each event has a phase of its own.
            kept.state.changes.bodies.set(Side::Event, None);
            kept.bodies.set(Side::Event, None);
        }
        self
    }

    /// The state with which the policy of a target begins: of this one the budget, and the message as it is now. What the
    /// policy that forwards has found and set is its own.
    #[must_use]
    pub fn for_target(&self) -> Self {
        let mut state = Self::with_steps(self.limits.steps);
        if let Some(kept) = self.kept.as_deref() {
            let changes = &kept.state.changes;
            if !changes.is_empty() || !kept.bodies.is_empty() {
                let target = state.kept();
                target.state.changes = Changes { answer: None, ..changes.clone() };
                target.bodies = kept.bodies.clone();
            }
        }
        state
    }

    /// What was changed of request and response; `None` if nothing was kept.
    #[must_use]
    pub fn changes(&self) -> Option<&Changes> {
        self.kept.as_deref().map(|kept| &kept.state.changes)
    }

    pub(crate) fn kept(&mut self) -> &mut Kept {
        self.kept.get_or_insert_default()
    }

    /// A target of this run, of which so many are the program's.
    pub(crate) fn target(&self, id: TargetId, literal: usize) -> Option<&EndpointUrl> {
        self.kept.as_deref()?.targets.get((id.0 as usize).checked_sub(literal)?)
    }

    /// A log entry of this run, of which so many are the program's.
    pub(crate) fn log(&self, id: LogId, literal: usize) -> Option<&Arc<PlainMap>> {
        self.kept.as_deref()?.logs.get((id.0 as usize).checked_sub(literal)?)
    }
}
