//! Specialised code: what live edges run.
//!
//! Once the class of the client's address is known, every address test is decided. Where the classes are few, each
//! has an entry into code in which decided tests are gone: a rule that cannot apply is not there, an address that a
//! list refuses is refused by the first instruction. Equal bodies are shared, so that a program that depends on the
//! address alone is a table from class to outcome. Where the classes are many, each has a mask of the rules that may
//! apply, and tests are bits; those that a port or a country rules out are passed over by their [`Gates`].

mod gates;

use std::collections::HashMap;

use crate::cel::{Expression, Host, Test};
use crate::exchange::{ActionId, ConditionId};
use crate::ir::{Condition, Op, next_id};
use crate::lpm::{AddressTable, AddressTables, ClassId, TestId};
use crate::outcome::Ending;
use crate::run::{AddressVerdict, Execute};
use gates::Gates;

/// Classes up to which each has code of its own.
const MAX_CLASSES: usize = 4_096;
/// Looks at a rule or test for a class that making code may take.
const MAX_SPECIALISATION_STEPS: usize = 5_000_000;
/// Bytes that the masks may take; beyond, all rules are looked at.
const MAX_MASK_BYTES: usize = 8 << 20;

/// A rule as the specialiser sees it.
#[derive(Debug)]
pub(super) struct RuleCode<'c> {
    pub(super) conditions: &'c [Condition],
    pub(super) first: ConditionId,
    pub(super) ops: &'c [(Op, ActionId)],
}

/// A condition with what is left of it.
#[derive(Clone, Debug)]
pub(crate) struct ResidualCondition {
    pub(crate) id: ConditionId,
    pub(crate) expression: Expression,
    pub(crate) test: Test,
}

/// The specialised code of one phase.
#[derive(Debug)]
pub(crate) struct Residual {
    pub(crate) ops: Box<[(Op, ActionId)]>,
    pub(crate) conditions: Box<[ResidualCondition]>,
    entries: Entries,
    /// Address tests that every run of a body has passed when it is after an instruction, by that instruction.
    decided: Box<[DecidedTest]>,
}

/// An address test that was decided when the program was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DecidedTest {
    /// The instruction after it.
    before: u32,
    by: ActionId,
    admitted: bool,
}

/// Where a class begins.
#[derive(Debug)]
enum Entries {
    /// At an instruction.
    Bodies(Box<[u32]>),
    /// At the rules of its mask, `words` words a class; of no words at all of them.
    Rules { starts: Box<[RuleStart]>, gates: Gates, masks: Box<[u64]>, words: usize },
}

/// Where a rule begins.
#[derive(Clone, Copy, Debug)]
struct RuleStart {
    op: u32,
    /// Its first condition; out of range where it has none.
    condition: u32,
}

impl Residual {
    /// The code of no rule.
    pub(super) fn empty() -> Self {
        let (starts, masks) = (Box::default(), Box::default());
        let entries = Entries::Rules { starts, gates: Gates::new(&[]), masks, words: 0 };
        Self {
            ops: [(Op::End(Ending::Upstream), ActionId(0))].into(),
            conditions: Box::default(),
            entries,
            decided: Box::default(),
        }
    }

