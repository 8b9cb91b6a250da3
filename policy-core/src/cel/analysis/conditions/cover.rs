//! Whether conditions cover everything: a search for values of the tested parts with which none of them holds.

use std::collections::{BTreeSet, HashMap};

use super::clients::ranges;
use super::formula::{conditions, way_to};
use super::{ALL, Condition, Formula, Numbers, PartTest};
use crate::cel::analysis::guards::Guard;
use crate::cel::analysis::parts::{Key, Parts};
use crate::cel::check::code::NodeId;
use crate::lpm::RangeSet;

/// Tests up to which conditions are compared with one another.
const MAX_TESTS: usize = 512;
/// Steps of one search.
const MAX_STEPS: u64 = 1 << 19;

/// Steps that searches may still take together.
#[derive(Debug)]
pub(crate) struct Work(u64);

impl Default for Work {
    fn default() -> Self {
        Self(MAX_STEPS << 4)
    }
}

impl Work {
    /// As much as conditions of so many tests are worth that are looked at once.
    pub(super) const fn for_tests(tests: usize) -> Self {
        Self((tests as u64).saturating_mul(1 << 9))
    }
}

/// True if whatever comes, one of the conditions holds. Bounded: what takes too long is taken as not covering.
pub(crate) fn cover(conditions: &[Formula], work: &mut Work) -> bool {
    if conditions.iter().any(Formula::is_always) {
        return true;
    }
    if conditions.iter().map(Formula::tests).sum::<usize>() > MAX_TESTS {
        return false;
    }
    let comparing = conditions.iter().map(comparing_addresses).sum::<u64>();
    let Some(left) = work.0.checked_sub(comparing) else { return false };
    work.0 = left;
    let steps = work.0.min(MAX_STEPS);
    let mut search = Search::new(conditions, steps);
    let covered = search.covers();
    work.0 -= steps - search.steps;
    covered
}

/// True if an expression has a value whatever a part is, or if one of some guards holds wherever the part is looked at.
/// O(parts · levels), and the work of a search.
pub(in crate::cel) fn is_absorbed(parts: &Parts<'_>, part: NodeId, needs: &[Guard], work: &mut Work) -> bool {
    let way = way_to(parts, part).into_iter().map(|side| side.map(&mut |(test, _)| test).opposite());
    let all: Vec<Formula> = way.chain(conditions(needs).map(Formula::Test)).collect();
    cover(&all, work)
}

/// Classes of addresses that are told apart.
const MAX_CLASSES: usize = 32;

/// Steps that it takes to compare the addresses of a condition with the classes of others.
fn comparing_addresses(condition: &Formula) -> u64 {
    match condition {
        Formula::Test(Condition { test: PartTest::Addresses(set), .. }) => {
            (2 * MAX_CLASSES * (1 + ranges(set))) as u64
        }
        Formula::Test(_) => 0,
        Formula::All(sides) | Formula::Any(sides) => sides.iter().map(comparing_addresses).sum(),
        Formula::Choice(sides) => sides.iter().map(comparing_addresses).sum(),
    }
}

/// A test: which part it is of, and which of its classes of values pass.
struct Passing {
    part: usize,
    classes: Vec<bool>,
}

/// Values of the parts that are still looked at, by class, and the conditions that are not decided with them.
struct Open {
    parts: Vec<Vec<bool>>,
    conditions: Vec<usize>,
}

struct Search {
    /// The conditions, each with the number of its tests.
    conditions: Vec<(Formula<Passing>, usize)>,
    /// How many classes of values each part has.
    classes: Vec<usize>,
    steps: u64,
}

impl Search {
    fn new(conditions: &[Formula], steps: u64) -> Self {
        let mut parts = TestedParts::default();
        conditions.iter().for_each(|of| parts.collect(of));
        let classes = parts.seen.iter().map(Values::count).collect();
        let numbered = |of: &Formula| (of.clone().map(&mut |test| parts.passing(&test)), of.tests());
        Self { conditions: conditions.iter().map(numbered).collect(), classes, steps }
    }

