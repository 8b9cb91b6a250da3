//! Cells: the values of a variable, cut where the tests of the policies cut them, and what a test says of one.

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Truth {
    True,
    False,
    /// It has no value: what runs fails closed.
    Fails,
}

impl Truth {
    pub(super) const fn turned(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Fails => Self::Fails,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// What is left of each variable's cells, in order of the variables.
pub(super) type Domains = Vec<Cells>;

/// A set of cells of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cells(Box<[u64]>);

impl Cells {
    /// None of so many.
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)].into())
    }

    /// All of so many.
    pub(super) fn all(count: usize) -> Self {
        let mut out = Self::none(count);
        (0..count).for_each(|cell| out.add(cell));
        out
    }

    pub(super) fn add(&mut self, cell: usize) {
        if let Some(word) = self.0.get_mut(cell / 64) {
            *word |= 1 << (cell % 64);
        }
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(one, other)| one & other).collect())
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(one, other)| one & other != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The cells, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }
}
