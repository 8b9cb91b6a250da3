//! What is known of a kind of action, by its name or of one of it.

use super::{ActionType, results_path};
use crate::cel::State;
use crate::exchange::Ability;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::Declared;
use crate::source::Span;
use crate::url::Scheme;

/// What an action sets for what follows, as it is written.
type Outline = fn(Option<&Fields<'_>>, Span, &mut dyn FnMut(State, Span));

/// What is known of a kind of action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KindFacts {
    pub(crate) name: &'static str,
    pub(crate) phases: PhaseSet,
    pub(crate) schemes: &'static [Scheme],
    pub(crate) fields: Declared,
    pub(crate) one_per_policy: bool,
    /// True if it changes what later conditions read.
    pub(crate) rewrites: bool,
    /// Where this version runs it.
    pub(crate) runs: PhaseSet,
    /// What its host must be able to do.
    pub(crate) needs: Option<Ability>,
    /// The path of its results, `actions.ngrok.oauth`.
    pub(crate) result: Option<&'static str>,
    /// What is said of it with `enforce: false` where nothing reads its results.
    pub(crate) idle: &'static str,
    /// Why one that handles traffic does not handle all of it.
    pub(crate) goes_on: Option<&'static str>,
    /// What one sets for what follows, as it is written.
    pub(crate) outline: Outline,
}

impl KindFacts {
    pub(super) fn new<A: ActionType>() -> Self {
        Self {
            name: A::NAME,
            phases: A::PHASES,
            schemes: A::SCHEMES,
            fields: A::FIELDS,
            one_per_policy: A::ONE_PER_POLICY,
            rewrites: A::REWRITES,
            runs: A::RUNS,
            needs: A::NEEDS,
            result: results_path::<A>(),
            idle: A::IDLE,
            goes_on: A::GOES_ON,
            outline: A::outline,
        }
    }
}
