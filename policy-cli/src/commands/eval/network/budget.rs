//! What the policies of a connection may take, as an edge gives it.

use policy_core::compile::Program;
use policy_core::journey::{Meter, Steps};
use policy_core::network::{Network, Place};

/// What is left for the policies of one connection: those that agents bring have a smaller budget inside that of all, as at
/// an edge. What else an edge divides among connections is not known here.
pub(super) struct Budget<'n> {
    network: &'n Network,
    all: u64,
    brought: u64,
}

impl<'n> Budget<'n> {
    pub(super) const fn new(network: &'n Network) -> Self {
        Self { network, all: Steps::OF_CONNECTION, brought: Steps::OF_AGENTS }
    }

    fn is_brought(&self, place: Place) -> bool {
        // What is elsewhere an agent brings.
        self.network.endpoint(place).is_none_or(|endpoint| endpoint.is_brought)
    }
}

impl Meter<Place> for Budget<'_> {
    /// Takes what a run of an agent's policy takes in any case.
    fn begin(&mut self, program: &Program, place: &Place) -> Result<u64, String> {
        let base = if self.is_brought(*place) { program.base_steps() } else { 0 };
        let Some(left) = self.left(place).checked_sub(base) else {
            let most = Steps::OF_AGENTS;
            return Err(format!(
                "the policies of agents have used up the {most} steps that a connection gives them"
            ));
        };
        self.account(base, place);
        Ok(left)
    }

    fn left(&self, place: &Place) -> u64 {
        if self.is_brought(*place) { self.all.min(self.brought) } else { self.all }
    }

    fn account(&mut self, steps: u64, place: &Place) {
        self.all = self.all.saturating_sub(steps);
        if self.is_brought(*place) {
            self.brought = self.brought.saturating_sub(steps);
        }
    }
}
