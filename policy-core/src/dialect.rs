//! What the policy language adds to CEL: functions, and what is said of words that come from elsewhere.
//!
//! One file for each family, one entry for each overload. To `cel` it is data, handed in with the declared variables.
//!
//! Source: ngrok documentation, Traffic Policy macros (2026-08-07).

mod addresses;
mod encoding;
mod hash;
mod hints;
mod json;
mod random;
mod requests;
mod texts;
mod urls;

use std::sync::LazyLock;

use crate::cel::Language;
use crate::cel::library::overload::{Form, Overload};
use crate::cel::library::{COMMON, Library, ReadSignature};
use crate::phase::{Phase, PhaseSet};
use crate::vocabulary::LOOKUPS;

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
    LIBRARY.entries.iter().filter(|entry| entry.has_name()).map(|entry| {
        let Overload { signature, doc, .. } = *entry.overload;
        FunctionDoc { signature, doc, phases: phases(entry.overload) }
    })
}

/// The families that CEL does not have.
static FAMILIES: &[&[Overload]] = &[
    texts::OVERLOADS,
    addresses::OVERLOADS,
    encoding::OVERLOADS,
    hash::OVERLOADS,
    json::OVERLOADS,
    urls::OVERLOADS,
    requests::OVERLOADS,
    random::OVERLOADS,
];

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::new(COMMON.iter().chain(FAMILIES)));

/// The functions and the hints.
pub(crate) fn language() -> Language {
    Language { library: &LIBRARY, hints: &hints::HINTS }
}

/// The functions whose arguments name secrets.
pub(crate) fn secret_functions() -> impl Iterator<Item = &'static str> {
    let named = |entry: &&ReadSignature| matches!(entry.overload.form, Form::Secret(_));
    LIBRARY.entries.iter().filter(named).map(|entry| entry.name)
}

/// The phases in which a function can be called: those that have the fact it reads.
pub(crate) fn phases(of: &Overload) -> PhaseSet {
    let Some(path) = of.reads else { return PhaseSet::new(&Phase::ALL) };
    let fact = LOOKUPS.iter().find(|fact| fact.path() == path);
    match fact.is_some_and(|fact| fact.at.phases.contains(Phase::OnHttpRequest)) {
        true => REQUEST,
        false => RESPONSE,
    }
}

const REQUEST: PhaseSet = PhaseSet::new(&[Phase::OnHttpRequest, Phase::OnHttpResponse]);
const RESPONSE: PhaseSet = PhaseSet::new(&[Phase::OnHttpResponse]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::library::assert_of_one_form;
    use std::collections::HashSet;

    #[test]
    fn every_function_reads_and_no_signature_stands_twice() {
        let mut seen = HashSet::new();
        for overload in FAMILIES.iter().copied().flatten() {
            assert!(overload.doc.len() > 5 && !overload.doc.ends_with('.'), "{}", overload.signature);
        }
        for entry in &LIBRARY.entries {
            let call = entry.overload.signature.rsplit_once(" -> ").expect("read").0;
            assert!(seen.insert(call), "{call}");
        }
        assert_eq!(
            LIBRARY.entries.len(),
            COMMON.iter().chain(FAMILIES).copied().map(<[_]>::len).sum::<usize>()
        );
    }

    /// The first of several that may run tells what all of them are.
    #[test]
    fn overloads_that_may_take_the_same_call_are_of_one_form() {
        assert_of_one_form(&LIBRARY);
    }

    /// What a function reads is a declared fact with a value in all its phases.
    #[test]
    fn functions_read_facts_that_are_there() {
        let mut reading = 0;
        for overload in FAMILIES.iter().copied().flatten() {
            let Some(path) = overload.reads else { continue };
            assert!(LOOKUPS.iter().any(|fact| fact.path() == path), "{path}");
            let declared = crate::variables::all().find(|variable| variable.path == path).expect(path);
            assert!(phases(overload).iter().all(|phase| declared.phases.contains(phase)), "{path}");
            reading += 1;
        }
        assert_eq!(reading, 10);
    }
}
