//! What is known of whoever comes to a rule: the expressions of rules before have had a value.

use crate::cel::{Expression, Guard, Guards};

/// Parts that have had a value, by what may change them.
#[derive(Debug, Default)]
pub(super) struct Passed {
    connection: Guards,
    message: Guards,
    states: Guards,
}

impl Passed {
    /// An expression has had a value. One that may differ when it is evaluated again tells nothing.
    pub(super) fn add(&mut self, expression: &Expression) {
        let parts = expression.worked();
        if parts.is_empty() {
            return;
        }
        let on = expression.depends();
        let into = match () {
            () if on.volatile => return,
            () if on.variables || !on.states.is_empty() => &mut self.states,
            () if on.message || on.all_headers => &mut self.message,
            () => &mut self.connection,
        };
        into.add(parts, 0);
    }

    /// An action produces something.
    pub(super) fn forget_states(&mut self) {
        self.states = Guards::default();
    }

    /// An action changes a message.
    pub(super) fn rewrite(&mut self) {
        (self.message, self.states) = (Guards::default(), Guards::default());
    }

    /// An action changes a header of a message; it is there after that, or may not be.
    pub(super) fn change_header(&mut self, message: &str, name: &str, there: bool) {
        self.message.change_header(message, name, there);
        self.states.change_header(message, name, false);
    }

    /// True if one that is needed follows.
    pub(super) fn give(&self, needs: &[Guard]) -> bool {
        [&self.connection, &self.message, &self.states].into_iter().any(|known| known.give(needs, None))
    }
}
