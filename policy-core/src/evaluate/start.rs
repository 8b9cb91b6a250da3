//! How runs of a program begin.

use super::machine::Evaluation;
use super::mode::{AsWritten, Mode, Specialised};
use crate::compile::Program;
use crate::facts::Facts;
use crate::phase::Phase;
use crate::run::RunState;
use crate::trace::Trace;

// In place: between a caller in another crate and the machine, each layer that stays a call costs as much as a decision
// (13.8 ns for the guide's policy, 8.9 in place).
impl Program {
    /// Begins the on_tcp_connect phase of one connection.
    #[inline(always)]
    #[must_use]
    pub fn on_tcp_connect<'r>(&'r self, facts: &'r Facts<'r>) -> Evaluation<'r> {
        self.run(Phase::OnTcpConnect, facts)
    }

    /// The same as it is written, with a sink that is told what happens.
    #[must_use]
    pub fn on_tcp_connect_traced<'r, T: Trace>(
        &'r self,
        facts: &'r Facts<'r>,
        trace: T,
    ) -> Evaluation<'r, AsWritten<T>> {
        self.run_traced(Phase::OnTcpConnect, facts, trace)
    }

    /// Begins a phase of a connection or request of which no other has run. A phase without rules ends at once, without
    /// a decision.
    #[inline(always)]
    #[must_use]
    pub fn run<'r>(&'r self, phase: Phase, facts: &'r Facts<'r>) -> Evaluation<'r> {
        self.run_from(phase, facts, RunState::default())
    }

    /// Begins a phase with what another one has left: [`RunState::into_next_phase`], [`RunState::for_target`].
    #[inline(always)]
    #[must_use]
    pub fn run_from<'r>(&'r self, phase: Phase, facts: &'r Facts<'r>, state: RunState) -> Evaluation<'r> {
        self.begin(phase, facts, state, Specialised::default())
    }

    /// Begins a phase as it is written, with a sink that is told what happens.
    #[must_use]
    pub fn run_traced<'r, T: Trace>(
        &'r self,
        phase: Phase,
        facts: &'r Facts<'r>,
        trace: T,
    ) -> Evaluation<'r, AsWritten<T>> {
        self.run_traced_from(phase, facts, RunState::default(), trace)
    }

    /// The same with what another phase has left.
    #[must_use]
    pub fn run_traced_from<'r, T: Trace>(
        &'r self,
        phase: Phase,
        facts: &'r Facts<'r>,
        state: RunState,
        trace: T,
    ) -> Evaluation<'r, AsWritten<T>> {
        self.begin(phase, facts, state, AsWritten(trace))
    }

    /// Begins a phase in a mode.
    #[inline(always)]
    pub(crate) fn begin<'r, M: Mode>(
        &'r self,
        phase: Phase,
        facts: &'r Facts<'r>,
        state: RunState,
        mode: M,
    ) -> Evaluation<'r, M> {
        Evaluation::new(self, self.code(phase), facts, state, mode)
    }
}
