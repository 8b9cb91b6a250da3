//! What the policies of a connection may take, as an edge gives it.

use policy_core::compile::Program;
use policy_core::journey::{Meter, Steps};
use policy_core::network::{Network, Place};

use super::super::explained::EXPLAINING_STEPS;

/// What is left for the policies of one connection: those that agents bring have a smaller budget inside that of all, as at
/// an edge. What else an edge divides among connections is not known here.
pub(super) struct Budget<'n> {
    network: &'n Network,
    all: Steps,
    brought: Steps,
    /// What is decided is known: the policies as written, which leave out nothing, take what they take.
    explains: bool,
}

impl<'n> Budget<'n> {
    pub(super) const fn new(network: &'n Network) -> Self {
        let (all, brought) = (Steps::new(Steps::OF_CONNECTION), Steps::new(Steps::OF_AGENTS));
        Self { network, all, brought, explains: false }
    }

    /// For the policies as written, which say why, of a connection that used up its steps or not.
    pub(super) const fn explaining(network: &'n Network, out_of_steps: bool) -> Self {
        match out_of_steps {
            true => Self::new(network),
            false => {
                let steps = Steps::new(EXPLAINING_STEPS);
                Self { network, all: steps, brought: steps, explains: true }
            }
        }
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
        if self.is_brought(*place) { self.all.left().min(self.brought.left()) } else { self.all.left() }
    }

    fn account(&mut self, steps: u64, place: &Place) {
        self.all.take(steps);
        if self.is_brought(*place) {
            self.brought.take(steps);
        }
    }

    fn grant(&mut self, steps: u64) {
        self.all.add(steps);
        self.brought.add(steps);
    }

    fn begin_event(&mut self) {
        if !self.explains {
            self.all.begin_event();
            self.brought.begin_event();
        }
    }

    fn end_event(&mut self) {
        self.all.end_event();
        self.brought.end_event();
    }
}
