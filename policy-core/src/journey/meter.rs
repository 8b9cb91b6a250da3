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

    /// A body that was read brings steps. Without a word, all policies have only those that they have.
    fn grant(&mut self, steps: u64) {
        let _ = steps;
    }

    /// A policy begins with an event of an event stream: from here to [`Self::end_event`] it may take what an event may.
    /// Without a word, events share what their connection may take.
    fn begin_event(&mut self) {}

    /// The policy has seen the event.
    fn end_event(&mut self) {}

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

/// One budget for all policies of a connection, and one for each event of an event stream.
///
/// ```
/// use policy_core::journey::{Meter, Steps};
/// let mut steps = Steps::default();
/// Meter::<()>::account(&mut steps, 400_000, &());
/// assert_eq!(Meter::<()>::left(&steps, &()), 600_000);
/// Meter::<()>::begin_event(&mut steps);
/// assert_eq!(Meter::<()>::left(&steps, &()), Steps::OF_EVENT);
/// Meter::<()>::end_event(&mut steps);
/// assert_eq!(Meter::<()>::left(&steps, &()), 600_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    left: u64,
    /// Of the event that a policy sees now.
    of_event: Option<u64>,
}

impl Steps {
    /// Steps that the policies of one connection may take together, beside those that bodies bring: about 40 ms.
    pub const OF_CONNECTION: u64 = 1_000_000;
    /// Steps of them that policies of agents may take: about 2 ms.
    pub const OF_AGENTS: u64 = 50_000;
    /// Steps that a policy may take for one event of an event stream, beside those that its bytes bring: about 0.4 ms.
    pub const OF_EVENT: u64 = 10_000;

    /// A budget of so many steps.
    #[must_use]
    pub const fn new(steps: u64) -> Self {
        Self { left: steps, of_event: None }
    }

    /// Steps that may be taken yet.
    #[must_use]
    pub const fn left(self) -> u64 {
        match self.of_event {
            Some(left) => left,
            None => self.left,
        }
    }

    /// Takes steps, as far as there are some.
    pub const fn take(&mut self, steps: u64) {
        let pool = self.pool();
        *pool = pool.saturating_sub(steps);
    }

    /// Adds steps.
    pub const fn add(&mut self, steps: u64) {
        let pool = self.pool();
        *pool = pool.saturating_add(steps);
    }

    /// From here to [`Self::end_event`] it is the budget of one event.
    pub const fn begin_event(&mut self) {
        self.of_event = Some(Self::OF_EVENT);
    }

    /// It is the budget of the connection again.
    pub const fn end_event(&mut self) {
        self.of_event = None;
    }

    const fn pool(&mut self) -> &mut u64 {
        match &mut self.of_event {
            Some(left) => left,
            None => &mut self.left,
        }
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self::new(Self::OF_CONNECTION)
    }
}

impl<E> Meter<E> for Steps {
    fn begin(&mut self, _: &Program, _: &E) -> Result<u64, String> {
        Ok(Self::left(*self))
    }

    fn left(&self, _: &E) -> u64 {
        Self::left(*self)
    }

    fn account(&mut self, steps: u64, _: &E) {
        self.take(steps);
    }

    fn grant(&mut self, steps: u64) {
        self.add(steps);
    }

    fn begin_event(&mut self) {
        Self::begin_event(self);
    }

    fn end_event(&mut self) {
        Self::end_event(self);
    }
}
