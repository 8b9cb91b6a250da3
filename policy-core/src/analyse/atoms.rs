//! Atoms: tests that no class of addresses decides, each of one variable.
//!
//! A fact that is tested against literals is one variable, whose values the literals of all policies cut into cells: two
//! tests of it are compared exactly. Every other part of a condition is a variable of its own text, which is true, false or
//! without a value.

use std::collections::HashMap;
use std::sync::Arc;

use super::cells::{Cells, Domains, Truth};
use super::places::{Places, Scope};
use crate::cel::{Asked, Expression, Fact, Meaning, Role, Test};
use crate::facts::Facts;
use crate::url::EndpointUrl;

/// A test of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct AtomId(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct VariableId(u32);

impl VariableId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// The value of a fact.
    Fact(Fact),
    /// A part of an expression, by its text.
    Part { text: Box<str>, of: Scope, why: Opaque },
    /// Whether a target takes connections.
    Online(EndpointUrl),
}

/// Why the values of a part are not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Opaque {
    /// It is more than a comparison of a fact with literals.
    Computed,
    /// It reads the text of the client's address, or networks that are known for each connection only: within a class of
    /// addresses it may differ.
    OfAddress,
}

/// What is asked of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    /// Of a fact; else that a part is true, or that a target is online.
    asked: Option<Asked>,
    /// True if the answer is turned around.
    turned: bool,
}

impl Question {
    const HOLDS: Self = Self { asked: None, turned: false };
}

/// A variable while its cells are not known, and then with them.
#[derive(Debug)]
pub(super) struct Variable {
    pub(super) subject: Subject,
    /// How each cell is shown, and what it stands for.
    pub(super) cells: Vec<Cell>,
}

impl Variable {
    /// The cells of a truth.
    pub(super) fn only(&self, truth: bool) -> Cells {
        let mut out = Cells::none(self.cells.len());
        let of_truth = self.cells.iter().enumerate().filter(|(_, cell)| **cell == Cell::Bool(truth));
        of_truth.for_each(|(at, _)| out.add(at));
        out
    }
}

/// Values between which no test of the policies tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(Arc<str>),
    /// Any text but those of other cells.
    OtherText,
    /// Whole numbers, both ends included.
    Numbers(i64, i64),
    Bool(bool),
    /// The fact is not there.
    Absent,
    /// There is no source for the fact, or the part has no value.
    Fails,
}

#[derive(Debug)]
struct Atom {
    variable: VariableId,
    question: Question,
    /// Its text as an expression.
    text: Box<str>,
    yes: Cells,
    no: Cells,
    fails: Cells,
}

/// The atoms of all policies of a question.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    variables: Vec<Variable>,
    by_subject: HashMap<Subject, VariableId>,
    atoms: Vec<Atom>,
    known: HashMap<(VariableId, Question), AtomId>,
}

impl Atoms {
    /// The atom of a part of a condition.
    pub(super) fn part(&mut self, expression: &Expression, test: &Test, places: &mut Places) -> AtomId {
        let mut texts = Vec::new();
        expression.part_texts(test, &mut texts);
        let text = texts.join(" && ");
        if let Test::Leaf(_, leaf) = test
            && let Some((fact, asked, turned)) = leaf.asked()
            && fact.role == Role::Plain
        {
            return self.atom(Subject::Fact(fact), Question { asked: Some(asked), turned }, text);
        }
        let of = places.of_part((expression, test), &text);
        let of_address = expression.reads().iter().any(|fact| fact.is_client_address());
        let why = if of_address { Opaque::OfAddress } else { Opaque::Computed };
        let subject = Subject::Part { text: text.as_str().into(), of, why };
        self.atom(subject, Question::HOLDS, text)
    }

    /// That an action of a policy goes on, whose outcome is not looked into.
    pub(super) fn goes_on(&mut self, action: &str, of: Scope, why: Opaque) -> AtomId {
        let text = format!("{action} goes on");
        let subject = Subject::Part { text: text.as_str().into(), of, why };
        self.atom(subject, Question::HOLDS, text)
    }

