//! Assignability and inference of type parameters.
//!
//! Source: the rules of the reference implementation's checker (CEL specification, language definition,
//! gradual type checking): `dyn` agrees with everything, a parameter takes the most general type it met.

use std::cell::Cell;
use std::sync::Arc;

use crate::cel::values::types::{OPTIONAL, Type};

/// What is known of type parameters so far.
#[derive(Clone, Debug, Default)]
pub(in crate::cel) struct Substitution {
    bound: Vec<Option<Type>>,
    /// Changes since the last decision, for undoing.
    trail: Vec<(usize, Option<Type>)>,
    /// Steps into types so far.
    steps: Cell<u32>,
}

/// Steps into types while one expression is checked. Parameters inside types of parameters can double a type
/// each time, so that no bound on the text bounds it.
const MAX_STEPS: u32 = 1_000_000;

impl Substitution {
    /// A new parameter, of which nothing is known.
    pub(in crate::cel) fn fresh(&mut self) -> Type {
        let id = u32::try_from(self.bound.len()).unwrap_or(u32::MAX);
        self.bound.push(None);
        Type::Param(id)
    }

    /// Replaces the parameters of a signature, letters, by fresh ones.
    pub(in crate::cel) fn instantiate(&mut self, types: &[Type]) -> Vec<Type> {
        let mut letters: Vec<(u32, Type)> = Vec::new();
        types.iter().map(|ty| self.rename(ty, &mut letters)).collect()
    }

    fn rename(&mut self, ty: &Type, letters: &mut Vec<(u32, Type)>) -> Type {
        match ty {
            Type::Param(letter) => match letters.iter().find(|(known, _)| known == letter) {
                Some((_, fresh)) => fresh.clone(),
                None => {
                    let fresh = self.fresh();
                    letters.push((*letter, fresh.clone()));
                    fresh
                }
            },
            Type::List(item) => Type::list(self.rename(item, letters)),
            Type::Map(of) => {
                let key = self.rename(&of.0, letters);
                Type::map(key, self.rename(&of.1, letters))
            }
            Type::Type(of) => Type::type_of(self.rename(of, letters)),
            Type::Opaque(name, of) => {
                Type::Opaque(Arc::clone(name), of.iter().map(|ty| self.rename(ty, letters)).collect())
            }
            other => other.clone(),
        }
    }

    fn get(&self, id: u32) -> Option<&Type> {
        self.bound.get(id as usize)?.as_ref()
    }

    fn set(&mut self, id: u32, ty: Type) {
        if let Some(slot) = self.bound.get_mut(id as usize) {
            self.trail.push((id as usize, slot.replace(ty)));
        }
    }

    /// Counts a step into a type; false once there were too many.
    fn step(&self) -> bool {
        let steps = self.steps.get().saturating_add(1);
        self.steps.set(steps);
        steps <= MAX_STEPS
    }

    /// True if types grew so large that what was found of them does not count.
    pub(in crate::cel) fn is_too_large(&self) -> bool {
        self.steps.get() > MAX_STEPS
    }

    /// True if each of `from` can stand where `to` is wanted; then what that says of parameters is kept.
    pub(in crate::cel) fn assignable_all(&mut self, to: &[Type], from: &[Type]) -> bool {
        let mark = self.trail.len();
        let fits = to.len() == from.len() && to.iter().zip(from).all(|(to, from)| self.assign(to, from));
        self.decide(mark, fits)
    }

    /// The same for one.
    pub(in crate::cel) fn assignable(&mut self, to: &Type, from: &Type) -> bool {
        let mark = self.trail.len();
        let fits = self.assign(to, from);
        self.decide(mark, fits)
    }

    fn decide(&mut self, mark: usize, fits: bool) -> bool {
        if !fits {
            for (id, before) in self.trail.drain(mark..).rev() {
                if let Some(slot) = self.bound.get_mut(id) {
                    *slot = before;
                }
            }
        }
        fits
    }

