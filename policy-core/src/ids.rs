//! The numbers that stand for parts of a program: small, `Copy`, and known to everyone who speaks of one.

/// A rule of a program, numbered over all its phases in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

impl RuleId {
    /// The rule's index, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An action of a program, numbered over all its phases in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub(crate) u32);

impl ActionId {
    /// The action's index, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A forward target of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetId(pub(crate) u32);

/// A log entry of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogId(pub(crate) u32);

/// A condition of a program's rules, numbered over all rules in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConditionId(pub(crate) u32);

impl ConditionId {
    /// The condition's index, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
