//! The condition under which a sequence of rules reaches a destination.

use std::fmt::Write as _;

use super::atoms::Atoms;
use super::cells::Truth;
use super::formula::Formula;
use super::rules::{Act, DestinationId, Pool, Step};

/// Parts that a condition may have.
const MAX_PARTS: usize = 2_000;

const TRUE: Formula = Formula::Always(Truth::True);
const FALSE: Formula = Formula::Always(Truth::False);

/// The formula that is true exactly where a sequence reaches a destination that is online. Nothing if it is too long, or
/// takes more steps than are left.
pub(super) fn condition(
    (sequence, pool): (&[Step], &Pool),
    destination: DestinationId,
    (atoms, left): (&Atoms, &mut u64),
) -> Option<Formula> {
    let mut rest = Growing::new(false);
    for step in sequence.iter().rev() {
        let before = rest.parts;
        rest.precede(pool.guard(*step), Fires::of(pool.acts(*step), destination), atoms);
        *left = left.checked_sub(1 + rest.parts.saturating_sub(before) as u64)?;
        if rest.parts > MAX_PARTS {
            return None;
        }
    }
    Some(rest.whole())
}

/// A condition that grows at its front: what is behind stands once in it, so that it grows by each rule and not by all rules
/// together, and is not copied.
struct Growing {
    /// What is joined before the last, in reverse.
    front: Vec<Formula>,
    /// What decides in the join.
    decisive: Truth,
    last: Formula,
    /// How many parts it has.
    parts: usize,
}

impl Growing {
    fn new(truth: bool) -> Self {
        Self { front: Vec::new(), decisive: Truth::True, last: Formula::Always(truth.into()), parts: 1 }
    }

    /// Puts a rule before it.
    fn precede(&mut self, guard: &Formula, fires: Fires, atoms: &Atoms) {
        match (guard, fires) {
            (Formula::Always(Truth::False), _) => {}
            (Formula::Always(Truth::Fails), _) => *self = Self::new(false),
            (Formula::Always(Truth::True), Fires::GoesOn(when)) => self.join(when, Truth::False),
            (Formula::Always(Truth::True), Fires::Ends(when)) => {
                *self = Self { parts: when.parts(), last: when, ..Self::new(false) };
            }
            (guard, Fires::GoesOn(when)) if guard.may_fail(atoms) => {
                self.join(Formula::Choice(Box::new([guard.clone(), when, TRUE])), Truth::False);
            }
            (guard, Fires::GoesOn(when)) => {
                self.join(or(Formula::negated(guard.clone()), when), Truth::False);
            }
            (guard, Fires::Ends(TRUE)) if !guard.may_fail(atoms) => self.join(guard.clone(), Truth::True),
            (guard, Fires::Ends(when)) => {
                self.join(Formula::negated(guard.clone()), Truth::False);
                self.join(and(guard.clone(), when), Truth::True);
            }
        }
    }

    /// Joins a part before it, by `||` if true decides.
    fn join(&mut self, part: Formula, decisive: Truth) {
        match part {
            Formula::Always(truth) if truth == decisive => *self = Self::new(truth == Truth::True),
            Formula::Always(_) => {}
            part => {
                if self.decisive != decisive && !self.front.is_empty() {
                    let whole = std::mem::replace(self, Self::new(false));
                    self.parts = whole.parts + 1;
                    self.last = whole.whole();
                }
                self.decisive = decisive;
                match (&self.last, self.front.is_empty()) {
                    // What decides decides, whatever is before it.
                    (Formula::Always(truth), true) if *truth == decisive => {}
                    (Formula::Always(_), true) => (self.parts, self.last) = (part.parts(), part),
                    _ => {
                        self.parts += part.parts();
                        self.front.push(part);
                    }
                }
            }
        }
    }

    fn whole(self) -> Formula {
        Formula::joined(self.front.into_iter().rev().chain([self.last]), self.decisive)
    }
}

/// What comes of a rule whose guard holds.
enum Fires {
    /// It reaches the destination exactly if this is true.
    Ends(Formula),
    /// What follows decides if this is true; else it does not reach it.
    GoesOn(Formula),
}

impl Fires {
    fn of(acts: &[Act], destination: DestinationId) -> Self {
        let mut fires = Self::GoesOn(TRUE);
        for act in acts.iter().rev() {
            fires = match act {
                Act::Stop => Self::Ends(FALSE),
                Act::Reach(to) => Self::Ends(Formula::Always((*to == destination).into())),
                Act::TryReach { destination: to, .. } if *to == destination => Self::Ends(TRUE),
                Act::TryReach { online, .. } => fires.and(Formula::negated(Formula::Atom(*online))),
                Act::Unless(atom) => fires.and(Formula::Atom(*atom)),
            };
        }
        fires
    }

    fn and(self, atom: Formula) -> Self {
        match self {
            Self::Ends(when) => Self::Ends(and(atom, when)),
            Self::GoesOn(when) => Self::GoesOn(and(atom, when)),
        }
    }
}

fn and(one: Formula, other: Formula) -> Formula {
    Formula::joined([one, other], Truth::False)
}

fn or(one: Formula, other: Formula) -> Formula {
    Formula::joined([one, other], Truth::True)
}

/// The text of a condition: an expression, but for what is said of targets and actions.
pub(super) fn text(formula: &Formula, atoms: &Atoms) -> String {
    let mut out = String::new();
    write(formula, atoms, Around::Nothing, &mut out);
    out
}

/// What a part stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    And,
    Or,
    /// `!`, or a side of `?:`.
    Tight,
}

fn write(formula: &Formula, atoms: &Atoms, around: Around, out: &mut String) {
    let joined = |parts: &[Formula], (by, within): (&str, Around), out: &mut String| {
        let open = around != Around::Nothing && around != within;
        out.push_str(if open { "(" } else { "" });
        for (at, part) in parts.iter().enumerate() {
            out.push_str(if at > 0 { by } else { "" });
            write(part, atoms, within, out);
        }
        out.push_str(if open { ")" } else { "" });
    };
    match formula {
        Formula::Always(truth) => out.push_str(if *truth == Truth::True { "true" } else { "false" }),
        Formula::Client(_) => out.push_str("false"),
        Formula::Atom(id) => {
            let text = atoms.text(*id);
            let open = around != Around::Nothing && text.contains([' ', '?']);
            let _ = if open { write!(out, "({text})") } else { write!(out, "{text}") };
        }
        Formula::Not(part) => {
            out.push('!');
            write(part, atoms, Around::Tight, out);
        }
        Formula::All(parts) => joined(parts, (" && ", Around::And), out),
        Formula::Any(parts) => joined(parts, (" || ", Around::Or), out),
        Formula::Choice(parts) => {
            let [condition, then, otherwise] = &**parts;
            out.push('(');
            write(condition, atoms, Around::Tight, out);
            out.push_str(" ? ");
            write(then, atoms, Around::Tight, out);
            out.push_str(" : ");
            write(otherwise, atoms, Around::Tight, out);
            out.push(')');
        }
    }
}
