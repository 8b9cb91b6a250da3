//! Gates: what a fact must be for a test to hold, as one interval of numbers.
//!
//! Where a policy has thousands of rules, most are passed over by a port or a country that a connection does not have.
//! A gate says so by two comparisons of numbers, without running the test: texts are compared by their words. It is
//! necessary for the test, not sufficient, and says nothing where the fact is missing or of another type.

use super::literals::word;
use super::sources::{Found, Number, Text, number_of, text_of};
use super::{Comparison, Leaf, Test};
use crate::cel::values::fact::Fact;
use crate::cel::values::host::Host;

/// A fact as gates see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateFact {
    Number(Fact),
    Text(Fact),
}

impl GateFact {
    /// The fact as a number, where it is there and of its type.
    #[inline]
    pub(crate) fn key<H: Host>(self, host: &H) -> Option<i64> {
        match self {
            Self::Number(fact) => number_of(host, fact),
            Self::Text(fact) => match text_of(host, fact)? {
                Found::Text(text) => Some(word(text.as_bytes()).cast_signed()),
                Found::V4(_) | Found::V6(_) => None,
            },
        }
    }
}

/// The least and the greatest key that a fact may have for a test to hold; none does if they stand the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) fact: GateFact,
    pub(crate) min: i64,
    pub(crate) max: i64,
}

impl Gate {
    /// How many keys pass, less one.
    fn width(self) -> u64 {
        self.max.saturating_sub(self.min).try_into().unwrap_or(0)
    }

    /// The narrower of two.
    pub(crate) fn narrower(self, other: Self) -> Self {
        if other.width() < self.width() { other } else { self }
    }

    fn from_number(fact: Fact, how: Comparison, other: i64) -> Option<Self> {
        let (min, max) = match how {
            Comparison::Less => (i64::MIN, other.checked_sub(1)?),
            Comparison::LessEqual => (i64::MIN, other),
            Comparison::Equal => (other, other),
            Comparison::GreaterEqual => (other, i64::MAX),
            Comparison::Greater => (other.checked_add(1)?, i64::MAX),
        };
        Some(Self { fact: GateFact::Number(fact), min, max })
    }

    fn from_words(fact: Fact, words: impl Iterator<Item = u64>) -> Option<Self> {
        let keys = words.map(u64::cast_signed);
        let (min, max) = keys.fold((i64::MAX, i64::MIN), |(min, max), key| (min.min(key), max.max(key)));
        Some(Self { fact: GateFact::Text(fact), min, max })
    }

    fn from_leaf(leaf: &Leaf) -> Option<Self> {
        match leaf {
            Leaf::Compare { one: Number::Fact(fact), how, other: Number::Literal(other) } => {
                Self::from_number(*fact, *how, *other)
            }
            Leaf::Is { text: Text::Fact(fact), literal } => {
                Self::from_words(*fact, std::iter::once(literal.word()))
            }
            Leaf::OneOf { text: Text::Fact(fact), literals } => Self::from_words(*fact, literals.words()),
            _ => None,
        }
    }

    /// One for either of two tests of the same fact.
    fn either(self, other: Self) -> Option<Self> {
        (self.fact == other.fact).then_some(Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            ..self
        })
    }
}

impl Test {
    /// The narrowest gate of a test. Of parts joined by `&&`, those behind one that draws random numbers have none: it
    /// draws in any case. O(parts).
    pub(crate) fn gate(&self) -> Option<Gate> {
        match self {
            Self::Leaf(_, leaf) => Gate::from_leaf(leaf),
            Self::All(parts) => {
                let told = parts.iter().take_while(|part| !part.draws());
                told.filter_map(Self::gate).reduce(Gate::narrower)
            }
            // Where the fact is as expected, none of them fails: no error is passed over.
            Self::Any(parts) => {
                let mut gates = parts.iter().map(Self::gate);
                let first = gates.next()??;
                gates.try_fold(first, |joined, gate| joined.either(gate?))
            }
            _ => None,
        }
    }
}
