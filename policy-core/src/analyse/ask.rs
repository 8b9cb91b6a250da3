//! Questions about ways: whether one reaches a destination, and whether it does where another does not.

use std::collections::HashMap;
use std::rc::Rc;

use super::condition::{condition, text};
use super::formula::Formula;
use super::model::{Judged, Model};
use super::region::{Disagreement, Unproved, Verdict};
use super::rules::{Destination, DestinationId};
use super::search::{Found, Search, Wanted};
use super::witness::Witness;
use crate::outcome::Outcome;

/// Bytes of all conditions of an answer.
const MAX_TEXT: usize = 64 << 20;

/// A connection, and what each policy says about it; or why there is none.
pub(super) type Shown = Result<(Witness, Vec<Outcome>), Unproved>;

/// What is known of a way and a destination. INVARIANT: one for which nothing is found has no answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub(super) verdict: Verdict,
    /// What is true where it reaches it.
    pub(super) condition: Option<Rc<str>>,
    /// What is true where the other one reaches it.
    pub(super) unless: Option<Rc<str>>,
}

impl Known {
    const fn unknown(why: Unproved) -> Option<Self> {
        Some(Self { verdict: Verdict::Unknown(why), condition: None, unless: None })
    }
}

/// Questions of one call, each answered once for ways that do the same.
pub(super) struct Asker<'a> {
    model: &'a Model,
    search: Search<'a>,
    reached: HashMap<(usize, DestinationId), Option<Known>>,
    gained: HashMap<(usize, usize, DestinationId), Option<Known>>,
    /// Bytes of conditions that there may be yet.
    text_left: usize,
}

