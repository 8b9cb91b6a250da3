//! The functions of the language: one file for each family, one entry for each overload.
//!
//! An entry holds its signature, its documentation, what it costs and its implementation. The signature is
//! read once; the checker, the interpreter and the documentation take it from the same text.

mod addresses;
mod conversions;
mod encoding;
mod format;
mod hash;
mod json;
mod lists;
mod math;
mod network;
mod operators;
mod optionals;
pub(in crate::cel) mod pattern;
mod random;
mod requests;
mod strings;
mod times;
mod urls;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::cel::values::fault::Fault;
use crate::cel::values::host::{Budget, Host};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::phase::{Phase, PhaseSet};

pub(in crate::cel) use conversions::plain_text;
use format::decimal as display_double;
pub(in crate::cel) use json::write as write_json;

/// A function of the policy language, for documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FunctionDoc {
    /// `name(int) -> int`, or `(string).name(int) -> int` for a function of a value.
    pub signature: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// The phases in which it can be called.
    pub phases: PhaseSet,
}

/// Every function of the policy language, by family; operators and macros are not among them.
pub fn functions() -> impl Iterator<Item = FunctionDoc> {
    let entries = Registry::get().entries.iter().filter(|entry| Library::Policy.has(entry.overload.library));
    let named = entries.filter(|entry| !entry.name.starts_with(NO_NAME));
    named.map(|entry| {
        let Overload { signature, doc, phases, .. } = *entry.overload;
        FunctionDoc { signature, doc, phases }
    })
}

/// What begins the name of an operator, or of what a macro ends with.
const NO_NAME: [char; 4] = ['_', '@', '!', '-'];

/// Which dialect an overload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Library {
    /// CEL with its standard extensions.
    Standard,
    /// The policy language.
    Policy,
    /// Both.
    Both,
}

impl Library {
    const fn has(self, of: Self) -> bool {
        matches!(
            (self, of),
            (_, Self::Both) | (Self::Standard, Self::Standard) | (Self::Policy, Self::Policy)
        )
    }
}

/// How the work and the result of a call grow with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Cost {
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

/// One variant of a function.
#[derive(Debug)]
pub(in crate::cel) struct Overload {
    /// `name(int) -> int`, or `(string).name(int) -> int` for a function of a value.
    pub(in crate::cel) signature: &'static str,
    /// One sentence.
    pub(in crate::cel) doc: &'static str,
    pub(in crate::cel) cost: Cost,
    pub(in crate::cel) library: Library,
    /// False if two calls with the same arguments may give different results.
    pub(in crate::cel) pure: bool,
    /// The phases in which it can be called.
    pub(in crate::cel) phases: PhaseSet,
    /// The fact that the call reads before its arguments.
    pub(in crate::cel) reads: Option<&'static str>,
    pub(in crate::cel) run: fn(&mut Call<'_, '_>) -> Result<Value, Fault>,
}

impl Overload {
    const fn new(
        signature: &'static str,
        doc: &'static str,
        cost: Cost,
        run: fn(&mut Call<'_, '_>) -> Result<Value, Fault>,
    ) -> Self {
        let phases = PhaseSet::of(&Phase::ALL);
        Self { signature, doc, cost, library: Library::Both, pure: true, phases, reads: None, run }
    }

    const fn only(self, library: Library) -> Self {
        Self { library, ..self }
    }

    const fn impure(self) -> Self {
        Self { pure: false, ..self }
    }

    const fn reading(self, fact: &'static str, phases: PhaseSet) -> Self {
        Self { reads: Some(fact), phases, ..self }
    }
}

/// A call: its arguments, and what it may use.
pub(in crate::cel) struct Call<'c, 'h> {
    pub(in crate::cel) arguments: &'c [Value],
    pub(in crate::cel) budget: &'c mut Budget,
    pub(in crate::cel) host: &'c mut (dyn Host + 'h),
}

impl Call<'_, '_> {
    /// An argument, by its position.
    fn value(&self, at: usize) -> Result<&Value, Fault> {
        self.arguments.get(at).ok_or_else(|| Fault::overload("too few arguments"))
    }

    fn text(&self, at: usize) -> Result<&str, Fault> {
        match self.value(at)? {
            Value::String(text) => Ok(text),
            other => Err(Fault::overload(other.type_name())),
        }
    }

    fn int(&self, at: usize) -> Result<i64, Fault> {
        match self.value(at)? {
            Value::Int(number) => Ok(*number),
            other => Err(Fault::overload(other.type_name())),
        }
    }

    fn items(&self, at: usize) -> Result<&[Value], Fault> {
        match self.value(at)? {
            Value::List(items) => Ok(items),
            other => Err(Fault::overload(other.type_name())),
        }
    }

    /// A text that would be made: refused before it takes memory.
    fn room(&mut self, bytes: usize) -> Result<(), Fault> {
        self.budget.output(bytes)
    }
}

/// A read signature.
#[derive(Debug)]
pub(in crate::cel) struct Entry {
    pub(in crate::cel) name: &'static str,
    pub(in crate::cel) member: bool,
    pub(in crate::cel) parameters: Vec<Type>,
    pub(in crate::cel) result: Type,
    /// True if the signature has type parameters.
    pub(in crate::cel) generic: bool,
    pub(in crate::cel) overload: &'static Overload,
}

/// All overloads of the language.
pub(in crate::cel) struct Registry {
    pub(in crate::cel) entries: Vec<Entry>,
    by_name: HashMap<&'static str, Vec<u16>>,
}

