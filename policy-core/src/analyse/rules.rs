//! The rules of a phase for a class of addresses: what is left of them once every address test is known.

use std::collections::HashMap;
use std::fmt;

use super::atoms::{AtomId, Atoms, Opaque};
use super::cells::Truth;
use super::formula::Formula;
use super::places::Places;
use super::space::{Space, TablesAt};
use crate::cel::{Expression, Template, TemplatePart};
use crate::compile::{Program, RuleRef, may_give, pattern};
use crate::digest::Digest;
use crate::exchange::{ActionId, Effect};
use crate::lpm::TestId;
use crate::outcome::Ending;
use crate::phase::Phase;
use crate::run::{Execute, Next, Target};
use crate::url::EndpointUrl;

/// Where a connection may go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To an endpoint.
    Target(EndpointUrl),
    /// To what `${…}` gives, as it is written.
    Pattern(Box<str>),
    /// To the server of the endpoint itself.
    Upstream,
}

/// One of the destinations of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DestinationId(pub(super) u32);

/// What an action does for a class of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// Nothing after it runs, and nothing is reached.
    Stop,
    /// Nothing after it runs unless the atom is true.
    Unless(AtomId),
    /// Nothing after it runs: the destination is reached.
    Reach(DestinationId),
    /// The same if the target is online; else what follows runs.
    TryReach { destination: DestinationId, online: AtomId },
}

/// A rule for a class of addresses, by what it does: the same for rules that do the same, wherever they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    guard: u32,
    acts: u32,
}

/// A step, and the actions of its rule that forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Placed {
    pub(super) step: Step,
    forwards: u32,
}

/// An action whose address tests are open.
enum Open<'p> {
    Known(Act),
    /// What it comes to depends on the class.
    ByClass(&'p dyn Execute),
}

struct OpenRule<'p> {
    guard: Formula,
    /// Without it the rule never applies.
    needs: Option<TestId>,
    acts: Vec<Open<'p>>,
    /// Which of its actions forward.
    forwards: Vec<(DestinationId, ActionId)>,
    /// Every test of the client's address in it.
    tests: Vec<TestId>,
}

/// What is left of a rule, for classes for which its tests say the same.
type Left = Option<Placed>;

/// The rules of one phase of a program, and what they are for the classes that were asked about.
pub(super) struct Rules<'p> {
    program: &'p Program,
    tables: TablesAt,
    rules: Vec<OpenRule<'p>>,
    known: HashMap<(usize, Vec<bool>), Left>,
}

/// Formulas and lists of actions, each once.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// With its parts.
    formulas: Vec<(Formula, usize)>,
    by_formula: HashMap<Formula, u32>,
    acts: Vec<Vec<Act>>,
    by_acts: HashMap<Vec<Act>, u32>,
    forwards: Vec<Vec<(DestinationId, ActionId)>>,
}