    /// That a target takes connections.
    pub(super) fn online(&mut self, target: &EndpointUrl) -> AtomId {
        self.atom(Subject::Online(target.clone()), Question::HOLDS, format!("{target} is online"))
    }

    fn atom(&mut self, subject: Subject, question: Question, text: String) -> AtomId {
        let variables = &mut self.variables;
        let variable = *self.by_subject.entry(subject).or_insert_with_key(|subject| {
            variables.push(Variable { subject: subject.clone(), cells: Vec::new() });
            VariableId(last_index(variables.len()))
        });
        let atoms = &mut self.atoms;
        *self.known.entry((variable, question)).or_insert_with_key(|(variable, question)| {
            let (yes, no, fails) = (Cells::none(0), Cells::none(0), Cells::none(0));
            atoms.push(Atom {
                variable: *variable,
                question: question.clone(),
                text: text.into(),
                yes,
                no,
                fails,
            });
            AtomId(last_index(atoms.len()))
        })
    }

    /// Cuts the values of all variables where the atoms cut them. O(atoms · cells of their variable).
    pub(super) fn cut(&mut self) {
        let mut asked: Vec<Vec<&Question>> = vec![Vec::new(); self.variables.len()];
        for atom in &self.atoms {
            asked.get_mut(atom.variable.index()).into_iter().for_each(|all| all.push(&atom.question));
        }
        for (variable, asked) in self.variables.iter_mut().zip(asked) {
            variable.cells = cells_of(&variable.subject, &asked);
        }
        for atom in &mut self.atoms {
            let cells = self.variables.get(atom.variable.index()).map_or(&[][..], |of| &of.cells);
            (atom.yes, atom.no, atom.fails) = answers(&atom.question, cells);
        }
    }

    /// All cells of all variables.
    pub(super) fn domains(&self) -> Domains {
        self.variables.iter().map(|variable| Cells::all(variable.cells.len())).collect()
    }

    pub(super) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The text of an atom, as an expression.
    pub(super) fn text(&self, id: AtomId) -> &str {
        self.atoms.get(id.0 as usize).map_or("", |atom| &atom.text)
    }

    /// True if its text does not say for each connection what it comes to: it may differ within a class of addresses, or
    /// between places.
    pub(super) fn is_unclear(&self, id: AtomId) -> bool {
        let variable = self.variable(id).and_then(|variable| self.variables.get(variable.index()));
        match variable.map(|variable| &variable.subject) {
            Some(Subject::Fact(_) | Subject::Online(_)) => false,
            Some(Subject::Part { of, why, .. }) => *of != Scope::Everywhere || *why == Opaque::OfAddress,
            None => true,
        }
    }

    /// What it comes to within domains; nothing if that is open.
    pub(super) fn value(&self, id: AtomId, domains: &Domains) -> Option<Truth> {
        let atom = self.atoms.get(id.0 as usize)?;
        let domain = domains.get(atom.variable.index())?;
        match [&atom.yes, &atom.no, &atom.fails].map(|cells| domain.meets(cells)) {
            [true, false, false] => Some(Truth::True),
            [false, true, false] => Some(Truth::False),
            [false, false, true] => Some(Truth::Fails),
            _ => None,
        }
    }

    /// What it may come to within domains, each with what is left of its variable then.
    pub(super) fn parts(&self, id: AtomId, domains: &Domains) -> Option<Vec<(Truth, Cells)>> {
        let atom = self.atoms.get(id.0 as usize)?;
        let domain = domains.get(atom.variable.index())?;
        let all = [(Truth::True, &atom.yes), (Truth::False, &atom.no), (Truth::Fails, &atom.fails)];
        let left = all.into_iter().filter(|(_, cells)| domain.meets(cells));
        Some(left.map(|(truth, cells)| (truth, domain.and(cells))).collect())
    }

