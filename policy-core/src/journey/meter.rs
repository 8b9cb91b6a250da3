//! What the policies on the way may take.

use crate::compile::Program;

/// Bounds what the policies of one connection may take, over all endpoints on its way.
pub trait Meter<E> {
    /// The steps that a policy of an endpoint may take now.
    ///
    /// # Errors
    /// Why it may not begin, in one line.
    fn begin(&mut self, program: &Program, endpoint: &E) -> Result<u64, String>;

    /// Steps that the policies of an endpoint may take yet.
    fn left(&self, endpoint: &E) -> u64;

    /// Notes steps that a policy of an endpoint has taken.
    fn account(&mut self, steps: u64, endpoint: &E);

    /// Who else than a policy is to blame that its steps were used up, in one line; `None` if it is the policy itself.
    fn blames(&self, program: &Program, endpoint: &E) -> Option<String> {
        let _ = (program, endpoint);
        None
    }

    /// True from time to time: others go first then.
    fn wants_pause(&mut self) -> bool {
        false
    }
}

/// One budget for all policies of a connection.
///
/// ```
/// use policy_core::journey::{Meter, Steps};
/// let mut steps = Steps::default();
/// Meter::<()>::account(&mut steps, 400_000, &());
/// assert_eq!(Meter::<()>::left(&steps, &()), 600_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps(u64);

impl Steps {
    /// Steps that the policies of one connection may take together.
    pub const OF_CONNECTION: u64 = 1_000_000;
    /// Steps of them that policies of agents may take: about 2 ms.
    pub const OF_AGENTS: u64 = 50_000;

    /// A budget of so many steps.
    #[must_use]
    pub const fn new(steps: u64) -> Self {
        Self(steps)
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self(Self::OF_CONNECTION)
    }
}

impl<E> Meter<E> for Steps {
    fn begin(&mut self, _: &Program, _: &E) -> Result<u64, String> {
        Ok(self.0)
    }

    fn left(&self, _: &E) -> u64 {
        self.0
    }

    fn account(&mut self, steps: u64, _: &E) {
        self.0 = self.0.saturating_sub(steps);
    }
}