    /// True if no values leave all conditions unmet.
    fn covers(&mut self) -> bool {
        let all = |count: &usize| vec![true; *count];
        let mut work = vec![Open {
            parts: self.classes.iter().map(all).collect(),
            conditions: (0..self.conditions.len()).collect(),
        }];
        while let Some(mut open) = work.pop() {
            let mut undecided = Vec::new();
            let mut met = false;
            for at in &open.conditions {
                let Some((condition, tests)) = self.conditions.get(*at) else { continue };
                let cost = *tests as u64;
                let Some(left) = self.steps.checked_sub(cost.max(1)) else { return false };
                self.steps = left;
                match decided(condition, &open.parts) {
                    Some(true) => {
                        met = true;
                        break;
                    }
                    Some(false) => {}
                    None => undecided.push((*tests, *at)),
                }
            }
            if met {
                continue;
            }
            // The shortest leaves the fewest ways.
            let Some((_, shortest)) = undecided.iter().min() else { return false };
            let next = self.conditions.get(*shortest).and_then(|(of, _)| undecided_test(of, &open.parts));
            let Some(test) = next else { return false };
            open.conditions = undecided.into_iter().map(|(_, at)| at).collect();
            for passes in [true, false] {
                let mut parts = open.parts.clone();
                if let Some(classes) = parts.get_mut(test.part) {
                    classes.iter_mut().zip(&test.classes).for_each(|(left, of)| *left &= *of == passes);
                }
                work.push(Open { parts, conditions: open.conditions.clone() });
            }
        }
        true
    }
}

/// Whether a test passes with all values that are left, or with none.
fn passes(test: &Passing, parts: &[Vec<bool>]) -> Option<bool> {
    let left = parts.get(test.part).map(Vec::as_slice).unwrap_or_default();
    let mut of = left.iter().zip(&test.classes).filter(|(left, _)| **left).map(|(_, passes)| *passes);
    let first = of.next()?;
    of.all(|other| other == first).then_some(first)
}

/// Whether a condition holds with all values that are left, or with none.
fn decided(condition: &Formula<Passing>, parts: &[Vec<bool>]) -> Option<bool> {
    let all = |sides: &[Formula<Passing>], absorbs: bool| {
        let mut out = Some(!absorbs);
        for side in sides {
            match decided(side, parts) {
                Some(value) if value == absorbs => return Some(absorbs),
                Some(_) => {}
                None => out = None,
            }
        }
        out
    };
    match condition {
        Formula::Test(test) => passes(test, parts),
        Formula::All(sides) => all(sides, false),
        Formula::Any(sides) => all(sides, true),
        Formula::Choice(sides) => {
            let [condition, then, otherwise] = &**sides;
            match decided(condition, parts) {
                Some(true) => decided(then, parts),
                Some(false) => decided(otherwise, parts),
                None => {
                    let then = decided(then, parts)?;
                    (decided(otherwise, parts)? == then).then_some(then)
                }
            }
        }
    }
}

/// A test that decides more of a condition.
fn undecided_test<'f>(condition: &'f Formula<Passing>, parts: &[Vec<bool>]) -> Option<&'f Passing> {
    match condition {
        Formula::Test(test) => passes(test, parts).is_none().then_some(test),
        Formula::All(sides) | Formula::Any(sides) => {
            sides.iter().find_map(|side| undecided_test(side, parts))
        }
        Formula::Choice(sides) => sides.iter().find_map(|side| undecided_test(side, parts)),
    }
}

/// The values of a part that tests tell apart.
enum Values {
    /// False and true.
    Truth,
    /// Each of these, and all others.
    Listed(Vec<Key>),
    /// The first numbers of ranges, in order.
    Numbers(Vec<i128>),
    /// Sets of addresses, apart from one another.
    Addresses(Vec<RangeSet>),
}

/// The same classes, told apart by a further set. Once there are too many, some lie on both sides of it.
fn split(classes: &mut Vec<RangeSet>, set: &RangeSet) {
    let mut at = 0;
    while classes.len() < MAX_CLASSES
        && let Some(class) = classes.get_mut(at)
    {
        let (within, outside) = (class.common(set), class.without(set));
        if !within.is_empty() && !outside.is_empty() {
            *class = within;
            classes.insert(at, outside);
            at += 1;
        }
        at += 1;
    }
}

impl Values {
    fn count(&self) -> usize {
        match self {
            Self::Truth => 2,
            Self::Listed(values) => values.len() + 1,
            Self::Numbers(firsts) => firsts.len(),
            Self::Addresses(classes) => classes.len(),
        }
    }

