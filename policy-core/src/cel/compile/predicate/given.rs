//! What tests run on.

use std::cell::Cell;

use crate::lpm::{Address, AddressTables, ClassId, TestId};

/// What a program knows of the client's address: the class that it has looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress<'p> {
    pub(crate) tables: &'p AddressTables,
    pub(crate) address: Address,
    pub(crate) class: ClassId,
}

impl ClientAddress<'_> {
    #[inline]
    pub(crate) fn is_in(&self, test: TestId) -> bool {
        self.tables.holds(self.address, self.class, test)
    }
}

/// What tests run on.
pub(super) struct Given<'g, H> {
    pub(super) host: &'g H,
    pub(super) client: Option<ClientAddress<'g>>,
    /// The item of the loop around the test.
    pub(super) item: Option<&'g str>,
    /// Steps that are left for loops and regular expressions.
    pub(super) steps: &'g Cell<u64>,
}

impl<H> Given<'_, H> {
    /// Takes steps; nothing if there are too few: the interpreter says so.
    #[inline]
    pub(super) fn charge(&self, steps: u64) -> Option<()> {
        self.steps.set(self.steps.get().checked_sub(steps)?);
        Some(())
    }
}
