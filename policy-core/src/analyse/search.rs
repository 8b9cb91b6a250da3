//! Search: values of the variables for which a sequence of rules comes to something, within a budget.

use super::atoms::{AtomId, Atoms};
use super::cells::{Cells, Domains, Truth};
use super::rules::{Act, DestinationId, Pool, Step};

/// What a sequence comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Reached(DestinationId),
    /// Refused, or failed closed.
    Refused,
}

/// A sequence, and what it shall come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'s> {
    pub(super) sequence: &'s [Step],
    pub(super) destination: DestinationId,
    /// True if it shall go there.
    pub(super) reaches: bool,
}

/// What a search finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Such values.
    Yes(Domains),
    No,
    /// The budget was used up.
    Unknown,
}

/// Where a walk through sequences stands.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    sequence: usize,
    step: usize,
    /// Its guard holds, and so many of its actions have run.
    act: Option<usize>,
}

/// Searches of one question.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) atoms: &'a Atoms,
    pub(super) pool: &'a Pool,
    /// Steps that all searches may take yet.
    pub(super) left: u64,
}

/// Steps that one search may take: beyond, it is easy or out of reach.
const STEPS: u64 = 20_000;
/// Atoms that one search may have decided at once, which bounds its recursion.
const MAX_OPEN: usize = 1_000;

impl Search<'_> {
    /// Values for which each sequence comes to what is wanted of it.
    pub(super) fn find(&mut self, wanted: &[Wanted<'_>], domains: &mut Domains) -> Found {
        let mut steps = STEPS.min(self.left);
        let before = steps;
        let found = self.from((wanted, MAX_OPEN), At::default(), domains, &mut steps);
        self.left -= before - steps;
        found
    }

    fn from(
        &self,
        (all, open): (&[Wanted<'_>], usize),
        mut at: At,
        domains: &mut Domains,
        steps: &mut u64,
    ) -> Found {
        let Some(left) = open.checked_sub(1) else { return Found::Unknown };
        let open = loop {
            let Some(wanted) = all.get(at.sequence) else { return Found::Yes(domains.clone()) };
            match self.walk(wanted.sequence, &mut at, domains, steps) {
                Err(()) => return Found::Unknown,
                Ok(Ok(end)) if (end == End::Reached(wanted.destination)) == wanted.reaches => {
                    at = At { sequence: at.sequence + 1, ..At::default() };
                }
                Ok(Ok(_)) => return Found::No,
                Ok(Err(atom)) => break atom,
            }
        };
        let parts = self.atoms.parts(open, domains).unwrap_or_default();
        let Some(variable) = self.atoms.variable(open).map(|id| id.index()) else { return Found::Unknown };
        let mut unknown = false;
        for (_, cells) in parts {
            let Some(before) = set(domains, variable, cells) else { return Found::Unknown };
            let found = self.from((all, left), at, domains, steps);
            set(domains, variable, before);
            match found {
                Found::No => {}
                Found::Unknown => unknown = true,
                found @ Found::Yes(..) => return found,
            }
            if *steps == 0 {
                return Found::Unknown;
            }
        }
        if unknown { Found::Unknown } else { Found::No }
    }

    /// Goes on to the end, or to an atom that is open; an error if the steps are used up.
    fn walk(
        &self,
        sequence: &[Step],
        at: &mut At,
        domains: &Domains,
        steps: &mut u64,
    ) -> Result<Result<End, AtomId>, ()> {
        while let Some(step) = sequence.get(at.step) {
            let Some(left) = steps.checked_sub(self.pool.cost(*step)) else {
                *steps = 0;
                return Err(());
            };
            *steps = left;
            let from = match at.act {
                Some(act) => act,
                None => match self.pool.guard(*step).value(self.atoms, domains) {
                    Err(atom) => return Ok(Err(atom)),
                    Ok(Truth::Fails) => return Ok(Ok(End::Refused)),
                    Ok(Truth::False) => {
                        at.step += 1;
                        continue;
                    }
                    Ok(Truth::True) => 0,
                },
            };
            for (index, act) in self.pool.acts(*step).iter().enumerate().skip(from) {
                at.act = Some(index);
                let atom = match act {
                    Act::Stop => return Ok(Ok(End::Refused)),
                    Act::Reach(destination) => return Ok(Ok(End::Reached(*destination))),
                    Act::Unless(atom) | Act::TryReach { online: atom, .. } => *atom,
                };
                match (self.atoms.value(atom, domains), act) {
                    (None, _) => return Ok(Err(atom)),
                    (Some(Truth::True), Act::TryReach { destination, .. }) => {
                        return Ok(Ok(End::Reached(*destination)));
                    }
                    (Some(Truth::True), _) | (Some(_), Act::TryReach { .. }) => {}
                    (Some(_), _) => return Ok(Ok(End::Refused)),
                }
            }
            (at.step, at.act) = (at.step + 1, None);
        }
        Ok(Ok(End::Refused))
    }
}

/// Puts other cells in the place of those of a variable, which are given back.
fn set(domains: &mut Domains, variable: usize, cells: Cells) -> Option<Cells> {
    domains.get_mut(variable).map(|domain| std::mem::replace(domain, cells))
}
