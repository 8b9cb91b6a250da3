//! Conditions whose tests decide one another: they hold for everybody, or for nobody.

use super::{Condition, Formula, Work, Written, cover};

/// Whether a condition holds for everybody, or for nobody, by what its tests say of one another. One test alone says
/// nothing: that it has a value that never occurs is told of it.
pub(crate) fn always(condition: Written) -> Option<bool> {
    let formula = apart(condition, &mut 0);
    if formula.tests() < 2 {
        return None;
    }
    let work = &mut Work::for_tests(formula.tests());
    if cover(std::slice::from_ref(&formula), work) {
        return Some(true);
    }
    cover(&[formula.opposite()], work).then_some(false)
}

/// True if several conditions, of which each may hold, never hold together.
pub(crate) fn never_together(conditions: Vec<Written>) -> bool {
    let mut number = 0;
    let opposites: Vec<Formula> =
        conditions.into_iter().map(|condition| apart(condition, &mut number).opposite()).collect();
    let work = &mut Work::for_tests(opposites.iter().map(Formula::tests).sum());
    opposites.len() > 1
        && !opposites.iter().any(|alone| cover(std::slice::from_ref(alone), work))
        && cover(&opposites, work)
}

/// Tests that may come out otherwise the next time are equal to none.
fn apart(condition: Written, number: &mut u64) -> Formula {
    condition.map(&mut |(test, depends)| {
        if depends.volatile {
            *number += 1;
            Condition::opaque(*number)
        } else {
            test
        }
    })
}