    /// True if it may be without a value.
    pub(super) fn may_fail(&self, id: AtomId) -> bool {
        self.atoms.get(id.0 as usize).is_none_or(|atom| !atom.fails.is_empty())
    }

    /// The variable of an atom.
    pub(super) fn variable(&self, id: AtomId) -> Option<VariableId> {
        self.atoms.get(id.0 as usize).map(|atom| atom.variable)
    }
}

fn last_index(count: usize) -> u32 {
    u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX)
}

/// The cells of a variable of which all that is asked is known.
fn cells_of(subject: &Subject, asked: &[&Question]) -> Vec<Cell> {
    let mut cells = match subject {
        Subject::Fact(fact) => cells_of_fact(*fact, asked),
        Subject::Part { .. } => vec![Cell::Bool(true), Cell::Bool(false), Cell::Fails],
        Subject::Online(_) => vec![Cell::Bool(true), Cell::Bool(false)],
    };
    if let Subject::Fact(fact) = subject {
        cells.extend(fact.is_optional().then_some(Cell::Absent));
        // An edge takes no policy that reads what it has no source for; other hosts do.
        cells.extend((!Facts::known_to_edges(*fact)).then_some(Cell::Fails));
    }
    cells
}

fn cells_of_fact(fact: Fact, asked: &[&Question]) -> Vec<Cell> {
    let of = || asked.iter().filter_map(|question| question.asked.as_ref());
    let texts = of().filter_map(|asked| match asked {
        Asked::OneOf(texts) => Some(texts.iter().cloned()),
        _ => None,
    });
    let mut texts: Vec<Arc<str>> = texts.flatten().collect();
    texts.sort_unstable();
    texts.dedup();
    if !texts.is_empty() {
        return texts.into_iter().map(Cell::Text).chain([Cell::OtherText]).collect();
    }
    let mut begins: Vec<i64> = Vec::new();
    let (first, last) = if fact.meaning() == Meaning::Port { (0, 65_535) } else { (i64::MIN, i64::MAX) };
    for asked in of() {
        match asked {
            Asked::Within(from, to) => begins.extend([Some(*from), to.checked_add(1)].into_iter().flatten()),
            Asked::Holds => return vec![Cell::Bool(true), Cell::Bool(false)],
            Asked::OneOf(_) | Asked::Known => {}
        }
    }
    if begins.is_empty() {
        return vec![Cell::OtherText];
    }
    begins.retain(|begin| *begin > first && *begin <= last);
    begins.push(first);
    begins.sort_unstable();
    begins.dedup();
    let ends = begins.iter().skip(1).map(|next| next - 1).chain([last]);
    begins.iter().copied().zip(ends).map(|(first, last)| Cell::Numbers(first, last)).collect()
}

/// The cells for which a question is true, false, and without an answer.
fn answers(question: &Question, cells: &[Cell]) -> (Cells, Cells, Cells) {
    let none = || Cells::none(cells.len());
    let (mut yes, mut no, mut fails) = (none(), none(), none());
    for (at, cell) in cells.iter().enumerate() {
        let truth = match (&question.asked, cell) {
            (_, Cell::Fails) => Truth::Fails,
            (Some(Asked::Known), Cell::Absent) => Truth::False,
            (Some(Asked::Known), _) => Truth::True,
            (_, Cell::Absent) => Truth::Fails,
            (Some(Asked::OneOf(texts)), Cell::Text(text)) => texts.binary_search(text).is_ok().into(),
            (Some(Asked::OneOf(_)), _) => Truth::False,
            (Some(Asked::Within(from, to)), Cell::Numbers(first, last)) => {
                (from <= first && last <= to).into()
            }
            (Some(Asked::Holds) | None, Cell::Bool(value)) => (*value).into(),
            // INVARIANT: a fact has one type.
            _ => Truth::Fails,
        };
        let truth = if question.turned { truth.turned() } else { truth };
        match truth {
            Truth::True => yes.add(at),
            Truth::False => no.add(at),
            Truth::Fails => fails.add(at),
        }
    }
    (yes, no, fails)
}