impl<'a> Asker<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let (reached, gained) = (HashMap::new(), HashMap::new());
        Self { model, search: model.search(), reached, gained, text_left: MAX_TEXT }
    }

    /// How a way reaches a destination; nothing if it never does.
    pub(super) fn reached(&mut self, content: usize, id: DestinationId) -> Option<Known> {
        if let Some(answered) = self.reached.get(&(content, id)) {
            return answered.clone();
        }
        let known = self.ask_reached(content, id);
        self.reached.insert((content, id), known.clone());
        known
    }

    /// How a way reaches a destination where another one does not; nothing if it never does.
    pub(super) fn gained(&mut self, (base, other): (usize, usize), id: DestinationId) -> Option<Known> {
        if base == other {
            return None;
        }
        if let Some(answered) = self.gained.get(&(base, other, id)) {
            return answered.clone();
        }
        let known = self.ask_gained(base, other, id);
        self.gained.insert((base, other, id), known.clone());
        known
    }

    fn destination(&self, id: DestinationId) -> &'a Destination {
        self.model.destinations.all.get(id.0 as usize).unwrap_or(&Destination::Upstream)
    }

    /// True if what a pattern gives on one of the ways may be the destination.
    fn is_open(&self, contents: &[usize], id: DestinationId) -> bool {
        let Destination::Target(url) = self.destination(id) else { return false };
        let open = self.model.destinations.may_give(url);
        open.iter().any(|pattern| contents.iter().any(|content| self.model.goes(*content, *pattern)))
    }

    fn find(&mut self, wanted: &[Wanted<'_>], id: DestinationId) -> Found {
        let destination = self.destination(id);
        self.model.find(&mut self.search, wanted, destination)
    }

    fn ask_reached(&mut self, content: usize, id: DestinationId) -> Option<Known> {
        if self.is_open(&[content], id) {
            return Known::unknown(Unproved::OpenTarget);
        }
        if !self.model.goes(content, id) {
            return None;
        }
        match self.find(&[self.model.wanted(content, id, true)], id) {
            Found::No => return None,
            Found::Unknown => return Known::unknown(Unproved::Budget),
            Found::Yes(..) => {}
        }
        match self.find(&[self.model.wanted(content, id, false)], id) {
            Found::No => return Some(Known { verdict: Verdict::Proved, condition: None, unless: None }),
            Found::Unknown => return Known::unknown(Unproved::Budget),
            Found::Yes(..) => {}
        }
        if matches!(self.destination(id), Destination::Pattern(_)) {
            return Known::unknown(Unproved::OpenTarget);
        }
        let formula = self.condition(content, id);
        self.conditional(&[content], formula, None)
    }

    fn ask_gained(&mut self, base: usize, other: usize, id: DestinationId) -> Option<Known> {
        let goes = |content| self.model.goes(content, id);
        let (is_open, is_pattern) =
            (self.is_open(&[base, other], id), matches!(self.destination(id), Destination::Pattern(_)));
        if !goes(other) && !self.is_open(&[other], id) {
            return None;
        }
        if is_open {
            return Known::unknown(Unproved::OpenTarget);
        }
        let model = self.model;
        match self.find(&[model.wanted(other, id, true), model.wanted(base, id, false)], id) {
            Found::No => return None,
            Found::Unknown => return Known::unknown(Unproved::Budget),
            // The other one may reach what it gives in another way.
            Found::Yes(..) if is_pattern => return Known::unknown(Unproved::OpenTarget),
            Found::Yes(..) => {}
        }
        let always = self.find(&[model.wanted(other, id, false)], id) == Found::No;
        let before = if goes(base) { self.find(&[model.wanted(base, id, true)], id) } else { Found::No };
        match (always, before) {
            (true, Found::No) => Some(Known { verdict: Verdict::Proved, condition: None, unless: None }),
            (true, _) => {
                let before = self.condition(base, id);
                self.conditional(&[base], None, before)
            }
            (false, Found::No) => {
                let formula = self.condition(other, id);
                self.conditional(&[other], formula, None)
            }
            (false, _) => {
                let (after, mut before) = (self.condition(other, id), self.condition(base, id));
                if let (Some(after), Some(before)) = (&after, &mut before) {
                    before.assume(after);
                }
                self.conditional(&[other, base], after, before)
            }
        }
    }

    fn condition(&mut self, content: usize, id: DestinationId) -> Option<Formula> {
        let Model { pool, atoms, .. } = self.model;
        condition((self.model.steps(content), pool), id, (atoms, &mut self.search.left))
    }

    /// An answer that holds on conditions, which are those that are given: of what reaches the destination, and of what the
    /// other one did.
    fn conditional(
        &mut self,
        contents: &[usize],
        after: Option<Formula>,
        before: Option<Formula>,
    ) -> Option<Known> {
        let Model { pool, atoms, .. } = self.model;
        let mut unclear = false;
        let mut note = |formula: &Formula| formula.atoms(&mut |id| unclear |= atoms.is_unclear(id));
        match (&after, &before) {
            // What is too long is told by all that stands in it.
            (None, None) => contents.iter().for_each(|content| {
                self.model.steps(*content).iter().for_each(|step| note(pool.guard(*step)));
            }),
            (after, before) => after.iter().chain(before).for_each(note),
        }
        if unclear {
            return Known::unknown(Unproved::Opaque);
        }
        let texts = [after, before].map(|formula| formula.map(|it| text(&it, atoms)));
        let length = texts.iter().flatten().map(String::len).sum();
        let Some(left) = self.text_left.checked_sub(length) else {
            return Some(Known { verdict: Verdict::Conditional, condition: None, unless: None });
        };
        self.text_left = left;
        let [condition, unless] = texts.map(|text| text.map(Rc::from));
        Some(Known { verdict: Verdict::Conditional, condition, unless })
    }

    /// Decides a connection of a client in the engine, for which each of some policies is to reach the destination or not.
    /// Nothing if that cannot be shown: then the region is not known, for the reason given.
    ///
    /// # Errors
    /// If the engine decides otherwise.
    pub(super) fn witness(
        &mut self,
        client: std::net::IpAddr,
        shown: &[(Judged<'_>, Wanted<'_>)],
    ) -> Result<Shown, Box<Disagreement>> {
        let Some(id) = shown.first().map(|(_, wanted)| wanted.destination) else {
            return Ok(Err(Unproved::Budget));
        };
        let destination = self.destination(id);
        let wanted: Vec<_> = shown.iter().map(|(_, wanted)| *wanted).collect();
        let Found::Yes(found) = self.find(&wanted, id) else { return Ok(Err(Unproved::Budget)) };
        let (witness, depends) = Witness::new(client, &self.model.atoms, &found);
        let mut outcomes = Vec::new();
        for (judged, wanted) in shown {
            let Some((outcome, target)) = witness.decide(judged.program) else {
                return Ok(Err(Unproved::Budget));
            };
            let arrives = match destination {
                Destination::Target(url) => target.as_ref() == Some(url),
                Destination::Pattern(_) => target.is_some(),
                Destination::Upstream => judged.has_upstream && outcome == Outcome::Upstream,
            };
            if arrives != wanted.reaches {
                if depends || matches!(destination, Destination::Pattern(_)) {
                    return Ok(Err(Unproved::Opaque));
                }
                return Err(Box::new(Disagreement {
                    policy: judged.program.file().into(),
                    witness: Box::new(witness),
                    destination: destination.clone(),
                    reaches: wanted.reaches,
                    outcome,
                }));
            }
            outcomes.push(outcome);
        }
        Ok(Ok((witness, outcomes)))
    }
}
