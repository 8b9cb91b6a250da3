//! What is known of earlier actions where an expression stands.
//!
//! An expression is typed and judged where it stands: what is known there of earlier actions comes in through
//! [`DataFlow`], which the reader of a policy implements.

use std::rc::Rc;

use super::conditions::Written;
use super::guards::Guard;
use super::state::{Shape, State};
use crate::cel::check::env::SetVariables;
use crate::cel::values::types::Type;
use crate::diagnostic::Diagnostic;

/// Where an expression reads something.
#[derive(Clone, Copy)]
pub(crate) struct ReadSite<'e> {
    /// The number of the expression among those of its rule.
    pub(crate) expression: usize,
    /// What holds there, unless the expression has a value without it.
    pub(crate) path: &'e dyn Fn() -> Vec<Written>,
}

/// How an expression uses it.
#[derive(Clone, Copy)]
pub(crate) enum Use<'e> {
    /// Reads it, and fails without it.
    Read(ReadSite<'e>),
    /// Only asks whether it is there, as `has(…)` does.
    Ask,
}

/// What is known of earlier actions where an expression stands.
pub(crate) trait DataFlow: SetVariables {
    /// True if the place itself tells one of some guards.
    fn implies(&self, _needs: &[Guard]) -> bool {
        false
    }

    /// True if one of some conditions holds wherever the place is reached.
    fn makes_sure(&self, _place: ReadSite<'_>, _needed: &dyn Fn() -> Vec<Written>) -> bool {
        false
    }

    /// What is known of a variable or of results, wherever they are produced.
    fn shape(&self, _: &State) -> Rc<Shape> {
        Rc::default()
    }

    /// What to say of a use; `found` is what would be said of a value that may be missing.
    fn check_use(&self, state: &State, of: Use<'_>, found: Diagnostic) -> Option<Diagnostic>;
}

/// Nothing is known: everything may be missing.
pub(crate) struct Unknown;

impl SetVariables for Unknown {
    fn variable(&self, _: &str) -> Option<Type> {
        None
    }
}

impl DataFlow for Unknown {
    fn check_use(&self, _: &State, of: Use<'_>, found: Diagnostic) -> Option<Diagnostic> {
        matches!(of, Use::Read(_)).then_some(found)
    }
}
