//! What an explanation is of: a run that is over.

use policy_core::compile::Program;
use policy_core::outcome::Outcome;

use crate::answer::Run;
use crate::hidden::Hidden;

/// A run that is over, and how.
pub(super) struct EndedRun<'d> {
    pub(super) run: &'d Run<'d>,
    pub(super) outcome: Outcome,
    /// What is not shown of it.
    pub(super) hidden: &'d Hidden,
}

impl<'d> EndedRun<'d> {
    pub(super) fn program(&self) -> &'d Program {
        self.run.program()
    }
}
