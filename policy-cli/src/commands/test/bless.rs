//! `--bless`: which edits would make a case pass.

use policy_core::diagnostic::Edit;
use policy_core::scenarios::{Actual, CaseStep};
use policy_core::source::Span;

use super::judge::Found;
use super::load::Loaded;

/// What would make a case pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Blessing {
    pub(super) edits: Vec<Edit>,
    /// Something that does not hold cannot be put right by an edit.
    pub(super) is_refused: bool,
}

/// What was found in the questions of a step, by its place.
#[derive(Default)]
pub(super) struct Collected(Vec<Collect>);

struct Collect {
    span: Span,
    actual: Option<Actual>,
    /// How many questions found the same.
    count: u64,
}

impl Collected {
    /// Takes what one question has found.
    pub(super) fn add(&mut self, found: &Found) {
        match self.0.iter_mut().find(|it| it.span == found.span) {
            Some(known) if known.actual == found.actual => known.count += 1,
            // Questions with several answers.
            Some(known) => known.actual = None,
            None => self.0.push(Collect { span: found.span, actual: found.actual.clone(), count: 1 }),
        }
    }
}

impl Blessing {
    /// Takes what a step of so many questions has found: every one of them has to say the same.
    pub(super) fn take(&mut self, file: &Loaded, step: &CaseStep, (found, questions): (&Collected, u64)) {
        for it in &found.0 {
            let actual = it.actual.as_ref().filter(|_| it.count == questions);
            match actual.and_then(|actual| step.expect.edit(file.source(), it.span, actual)) {
                Some(edit) => self.edits.push(edit),
                None => self.is_refused = true,
            }
        }
    }

    /// Something was not answered at all.
    pub(super) const fn refuse(&mut self) {
        self.is_refused = true;
    }
}