    /// Specialises rules, to so many bytes of code for each class; address tests stay in the code if something reads
    /// what they produce.
    pub(super) fn new(
        rules: &[RuleCode<'_>],
        steps: &[Box<dyn Execute>],
        tables: &AddressTables,
        (bytes, needs_verdicts): (usize, bool),
    ) -> Self {
        let few = tables.single().filter(|table| table.classes() <= MAX_CLASSES);
        let bodies = few.and_then(|table| Bodies::build(rules, (steps, table), bytes, needs_verdicts));
        bodies.unwrap_or_else(|| masked(rules, tables))
    }

    /// The instruction at which a class begins.
    #[inline]
    pub(crate) fn entry(&self, class: ClassId) -> usize {
        match &self.entries {
            Entries::Bodies(entries) => entries.get(class.index()).map_or(usize::MAX, |at| *at as usize),
            Entries::Rules { .. } => 0,
        }
    }

    /// The first rule from one on that may apply to a class, by its address tests, its gate and what its first
    /// condition says at once: its number and first instruction. O(rules), of which most take a nanosecond.
    #[inline]
    pub(crate) fn next_rule<H: Host>(&self, class: ClassId, from: usize, host: &H) -> Option<(usize, usize)> {
        let Entries::Rules { starts, gates, masks, words } = &self.entries else { return None };
        let places = gates.places(host);
        for word in from / 64..starts.len().div_ceil(64) {
            let mut mask = match *words {
                0 => u64::MAX,
                words => masks.get(class.index() * words + word).copied().unwrap_or(u64::MAX),
            };
            if word == from / 64 {
                mask &= u64::MAX << (from % 64);
            }
            while mask != 0 {
                let at = word * 64 + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                if !gates.may_apply(at, &places) {
                    continue;
                }
                let start = starts.get(at)?;
                // A condition that is false decides, whatever the others are.
                if !self.is_false_inline(start, host) {
                    return Some((at, start.op as usize));
                }
            }
        }
        None
    }

    /// True if the first condition of a rule is false, and that is seen at once.
    #[inline]
    fn is_false_inline<H: Host>(&self, start: &RuleStart, host: &H) -> bool {
        let condition = self.conditions.get(start.condition as usize);
        condition.and_then(|condition| condition.test.try_inline(host)) == Some(false)
    }

    /// The last address test that is no longer in the code of a class and that a run has passed whose next instruction
    /// is `next`: the action and its verdict. O(log tests).
    pub(crate) fn decided_before(&self, class: ClassId, next: usize) -> Option<(ActionId, bool)> {
        let behind = self.decided.partition_point(|test| (test.before as usize) < next);
        let last = self.decided.get(behind.checked_sub(1)?)?;
        (last.before as usize >= self.entry(class)).then_some((last.by, last.admitted))
    }

    /// Bytes of code and entries.
    pub(crate) fn bytes(&self) -> usize {
        let entries = match &self.entries {
            Entries::Bodies(entries) => size_of_val(&**entries),
            Entries::Rules { starts, gates, masks, .. } => {
                size_of_val(&**starts) + gates.bytes() + size_of_val(&**masks)
            }
        };
        size_of_val(&*self.ops) + size_of_val(&*self.decided) + bytes_of(&self.conditions) + entries
    }

    /// The bodies of the classes, each once, in order of the first class that has it; `None` if there are masks.
    pub(crate) fn bodies(&self) -> Option<Vec<(usize, Vec<ClassId>)>> {
        let Entries::Bodies(entries) = &self.entries else { return None };
        let mut bodies: Vec<(usize, Vec<ClassId>)> = Vec::new();
        let mut known: HashMap<u32, usize> = HashMap::new();
        for (class, entry) in (0..).map(ClassId::new).zip(entries) {
            let at = *known.entry(*entry).or_insert_with(|| {
                bodies.push((*entry as usize, Vec::new()));
                bodies.len() - 1
            });
            if let Some((_, classes)) = bodies.get_mut(at) {
                classes.push(class);
            }
        }
        Some(bodies)
    }

    /// The instructions of a body: up to its end.
    pub(crate) fn body(&self, start: usize) -> &[(Op, ActionId)] {
        let rest = self.ops.get(start..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|(op, _)| *op == Op::End(Ending::Upstream))
            .map_or(rest.len(), |end| end + 1);
        rest.get(..end).unwrap_or_default()
    }
}

/// What is left of a rule's conditions: the first and how many; nothing if they cannot hold.
type Left = Option<(u32, u32)>;

/// The code of a class, as if it began at 0.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Body {
    ops: Vec<(Op, ActionId)>,
    decided: Vec<DecidedTest>,
}

/// Bodies while they are made.
struct Bodies<'c> {
    steps: &'c [Box<dyn Execute>],
    table: &'c AddressTable,
    needs_verdicts: bool,
    ops: Vec<(Op, ActionId)>,
    conditions: Vec<ResidualCondition>,
    decided: Vec<DecidedTest>,
    /// Bytes of the conditions.
    bytes: usize,
    /// Where each body begins, by the body as if it began at 0.
    known: HashMap<Body, u32>,
    /// The conditions of each rule by what its address tests say.
    known_conditions: HashMap<(usize, Vec<bool>), Left>,
}

