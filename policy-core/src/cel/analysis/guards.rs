//! Guards: what is known where a condition is true, and what a part needs to be known so that it cannot fail.

use std::collections::HashMap;

use super::fallible::can_fail;
use super::parts::{Key, Parts};
use crate::cel::check::code::{Code, LoopKind, Node, NodeId};
use crate::cel::library::overload::{Form, Relation, TextTest};
use crate::cel::values::fact::Meaning;
use crate::cel::values::value::Value;

/// Something that is known of a part, or needed.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    /// A map has a key.
    Has(Key, Key),
    /// A list or text has at least so many items or characters.
    Longer(Key, u64),
    /// A fact, or the results of an action, are there.
    Present(Key, &'static str),
    /// It is one of these values.
    OneOf(Key, Vec<Value>),
    /// It has passed a test.
    Passed(Key, TextTest),
    /// A number is not zero.
    NotZero(Key),
    /// A text holds another one.
    Contains(Key, Key),
    /// Anything is known of a text: needed where only its author can tell what is enough.
    Looked(Key),
    /// It has been evaluated before, and so had a value.
    Worked(Key),
}

impl Guard {
    /// The part it is about.
    fn part(&self) -> Key {
        match self {
            Self::Has(of, _)
            | Self::Longer(of, _)
            | Self::Present(of, _)
            | Self::OneOf(of, _)
            | Self::Passed(of, _)
            | Self::NotZero(of)
            | Self::Contains(of, _)
            | Self::Looked(of)
            | Self::Worked(of) => *of,
        }
    }

    /// True if what is needed follows from this.
    fn gives(&self, need: &Self) -> bool {
        match (self, need) {
            (Self::Has(a, x), Self::Has(b, y)) | (Self::Contains(a, x), Self::Contains(b, y)) => {
                (a, x) == (b, y)
            }
            (Self::Longer(a, has), Self::Longer(b, needs)) => a == b && has >= needs,
            (Self::Longer(a, has), Self::NotZero(b)) => a == b && *has > 0,
            (Self::Present(a, x), Self::Present(b, y)) => (a, x) == (b, y),
            (Self::Passed(a, x), Self::Passed(b, y)) => a == b && x == y,
            (Self::NotZero(a), Self::NotZero(b)) | (Self::Worked(a), Self::Worked(b)) => a == b,
            (Self::OneOf(a, values), Self::OneOf(b, allowed)) => {
                let allowed: Vec<Key> = allowed.iter().map(Key::from_value).collect();
                a == b && values.iter().all(|value| allowed.contains(&Key::from_value(value)))
            }
            (Self::OneOf(a, values), Self::Longer(b, needs)) => {
                a == b && values.iter().all(|value| length(value).is_some_and(|length| length >= *needs))
            }
            (Self::OneOf(a, values), Self::NotZero(b)) => {
                a == b && values.iter().all(|value| !matches!(value, Value::Int(0) | Value::Uint(0)))
            }
            // Who lists the texts that may come knows them.
            (Self::OneOf(a, _), Self::Passed(b, _)) => a == b,
            (known, Self::Looked(of)) => {
                known.part() == *of && !matches!(known, Self::Worked(_) | Self::Has(..))
            }
            _ => false,
        }
    }
}

/// Characters of a text.
fn length(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => Some(text.chars().count() as u64),
        _ => None,
    }
}

/// What is known of one part at most.
const MAX_OF_ONE: usize = 64;

/// What is known, by the part it is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards(HashMap<Key, Vec<(Guard, usize)>>);

impl Guards {
    /// Adds what one of several expressions tells, by its number.
    pub(crate) fn add(&mut self, guards: Vec<Guard>, by: usize) {
        for guard in guards {
            let known = self.0.entry(guard.part()).or_default();
            if known.len() < MAX_OF_ONE {
                known.push((guard, by));
            }
        }
    }

