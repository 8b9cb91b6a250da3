//! What the policies of one connection may take, over all the endpoints on its way.
//!
//! A step is about 40 ns. Policies of the configuration belong to the operator and share the budget of the connection.
//! Policies that agents bring have a smaller one inside it, and draw on the share of their authtoken.

use std::time::Instant;

use policy_core::compile::Program;
use policy_core::journey::{Meter, Steps};

use super::place::Place;
use crate::edge::online::Owner;

/// How thoroughly an open connection is revalidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// By all policies of the configuration, and by those of agents that are cheap.
    Cheap,
    /// As when it was made.
    Full,
}

/// Steps that policies of agents may take where an open connection is looked at cheaply: about 0.08 ms.
const CHEAP_BROUGHT_STEPS: u64 = 2_000;
/// Steps after which a connection lets others go first.
const PAUSE_AFTER: u64 = 5_000;

/// What is left for the policies of one connection.
#[derive(Debug)]
pub(super) struct Budget {
    all: u64,
    brought: u64,
    /// False where the edge revalidates of its own accord: that is not at the expense of the authtoken.
    draws_on_shares: bool,
    since_pause: u64,
}

impl Budget {
    /// Of a connection that is made.
    pub(super) const fn for_connection() -> Self {
        Self { all: Steps::OF_CONNECTION, brought: Steps::OF_AGENTS, draws_on_shares: true, since_pause: 0 }
    }

    /// Of an open connection that is revalidated.
    pub(super) const fn again(effort: Effort) -> Self {
        let brought = match effort {
            Effort::Cheap => CHEAP_BROUGHT_STEPS,
            Effort::Full => Steps::OF_AGENTS,
        };
        Self { all: Steps::OF_CONNECTION, brought, draws_on_shares: false, since_pause: 0 }
    }

    /// Steps that the expressions of a policy may take now.
    fn left_for(&self, owner: Option<&Owner>) -> u64 {
        let Some(owner) = owner else { return self.all };
        let left = self.all.min(self.brought);
        if self.draws_on_shares { left.min(owner.share.available(Instant::now())) } else { left }
    }
}

impl Meter<Place> for Budget {
    /// Takes what a run of an agent's policy takes in any case.
    #[inline]
    fn begin(&mut self, program: &Program, place: &Place) -> Result<u64, String> {
        let owner = owner(place);
        let base = owner.map_or(0, |_| program.base_steps());
        let Some(left) = self.left_for(owner).checked_sub(base) else { return Err(over_budget(owner)) };
        self.account(base, place);
        Ok(left)
    }

    #[inline]
    fn left(&self, place: &Place) -> u64 {
        self.left_for(owner(place))
    }

    #[inline]
    fn account(&mut self, steps: u64, place: &Place) {
        if steps == 0 {
            return;
        }
        self.all = self.all.saturating_sub(steps);
        self.since_pause = self.since_pause.saturating_add(steps);
        if let Some(owner) = owner(place) {
            self.brought = self.brought.saturating_sub(steps);
            if self.draws_on_shares {
                owner.share.charge(steps, Instant::now());
            }
        }
    }

    /// Its own budget would have sufficed perhaps: who has used up the rest is to blame, and not the policy.
    fn blames(&self, _: &Program, place: &Place) -> Option<String> {
        let owner = owner(place);
        owner.filter(|owner| owner.share.is_own_used_up(Instant::now())).map(|_| over_budget(owner))
    }

    #[inline]
    fn wants_pause(&mut self) -> bool {
        let wants = self.since_pause >= PAUSE_AFTER;
        if wants {
            self.since_pause = 0;
        }
        wants
    }
}

/// Who has brought the policies of a place.
fn owner(place: &Place) -> Option<&Owner> {
    place.online().map(|endpoint| &endpoint.owner)
}

/// What is said where the owner of a policy, or its connection, has used up what policies may take.
fn over_budget(owner: Option<&Owner>) -> String {
    let whose = match owner {
        None => String::new(),
        Some(owner) if owner.share.is_own_used_up(Instant::now()) => {
            format!(" of authtoken {}", owner.credential)
        }
        Some(_) => " of all agents together, or of this connection,".to_owned(),
    };
    format!("the policies{whose} have used up the processor time that they may take")
}