impl Pool {
    fn formula_id(&mut self, formula: Formula) -> u32 {
        let formulas = &mut self.formulas;
        *self.by_formula.entry(formula).or_insert_with_key(|formula| {
            formulas.push((formula.clone(), formula.parts()));
            u32::try_from(formulas.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn acts_id(&mut self, acts: Vec<Act>) -> u32 {
        let all = &mut self.acts;
        *self.by_acts.entry(acts).or_insert_with_key(|acts| {
            all.push(acts.clone());
            u32::try_from(all.len() - 1).unwrap_or(u32::MAX)
        })
    }

    fn step(&mut self, guard: Formula, acts: Vec<Act>) -> Step {
        Step { guard: self.formula_id(guard), acts: self.acts_id(acts) }
    }

    /// A step that always reaches a destination, by no action.
    pub(super) fn reach(&mut self, destination: DestinationId) -> Placed {
        let step = self.step(Formula::Always(Truth::True), vec![Act::Reach(destination)]);
        Placed { step, forwards: u32::MAX }
    }

    /// The actions of a step's rule that forward, and where to.
    pub(super) fn forwards(&self, placed: Placed) -> &[(DestinationId, ActionId)] {
        self.forwards.get(placed.forwards as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn guard(&self, step: Step) -> &Formula {
        self.formulas.get(step.guard as usize).map_or(&Formula::Always(Truth::Fails), |(formula, _)| formula)
    }

    /// True if nothing after it runs.
    pub(super) fn always_ends(&self, step: Step) -> bool {
        match self.guard(step) {
            Formula::Always(Truth::True) => {
                matches!(self.acts(step).last(), Some(Act::Stop | Act::Reach(_)))
            }
            Formula::Always(Truth::Fails) => true,
            _ => false,
        }
    }

    /// What it takes to look at a step.
    pub(super) fn cost(&self, step: Step) -> u64 {
        self.formulas.get(step.guard as usize).map_or(1, |(_, parts)| *parts as u64)
    }

    pub(super) fn acts(&self, step: Step) -> &[Act] {
        self.acts.get(step.acts as usize).map_or(&[], Vec::as_slice)
    }
}

/// The destinations of a question, each once.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    pub(super) all: Vec<Destination>,
    /// What patterns give may depend on what is set before.
    known: HashMap<(Destination, Option<Digest>), DestinationId>,
    /// The texts that give the targets of patterns.
    templates: Vec<(DestinationId, Template)>,
}

impl Destinations {
    pub(super) fn id(&mut self, destination: Destination) -> DestinationId {
        self.id_at(destination, None)
    }

    fn id_at(&mut self, destination: Destination, state: Option<Digest>) -> DestinationId {
        let all = &mut self.all;
        *self.known.entry((destination, state)).or_insert_with_key(|(destination, _)| {
            all.push(destination.clone());
            DestinationId(u32::try_from(all.len() - 1).unwrap_or(u32::MAX))
        })
    }

    fn pattern(&mut self, template: &Template, state: Option<Digest>) -> DestinationId {
        let parts = template.parts().iter().map(|part| match part {
            TemplatePart::Text(text) => text.to_string(),
            TemplatePart::Expression(expression) => format!("${{{}}}", expression.text()),
        });
        let id = self.id_at(Destination::Pattern(parts.collect::<String>().into()), state);
        self.templates.push((id, template.clone()));
        id
    }

    /// The patterns that may give a destination.
    pub(super) fn may_be(&self, destination: &Destination) -> Vec<DestinationId> {
        match destination {
            Destination::Target(url) => self.may_give(url),
            Destination::Pattern(_) | Destination::Upstream => Vec::new(),
        }
    }

    /// The patterns that may give an endpoint.
    pub(super) fn may_give(&self, url: &EndpointUrl) -> Vec<DestinationId> {
        let giving = self.templates.iter().filter(|(_, template)| may_give(template, url));
        giving.map(|(id, _)| *id).collect()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(url) => url.fmt(f),
            Self::Pattern(text) => text.fmt(f),
            Self::Upstream => f.write_str("the endpoint's own upstream"),
        }
    }
}

impl<'p> Rules<'p> {
    /// The rules of a phase. O(rules + conditions).
    pub(super) fn new(
        (program, tables): (&'p Program, TablesAt),
        phase: Phase,
        atoms: &mut Atoms,
        destinations: &mut Destinations,
    ) -> Self {
        let mut places = Places::new(program);
        let mut made = Made { program, places: &mut places, atoms, destinations };
        let rules = program.rules(phase).map(|rule| made.rule(rule)).collect();
        Self { program, tables, rules, known: HashMap::new() }
    }

    /// What is left for a class, in order; the cut of all atoms is known. O(rules).
    pub(super) fn of_class(
        &mut self,
        class: usize,
        space: &Space,
        atoms: &Atoms,
        pool: &mut Pool,
    ) -> Vec<Placed> {
        let holds = |test| space.holds((self.program, self.tables), class, test);
        let mut out = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            if rule.needs.is_some_and(|test| !holds(test)) {
                continue;
            }
            let says: Vec<bool> = rule.tests.iter().map(|test| holds(*test)).collect();
            let left = self.known.entry((at, says)).or_insert_with(|| left_of(rule, &holds, atoms, pool));
            let Some(placed) = *left else { continue };
            out.push(placed);
            if pool.always_ends(placed.step) {
                break;
            }
        }
        out
    }
}

/// What is left of a rule; nothing if it makes no difference.
fn left_of(rule: &OpenRule<'_>, holds: &dyn Fn(TestId) -> bool, atoms: &Atoms, pool: &mut Pool) -> Left {
    let guard = rule.guard.at(holds);
    if guard == Formula::Always(Truth::False) {
        return None;
    }
    let mut acts = Vec::new();
    for act in &rule.acts {
        match act {
            Open::Known(act) => acts.push(act.clone()),
            Open::ByClass(step) => {
                let ends = step.at_addresses(holds).is_none_or(|verdict| verdict.ends);
                acts.extend(ends.then_some(Act::Stop));
            }
        }
        if matches!(acts.last(), Some(Act::Stop | Act::Reach(_))) {
            break;
        }
    }
    // A condition without a value is the end, whatever stands behind it.
    if acts.is_empty() && !guard.may_fail(atoms) {
        return None;
    }
    let is_there = |(to, _): &&(DestinationId, ActionId)| {
        acts.iter()
            .any(|act| matches!(act, Act::Reach(id) | Act::TryReach { destination: id, .. } if id == to))
    };
    pool.forwards.push(rule.forwards.iter().filter(is_there).copied().collect());
    let forwards = u32::try_from(pool.forwards.len() - 1).unwrap_or(u32::MAX);
    Some(Placed { step: pool.step(guard, acts), forwards })
}

/// What rules are made of.
struct Made<'a, 'p> {
    program: &'p Program,
    places: &'a mut Places,
    atoms: &'a mut Atoms,
    destinations: &'a mut Destinations,
}

impl<'p> Made<'_, 'p> {
    fn rule(&mut self, rule: RuleRef<'p>) -> OpenRule<'p> {
        let (atoms, places) = (&mut *self.atoms, &mut *self.places);
        let conditions = rule.conditions().map(|condition| {
            Formula::from_test(condition.test(), &mut |test| {
                Formula::Atom(atoms.part(condition.expression(), test, places))
            })
        });
        let conditions: Vec<_> = conditions.collect();
        let guard = Formula::joined(conditions, Truth::False);
        self.places.enter(rule);
        let (mut acts, mut forwards) = (Vec::new(), Vec::new());
        for action in rule.actions() {
            let Some(step) = self.program.step(action.id()) else {
                acts.push(Open::Known(Act::Stop));
                break;
            };
            let made = self.act(action.kind(), step);
            for act in &made {
                if let Open::Known(Act::Reach(to) | Act::TryReach { destination: to, .. }) = act {
                    forwards.push((*to, action.id()));
                }
            }
            acts.extend(made);
            self.places.pass(step);
        }
        let mut tests = Vec::new();
        guard.clients(&mut |test| tests.push(test));
        for act in &acts {
            if let Open::ByClass(step) = act {
                let seen = std::cell::RefCell::new(Vec::new());
                step.at_addresses(&|test| {
                    seen.borrow_mut().push(test);
                    true
                });
                tests.append(&mut seen.into_inner());
            }
        }
        tests.sort_unstable();
        tests.dedup();
        OpenRule { needs: guard.needs(), guard, acts, forwards, tests }
    }

    /// What an action does; nothing if it makes no difference.
    fn act(&mut self, kind: &str, step: &'p dyn Execute) -> Vec<Open<'p>> {
        let Self { program, places, atoms, destinations } = self;
        let mut reads_address = step.tests_client();
        step.expressions(&mut |it: &Expression| {
            reads_address |= it.reads().iter().any(|fact| fact.is_client_address())
        });
        let why = if reads_address { Opaque::OfAddress } else { Opaque::Computed };
        let reach = |destination, online: AtomId, or_continue| {
            Open::Known(match or_continue {
                true => Act::TryReach { destination, online },
                false => Act::Reach(destination),
            })
        };
        match step.always() {
            Some(Next::End(Ending::Upstream)) => {
                return vec![Open::Known(Act::Reach(destinations.id(Destination::Upstream)))];
            }
            Some(Next::End(_)) => return vec![Open::Known(Act::Stop)],
            Some(Next::GoOn | Next::Perform { effect: Effect::Log(_), .. }) => return Vec::new(),
            Some(Next::Perform { effect: Effect::Forward(id), or_continue }) => {
                let Some(url) = program.target(id) else { return vec![Open::Known(Act::Stop)] };
                let online = atoms.online(url);
                return vec![reach(destinations.id(Destination::Target(url.clone())), online, or_continue)];
            }
            Some(Next::Perform { .. } | Next::Ask(_)) | None => {}
        }
        if step.at_addresses(&|_| true).is_some() {
            return vec![Open::ByClass(step)];
        }
        if step.goes_on() {
            return Vec::new();
        }
        let scope = places.of_action(step);
        let goes_on = Open::Known(Act::Unless(atoms.goes_on(kind, scope.clone(), why)));
        match step.target() {
            Some(Target::Rendered(template)) => {
                let online = atoms.goes_on(&format!("{kind} to {}", pattern(template)), scope, why);
                let destination = destinations.pattern(template, places.of_template(template));
                vec![goes_on, reach(destination, online, !step.ends())]
            }
            _ => vec![goes_on],
        }
    }
}