    fn assign(&mut self, to: &Type, from: &Type) -> bool {
        if !self.step() {
            return true;
        }
        if let Type::Param(id) = from {
            let (fits, known) = self.substitute(*id, to);
            if fits || known {
                return fits;
            }
        }
        if let Type::Param(id) = to {
            return self.substitute(*id, from).0;
        }
        if to.is_dyn() || from.is_dyn() {
            return true;
        }
        match (to, from) {
            (Type::Null, other) | (other, Type::Null) => {
                matches!(other, Type::Null | Type::Opaque(..) | Type::Duration | Type::Timestamp)
            }
            (Type::List(a), Type::List(b)) => self.assign(a, b),
            (Type::Map(a), Type::Map(b)) => self.assign(&a.0, &b.0) && self.assign(&a.1, &b.1),
            // Types as values may always be compared: `type(1) == string` is false, not a mistake.
            (Type::Type(_), Type::Type(_)) => true,
            (Type::Opaque(a, of_a), Type::Opaque(b, of_b)) => {
                a == b
                    && of_a.len() == of_b.len()
                    && of_a.iter().zip(of_b.iter()).all(|(a, b)| self.assign(a, b))
            }
            (a, b) => a == b,
        }
    }

    /// Makes a parameter agree with a type: whether it does, and whether it was known before.
    fn substitute(&mut self, id: u32, ty: &Type) -> (bool, bool) {
        if *ty == Type::Param(id) {
            return (true, true);
        }
        if let Some(known) = self.get(id).cloned() {
            if !self.assign(ty, &known) {
                return (false, true);
            }
            let general = most_general(ty.clone(), known);
            if !self.refers(&general, id) {
                self.set(id, general);
            }
            return (true, true);
        }
        if self.refers(ty, id) {
            return (false, false);
        }
        self.set(id, ty.clone());
        (true, false)
    }

    /// True if a type contains a parameter, what is known of others followed.
    fn refers(&self, ty: &Type, id: u32) -> bool {
        !self.step()
            || match ty {
                Type::Param(other) => {
                    *other == id || self.get(*other).is_some_and(|known| self.refers(known, id))
                }
                Type::List(item) | Type::Type(item) => self.refers(item, id),
                Type::Map(of) => self.refers(&of.0, id) || self.refers(&of.1, id),
                Type::Opaque(_, of) => of.iter().any(|ty| self.refers(ty, id)),
                _ => false,
            }
    }

    /// The common type of two, if one fits the other; an object counts as the plain value it stands for.
    pub(in crate::cel) fn join(&mut self, first: Type, second: Type) -> Option<Type> {
        self.assignable(&first, &second).then(|| most_general(first, second))
    }

    /// A type with everything known filled in; what is not known stays a parameter.
    pub(in crate::cel) fn apply(&self, ty: &Type) -> Type {
        self.filled(ty, false)
    }

    /// The same; what is not known becomes `dyn`.
    pub(in crate::cel) fn resolve_or_dyn(&self, ty: &Type) -> Type {
        self.filled(ty, true)
    }

    fn filled(&self, ty: &Type, to_dyn: bool) -> Type {
        if !self.step() {
            return Type::Dyn;
        }
        match ty {
            Type::Param(id) => match self.get(*id) {
                // INVARIANT: `refers` keeps a parameter out of its own type, so this ends.
                Some(known) => self.filled(known, to_dyn),
                None if to_dyn => Type::Dyn,
                None => ty.clone(),
            },
            Type::List(item) => Type::list(self.filled(item, to_dyn)),
            Type::Map(of) => Type::map(self.filled(&of.0, to_dyn), self.filled(&of.1, to_dyn)),
            Type::Type(of) => Type::type_of(self.filled(of, to_dyn)),
            Type::Opaque(name, of) if !of.is_empty() => {
                Type::Opaque(Arc::clone(name), of.iter().map(|ty| self.filled(ty, to_dyn)).collect())
            }
            other => other.clone(),
        }
    }
}

fn most_general(first: Type, second: Type) -> Type {
    if as_general(&first, &second) { first } else { second }
}

/// True if the first type is as general as the second, or more.
fn as_general(first: &Type, second: &Type) -> bool {
    if first.is_dyn() || matches!(first, Type::Param(_)) {
        return true;
    }
    if second.is_dyn() || matches!(second, Type::Param(_)) {
        return false;
    }
    match (first, second) {
        (Type::List(a), Type::List(b)) => as_general(a, b),
        (Type::Map(a), Type::Map(b)) => as_general(&a.0, &b.0) && as_general(&a.1, &b.1),
        (Type::Type(_), Type::Type(_)) => true,
        (Type::Opaque(a, of_a), Type::Opaque(b, of_b)) => {
            a == b && of_a.len() == of_b.len() && of_a.iter().zip(of_b.iter()).all(|(a, b)| as_general(a, b))
        }
        // A value may be null where an optional or a time may be.
        (Type::Null, _) => false,
        (_, Type::Null) => true,
        (a, b) => a == b,
    }
}