static FAMILIES: &[&[Overload]] = &[
    operators::LESS,
    operators::LESS_EQUAL,
    operators::GREATER,
    operators::GREATER_EQUAL,
    operators::OVERLOADS,
    conversions::OVERLOADS,
    strings::OVERLOADS,
    format::OVERLOADS,
    lists::OVERLOADS,
    math::GREATEST,
    math::LEAST,
    math::OVERLOADS,
    times::CALENDAR,
    times::OVERLOADS,
    network::OVERLOADS,
    addresses::OVERLOADS,
    optionals::OVERLOADS,
    encoding::OVERLOADS,
    hash::OVERLOADS,
    json::OVERLOADS,
    urls::OVERLOADS,
    requests::OVERLOADS,
    random::OVERLOADS,
];

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::build);

impl Registry {
    fn build() -> Self {
        let mut registry = Self { entries: Vec::new(), by_name: HashMap::new() };
        for overload in FAMILIES.iter().copied().flatten() {
            // INVARIANT: every signature reads; a test goes through them.
            let Some(entry) = read_signature(overload) else { continue };
            let id = u16::try_from(registry.entries.len()).unwrap_or(u16::MAX);
            registry.by_name.entry(entry.name).or_default().push(id);
            registry.entries.push(entry);
        }
        registry
    }

    /// The registry.
    pub(in crate::cel) fn get() -> &'static Self {
        &REGISTRY
    }

    pub(in crate::cel) fn entry(&self, id: u16) -> Option<&Entry> {
        self.entries.get(id as usize)
    }

    /// The overloads of a name in a dialect.
    pub(in crate::cel) fn named<'r>(
        &'r self,
        name: &str,
        library: Library,
    ) -> impl Iterator<Item = (u16, &'r Entry)> + use<'r> {
        let ids = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let entries = ids.iter().filter_map(|&id| Some((id, self.entry(id)?)));
        entries.filter(move |(_, entry)| library.has(entry.overload.library))
    }

    /// The names of a dialect's functions that can be called as such.
    pub(in crate::cel) fn names(&self, library: Library, member: bool) -> impl Iterator<Item = &'static str> {
        let entries = self.entries.iter();
        let fits = move |entry: &&Entry| {
            entry.member == member && library.has(entry.overload.library) && !entry.name.starts_with(NO_NAME)
        };
        entries.filter(fits).map(|entry| entry.name)
    }
}

fn read_signature(overload: &'static Overload) -> Option<Entry> {
    let (call, result) = overload.signature.rsplit_once(" -> ")?;
    let (receiver, rest) = match call.strip_prefix('(') {
        Some(rest) => {
            let (receiver, rest) = rest.split_once(").")?;
            (Some(receiver), rest)
        }
        None => (None, call),
    };
    let (name, parameters) = rest.strip_suffix(')')?.split_once('(')?;
    let mut types = Vec::new();
    types.extend(receiver.map(read_type).into_iter().collect::<Option<Vec<_>>>()?);
    for parameter in split_parameters(parameters) {
        types.push(read_type(parameter)?);
    }
    let result = read_type(result)?;
    let generic = types.iter().chain([&result]).any(has_parameter);
    Some(Entry { name, member: receiver.is_some(), parameters: types, result, generic, overload })
}

fn read_type(text: &str) -> Option<Type> {
    // Records are what the request functions give; their fields are looked up in the tree of variables.
    Type::parse(text)
        .or_else(|| text.starts_with(char::is_uppercase).then(|| Type::Opaque(text.into(), [].into())))
}

/// Splits at the commas outside of parentheses.
fn split_parameters(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    let parts = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn has_parameter(ty: &Type) -> bool {
    match ty {
        Type::Param(_) => true,
        Type::List(of) | Type::Type(of) => has_parameter(of),
        Type::Map(of) => has_parameter(&of.0) || has_parameter(&of.1),
        Type::Opaque(_, of) => of.iter().any(has_parameter),
        _ => false,
    }
}

/// True if a value can be an argument of this type; what is inside lists and maps is not looked at.
pub(in crate::cel) fn accepts(ty: &Type, value: &Value) -> bool {
    matches!(
        (ty, value),
        (Type::Dyn | Type::Param(_), _)
            | (Type::Null, Value::Null)
            | (Type::Bool, Value::Bool(_))
            | (Type::Int, Value::Int(_))
            | (Type::Uint, Value::Uint(_))
            | (Type::Double, Value::Double(_))
            | (Type::String, Value::String(_))
            | (Type::Bytes, Value::Bytes(_))
            | (Type::Duration, Value::Duration(_))
            | (Type::Timestamp, Value::Timestamp(_))
            | (Type::Type(_), Value::Type(_))
            | (Type::List(_), Value::List(_))
            | (Type::Map(_), Value::Map(_))
    ) || matches!(ty, Type::Opaque(name, _) if &**name == value.type_name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_reads() {
        for overload in FAMILIES.iter().copied().flatten() {
            let entry = read_signature(overload).unwrap_or_else(|| panic!("{}", overload.signature));
            assert!(!entry.name.is_empty() && overload.doc.len() > 5, "{}", overload.signature);
            assert!(!overload.doc.ends_with('.'), "{}: no full stop", overload.signature);
        }
        assert!(Registry::get().entries.len() > 250, "{}", Registry::get().entries.len());
    }

    /// Two overloads that take the same arguments would hide one another.
    #[test]
    fn no_signature_stands_twice_in_a_dialect() {
        for library in [Library::Standard, Library::Policy] {
            let mut seen = std::collections::HashSet::new();
            for entry in Registry::get().entries.iter().filter(|entry| library.has(entry.overload.library)) {
                let call = entry.overload.signature.rsplit_once(" -> ").expect("read").0;
                assert!(seen.insert(call), "{call}");
            }
        }
    }
}