    /// A header is there in the message, or nothing is known of it any more.
    pub(crate) fn change_header(&mut self, message: &str, name: &str, there: bool) {
        let (map, name) = (Key::from_fact(message), Key::from_value(&Value::text(name)));
        let entry = Key::entry(map, name);
        self.0.remove(&entry);
        self.0.remove(&Key::entry(entry, Key::from_value(&Value::Int(0))));
        if let Some(known) = self.0.get_mut(&map) {
            known.retain(|(guard, _)| !matches!(guard, Guard::Has(_, of) if *of == name));
        }
        if there {
            self.add(vec![Guard::Has(map, name), Guard::Longer(entry, 1)], 0);
        }
    }

    /// True if one that is needed follows; from what other expressions tell if `not_by` is one of them.
    pub(crate) fn give(&self, needs: &[Guard], not_by: Option<usize>) -> bool {
        needs.iter().any(|need| {
            let known = self.0.get(&need.part()).map(Vec::as_slice).unwrap_or_default();
            known.iter().any(|(guard, by)| Some(*by) != not_by && guard.gives(need))
        })
    }
}

/// True if one of some guards gives one that is needed.
pub(in crate::cel) fn gives(known: &[Guard], needs: &[Guard]) -> bool {
    needs.iter().any(|need| known.iter().any(|guard| guard.gives(need)))
}

/// What is known where an expression is true: what its tests tell, and which parts have had a value then.
pub(in crate::cel) fn known(code: &Code) -> Vec<Guard> {
    let parts = Parts::new(code);
    let mut out = parts.implied(code.root(), true);
    parts.worked(code.root(), true, &mut out);
    out
}

/// What the tests of an expression tell where it is true.
pub(in crate::cel) fn implied(code: &Code) -> Vec<Guard> {
    Parts::new(code).implied(code.root(), true)
}

/// The parts that have had a value once an expression has one.
pub(in crate::cel) fn worked(code: &Code) -> Vec<Guard> {
    let mut out = Vec::new();
    Parts::new(code).worked(code.root(), false, &mut out);
    out
}

