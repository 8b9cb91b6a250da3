//! Why: the policies as they are written are run beside the code that an edge runs, which decides.

use policy_core::evaluate::{Evaluation, Mode, RunState};
use policy_core::journey::Steps;
use policy_core::outcome::{Outcome, OutcomeKind};

use crate::exit::{Failure, note_once};

/// Steps that the policies as written may take to say why, about 20 s: they leave out nothing, where an edge skips what no
/// longer matters.
pub(super) const EXPLAINING_STEPS: u64 = 500_000_000;

/// Who has used up its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfSteps {
    /// The code that an edge runs.
    pub(super) compiled: bool,
    /// The policies as written.
    pub(super) written: bool,
}

impl OutOfSteps {
    /// Says what policies may take, where they would have taken more.
    pub(super) fn note(self) {
        if self.compiled {
            note_once(format!(
                "policies ran out of steps: those of one connection may take {} together, those of agents {} of them, for \
                 each event of an event stream {}, and 16 more for each byte of a body that they read",
                Steps::OF_CONNECTION,
                Steps::OF_AGENTS,
                Steps::OF_EVENT
            ));
        }
    }
}

/// The state with which the policies as written begin.
pub(super) fn first_state() -> RunState {
    RunState::with_steps(EXPLAINING_STEPS)
}

/// That the policy as written, which says why, decides as the code that an edge runs, and makes the same of the message.
///
/// # Errors
/// If it does not.
pub(super) fn agree<C: Mode, W: Mode>(
    (compiled, decided): (&Evaluation<'_, C>, Outcome),
    (written, outcome): (&Evaluation<'_, W>, Outcome),
    same_message: bool,
) -> Result<(), Failure> {
    let out = OutOfSteps { compiled: compiled.is_out_of_steps(), written: written.is_out_of_steps() };
    out.note();
    match decided == outcome && same_message {
        true => Ok(()),
        false => Err(disagree(decided.kind(), outcome.kind(), out)),
    }
}

/// The two forms of a program decide differently: a fault of ours, unless the policies as written have used up the steps
/// that they may take to say why.
pub(super) fn disagree(compiled: OutcomeKind, written: OutcomeKind, out: OutOfSteps) -> Failure {
    match out.written {
        true => Failure::Incomplete(format!(
            "an edge decides {compiled}; why cannot be said, since the policies as written, which leave out nothing, take more \
             than the {} steps that they may: try a shorter event stream, or a policy with fewer conditions",
            if out.compiled { Steps::OF_CONNECTION } else { EXPLAINING_STEPS }
        )),
        false => Failure::Internal(format!(
            "compiled code gives {compiled}, the policy as written {written}: please report this policy"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_out_of_steps_is_a_fault_of_ours() {
        let of = |compiled, written| {
            disagree(OutcomeKind::Close, OutcomeKind::Error, OutOfSteps { compiled, written })
        };
        let says = |compiled| match of(compiled, true) {
            Failure::Incomplete(said) => said,
            other => format!("{other:?}"),
        };
        assert!(says(false).starts_with("an edge decides close; ") && says(false).contains("500000000"));
        assert!(says(true).contains(" 1000000 steps"));
        assert!(
            matches!(of(false, false), Failure::Internal(_))
                && matches!(of(true, false), Failure::Internal(_))
        );
    }
}
