//! What of policies cases have reached: rules, actions, both ways of conditions, entries of lists.

use std::collections::BTreeMap;

use policy_core::cel::Value;
use policy_core::compile::{ActionRef, ConditionRef, Program};
use policy_core::diagnostic::cut;
use policy_core::evaluate::{AsWritten, Evaluation, Record, Recording};
use policy_core::ir::Decision;
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::source::{Position, Span};

/// Characters of a text that is told.
const MAX_TOLD: usize = 60;

/// Something that a case can reach. The numbers are those of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Item {
    /// The actions of a rule begin.
    Rule(usize),
    Action(usize),
    /// A part of a condition is true, or false.
    Branch {
        condition: usize,
        start: u32,
        end: u32,
        value: bool,
    },
    /// An entry of a list decides.
    Entry {
        action: usize,
        line: u32,
        column: u32,
    },
}

/// What a file has, and how often it was reached.
#[derive(Debug, Default)]
pub(crate) struct FileCoverage {
    pub(crate) items: BTreeMap<Item, Covered>,
}

/// One item.
#[derive(Clone, Debug)]
pub(crate) struct Covered {
    pub(crate) at: Position,
    /// It in words, as what was not reached is told.
    pub(crate) what: String,
    pub(crate) count: usize,
}

/// What all files have.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) files: BTreeMap<String, FileCoverage>,
}

/// What one run has reached, in its policy's file.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    file: String,
    items: Vec<Item>,
}

impl FileCoverage {
    pub(crate) fn reached(&self) -> usize {
        self.items.values().filter(|item| item.count > 0).count()
    }
}

impl Coverage {
    /// Adds what a program has.
    pub(crate) fn add(&mut self, program: &Program) {
        let file = self.files.entry(program.file().to_owned()).or_default();
        for rule in Phase::ALL.into_iter().flat_map(|phase| program.rules(phase)) {
            let name = rule.name().map(|name| format!(" `{}`", cut(name, MAX_TOLD))).unwrap_or_default();
            let what = format!("rule #{}{name} never applies", rule.id().index() + 1);
            file.put(Item::Rule(rule.id().index()), rule.position(), what);
            rule.conditions().for_each(|condition| file.add_condition(condition));
            rule.actions().for_each(|action| file.add_action(action));
        }
    }

    /// Counts what a run has reached.
    pub(crate) fn count(&mut self, reached: &Reached) {
        let Some(file) = self.files.get_mut(&reached.file) else { return };
        for item in &reached.items {
            if let Some(item) = file.items.get_mut(item) {
                item.count += 1;
            }
        }
    }

    /// Reached items and all of them.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let add = |(reached, all), file: &FileCoverage| (reached + file.reached(), all + file.items.len());
        self.files.values().fold((0, 0), add)
    }
}

/// A share in percent; of nothing it is whole.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn percent((reached, all): (usize, usize)) -> f64 {
    if all == 0 { 100.0 } else { reached as f64 * 100.0 / all as f64 }
}

/// The same as it is shown: no more than was reached, so that it is enough for `--fail-under`.
pub(crate) fn shown_percent(numbers: (usize, usize)) -> String {
    format!("{:.1}", (percent(numbers) * 10.0).floor() / 10.0)
}

impl FileCoverage {
    fn put(&mut self, item: Item, at: Position, what: String) {
        self.items.entry(item).or_insert(Covered { at, what, count: 0 });
    }

    fn add_condition(&mut self, condition: ConditionRef<'_>) {
        for Span { start, end } in condition.expression().branches() {
            let text = condition.expression().text();
            let part = text.get(start as usize..end as usize).unwrap_or(text);
            for value in [true, false] {
                let item = Item::Branch { condition: condition.id().index(), start, end, value };
                self.put(item, condition.position(), format!("`{}` is never {value}", cut(part, MAX_TOLD)));
            }
        }
    }

    fn add_action(&mut self, action: ActionRef<'_>) {
        let id = action.id().index();
        self.put(Item::Action(id), action.position(), format!("`{}` never runs", action.kind()));
        let Some(list) = action.address_list() else { return };
        // Entries of IP policies stand in other files.
        let entries = [list.deny.in_document_order(), list.allow.in_document_order()];
        for entry in entries.into_iter().flatten().filter(|entry| entry.ip_policy.is_none()) {
            let Position { line, column } = entry.position;
            let what = format!("the entry {} never decides", entry.network);
            self.put(Item::Entry { action: id, line, column }, entry.position, what);
        }
    }
}

/// What a run has reached.
pub(crate) fn reached(run: &Evaluation<'_, AsWritten<Recording>>) -> Reached {
    let mut items = Vec::new();
    let mut add = |item| items.push(item);
    for record in &run.trace().records {
        match record {
            Record::Rule(id) => add(Item::Rule(id.index())),
            Record::Condition { id, parts, .. } => {
                for part in parts {
                    if let Ok(Value::Bool(value)) = &part.value {
                        let Span { start, end } = part.span;
                        add(Item::Branch { condition: id.index(), start, end, value: *value });
                    }
                }
            }
            Record::Test { action, .. } => {
                add(Item::Action(action.index()));
                let list = run.program().action(*action).and_then(ActionRef::address_list);
                if let Some(Decision::Allowed(entry) | Decision::Denied(entry)) =
                    list.map(|list| list.decide(run.facts().client_ip()))
                {
                    let Position { line, column } = entry.position;
                    add(Item::Entry { action: action.index(), line, column });
                }
            }
            Record::Action(action)
            | Record::Variable { action, .. }
            | Record::Header { action, .. }
            | Record::Body { action, .. }
            | Record::Url { action, .. }
            | Record::Effect { action, .. } => add(Item::Action(action.index())),
            _ => {}
        }
    }
    if let Some(action) = run.outcome().and_then(Outcome::by) {
        add(Item::Action(action.index()));
    }
    items.sort_unstable();
    items.dedup();
    Reached { file: run.program().file().to_owned(), items }
}

/// Joins what a run has reached with what runs before it have, of which nothing is kept twice.
pub(crate) fn join(all: &mut Vec<Reached>, run: &Reached) {
    match all.iter_mut().find(|known| known.file == run.file) {
        Some(known) if known.items == run.items => {}
        Some(known) => {
            known.items.extend(&run.items);
            known.items.sort_unstable();
            known.items.dedup();
        }
        None => all.push(run.clone()),
    }
}
