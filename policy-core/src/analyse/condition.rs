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

/// The formula that is true exactly where a sequence reaches a destination that is online; `passed` says whether what
/// nothing ends reaches it. Nothing if it is too long, or takes more steps than are left.
pub(super) fn condition(
    (sequence, pool): (&[Step], &Pool),
    destination: DestinationId,
    passed: bool,
    (atoms, left): (&Atoms, &mut u64),
) -> Option<Formula> {
    let mut rest = Formula::Always(passed.into());
    for step in sequence.iter().rev() {
        let mut fires = rest.clone();
        for act in pool.acts(*step).iter().rev() {
            fires = match act {
                Act::Stop => FALSE,
                Act::Reach { destination: to, .. } => Formula::Always((*to == destination).into()),
                Act::TryReach { destination: to, .. } if *to == destination => TRUE,
                Act::TryReach { online, .. } => and(Formula::negated(Formula::Atom(*online)), fires),
                Act::Unless(atom) => and(Formula::Atom(*atom), fires),
            };
        }
        let guard = pool.guard(*step);
        rest = match guard {
            Formula::Always(Truth::True) => fires,
            Formula::Always(Truth::False) => rest,
            Formula::Always(Truth::Fails) => FALSE,
            guard if fires == rest && !guard.may_fail(atoms) => rest,
            guard => or(and(guard.clone(), fires), and(Formula::negated(guard.clone()), rest)),
        };
        let parts = rest.parts();
        *left = left.checked_sub(parts as u64)?;
        if parts > MAX_PARTS {
            return None;
        }
    }
    Some(rest)
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
