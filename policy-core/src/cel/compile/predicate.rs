//! Predicates: conditions compiled to specialised tests.
//!
//! Common conditions – a text compared with literals, an address in networks, a header that holds something,
//! numbers, and anything of these joined by `&&`, `||`, `!`, `?:`, `all` and `exists` – become tests that run on
//! borrowed facts, without a copy and without an allocation. What has no such form is left to the interpreter, part
//! by part.
//!
//! A test answers only where all is as expected. Whatever else happens – a fact is missing, a value has another type,
//! a list has no such item – it answers nothing, and the interpreter evaluates that part: so every error is the
//! interpreter's own, with its place. Source for the order of joined parts: CEL specification, logical operators.

mod asked;
mod build;
mod client;
mod gate;
mod given;
mod literals;
mod run;
mod sources;

use std::fmt;
use std::sync::Arc;

use crate::cel::check::code::NodeId;
use crate::cel::library::pattern::Pattern;
use crate::cel::values::fact::Fact;
use crate::cel::values::host::Host;
use crate::lpm::{AddressSet, RangeSet, TestId};
pub(crate) use asked::Asked;
pub(in crate::cel) use build::{build, hosts, networks};
pub(crate) use gate::{Gate, GateFact};
pub(crate) use given::ClientAddress;
use literals::{Literals, TextLiteral};
pub(in crate::cel) use run::holds;
use sources::{List, Number, Over, Text};

/// Takes a set of addresses into a table.
pub(crate) type Intern<'i> = &'i mut dyn FnMut(RangeSet) -> TestId;

/// A part of a predicate.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// Always the same.
    Always(bool),
    /// The client's address is in a set of the program's table.
    Client(TestId),
    Not(Box<Test>),
    /// Joined by `&&`: errors are absorbed by a part that is false.
    All(Box<[Test]>),
    /// Joined by `||`.
    Any(Box<[Test]>),
    /// `condition ? then : otherwise`.
    Choice(Box<[Test; 3]>),
    /// A test on facts.
    Leaf(NodeId, Leaf),
    /// Evaluated by the interpreter.
    Interpreted(NodeId, Draws),
}

/// Whether a part draws random numbers or asks for secrets: such parts keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draws {
    Never,
    Maybe,
}

/// A test on facts that are borrowed from the host.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Flag(Fact),
    Known(Fact),
    /// The opposite, as `!=` is of `==`.
    Unless(Box<Leaf>),
    /// Equal to a literal.
    Is {
        text: Text,
        literal: TextLiteral,
    },
    /// Equal to one of several literals.
    OneOf {
        text: Text,
        literals: Literals,
    },
    /// Equal to another text.
    Same {
        one: Text,
        other: Text,
    },
    StartsWith {
        text: Text,
        literal: TextLiteral,
    },
    EndsWith {
        text: Text,
        literal: Arc<str>,
    },
    Contains {
        text: Text,
        literal: Arc<str>,
    },
    /// A text has another one, which is no literal, as a part.
    HasPart {
        text: Text,
        part: Text,
        place: Place,
    },
    Matches {
        text: Text,
        pattern: Box<Pattern>,
    },
    /// An address in a set of networks.
    Within {
        text: Text,
        networks: Box<AddressSet>,
    },
    Compare {
        one: Number,
        how: Comparison,
        other: Number,
    },
    /// A list has an item that equals a text.
    Has {
        list: List,
        text: Text,
    },
    /// A map has a key.
    HasKey {
        map: Fact,
        key: Arc<str>,
    },
    /// `exists` or `all` over texts.
    Quantified {
        over: Over,
        body: Box<Test>,
        exists: bool,
    },
    /// `exists` or `all` over literals: what it says of each of them, joined.
    Unrolled(Box<Test>),
}

/// Where a text has a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Start,
    End,
    Anywhere,
}

impl Leaf {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Unless(leaf) => size_of::<Self>() + leaf.heap_bytes(),
            Self::OneOf { literals, .. } => literals.heap_bytes(),
            Self::Matches { .. } => size_of::<Pattern>(),
            Self::Within { networks, .. } => size_of::<AddressSet>() + networks.heap_bytes(),
            Self::Quantified { body, .. } | Self::Unrolled(body) => size_of::<Test>() + body.heap_bytes(),
            _ => 0,
        }
    }
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Comparison {
    // The bits say whether it holds for a number that is less, equal, greater.
    Less = 0b001,
    Equal = 0b010,
    LessEqual = 0b011,
    Greater = 0b100,
    GreaterEqual = 0b110,
}

impl Comparison {
    /// Without a branch.
    #[inline(always)]
    const fn holds(self, one: i64, other: i64) -> bool {
        let is = (one < other) as u8 | ((one == other) as u8) << 1 | ((one > other) as u8) << 2;
        self as u8 & is != 0
    }
}

