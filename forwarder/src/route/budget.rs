//! What the policies of one connection may take, over all the endpoints on its way.
//!
//! A step is about 40 ns. Policies of the configuration belong to the operator and share the budget of the connection.
//! Policies that agents bring have a smaller one inside it, and draw on the share of their authtoken.

use std::time::Instant;

use policy_core::compile::Program;

use super::Effort;
use crate::online::Owner;

/// Steps that all policies of a connection may take.
const CONNECTION_STEPS: u64 = 1_000_000;
/// Steps of them that policies of agents may take: about 2 ms.
const BROUGHT_STEPS: u64 = 50_000;
/// The same where an open connection is looked at cheaply: about 0.08 ms.
const CHEAP_BROUGHT_STEPS: u64 = 2_000;
/// Steps after which a connection lets others go first.
const PAUSE_AFTER: u64 = 5_000;

/// What is left for the policies of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    brought: u64,
    /// False where the edge judges again of its own accord: that is not at the expense of the authtoken.
    draws_on_shares: bool,
    since_pause: u64,
}

impl Budget {
    /// Of a connection that is made.
    pub(super) const fn of_connection() -> Self {
        Self { all: CONNECTION_STEPS, brought: BROUGHT_STEPS, draws_on_shares: true, since_pause: 0 }
    }

    /// Of an open connection that is judged again.
    pub(super) const fn again(effort: Effort) -> Self {
        let brought = match effort {
            Effort::Cheap => CHEAP_BROUGHT_STEPS,
            Effort::Full => BROUGHT_STEPS,
        };
        Self { all: CONNECTION_STEPS, brought, draws_on_shares: false, since_pause: 0 }
    }

    /// Takes what a run takes in any case; gives the steps that its expressions may take, or nothing if it may not
    /// begin.
    pub(super) fn begin(&mut self, program: &Program, owner: Option<&Owner>) -> Option<u64> {
        let base = owner.map_or(0, |_| program.base_steps());
        let left = self.left(owner).checked_sub(base)?;
        self.account(base, owner);
        Some(left)
    }

    /// Steps that the expressions of a policy may take now.
    pub(super) fn left(&self, owner: Option<&Owner>) -> u64 {
        let Some(owner) = owner else { return self.all };
        let left = self.all.min(self.brought);
        if self.draws_on_shares { left.min(owner.share.available(Instant::now())) } else { left }
    }

    /// Notes steps that were taken.
    pub(super) fn account(&mut self, steps: u64, owner: Option<&Owner>) {
        if steps == 0 {
            return;
        }
        self.all = self.all.saturating_sub(steps);
        self.since_pause = self.since_pause.saturating_add(steps);
        if let Some(owner) = owner {
            self.brought = self.brought.saturating_sub(steps);
            if self.draws_on_shares {
                owner.share.charge(steps, Instant::now());
            }
        }
    }

    /// True from time to time: others go first then.
    pub(super) const fn wants_pause(&mut self) -> bool {
        let wants = self.since_pause >= PAUSE_AFTER;
        if wants {
            self.since_pause = 0;
        }
        wants
    }
}
