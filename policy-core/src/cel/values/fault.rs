//! Why an expression has no value.

use std::fmt;
use std::sync::Arc;

use crate::cel::values::fact::Fact;
use crate::source::Span;

/// What went wrong at run time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// No variant of a function takes these arguments: its name, and their types.
    NoOverload(Box<str>),
    /// A map has no such key.
    NoSuchKey(Box<str>),
    /// A value has no fields, or not this one.
    NoSuchField(Box<str>),
    /// A list has no item at this position.
    NoSuchIndex(Box<str>),
    /// A division by zero.
    DivisionByZero,
    /// A number or time that does not fit.
    Overflow,
    /// A text that cannot be read as what it should be.
    Conversion(Box<str>),
    /// An argument outside what the function takes.
    Argument(Box<str>),
    /// A regular expression that is too large when compiled.
    PatternSize(Box<str>),
    /// A map with the same key twice.
    RepeatedKey(Box<str>),
    /// A key that is neither a boolean, a whole number nor a text.
    KeyType(Box<str>),
    /// The value of an empty optional.
    NoValue,
    /// A name nobody declared.
    UnknownName(Box<str>),
    /// A fact that this connection or request does not have.
    Absent(Fact),
    /// A fact that the host has no source for.
    NoSource(Fact),
    /// A draw of random numbers, and the host has no source of randomness.
    NoRandomness,
    /// A secret that is to be looked up before the expression is evaluated again.
    SecretWanted {
        /// Its vault.
        vault: Arc<str>,
        /// Its name there.
        name: Arc<str>,
    },
    /// A vault has no such secret.
    NoSecret(Box<str>),
    /// Something only a host can give, and this one does not.
    NotProvided(&'static str),
    /// More steps than one evaluation may take.
    Steps,
    /// Something beside expressions that takes more steps than are left.
    StepsOf {
        /// What, in words.
        what: Box<str>,
        /// How many it takes.
        steps: u64,
    },
    /// More text or items than one evaluation may make.
    Output,
}

impl Fault {
    /// True if nothing may absorb the fault: the evaluation as a whole is over.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Steps | Self::StepsOf { .. } | Self::Output | Self::SecretWanted { .. })
    }

    pub(crate) fn overload(function: &str) -> Self {
        Self::NoOverload(function.into())
    }

    pub(crate) fn argument(text: impl Into<Box<str>>) -> Self {
        Self::Argument(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOverload(call) => write!(f, "no such overload: {call}"),
            Self::NoSuchKey(key) => write!(f, "no such key: {key}"),
            Self::NoSuchField(field) => write!(f, "no such field: `{field}`"),
            Self::NoSuchIndex(index) => write!(f, "index out of range: {index}"),
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::Overflow => f.write_str("the result is out of range"),
            Self::Conversion(text) | Self::Argument(text) | Self::PatternSize(text) => f.write_str(text),
            Self::RepeatedKey(key) => write!(f, "the key {key} is given twice"),
            Self::KeyType(ty) => write!(f, "a key cannot be of type {ty}"),
            Self::NoValue => f.write_str("the optional has no value"),
            Self::UnknownName(name) => write!(f, "`{name}` is not declared"),
            Self::Absent(fact) => write!(f, "`{fact}` is missing here"),
            Self::NoSource(fact) => write!(f, "no source for `{fact}`"),
            Self::NoRandomness => f.write_str("no source for random numbers"),
            Self::SecretWanted { .. } => f.write_str("a secret cannot be looked up here"),
            Self::NoSecret(name) => write!(f, "no secret `{name}`"),
            Self::NotProvided(what) => write!(f, "no source for {what}"),
            Self::Steps => f.write_str("the expression takes more steps than policies may take"),
            Self::StepsOf { what, steps } => {
                write!(f, "{what} takes {steps} steps, more than are left of those that policies may take")
            }
            Self::Output => f.write_str("the expression makes larger values than allowed"),
        }
    }
}

/// A fault and the place in the expression's text where it happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvalError {
    /// What went wrong.
    pub fault: Fault,
    /// The smallest part of the expression that shows it.
    pub span: Span,
}

impl EvalError {
    /// A fault of an expression as a whole.
    pub(crate) const fn whole(fault: Fault) -> Self {
        Self { fault, span: Span { start: 0, end: 0 } }
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for EvalError {}