impl Test {
    /// True if every part runs as a specialised test.
    pub(crate) fn is_specialised(&self) -> bool {
        match self {
            Self::Always(_) | Self::Client(_) => true,
            Self::Interpreted(..) => false,
            Self::Not(part) => part.is_specialised(),
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_specialised),
            Self::Choice(parts) => parts.iter().all(Self::is_specialised),
            Self::Leaf(..) => true,
        }
    }

    /// The value where it takes no more than to look at facts that are there.
    #[inline]
    pub(crate) fn try_inline<H: Host>(&self, host: &H) -> Option<bool> {
        run::try_inline(self, host)
    }

    /// Bytes that it takes on the heap, those of texts that it shares with its expression left out. O(parts).
    pub(crate) fn heap_bytes(&self) -> usize {
        let of =
            |parts: &[Self]| parts.iter().map(|part| size_of::<Self>() + part.heap_bytes()).sum::<usize>();
        match self {
            Self::Always(_) | Self::Client(_) | Self::Interpreted(..) => 0,
            Self::Not(part) => of(std::slice::from_ref(part)),
            Self::All(parts) | Self::Any(parts) => of(parts),
            Self::Choice(parts) => of(&**parts),
            Self::Leaf(_, leaf) => leaf.heap_bytes(),
        }
    }

    /// The tests of the client's address in it, as often as they stand there.
    pub(crate) fn clients(&self, each: &mut dyn FnMut(TestId)) {
        match self {
            Self::Client(test) => each(*test),
            Self::Always(_) | Self::Interpreted(..) => {}
            Self::Not(part) => part.clients(each),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.clients(each)),
            Self::Choice(parts) => parts.iter().for_each(|part| part.clients(each)),
            Self::Leaf(_, leaf) => {
                if let Leaf::Quantified { body, .. } | Leaf::Unrolled(body) = leaf {
                    body.clients(each);
                }
            }
        }
    }

    /// True if it may draw random numbers or ask for secrets.
    pub(crate) fn draws(&self) -> bool {
        match self {
            Self::Always(_) | Self::Client(_) | Self::Leaf(..) => false,
            Self::Interpreted(_, draws) => *draws == Draws::Maybe,
            Self::Not(part) => part.draws(),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::draws),
            Self::Choice(parts) => parts.iter().any(Self::draws),
        }
    }

    /// The test where the tests of the client's address are known: decided parts are gone. Parts that draw
    /// random numbers stay, with all that comes before them.
    pub(crate) fn at(&self, holds: &dyn Fn(TestId) -> bool) -> Self {
        match self {
            Self::Client(test) => Self::Always(holds(*test)),
            Self::Not(part) => Self::negated(part.at(holds)),
            Self::All(parts) => Self::joined(parts.iter().map(|part| part.at(holds)), false),
            Self::Any(parts) => Self::joined(parts.iter().map(|part| part.at(holds)), true),
            Self::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                match condition.at(holds) {
                    Self::Always(true) => then.at(holds),
                    Self::Always(false) => otherwise.at(holds),
                    condition => Self::Choice(Box::new([condition, then.at(holds), otherwise.at(holds)])),
                }
            }
            other => other.clone(),
        }
    }

    pub(crate) fn negated(test: Self) -> Self {
        match test {
            Self::Always(value) => Self::Always(!value),
            Self::Not(part) => *part,
            other => Self::Not(Box::new(other)),
        }
    }

    /// Joins parts by `&&`, or by `||` if true decides. Parts of the same kind are joined flat; what cannot fail
    /// comes first, as far as no part before it draws random numbers; what decides nothing is left out.
    pub(crate) fn joined(parts: impl Iterator<Item = Self>, decisive: bool) -> Self {
        let (mut first, mut rest, mut drawing) = (Vec::new(), Vec::new(), false);
        let mut work: Vec<Self> = parts.collect();
        work.reverse();
        while let Some(part) = work.pop() {
            match part {
                Self::All(inner) if !decisive => work.extend(inner.into_iter().rev()),
                Self::Any(inner) if decisive => work.extend(inner.into_iter().rev()),
                Self::Always(value) if value != decisive => {}
                // It absorbs what the others are; those that draw numbers before it still do.
                Self::Always(_) if !drawing => return Self::Always(decisive),
                Self::Always(_) => {
                    rest.push(part);
                    break;
                }
                Self::Client(_) if !drawing => first.push(part),
                part => {
                    drawing |= part.draws();
                    rest.push(part);
                }
            }
        }
        first.append(&mut rest);
        match (first.pop(), first.is_empty()) {
            (None, _) => Self::Always(!decisive),
            (Some(only), true) => only,
            (Some(last), false) => {
                first.push(last);
                if decisive { Self::Any(first.into()) } else { Self::All(first.into()) }
            }
        }
    }
}

/// As a listing shows it.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |f: &mut fmt::Formatter<'_>, parts: &[Self]| -> fmt::Result {
            for (at, part) in parts.iter().enumerate() {
                f.write_str(if at > 0 { ", " } else { "" })?;
                part.fmt(f)?;
            }
            Ok(())
        };
        match self {
            Self::Always(value) => value.fmt(f),
            Self::Client(test) => write!(f, "client t{}", test.0),
            Self::Not(part) => write!(f, "not({part})"),
            Self::All(parts) => {
                f.write_str("all(")?;
                listed(f, parts)?;
                f.write_str(")")
            }
            Self::Any(parts) => {
                f.write_str("any(")?;
                listed(f, parts)?;
                f.write_str(")")
            }
            Self::Choice(parts) => {
                f.write_str("choice(")?;
                listed(f, &**parts)?;
                f.write_str(")")
            }
            Self::Leaf(_, leaf) => leaf.fmt(f),
            Self::Interpreted(..) => f.write_str("interpreted"),
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag(_) => "flag",
            Self::Known(_) => "known",
            Self::Unless(leaf) => return write!(f, "not({leaf})"),
            Self::Is { .. } => "text is",
            Self::OneOf { .. } => "text in",
            Self::Same { .. } => "same text",
            Self::StartsWith { .. } => "starts with",
            Self::EndsWith { .. } => "ends with",
            Self::Contains { .. } => "contains",
            Self::HasPart { .. } => "has part",
            Self::Matches { .. } => "matches",
            Self::Within { .. } => "address in",
            Self::Compare { .. } => "compare",
            Self::Has { .. } => "list has",
            Self::HasKey { .. } => "has key",
            Self::Quantified { body, exists, .. } => {
                return write!(f, "{}({body})", if *exists { "exists" } else { "all" });
            }
            Self::Unrolled(body) => return write!(f, "unrolled({body})"),
        })
    }
}