impl Parts<'_> {
    /// What is known if a condition is true, or is false.
    pub(in crate::cel) fn implied(&self, id: NodeId, truth: bool) -> Vec<Guard> {
        let mut out = Vec::new();
        let mut work = vec![(id, truth)];
        while let Some((id, truth)) = work.pop() {
            match self.written(id).1 {
                Some(Node::And(a, b)) if truth => work.extend([(*a, true), (*b, true)]),
                Some(Node::Or(a, b)) if !truth => work.extend([(*a, false), (*b, false)]),
                // `a ? b : false` is `a && b`, `a ? false : b` is `!a && b`.
                Some(Node::Conditional { condition, then, otherwise }) => {
                    let is = |id: &NodeId, value: bool| matches!(self.constant(*id), Some(Value::Bool(it)) if *it == value);
                    if is(otherwise, !truth) {
                        work.extend([(*condition, true), (*then, truth)]);
                    } else if is(then, !truth) {
                        work.extend([(*condition, false), (*otherwise, truth)]);
                    }
                }
                Some(Node::Has { operand, field }) if truth => {
                    out.push(Guard::Has(self.key(*operand), Key::from_value(field)));
                    out.extend(self.header(*operand, field));
                }
                Some(Node::HasFact(fact)) if truth => {
                    out.push(present(fact.path()));
                    // The results of an action are there all together.
                    out.extend(fact.result().map(present));
                }
                Some(Node::Matches { operand, .. }) if truth => {
                    out.push(Guard::Passed(self.key(*operand), TextTest::Matched));
                }
                Some(Node::Call { overloads, arguments, .. }) => {
                    match (self.code.form(overloads), &**arguments) {
                        (Form::Not, [of]) => work.push((*of, !truth)),
                        (form @ Form::Compare(relation), [a, b]) => {
                            match self.as_condition(relation, *a, *b, truth) {
                                Some(same) => work.push(same),
                                None => self.call_guards(form, arguments, truth, &mut out),
                            }
                        }
                        (form, _) => self.call_guards(form, arguments, truth, &mut out),
                    }
                }
                Some(Node::Loop(of)) if truth => {
                    let (LoopKind::Exists(body) | LoopKind::ExistsOne(body)) = of.kind else { continue };
                    out.push(Guard::Longer(self.key(of.range), 1));
                    self.found_key(of.range, body, &mut out);
                }
                _ => {}
            }
        }
        out
    }

    /// `a == true`, `false != a`: the condition that it is, and whether it is true.
    fn as_condition(&self, relation: Relation, a: NodeId, b: NodeId, truth: bool) -> Option<(NodeId, bool)> {
        let equal = match relation {
            Relation::Equal => truth,
            Relation::NotEqual => !truth,
            _ => return None,
        };
        match (self.constant(a), self.constant(b)) {
            (_, Some(Value::Bool(value))) => Some((a, *value == equal)),
            (Some(Value::Bool(value)), _) => Some((b, *value == equal)),
            _ => None,
        }
    }

    /// The header of a name in any case, which functions look up in lower case.
    fn header(&self, map: NodeId, name: &Value) -> Option<Guard> {
        match (self.meaning(map), name) {
            (Meaning::Headers, Value::String(name)) => {
                Some(Guard::Has(self.key(map), Key::from_value(&Value::text(name.to_ascii_lowercase()))))
            }
            _ => None,
        }
    }

    /// `map.exists(k, k == 'x')`.
    fn found_key(&self, range: NodeId, body: NodeId, out: &mut Vec<Guard>) {
        let equal = self.code.node(body).and_then(|it| self.code.formed(it, Form::Compare(Relation::Equal)));
        let Some(&[a, b]) = equal else { return };
        for (item, other) in [(a, b), (b, a)] {
            if self.stands(item) == super::parts::Stands::Item(range) {
                out.push(Guard::Has(self.key(range), self.key(other)));
            }
        }
    }

    /// What holds if a call is true, or is false.
    fn call_guards(&self, form: Form, arguments: &[NodeId], truth: bool, out: &mut Vec<Guard>) {
        let passed = |id: &NodeId, test| Guard::Passed(self.key(*id), test);
        match (form, arguments, truth) {
            (Form::HasName(_), _, true) => {
                if let Some((map, key)) = self.looked_up(form, arguments) {
                    out.push(Guard::Has(map, key));
                    // The lists of these maps are never empty.
                    out.push(Guard::Longer(Key::entry(map, key), 1));
                }
            }
            (Form::Within | Form::WithinFixed(_), [text, ..], true) => out.push(passed(text, TextTest::Ip)),
            (Form::In, [item, of], true) => {
                match self.constants(*of) {
                    Some(values) => {
                        if let Some(arguments) = self.formed(*item, Form::Size) {
                            let min = values.iter().map(|(_, value)| whole(value)).min().flatten();
                            let min = min.and_then(|min| u64::try_from(min).ok()).unwrap_or(0);
                            arguments.first().into_iter().for_each(|of| self.longer(*of, min, out));
                        }
                        let values = values.into_iter().map(|(_, value)| value.clone()).collect();
                        out.push(Guard::OneOf(self.key(*item), values));
                    }
                    None => {
                        out.push(Guard::Has(self.key(*of), self.key(*item)));
                        out.extend(self.constant(*item).and_then(|name| self.header(*of, name)));
                    }
                }
                self.longer(*of, 1, out);
            }
            (Form::Begins | Form::Ends | Form::Holds, [text, part], true) => {
                out.push(Guard::Contains(self.key(*text), self.key(*part)));
                out.extend(
                    self.constant(*part)
                        .and_then(length)
                        .map(|length| Guard::Longer(self.key(*text), length)),
                );
            }
            (Form::Matches, [text, _], true) => out.push(passed(text, TextTest::Matched)),
            (Form::Passes(test), [of], true) => out.push(passed(of, test)),
            (Form::Compare(relation), [a, b], _) => {
                // Each side is compared with the other one.
                let holds = if truth { relation } else { relation.opposite() };
                self.compared(holds, *a, *b, out);
                self.compared(holds.turned(), *b, *a, out);
            }
            _ => {}
        }
    }

    /// What holds if `of` compares so with a constant.
    fn compared(&self, relation: Relation, of: NodeId, with: NodeId, out: &mut Vec<Guard>) {
        if let Some(Node::List(items)) = self.written(with).1
            && relation.is_equality()
        {
            match relation {
                Relation::Equal => self.longer(of, items.len() as u64, out),
                _ if items.is_empty() => self.longer(of, 1, out),
                _ => {}
            }
            return;
        }
        let Some(value) = self.constant(with) else { return };
        match (relation, value) {
            (Relation::Equal, Value::Int(_) | Value::Uint(_) | Value::String(_)) => {
                out.push(Guard::OneOf(self.key(of), vec![value.clone()]));
            }
            (Relation::NotEqual, Value::String(text)) if text.is_empty() => self.longer(of, 1, out),
            _ => {}
        }
        let Some(number) = whole(value) else { return };
        let (min, not_zero) = match relation {
            Relation::Greater => (Some(number + 1), number >= 0),
            Relation::GreaterEqual => (Some(number), number > 0),
            Relation::Equal => (Some(number), number != 0),
            Relation::NotEqual => ((number == 0).then_some(1), number == 0),
            Relation::Less => (None, number <= 0),
            Relation::LessEqual => (None, number < 0),
        };
        if not_zero {
            out.push(Guard::NotZero(self.key(of)));
        }
        match self.call(of).map(|(overload, arguments)| (overload.form, arguments)) {
            // What has no size below zero may still be empty.
            Some((Form::Size, arguments)) => {
                let empty = relation == Relation::NotEqual && number == 0;
                let min = min.or(empty.then_some(1)).unwrap_or(0);
                let min = u64::try_from(min).unwrap_or(0);
                if let Some(of) = arguments.first().filter(|_| min > 0) {
                    self.longer(*of, min, out);
                }
            }
            Some((Form::Find, [text, part, ..])) => {
                let found = match relation {
                    Relation::NotEqual => number == -1,
                    _ => min.is_some_and(|min| min >= 0),
                };
                if found {
                    out.push(Guard::Contains(self.key(*text), self.key(*part)));
                }
            }
            _ => {}
        }
    }

    /// A list or text has so many items; then its map has the entry that it is.
    fn longer(&self, of: NodeId, min: u64, out: &mut Vec<Guard>) {
        if min > 0 {
            out.push(Guard::Longer(self.key(of), min));
            out.extend(self.entry(of).map(|(map, key)| Guard::Has(map, key)));
        }
    }

    /// The parts that must have had a value: of a true condition each side, of any other value what it is made of.
    fn worked(&self, root: NodeId, truth: bool, out: &mut Vec<Guard>) {
        let mut work = vec![(root, truth)];
        while let Some((id, truth)) = work.pop() {
            let Some(node) = self.code.node(id) else { continue };
            match node {
                Node::And(a, b) => {
                    if truth {
                        work.extend([(*a, true), (*b, true)]);
                    }
                }
                Node::Or(..) => {}
                Node::Conditional { condition, .. } => work.push((*condition, false)),
                Node::Loop(of) => work.push((of.range, false)),
                Node::OptionalMap { operand, .. } | Node::OrElse { operand, .. } => {
                    work.push((*operand, false))
                }
                _ => {
                    if can_fail(node, self.code) {
                        out.push(Guard::Worked(self.key(id)));
                    }
                    node.operands(&mut |operand| work.push((operand, false)));
                }
            }
        }
    }
}

/// A fact that is there.
pub(in crate::cel) fn present(path: &'static str) -> Guard {
    Guard::Present(Key::from_value(&Value::text(path)), path)
}

/// A whole number.
fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some((*number).into()),
        Value::Uint(number) => Some((*number).into()),
        _ => None,
    }
}