    fn passing(&self, test: &PartTest) -> Vec<bool> {
        match (self, test) {
            (Self::Truth, PartTest::Holds(value)) => vec![!value, *value],
            (Self::Listed(all), PartTest::OneOf(some, listed)) => {
                let each = all.iter().map(|value| some.contains(value) == *listed);
                each.chain([!listed]).collect()
            }
            (Self::Numbers(firsts), PartTest::Within(numbers)) => {
                firsts.iter().map(|first| numbers.holds(*first)).collect()
            }
            (Self::Addresses(classes), PartTest::Addresses(set)) => {
                classes.iter().map(|class| class.without(set).is_empty()).collect()
            }
            // Parts are told apart by how they are tested.
            _ => vec![false; self.count()],
        }
    }
}

/// The parts that are tested. The same part that is tested in two ways is taken as two.
#[derive(Default)]
struct TestedParts {
    places: HashMap<(Key, u8), usize>,
    seen: Vec<Values>,
    values: Vec<BTreeSet<Key>>,
}

const fn way(test: &PartTest) -> u8 {
    match test {
        PartTest::Holds(_) => 0,
        PartTest::OneOf(..) => 1,
        PartTest::Within(_) => 2,
        PartTest::Addresses(_) => 3,
    }
}

impl TestedParts {
    fn place(&mut self, test: &Condition) -> usize {
        let next = self.seen.len();
        let at = *self.places.entry((test.of, way(&test.test))).or_insert(next);
        if at == next {
            self.values.push(BTreeSet::new());
            self.seen.push(match &test.test {
                PartTest::Holds(_) => Values::Truth,
                PartTest::OneOf(..) => Values::Listed(Vec::new()),
                PartTest::Within(_) => Values::Numbers(vec![test.domain.0]),
                PartTest::Addresses(_) => Values::Addresses(vec![RangeSet::all()]),
            });
        }
        at
    }

    fn collect(&mut self, formula: &Formula) {
        match formula {
            Formula::Test(test) => self.add(test),
            Formula::All(sides) | Formula::Any(sides) => sides.iter().for_each(|side| self.collect(side)),
            Formula::Choice(sides) => sides.iter().for_each(|side| self.collect(side)),
        }
    }

    fn add(&mut self, test: &Condition) {
        let at = self.place(test);
        let known = self.values.get_mut(at);
        match (self.seen.get_mut(at), &test.test) {
            (Some(Values::Listed(all)), PartTest::OneOf(some, _)) => {
                let known = known.into_iter().next();
                if let Some(known) = known {
                    all.extend(some.iter().filter(|value| known.insert(**value)));
                }
            }
            (Some(Values::Addresses(classes)), PartTest::Addresses(set)) => split(classes, set),
            (Some(Values::Numbers(firsts)), PartTest::Within(numbers)) => {
                let borders = numbers.0.iter().flat_map(|(first, last)| [*first, last + 1]);
                firsts.extend(borders.filter(|at| (test.domain.0..=test.domain.1).contains(at)));
                firsts.sort_unstable();
                firsts.dedup();
            }
            _ => {}
        }
    }

    fn passing(&mut self, test: &Condition) -> Passing {
        let part = self.place(test);
        let classes = self.seen.get(part).map(|values| values.passing(&test.test)).unwrap_or_default();
        Passing { part, classes }
    }
}

/// True if conditions are ranges of one whole number that follow one another without a gap, as weighted routes have
/// them: whether they cover everything depends on which numbers come.
pub(crate) fn adjoin(conditions: &[Formula]) -> bool {
    if conditions.len() < 2 || conditions.iter().map(Formula::tests).sum::<usize>() > MAX_TESTS {
        return false;
    }
    let ranges: Option<Vec<(Key, Numbers)>> = conditions.iter().map(range).collect();
    let Some(((first, _), ranges)) = ranges.as_deref().and_then(|all| Some((all.first()?, all))) else {
        return false;
    };
    let numbers = Numbers::new(ranges.iter().flat_map(|(_, numbers)| numbers.0.iter().copied()));
    ranges.iter().all(|(of, numbers)| of == first && !numbers.0.is_empty()) && numbers.0.len() == 1
}

/// The whole number that a condition is about, with its range.
fn range(condition: &Formula) -> Option<(Key, Numbers)> {
    let tests = condition.all_tests()?;
    let of = tests.first()?.of;
    let both = tests.iter().try_fold(Numbers::new([ALL]), |so_far, test| match &test.test {
        PartTest::Within(numbers) if test.of == of => Some(so_far.and(numbers)),
        _ => None,
    })?;
    Some((of, both))
}
