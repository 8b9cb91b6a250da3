//! What a test asks of one fact, where that is all that it asks.

use std::sync::Arc;

use super::sources::{Number, Text};
use super::{Comparison, Leaf};
use crate::cel::values::fact::Fact;

/// What is asked of a fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    /// Whether a text is one of these, in order.
    OneOf(Box<[Arc<str>]>),
    /// Whether a whole number lies here, both ends included.
    Within(i64, i64),
    /// Whether it is true.
    Holds,
    /// Whether it is known and present.
    Known,
}

impl Leaf {
    /// The one fact that it asks, what it asks, and whether the answer is turned around; nothing if it asks more, or other
    /// things. Without the fact such a test fails, but for [`Asked::Known`].
    pub(crate) fn asked(&self) -> Option<(Fact, Asked, bool)> {
        match self {
            Self::Flag(fact) => Some((*fact, Asked::Holds, false)),
            Self::Known(fact) => Some((*fact, Asked::Known, false)),
            Self::Unless(leaf) => leaf.asked().map(|(fact, asked, turned)| (fact, asked, !turned)),
            Self::Is { text: Text::Fact(fact), literal } => {
                Some((*fact, Asked::OneOf([literal.as_str().into()].into()), false))
            }
            Self::OneOf { text: Text::Fact(fact), literals } => {
                Some((*fact, Asked::OneOf(literals.texts()), false))
            }
            Self::Compare { one: Number::Fact(fact), how, other: Number::Literal(literal) } => {
                how.range(*literal).map(|(first, last)| (*fact, Asked::Within(first, last), false))
            }
            Self::Compare { one: Number::Literal(literal), how, other: Number::Fact(fact) } => {
                how.turned().range(*literal).map(|(first, last)| (*fact, Asked::Within(first, last), false))
            }
            _ => None,
        }
    }
}

impl Comparison {
    /// The numbers for which it holds against a literal; nothing if there are none.
    fn range(self, literal: i64) -> Option<(i64, i64)> {
        match self {
            Self::Less => literal.checked_sub(1).map(|last| (i64::MIN, last)),
            Self::LessEqual => Some((i64::MIN, literal)),
            Self::Equal => Some((literal, literal)),
            Self::GreaterEqual => Some((literal, i64::MAX)),
            Self::Greater => literal.checked_add(1).map(|first| (first, i64::MAX)),
        }
    }

    /// The same with its sides changed.
    const fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Equal => Self::Equal,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }
}
