//! The functions of the language: one file for each family, one entry for each overload.
//!
//! An entry holds its signature, its documentation, what it costs and its implementation. The signature is
//! read once; the checker, the interpreter and the documentation take it from the same text.

mod conversions;
pub(crate) mod encoding;
mod format;
mod json;
mod lists;
mod math;
mod network;
mod numbers;
mod operators;
mod optionals;
pub(crate) mod overload;
pub(in crate::cel) mod pattern;
pub(crate) mod strings;
mod times;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use self::overload::{Fails, Overload};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;

pub(crate) use conversions::plain_text;
pub(crate) use json::{read as read_json, write as write_json};
pub(in crate::cel) use lists::sort_by;
pub(in crate::cel) use operators::SIZE;
pub(in crate::cel) use optionals::{NONE, OF, OR};
pub(in crate::cel) use strings::MATCHES;
pub(in crate::cel) use times::part_function;

/// What begins the name of an operator.
const NO_NAME: [char; 3] = ['_', '!', '-'];

/// A read signature.
#[derive(Debug)]
pub(crate) struct ReadSignature {
    pub(crate) name: &'static str,
    pub(crate) member: bool,
    pub(crate) parameters: Vec<Type>,
    pub(crate) result: Type,
    /// True if the signature has type parameters.
    pub(crate) generic: bool,
    /// True if it may fail although its types fit, or another one that may run in its place.
    pub(crate) may_fail: bool,
    pub(crate) overload: &'static Overload,
}

/// The functions of a language.
pub(crate) struct Library {
    pub(crate) entries: Vec<ReadSignature>,
    by_name: HashMap<&'static str, Vec<u16>>,
}

/// What every language has: the operators and functions of CEL and of its standard extensions.
pub(crate) static COMMON: &[&[Overload]] = &[
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
    optionals::OVERLOADS,
    encoding::OVERLOADS,
];

/// What CEL has and a language may do in another way.
static STANDARD: &[&[Overload]] = &[strings::IN_CEL, encoding::IN_CEL];

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::new(COMMON.iter().chain(STANDARD)));

impl Library {
    /// The functions of some families, in their order.
    pub(crate) fn new<'f>(families: impl Iterator<Item = &'f &'static [Overload]>) -> Self {
        let mut library = Self { entries: Vec::new(), by_name: HashMap::new() };
        for overload in families.copied().flatten() {
            // INVARIANT: every signature reads; a test goes through them.
            let Some(entry) = read_signature(overload) else { continue };
            let id = u16::try_from(library.entries.len()).unwrap_or(u16::MAX);
            library.by_name.entry(entry.name).or_default().push(id);
            library.entries.push(entry);
        }
        let call = |entry: &ReadSignature| (entry.name, entry.member, entry.parameters.len());
        let fails = library.entries.iter().filter(|entry| entry.overload.fails != Fails::Never);
        let fails: HashSet<_> = fails.map(call).collect();
        library.entries.iter_mut().for_each(|entry| entry.may_fail = fails.contains(&call(entry)));
        library
    }

    /// CEL with its standard extensions.
    pub(in crate::cel) fn standard() -> &'static Self {
        &LIBRARY
    }

    pub(in crate::cel) fn entry(&self, id: u16) -> Option<&ReadSignature> {
        self.entries.get(usize::from(id))
    }

    /// The overloads of a name.
    pub(in crate::cel) fn named<'r>(
        &'r self,
        name: &str,
    ) -> impl Iterator<Item = (u16, &'r ReadSignature)> + use<'r> {
        let ids = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|&id| Some((id, self.entry(id)?)))
    }

    /// The names of functions that can be called as such.
    pub(in crate::cel) fn names(&self, member: bool) -> impl Iterator<Item = &'static str> {
        let fits = move |entry: &&ReadSignature| entry.member == member && entry.has_name();
        self.entries.iter().filter(fits).map(|entry| entry.name)
    }
}

impl ReadSignature {
    /// False for operators.
    pub(crate) fn has_name(&self) -> bool {
        !self.name.starts_with(NO_NAME)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Library({})", self.entries.len())
    }
}

fn read_signature(overload: &'static Overload) -> Option<ReadSignature> {
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
    let member = receiver.is_some();
    Some(ReadSignature { name, member, parameters: types, result, generic, may_fail: false, overload })
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

/// Fails where overloads of a name that take as many arguments are of several forms.
#[cfg(test)]
pub(crate) fn assert_of_one_form(library: &Library) {
    let mut seen = HashMap::new();
    for ReadSignature { name, member, parameters, overload, .. } in &library.entries {
        let form = seen.entry((name, member, parameters.len())).or_insert(overload.form);
        assert_eq!(*form, overload.form, "{}", overload.signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_reads() {
        for overload in COMMON.iter().chain(STANDARD).copied().flatten() {
            let entry = read_signature(overload).unwrap_or_else(|| panic!("{}", overload.signature));
            assert!(!entry.name.is_empty() && overload.doc.len() > 5, "{}", overload.signature);
            assert!(!overload.doc.ends_with('.'), "{}: no full stop", overload.signature);
        }
        assert!(Library::standard().entries.len() > 150, "{}", Library::standard().entries.len());
    }

    /// What names a function outside of its file names one that is there.
    #[test]
    fn names_are_declared() {
        for name in [SIZE, OF, NONE, OR, MATCHES] {
            assert!(Library::standard().named(name).next().is_some(), "{name}");
        }
    }

    /// The first of several that may run tells what all of them are.
    #[test]
    fn overloads_that_may_take_the_same_call_are_of_one_form() {
        assert_of_one_form(Library::standard());
    }

    /// Two overloads that take the same arguments would hide one another.
    #[test]
    fn no_signature_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for entry in &Library::standard().entries {
            let call = entry.overload.signature.rsplit_once(" -> ").expect("read").0;
            assert!(seen.insert(call), "{call}");
        }
    }
}
