//! Whether the class of the client's address says all that a program reads of it.

use super::Program;
use crate::cel::Expression;
use crate::ir::Condition;
use crate::lpm::AddressTable;
use crate::run::{Execute, Target};

impl Program {
    /// The table of the program, if its classes are all that it reads of the client's address: of connections that differ
    /// in that address alone, all of one class get the same decision, by the same action, with the same effects and, but
    /// for the addresses and entries in it, for the same reason. O(rules + conditions).
    ///
    /// `None` if an expression reads the address itself (its text, or a network that is known for each connection only),
    /// if one reads what a list said of it, or if its tests are in several tables.
    #[must_use]
    pub fn deciding_table(&self) -> Option<&AddressTable> {
        let table = self.tables().single()?;
        let reads_results = self.keeps_results() && self.steps().iter().any(|step| step.tests_client());
        let by_class = !reads_results
            && self.conditions().iter().all(is_by_class)
            && self.steps().iter().all(|step| acts_by_class(&**step))
            && !self.expressions_in_actions().any(reads_client);
        by_class.then_some(table)
    }

    /// True if the client's address is all that its rules read of a connection, if they read anything.
    #[must_use]
    pub fn reads_client_address_only(&self) -> bool {
        self.needs().iter().all(|fact| fact.is_client_address())
    }

    /// True if it may forward to a target that is known for each connection only.
    pub(crate) fn renders_targets(&self) -> bool {
        self.steps().iter().any(|step| matches!(step.target(), Some(Target::Rendered(_))))
    }
}

fn reads_client(expression: &Expression) -> bool {
    expression.reads().iter().any(|fact| fact.is_client_address())
}

fn is_by_class(condition: &Condition) -> bool {
    !condition.test.reads_client(reads_client(&condition.expression))
}

/// An action that tests the address knows its verdict for a class, or looks at more than that.
fn acts_by_class(step: &dyn Execute) -> bool {
    !step.tests_client() || step.at_addresses(&|_| true).is_some()
}
