//! What became of scenario files: what every format of `policy test` shows.

use policy_core::source::Position;

use crate::coverage::{Coverage, Reached};

/// What became of all files.
#[derive(Debug, Default)]
pub(crate) struct Suites {
    pub(crate) files: Vec<Suite>,
    /// Files of the call that could not be used.
    pub(crate) unusable: Vec<Unusable>,
    /// Policies of searched folders that no file names.
    pub(crate) untested: Vec<String>,
    /// What of the policies was reached, if that is wanted.
    pub(crate) coverage: Option<Coverage>,
}

/// A file of the call that could not be used.
#[derive(Debug)]
pub(crate) struct Unusable {
    /// Its name; words for what no file was found for.
    pub(crate) file: String,
    /// What has been said of it.
    pub(crate) message: String,
}

/// What became of the cases of a file.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) file: String,
    pub(crate) cases: Vec<Case>,
}

/// What became of a case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) at: Position,
    pub(crate) status: Status,
    /// What of the policies it has reached.
    pub(crate) reached: Vec<Reached>,
}

/// How a case ended.
#[derive(Debug)]
pub(crate) enum Status {
    Passed,
    /// With what was not met.
    Failed(Vec<Unmet>),
    /// With the reason.
    Skipped(String),
}

/// An expectation that was not met, or a question that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// Where it stands.
    pub(crate) at: Position,
    /// Of a case that asks more than once: what was asked.
    pub(crate) asked: Option<String>,
    pub(crate) what: What,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Something else was expected.
    Differs {
        expected: String,
        got: String,
        /// Why the policy decides so.
        because: Option<String>,
    },
    /// There is no answer.
    NotAsked(String),
    /// More did not hold than is told.
    More,
}

/// What is told of a case that fails often.
pub(crate) const MAX_UNMET: usize = 10;
/// What is said where it fails more often, in words of that number.
pub(crate) const MORE: &str = "and more: the first ten are shown";

/// Numbers of cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Suites {
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for case in self.files.iter().flat_map(|file| &file.cases) {
            let count = match case.status {
                Status::Passed => &mut totals.passed,
                Status::Failed(_) => &mut totals.failed,
                Status::Skipped(_) => &mut totals.skipped,
            };
            *count += 1;
        }
        totals
    }
}

impl Unmet {
    /// It in one line.
    pub(crate) fn line(&self) -> String {
        let asked = self.asked.as_ref().map(|asked| format!("{asked}: ")).unwrap_or_default();
        match &self.what {
            What::Differs { expected, got, .. } => format!("{asked}expected {expected}, got {got}"),
            What::NotAsked(why) => format!("{asked}{why}"),
            What::More => MORE.to_owned(),
        }
    }
}
