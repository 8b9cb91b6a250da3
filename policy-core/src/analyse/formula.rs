//! Conditions as formulas over atoms: true, false, or without a value, as the engine joins them.

use super::atoms::{AtomId, Atoms};
use super::cells::{Domains, Truth};
use crate::cel::Test;
use crate::lpm::TestId;

/// A condition, with what the class of the client's address decides gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Formula {
    Always(Truth),
    /// The client's address is in a set; gone once the class of the address is known.
    Client(TestId),
    Atom(AtomId),
    Not(Box<Formula>),
    /// Joined by `&&`: one that is false absorbs what the others are.
    All(Box<[Formula]>),
    /// Joined by `||`: one that is true absorbs what the others are.
    Any(Box<[Formula]>),
    /// `condition ? then : otherwise`.
    Choice(Box<[Formula; 3]>),
}

impl Formula {
    /// The formula of a test, whose parts are atoms.
    pub(super) fn from_test(test: &Test, atom: &mut dyn FnMut(&Test) -> Self) -> Self {
        match test {
            Test::Always(value) => Self::Always((*value).into()),
            Test::Not(part) => Self::negated(Self::from_test(part, atom)),
            Test::All(parts) => Self::All(parts.iter().map(|part| Self::from_test(part, atom)).collect()),
            Test::Any(parts) => Self::Any(parts.iter().map(|part| Self::from_test(part, atom)).collect()),
            Test::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                Self::Choice(Box::new([
                    Self::from_test(condition, atom),
                    Self::from_test(then, atom),
                    Self::from_test(otherwise, atom),
                ]))
            }
            Test::Client(test) => Self::Client(*test),
            Test::Leaf(..) | Test::Interpreted(..) => atom(test),
        }
    }

    /// The formula for addresses of which every test is known. O(parts).
    pub(super) fn at(&self, holds: &dyn Fn(TestId) -> bool) -> Self {
        match self {
            Self::Always(_) | Self::Atom(_) => self.clone(),
            Self::Client(test) => Self::Always(holds(*test).into()),
            Self::Not(part) => Self::negated(part.at(holds)),
            Self::All(parts) => Self::joined(parts.iter().map(|part| part.at(holds)), Truth::False),
            Self::Any(parts) => Self::joined(parts.iter().map(|part| part.at(holds)), Truth::True),
            Self::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                match condition.at(holds) {
                    Self::Always(Truth::True) => then.at(holds),
                    Self::Always(Truth::False) => otherwise.at(holds),
                    Self::Always(Truth::Fails) => Self::Always(Truth::Fails),
                    condition => Self::Choice(Box::new([condition, then.at(holds), otherwise.at(holds)])),
                }
            }
        }
    }

    /// Joins parts by `&&`, or by `||` if true decides: flat, and without those that decide nothing.
    pub(super) fn joined(parts: impl IntoIterator<Item = Self>, decisive: Truth) -> Self {
        let mut out = Vec::new();
        for part in parts {
            match part {
                Self::Always(truth) if truth == decisive => return Self::Always(decisive),
                Self::Always(Truth::True | Truth::False) => {}
                Self::All(inner) if decisive == Truth::False => out.extend(inner),
                Self::Any(inner) if decisive == Truth::True => out.extend(inner),
                part => out.push(part),
            }
        }
        match (out.len(), decisive) {
            (0, Truth::True) => Self::Always(Truth::False),
            (0, _) => Self::Always(Truth::True),
            (1, _) => out.remove(0),
            (_, Truth::True) => Self::Any(out.into()),
            _ => Self::All(out.into()),
        }
    }

    /// What is left to say where another formula is true: what stands in front of both is gone.
    pub(super) fn assume(&mut self, other: &Self) {
        let common =
            self.conjuncts().iter().zip(other.conjuncts()).take_while(|(one, other)| one == other).count();
        let rest: Vec<_> = self.conjuncts().iter().skip(common).cloned().collect();
        *self = Self::joined(rest, Truth::False);
    }

    fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// A test of the client's address without which it is not true; nothing if none is seen.
    pub(super) fn needs(&self) -> Option<TestId> {
        match self {
            Self::Client(test) => Some(*test),
            Self::All(parts) => parts.iter().find_map(Self::needs),
            _ => None,
        }
    }

    /// Every test of the client's address in it.
    pub(super) fn clients(&self, each: &mut dyn FnMut(TestId)) {
        match self {
            Self::Client(test) => each(*test),
            Self::Always(_) | Self::Atom(_) => {}
            Self::Not(part) => part.clients(each),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.clients(each)),
            Self::Choice(parts) => parts.iter().for_each(|part| part.clients(each)),
        }
    }

    /// How many parts it has.
    pub(super) fn parts(&self) -> usize {
        match self {
            Self::Always(_) | Self::Client(_) | Self::Atom(_) => 1,
            Self::Not(part) => 1 + part.parts(),
            Self::All(parts) | Self::Any(parts) => 1 + parts.iter().map(Self::parts).sum::<usize>(),
            Self::Choice(parts) => 1 + parts.iter().map(Self::parts).sum::<usize>(),
        }
    }

    /// Every atom in it.
    pub(super) fn atoms(&self, each: &mut dyn FnMut(AtomId)) {
        match self {
            Self::Atom(id) => each(*id),
            Self::Always(_) | Self::Client(_) => {}
            Self::Not(part) => part.atoms(each),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.atoms(each)),
            Self::Choice(parts) => parts.iter().for_each(|part| part.atoms(each)),
        }
    }

    /// True if it may be without a value.
    pub(super) fn may_fail(&self, atoms: &Atoms) -> bool {
        match self {
            Self::Always(truth) => *truth == Truth::Fails,
            Self::Client(_) => false,
            Self::Atom(id) => atoms.may_fail(*id),
            Self::Not(part) => part.may_fail(atoms),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.may_fail(atoms)),
            Self::Choice(parts) => parts.iter().any(|part| part.may_fail(atoms)),
        }
    }

    pub(super) fn negated(part: Self) -> Self {
        match part {
            Self::Not(part) => *part,
            Self::Always(truth) => Self::Always(truth.turned()),
            other => Self::Not(Box::new(other)),
        }
    }

    /// What it comes to within domains; the first atom that is open, if that decides.
    pub(super) fn value(&self, atoms: &Atoms, domains: &Domains) -> Result<Truth, AtomId> {
        match self {
            Self::Always(truth) => Ok(*truth),
            // INVARIANT: the formulas of a class have none.
            Self::Client(_) => Ok(Truth::Fails),
            Self::Atom(id) => atoms.value(*id, domains).ok_or(*id),
            Self::Not(part) => Ok(part.value(atoms, domains)?.turned()),
            Self::All(parts) => joined(parts, Truth::False, atoms, domains),
            Self::Any(parts) => joined(parts, Truth::True, atoms, domains),
            Self::Choice(parts) => {
                let [condition, then, otherwise] = &**parts;
                match condition.value(atoms, domains)? {
                    Truth::True => then.value(atoms, domains),
                    Truth::False => otherwise.value(atoms, domains),
                    Truth::Fails => Ok(Truth::Fails),
                }
            }
        }
    }
}

/// Parts that are joined: one that decides absorbs all others, also those that are open.
fn joined(parts: &[Formula], decisive: Truth, atoms: &Atoms, domains: &Domains) -> Result<Truth, AtomId> {
    let (mut fails, mut open) = (false, None);
    for part in parts {
        match part.value(atoms, domains) {
            Ok(truth) if truth == decisive => return Ok(decisive),
            Ok(Truth::Fails) => fails = true,
            Ok(_) => {}
            Err(atom) => {
                open.get_or_insert(atom);
            }
        }
    }
    match (open, fails, decisive) {
        (Some(atom), ..) => Err(atom),
        (None, true, _) => Ok(Truth::Fails),
        (None, false, Truth::True) => Ok(Truth::False),
        (None, false, _) => Ok(Truth::True),
    }
}
