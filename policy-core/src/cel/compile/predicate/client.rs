//! Whether a test reads the client's address beyond its sets in the program's table.

use super::sources::{List, Number, Text};
use super::{Leaf, Test};
use crate::cel::values::fact::{Fact, Role};

const fn is_client(fact: Fact) -> bool {
    matches!(fact.role, Role::Client)
}

impl Test {
    /// True if its value may differ for two addresses of one class. `expression_reads` says whether the expression reads
    /// the client's address at all, which counts for parts that are left to the interpreter. O(parts).
    pub(crate) fn reads_client(&self, expression_reads: bool) -> bool {
        match self {
            Self::Always(_) | Self::Client(_) => false,
            Self::Interpreted(..) => expression_reads,
            Self::Not(part) => part.reads_client(expression_reads),
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().any(|part| part.reads_client(expression_reads))
            }
            Self::Choice(parts) => parts.iter().any(|part| part.reads_client(expression_reads)),
            Self::Leaf(_, leaf) => leaf.reads_client(expression_reads),
        }
    }
}

impl Leaf {
    fn reads_client(&self, expression_reads: bool) -> bool {
        match self {
            Self::Flag(fact) | Self::Known(fact) | Self::HasKey { map: fact, .. } => is_client(*fact),
            Self::HasPart { text, part, .. } => text.reads_client() || part.reads_client(),
            Self::Unless(leaf) => leaf.reads_client(expression_reads),
            Self::Is { text, .. }
            | Self::OneOf { text, .. }
            | Self::StartsWith { text, .. }
            | Self::EndsWith { text, .. }
            | Self::Contains { text, .. }
            | Self::Matches { text, .. }
            | Self::Within { text, .. } => text.reads_client(),
            Self::Same { one, other } => one.reads_client() || other.reads_client(),
            Self::Compare { one, other, .. } => one.reads_client() || other.reads_client(),
            Self::Has { list, text } => list.reads_client() || text.reads_client(),
            // A loop that has no value at once is the interpreter's as a whole.
            Self::Quantified { .. } | Self::Unrolled(_) => expression_reads,
        }
    }
}

impl Text {
    fn reads_client(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Item => false,
            Self::Fact(fact) => is_client(*fact),
            Self::At(list, _) => list.reads_client(),
        }
    }
}

impl List {
    const fn reads_client(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Fact(fact) | Self::Entry { map: fact, .. } | Self::EntryOrEmpty { map: fact, .. } => {
                is_client(*fact)
            }
        }
    }
}

impl Number {
    const fn reads_client(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Fact(fact) => is_client(*fact),
            Self::Length(list) => list.reads_client(),
        }
    }
}
