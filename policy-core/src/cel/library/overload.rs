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

/// What a call asks or does, beside its types. Analyses look for it instead of a name, and compiled conditions test most of
/// these on borrowed facts where the other arguments are literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A call, which the interpreter runs.
    Call,
    /// `!a`.
    Not,
    /// `a == b`, `a < b`.
    Compare(Relation),
    /// `a in b`.
    In,
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `f(text, part)`: true if the text begins with the part.
    Begins,
    /// `f(text, part)`: true if the text ends with the part.
    Ends,
    /// `f(text, part)`: true if the text holds the part.
    Holds,
    /// `f(text, part)`, `f(text, part, from)`: where the text holds the part, or -1.
    Find,
    /// `f(text, pattern)`: true if the text fits a regular expression.
    Matches,
    /// `f(text, separator)`: the parts of the text.
    Split,
    /// `f(a)`: its characters, items or entries.
    Size,
    /// `f(a)`: true if it passes a test.
    Passes(TextTest),
    /// `f(a)`: the same text, or one that an address is after it too.
    KeepsAddress,
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
    /// `f(a, b)`, `f(list)`: the greatest or the least of numbers, of which any count may be written.
    Extreme,
    /// `f(list)`: its items in their order.
    Sort,
    /// `f(a)`: an optional with a value.
    Wrap,
    /// `f(optional)`: its value.
    Unwrap,
    /// `f(optional, optional)`: the first of them that has a value.
    Or,
    /// `f(optional, a)`: its value, or the other one.
    OrValue,
    /// `f(name, …)`: a secret; each argument is the name of one of these.
    Secret(&'static [&'static str]),
}

impl Form {
    /// How the name is written that a call looks up in a map.
    pub(crate) const fn looks_up(self) -> Option<Spelling> {
        match self {
            Self::HasName(spelling) | Self::Named(spelling) | Self::First(spelling) => Some(spelling),
            _ => None,
        }
    }
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Relation {
    /// The relation of the second value to the first.
    pub(crate) const fn turned(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
        }
    }

    /// What holds where this one does not, of values that have an order.
    pub(crate) const fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterEqual,
            Self::LessEqual => Self::Greater,
            Self::Greater => Self::LessEqual,
            Self::GreaterEqual => Self::Less,
        }
    }

    /// True for `==` and `!=`.
    pub(crate) const fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }

    /// How it is written.
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }
}

/// A question about a text, or an optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    /// It is JSON.
    Json,
    /// It is an address.
    Ip,
    /// It is a network.
    Cidr,
    /// It is a URL.
    Url,
    /// It is a query string.
    Query,
    /// An optional has a value.
    Value,
    /// It matches a pattern, which is taken to be the right one.
    Matched,
}

/// Why a call may fail although its arguments are of the right types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    /// It never does.
    Never,
    /// The name that it looks up is not there: what is said, and what to do.
    Missing(&'static str, &'static str),
    /// The text at this position does not read, unless it passes a test: what is said, and what to do.
    Unread { at: usize, test: TextTest, message: &'static str, help: &'static str },
    /// The text that it converts spells no value of its type.
    Conversion,
    /// The bytes that it converts are no text.
    NoText,
    /// Its second argument is zero, a whole number.
    Zero,
    /// One of its arguments from this position on is none in the first one, a list or a text.
    Outside(usize, Sequence),
    /// Its second argument is negative.
    Negative,
    /// Its second argument is no regular expression.
    Pattern,
    /// Its first argument is an optional without a value.
    Empty,
    /// Its first argument is a pattern with clauses that the items of the second do not fit.
    Clauses,
    /// Its first argument is greater than its second.
    Order,
    /// Its second argument is no time zone.
    Zone,
    /// The text at this position is none of these: how they are told, why it fails, and what to do.
    NotOneOf {
        at: usize,
        allowed: &'static [&'static str],
        told: &'static str,
        message: &'static str,
        help: &'static str,
    },
}

/// What has positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequence {
    List,
    Text,
}

/// What is known of the value of a call, beside its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Nothing.
    Anything,
    /// Nobody has said what is in it: it was read from a text.
    Decoded,
    /// A map that always has these keys.
    Keys(&'static [&'static str]),
    /// A list that is empty where there is no such name: what to do before an item is read.
    Entries(&'static str),
    /// A whole number from the first to the last.
    Number(i64, i64),
    /// A whole number from its first argument to its second.
    Between,
    /// A text in one case.
    Cased(Case),
}

/// The case that letters are left in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    /// Lower, of the letters A to Z.
    LowerAscii,
    Upper,
}

/// How the names of a map are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    AsWritten,
    LowerCase,
}

/// What only a host can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    Randomness,
    Secrets,
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
    pub(crate) fails: Fails,
    pub(crate) gives: Gives,
    /// True if its value, as text, has a slash only where an argument has one.
    pub(crate) adds_no_slash: bool,
    /// What it takes from outside beside its arguments and facts: two calls with the same ones may then give different
    /// results.
    pub(crate) takes: Option<Outside>,
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
        let (form, fails, gives) = (Form::Call, Fails::Never, Gives::Anything);
        Self { signature, doc, cost, form, fails, gives, adds_no_slash: false, takes: None, reads: None, run }
    }

    pub(crate) const fn taking(self, what: Outside) -> Self {
        Self { takes: Some(what), ..self }
    }

    /// True if its result is a function of its arguments and facts.
    pub(crate) const fn is_pure(&self) -> bool {
        self.takes.is_none()
    }

    pub(crate) const fn reading(self, fact: &'static str) -> Self {
        Self { reads: Some(fact), ..self }
    }

    pub(crate) const fn known_as(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub(crate) const fn failing(self, fails: Fails) -> Self {
        Self { fails, ..self }
    }

    pub(crate) const fn giving(self, gives: Gives) -> Self {
        Self { gives, ..self }
    }

    pub(crate) const fn adding_no_slash(self) -> Self {
        Self { adds_no_slash: true, ..self }
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