impl<'c> Bodies<'c> {
    fn build(
        rules: &[RuleCode<'c>],
        (steps, table): (&'c [Box<dyn Execute>], &'c AddressTable),
        max: usize,
        needs_verdicts: bool,
    ) -> Option<Residual> {
        let mut bodies = Self {
            steps,
            table,
            needs_verdicts,
            ops: Vec::new(),
            conditions: Vec::new(),
            decided: Vec::new(),
            bytes: 0,
            known: HashMap::new(),
            known_conditions: HashMap::new(),
        };
        let tests: Vec<Vec<TestId>> = rules.iter().map(tests_of).collect();
        let looks: usize = tests.iter().map(|tests| 1 + tests.len()).sum();
        if looks.saturating_mul(table.classes()) > MAX_SPECIALISATION_STEPS {
            return None;
        }
        let mut entries = Vec::with_capacity(table.classes());
        for class in (0..table.classes()).map(|class| ClassId::new(next_index(class))) {
            let body = bodies.body(rules, &tests, class);
            entries.push(bodies.place(body));
            let bytes = size_of_val(&*bodies.ops) + size_of_val(&*bodies.decided) + bodies.bytes;
            if bytes + size_of_val(&*entries) > max {
                return None;
            }
        }
        Some(Residual {
            ops: bodies.ops.into(),
            conditions: bodies.conditions.into(),
            entries: Entries::Bodies(entries.into()),
            decided: bodies.decided.into(),
        })
    }

    /// The code of a class, as if it began at 0.
    fn body(&mut self, rules: &[RuleCode<'_>], tests: &[Vec<TestId>], class: ClassId) -> Body {
        let mut out = Body::default();
        for (at, (rule, tests)) in rules.iter().zip(tests).enumerate() {
            let Some((first, count)) = self.conditions_of(at, rule, tests, class) else { continue };
            let when = out.ops.len();
            if count > 0 {
                out.ops.push((Op::When { first, count, otherwise: 0 }, ActionId(0)));
            }
            let ended = self.actions_of(rule, class, count > 0, &mut out);
            let behind = next_id(&out.ops);
            match out.ops.get_mut(when).filter(|_| count > 0) {
                Some((Op::When { otherwise, .. }, _)) => *otherwise = behind,
                _ if ended => return finished(out),
                _ => {}
            }
        }
        finished(out)
    }

    /// What is left of a rule's conditions, as a range; `None` if they cannot hold.
    fn conditions_of(&mut self, at: usize, rule: &RuleCode<'_>, tests: &[TestId], class: ClassId) -> Left {
        let says: Vec<bool> = tests.iter().map(|test| self.table.contains(class, *test)).collect();
        if let Some(known) = self.known_conditions.get(&(at, says.clone())) {
            return *known;
        }
        let mut left = Some(Vec::new());
        let mut draws = false;
        for (id, condition) in (rule.first.0..).map(ConditionId).zip(rule.conditions) {
            let test = condition.test.at(&|test| self.table.contains(class, test));
            match test {
                Test::Always(true) => continue,
                Test::Always(false) if !draws => {
                    left = None;
                    break;
                }
                _ => {}
            }
            draws |= test.draws();
            let is_false = matches!(test, Test::Always(false));
            let expression = condition.expression.clone();
            left.iter_mut().for_each(|left| {
                left.push(ResidualCondition { id, expression: expression.clone(), test: test.clone() });
            });
            if is_false {
                break;
            }
        }
        let range = left.map(|left| {
            let range = (next_id(&self.conditions), next_id(&left));
            self.bytes += bytes_of(&left);
            self.conditions.extend(left);
            range
        });
        self.known_conditions.insert((at, says), range);
        range
    }

    /// The actions of a rule; true if nothing after them can run. A verdict that is known stands beside the code if
    /// every run has it that comes so far, else in it.
    fn actions_of(&self, rule: &RuleCode<'_>, class: ClassId, conditional: bool, out: &mut Body) -> bool {
        for &(op, by) in rule.ops {
            match self.verdict(op, by, class) {
                Some(AddressVerdict { admitted, ends }) => {
                    if conditional {
                        out.ops.push((Op::Tested { admitted }, by));
                    } else {
                        out.decided.push(DecidedTest { before: next_id(&out.ops), by, admitted });
                    }
                    if ends {
                        out.ops.push((Op::End(Ending::Denied), by));
                        return true;
                    }
                }
                None => {
                    out.ops.push((op, by));
                    if op.ends() {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// What an action that tests the address comes to for a class, unless something reads what it produces.
    fn verdict(&self, op: Op, by: ActionId, class: ClassId) -> Option<AddressVerdict> {
        let step =
            self.steps.get(by.index()).filter(|_| !self.needs_verdicts && matches!(op, Op::Act { .. }))?;
        step.at_addresses(&|test| self.table.contains(class, test))
    }

    /// Where a body begins; equal ones are kept once.
    fn place(&mut self, body: Body) -> u32 {
        if let Some(&at) = self.known.get(&body) {
            return at;
        }
        let at = next_id(&self.ops);
        self.ops.extend(body.ops.iter().map(|(op, by)| (op.moved(at), *by)));
        let moved = |test: &DecidedTest| DecidedTest { before: test.before.saturating_add(at), ..*test };
        self.decided.extend(body.decided.iter().map(moved));
        self.known.insert(body, at);
        at
    }
}

fn bytes_of(conditions: &[ResidualCondition]) -> usize {
    conditions.iter().map(|condition| size_of_val(condition) + condition.test.heap_bytes()).sum()
}

fn next_index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn finished(mut body: Body) -> Body {
    body.ops.push((Op::End(Ending::Upstream), ActionId(0)));
    body
}

/// The tests of the client's address in a rule's conditions.
fn tests_of(rule: &RuleCode<'_>) -> Vec<TestId> {
    let mut tests = Vec::new();
    rule.conditions.iter().for_each(|condition| condition.test.clients(&mut |test| tests.push(test)));
    tests.sort_unstable();
    tests.dedup();
    tests
}

/// Code with all tests in it, and for each class the rules that may apply.
fn masked(rules: &[RuleCode<'_>], tables: &AddressTables) -> Residual {
    let (mut ops, mut conditions, mut starts) = (vec![(Op::NextRule, ActionId(0))], Vec::new(), Vec::new());
    for rule in rules {
        let start = next_id(&ops);
        let count = next_id(rule.conditions);
        let condition = if count > 0 { next_id(&conditions) } else { u32::MAX };
        starts.push(RuleStart { op: start, condition });
        if count > 0 {
            ops.push((Op::When { first: next_id(&conditions), count, otherwise: 0 }, ActionId(0)));
        }
        for (id, condition) in (rule.first.0..).map(ConditionId).zip(rule.conditions) {
            let (expression, test) = (condition.expression.clone(), condition.test.clone());
            conditions.push(ResidualCondition { id, expression, test });
        }
        ops.extend_from_slice(rule.ops);
        let behind = next_id(&ops);
        if let Some((Op::When { otherwise, .. }, _)) = ops.get_mut(start as usize) {
            *otherwise = behind;
        }
        ops.push((Op::NextRule, ActionId(0)));
    }
    let words = rules.len().div_ceil(64);
    let table = tables.single().filter(|table| table.classes() * words * size_of::<u64>() <= MAX_MASK_BYTES);
    let masks = table.map(|table| masks(rules, table, words));
    let words = if masks.is_some() { words } else { 0 };
    let masks = masks.unwrap_or_default().into();
    Residual {
        ops: ops.into(),
        conditions: conditions.into(),
        entries: Entries::Rules { starts: starts.into(), gates: Gates::new(rules), masks, words },
        decided: Box::default(),
    }
}

/// For each class the rules whose conditions its address tests allow.
fn masks(rules: &[RuleCode<'_>], table: &AddressTable, words: usize) -> Vec<u64> {
    let needed: Vec<Vec<(TestId, bool)>> = rules.iter().map(needed_of).collect();
    let mut masks = vec![0_u64; table.classes() * words];
    for (class, mask) in masks.chunks_mut(words.max(1)).enumerate() {
        let class = ClassId::new(next_index(class));
        for (rule, needed) in needed.iter().enumerate() {
            let may = needed.iter().all(|(test, wanted)| table.contains(class, *test) == *wanted);
            if let Some(word) = mask.get_mut(rule / 64) {
                *word |= u64::from(may) << (rule % 64);
            }
        }
    }
    masks
}

/// What must be true of the client's address for a rule to apply. Conditions after one that draws random numbers
/// do not count: it draws in any case.
fn needed_of(rule: &RuleCode<'_>) -> Vec<(TestId, bool)> {
    let mut needed = Vec::new();
    for condition in rule.conditions {
        let parts = match &condition.test {
            Test::All(parts) => &**parts,
            other => std::slice::from_ref(other),
        };
        for part in parts {
            match part {
                part if part.draws() => return needed,
                Test::Client(test) => needed.push((*test, true)),
                Test::Not(inner) => {
                    if let Test::Client(test) = **inner {
                        needed.push((test, false));
                    }
                }
                _ => {}
            }
        }
    }
    needed
}