/// True if a type is optional.
pub(in crate::cel) fn is_optional(ty: &Type) -> bool {
    matches!(ty, Type::Opaque(name, _) if &**name == OPTIONAL)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_take_the_most_general_type() {
        let mut known = Substitution::default();
        let item = known.fresh();
        let list = Type::list(item.clone());
        assert!(known.assignable(&list, &Type::list(Type::Int)));
        assert!(!known.assignable(&list, &Type::list(Type::String)));
        assert!(known.assignable(&list, &Type::list(Type::Dyn)));
        assert_eq!(known.resolve_or_dyn(&item), Type::Dyn);
    }

    #[test]
    fn a_failed_attempt_leaves_nothing_behind() {
        let mut known = Substitution::default();
        let (a, b) = (known.fresh(), known.fresh());
        assert!(!known.assignable_all(&[a.clone(), a.clone()], &[Type::Int, Type::String]));
        assert_eq!(known.apply(&a), a);
        assert!(known.assignable(&a, &Type::list(b.clone())));
        assert!(!known.assignable(&b, &Type::list(a)), "a type must not contain itself");
    }

    /// Types without parameters.
    fn ground() -> impl Strategy<Value = Type> {
        let leaf = prop::sample::select(vec![
            Type::Dyn,
            Type::Null,
            Type::Bool,
            Type::Int,
            Type::String,
            Type::Duration,
        ]);
        leaf.prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(Type::list),
                inner.clone().prop_map(Type::optional),
                (inner.clone(), inner).prop_map(|(key, value)| Type::map(key, value)),
            ]
        })
    }

    /// Whether a value of one type may stand where the other is wanted, by the rules as they are written down.
    fn fits(to: &Type, from: &Type) -> bool {
        let nullable = |ty: &Type| matches!(ty, Type::Null | Type::Duration | Type::Opaque(..));
        match (to, from) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::Null, other) | (other, Type::Null) => nullable(other),
            (Type::List(a), Type::List(b)) => fits(a, b),
            (Type::Map(a), Type::Map(b)) => fits(&a.0, &b.0) && fits(&a.1, &b.1),
            (Type::Opaque(_, a), Type::Opaque(_, b)) => fits(&a[0], &b[0]),
            (a, b) => a == b,
        }
    }

    /// True for a type that is exact: it fits itself and nothing else.
    fn is_exact(ty: &Type) -> bool {
        match ty {
            Type::Bool | Type::Int | Type::String => true,
            Type::List(item) => is_exact(item),
            Type::Map(of) => is_exact(&of.0) && is_exact(&of.1),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn types_without_parameters_fit_as_the_rules_say(to in ground(), from in ground()) {
            let mut known = Substitution::default();
            prop_assert_eq!(known.assignable(&to, &from), fits(&to, &from), "{} {}", to, from);
        }

        #[test]
        fn one_parameter_takes_one_type(a in ground(), b in ground()) {
            let mut known = Substitution::default();
            let of = known.fresh();
            let both = known.assignable_all(&[of.clone(), of.clone()], &[a.clone(), b.clone()]);
            prop_assert_eq!(both, fits(&b, &a), "{} {}", a, b);
            let found = known.apply(&of);
            if !both {
                prop_assert_eq!(found, of, "a failed attempt leaves nothing behind");
            } else if is_exact(&a) && is_exact(&b) {
                prop_assert_eq!(&found, &a);
                prop_assert_eq!(found, b);
            } else {
                prop_assert!(fits(&found, &a) && fits(&found, &b), "{} of {} and {}", found, a, b);
            }
        }

        /// `list(A)` and a list: what is inside is found at any depth.
        #[test]
        fn what_is_inside_is_found(item in ground(), depth in 0_usize..6) {
            let mut known = Substitution::default();
            let of = known.fresh();
            let nest = |ty: Type| (0..depth).fold(ty, |ty, _| Type::list(ty));
            prop_assert!(known.assignable(&nest(of.clone()), &nest(item.clone())));
            prop_assert_eq!(known.apply(&of), item);
        }
    }
}
