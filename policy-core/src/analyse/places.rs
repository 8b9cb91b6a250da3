//! Places: what is read or drawn at a place of a policy has the same value in another policy only if that did the same
//! before.

use std::collections::HashMap;

use crate::cel::{Expression, Fact, Role, Template, Test};
use crate::compile::{Program, RuleRef};
use crate::digest::{Digest, Hasher};
use crate::run::{Execute, StepDigest};

/// Where equal texts have equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scope {
    /// In every policy.
    Everywhere,
    /// At one place of policies that have done the same before: it reads what actions have set, draws numbers, or is an
    /// action.
    Place {
        /// What may have been set before, if it reads that.
        state: Option<Digest>,
        /// What it is.
        of: Digest,
        /// How many of these there are before it, where each may have a value of its own.
        nth: u32,
    },
}

/// A walk through the places of a program, in order.
pub(super) struct Places {
    keeps_results: bool,
    /// The conditions of the rule that the walk is in.
    conditions: Digest,
    /// All that may have set a variable or a result so far.
    state: Digest,
    /// How often each has been met.
    met: HashMap<Digest, u32>,
}

impl Places {
    /// Before the first rule.
    pub(super) fn new(program: &Program) -> Self {
        let start = Hasher::new("places").finish();
        Self { keeps_results: program.keeps_results(), conditions: start, state: start, met: HashMap::new() }
    }

    /// Into the actions of a rule.
    pub(super) fn enter(&mut self, rule: RuleRef<'_>) {
        let mut hasher = Hasher::new("conditions");
        rule.conditions().for_each(|condition| hasher.text(condition.expression().text()));
        self.conditions = hasher.finish();
    }

    /// Past an action.
    pub(super) fn pass(&mut self, step: &dyn Execute) {
        let sets_nothing = step.always().is_some() || step.at_addresses(&|_| true).is_some();
        if sets_nothing && !self.keeps_results {
            return;
        }
        let mut hasher = Hasher::new("state");
        hasher.digest(self.state);
        hasher.digest(self.conditions);
        hasher.digest(config_of(step));
        self.state = hasher.finish();
    }

    /// Of a part of a condition.
    pub(super) fn of_part(&mut self, (expression, test): (&Expression, &Test), text: &str) -> Scope {
        let state = reads_state(expression).then_some(self.state);
        match (state, test.draws()) {
            (None, false) => Scope::Everywhere,
            (state, false) => Scope::Place { state, of: Digest::from_text(text), nth: 0 },
            (state, true) => self.nth(state, Digest::from_text(text)),
        }
    }

    /// Of an action.
    pub(super) fn of_action(&mut self, step: &dyn Execute) -> Scope {
        let mut reads = false;
        step.expressions(&mut |it| reads |= reads_state(it));
        self.nth(reads.then_some(self.state), config_of(step))
    }

    /// Of a text that is rendered here; nothing if it is the same everywhere.
    pub(super) fn of_template(&self, template: &Template) -> Option<Digest> {
        let mut expressions = template.expressions();
        expressions.any(|it| reads_state(it) || it.draws_numbers()).then_some(self.state)
    }

    fn nth(&mut self, state: Option<Digest>, of: Digest) -> Scope {
        let met = self.met.entry(of).or_default();
        let nth = *met;
        *met += 1;
        Scope::Place { state, of, nth }
    }
}

/// The digest of what an action is told to do.
fn config_of(step: &dyn Execute) -> Digest {
    let mut hasher = Hasher::new("config");
    step.digest(&mut StepDigest::new(&mut hasher, &|_| 0, true));
    hasher.finish()
}

/// True if it reads what actions of the policy have set.
fn reads_state(expression: &Expression) -> bool {
    let is_set = |fact: &Fact| matches!(fact.role, Role::Variables | Role::Result(_));
    expression.reads().iter().any(is_set)
}
