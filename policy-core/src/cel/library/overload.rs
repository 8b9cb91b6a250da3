//! What a function is: its signature, what it costs, what it may use, and the Rust function.

use crate::cel::values::fault::Fault;
use crate::cel::values::host::{Budget, Host};
use crate::cel::values::value::Value;

/// How the work and the result of a call grow with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// One step, a small result.
    Unit,
    /// Looks at its arguments; the result is small.
    Scan,
    /// Looks at its arguments; the result is at most eight times as large as all of them.
    Copy,
    /// Compares with each item of a list, a step for each, which the comparison pays.
    Items,
    /// Looks at every pair of items of its arguments, or at each character for each part of a pattern.
    Pairs,
    /// The result may be as large as the product of its arguments.
    Product,
    /// The result is as large as a number says.
    Number,
}

/// What is known of a call beside its types: analyses ask for it, and compiled conditions test most of these on borrowed
/// facts where the other arguments are literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A call, which the interpreter runs.
    Call,
    /// `has(map, name)`: true if a map of lists of texts has a name, as written or in lower case.
    HasName(Spelling),
    /// `get(map, name)`: its list of texts under a name; an empty one if there is none.
    Named(Spelling),
    /// `first(map, name)`: the first value under a name; an error if there is none.
    First(Spelling),
    /// `f(address, network)`, or `f(address, networks)`: true if a network holds the address.
    Within,
    /// `f(address)`: true if one of these networks holds it.
    WithinFixed(&'static [&'static str]),
}

impl Form {
    /// How the name is written that a call looks up in a map.
    pub(crate) const fn looks_up(self) -> Option<Spelling> {
        match self {
            Self::HasName(spelling) | Self::Named(spelling) | Self::First(spelling) => Some(spelling),
            Self::Call | Self::Within | Self::WithinFixed(_) => None,
        }
    }
}

/// How the names of a map are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    AsWritten,
    LowerCase,
}

/// One variant of a function.
#[derive(Debug)]
pub(crate) struct Overload {
    /// `name(int) -> int`, or `(string).name(int) -> int` for a function of a value.
    pub(crate) signature: &'static str,
    /// One sentence.
    pub(crate) doc: &'static str,
    pub(crate) cost: Cost,
    pub(crate) form: Form,
    /// False if two calls with the same arguments may give different results.
    pub(crate) pure: bool,
    /// The fact that the call reads before its arguments.
    pub(crate) reads: Option<&'static str>,
    pub(crate) run: fn(&mut Call<'_, '_>) -> Result<Value, Fault>,
}

impl Overload {
    pub(crate) const fn new(
        signature: &'static str,
        doc: &'static str,
        cost: Cost,
        run: fn(&mut Call<'_, '_>) -> Result<Value, Fault>,
    ) -> Self {
        Self { signature, doc, cost, form: Form::Call, pure: true, reads: None, run }
    }

    pub(crate) const fn impure(self) -> Self {
        Self { pure: false, ..self }
    }

    pub(crate) const fn reading(self, fact: &'static str) -> Self {
        Self { reads: Some(fact), ..self }
    }

    pub(crate) const fn known_as(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

/// A call: its arguments, and what it may use.
pub(crate) struct Call<'c, 'h> {
    pub(crate) arguments: &'c [Value],
    pub(crate) budget: &'c mut Budget,
    pub(crate) host: &'c mut (dyn Host + 'h),
}

impl Call<'_, '_> {
    /// An argument, by its position.
    pub(crate) fn value(&self, at: usize) -> Result<&Value, Fault> {
        self.arguments.get(at).ok_or_else(|| Fault::overload("too few arguments"))
    }

    pub(crate) fn text(&self, at: usize) -> Result<&str, Fault> {
        match self.value(at)? {
            Value::String(text) => Ok(text),
            other => Err(Fault::overload(other.type_name())),
        }
    }

    pub(crate) fn int(&self, at: usize) -> Result<i64, Fault> {
        match self.value(at)? {
            Value::Int(number) => Ok(*number),
            other => Err(Fault::overload(other.type_name())),
        }
    }

    pub(crate) fn items(&self, at: usize) -> Result<&[Value], Fault> {
        match self.value(at)? {
            Value::List(items) => Ok(items),
            other => Err(Fault::overload(other.type_name())),
        }
    }

    /// A text that would be made: refused before it takes memory.
    pub(crate) fn room(&mut self, bytes: usize) -> Result<(), Fault> {
        self.budget.output(bytes)
    }
}
