//! How runs of a program begin.

use super::evaluation::Evaluation;
use super::mode::{AsWritten, Mode, Specialised};
use crate::compile::Program;
use crate::facts::Facts;
use crate::phase::Phase;
use crate::run::RunState;
use crate::trace::Trace;

// In place: between a caller in another crate and the machine, each layer that stays a call costs as much as a third of
// a decision.
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
        Evaluation::new(self, phase, facts, state, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{CheckOptions, load_policy};
    use crate::compile::{CompileOptions, compile};
    use crate::exchange::Reply;
    use crate::outcome::Outcome;
    use crate::phase::PhaseSet;
    use crate::source::Source;

    #[test]
    fn results_outlive_the_phase_and_variables_do_not() {
        let text = "
on_tcp_connect:
- actions:
  - {type: restrict-ips, config: {enforce: false, allow: [10.0.0.0/8, '2001:db8::/32']}}
  - {type: set-vars, config: {vars: [{site: 'from ${conn.client_ip}'}]}}
on_http_request:
- expressions: [\"actions.ngrok.restrict_ips.action == 'deny'\", '!has(vars.site)']
  actions: [{type: deny}]
";
        let (policy, found) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
        let options = CompileOptions { phases: PhaseSet::new(&Phase::ALL), ..CompileOptions::default() };
        let program = compile(&policy.unwrap_or_else(|| panic!("{found:?}")), &options).expect("compiles");
        let facts = Facts::new([192, 0, 2, 1].into());
        let mut connect = program.run_from(Phase::OnTcpConnect, &facts, RunState::with_steps(9_000));
        assert_eq!(connect.run(|_, _| Reply::Logged), Outcome::Upstream);
        let request =
            |state: RunState| program.run_from(Phase::OnHttpRequest, &facts, state).run(|_, _| Reply::Logged);
        let state = connect.into_state();
        assert!(state.steps_left() < 9_000, "values take steps");
        let target = state.for_target();
        assert_eq!(target.steps_left(), state.steps_left());
        assert!(matches!(request(state.into_next_phase()), Outcome::Denied { .. }));
        // A target's policy knows nothing of what the policy that forwards has found.
        assert!(matches!(request(target), Outcome::Failed { .. }));
    }
}
