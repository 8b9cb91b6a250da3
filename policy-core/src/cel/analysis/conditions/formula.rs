//! Conditions as formulas: `&&`, `||`, `!` and `? :` over tests of parts.
//!
//! An error is absorbed as the language absorbs it: whatever a part without a value would be, a condition that is false
//! all the same is false as a formula too.

use super::{Condition, Depends, depends, same, test};
use crate::cel::analysis::guards::Guard;
use crate::cel::analysis::parts::{Key, Parts};
use crate::cel::check::code::{Code, LoopKind, Node, NodeId};
use crate::cel::library::overload::Form;
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;

/// What must hold of some tests.
#[derive(Clone, Debug)]
pub(crate) enum Formula<T = Condition> {
    /// A test.
    Test(T),
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// The second if the first holds, else the third.
    Choice(Box<[Self; 3]>),
}

/// What an expression says of parts, with what each depends on.
pub(crate) type Written = Formula<(Condition, Depends)>;

/// Brackets, macros and choices inside one another that are looked into; what lies deeper is one test.
const MAX_LEVELS: usize = 24;

impl<T> Formula<T> {
    /// The same of other tests.
    pub(crate) fn map<U>(self, each: &mut impl FnMut(T) -> U) -> Formula<U> {
        match self {
            Self::Test(test) => Formula::Test(each(test)),
            Self::All(sides) => Formula::All(sides.into_iter().map(|side| side.map(each)).collect()),
            Self::Any(sides) => Formula::Any(sides.into_iter().map(|side| side.map(each)).collect()),
            Self::Choice(sides) => Formula::Choice(Box::new(sides.map(|side| side.map(each)))),
        }
    }

    /// Tests in it.
    pub(crate) fn tests(&self) -> usize {
        match self {
            Self::Test(_) => 1,
            Self::All(sides) | Self::Any(sides) => sides.iter().map(Self::tests).sum(),
            Self::Choice(sides) => sides.iter().map(Self::tests).sum(),
        }
    }

    /// True if it holds whatever comes, seen without its tests.
    pub(crate) fn is_always(&self) -> bool {
        match self {
            Self::Test(_) => false,
            Self::All(sides) => sides.iter().all(Self::is_always),
            Self::Any(sides) => sides.iter().any(Self::is_always),
            Self::Choice(sides) => sides.iter().skip(1).all(Self::is_always),
        }
    }
}

impl Formula {
    /// What holds where this one does not.
    pub(crate) fn opposite(&self) -> Self {
        let of = |sides: &[Self]| sides.iter().map(Self::opposite).collect();
        match self {
            Self::Test(test) => Self::Test(test.opposite()),
            Self::All(sides) => Self::Any(of(sides)),
            Self::Any(sides) => Self::All(of(sides)),
            Self::Choice(sides) => {
                let [condition, then, otherwise] = &**sides;
                Self::Choice(Box::new([condition.clone(), then.opposite(), otherwise.opposite()]))
            }
        }
    }

    /// The tests, if all of them must hold.
    pub(super) fn all_tests(&self) -> Option<Vec<&Condition>> {
        match self {
            Self::Test(test) => Some(vec![test]),
            Self::All(sides) => {
                let tests: Option<Vec<_>> = sides.iter().map(Self::all_tests).collect();
                tests.map(|tests| tests.into_iter().flatten().collect())
            }
            Self::Any(_) | Self::Choice(_) => None,
        }
    }

    /// Equal for formulas that differ in the order of their sides alone.
    fn key(&self) -> Key {
        let sorted = |sides: &[Self]| {
            let mut keys: Vec<Key> = sides.iter().map(Self::key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        match self {
            Self::Test(test) => Key::from_hash(&(0_u8, test)),
            Self::All(sides) if sides.len() == 1 => {
                sides.iter().map(Self::key).next().unwrap_or(Key::from_hash(&1_u8))
            }
            Self::Any(sides) if sides.len() == 1 => {
                sides.iter().map(Self::key).next().unwrap_or(Key::from_hash(&2_u8))
            }
            Self::All(sides) => Key::from_hash(&(1_u8, sorted(sides))),
            Self::Any(sides) => Key::from_hash(&(2_u8, sorted(sides))),
            Self::Choice(sides) => Key::from_hash(&(3_u8, sides.iter().map(Self::key).collect::<Vec<_>>())),
        }
    }
}

/// A condition as a formula. O(parts · levels).
pub(in crate::cel) fn formula(code: &Code) -> Written {
    FormulaReader { parts: &Parts::new(code) }.read(code.root(), true, MAX_LEVELS)
}

/// What must hold where a part is looked at, unless the expression has a value without it. O(parts · levels).
pub(in crate::cel) fn path(code: &Code, part: NodeId) -> Vec<Written> {
    way_to(&Parts::new(code), part)
}

/// What guards of a part say as conditions, with what they depend on: that of the part.
pub(in crate::cel) fn needed(code: &Code, part: NodeId, needs: &[Guard]) -> Vec<Written> {
    let on = depends(code, part);
    conditions(needs).map(|condition| Formula::Test((condition, on.clone()))).collect()
}

pub(super) fn conditions(guards: &[Guard]) -> impl Iterator<Item = Condition> {
    guards.iter().filter_map(|guard| match guard {
        Guard::Has(map, key) => Some(Condition::holds(has(*map, *key), true)),
        Guard::Longer(of, min) => Some(Condition::longer(*of, *min)),
        _ => None,
    })
}

pub(super) fn way_to(parts: &Parts<'_>, part: NodeId) -> Vec<Written> {
    let (code, reader) = (parts.code, FormulaReader { parts });
    let (mut out, mut at) = (Vec::new(), part);
    for (position, node) in code.nodes().skip(part.index() + 1) {
        let mut is_operand = false;
        node.operands(&mut |operand| is_operand |= operand == at);
        if !is_operand {
            continue;
        }
        let side = match node {
            Node::And(a, b) => Some((if *a == at { *b } else { *a }, true)),
            Node::Or(a, b) => Some((if *a == at { *b } else { *a }, false)),
            Node::Conditional { condition, then, .. } if *condition != at => Some((*condition, *then == at)),
            _ => None,
        };
        out.extend(side.map(|(id, truth)| reader.read(id, truth, MAX_LEVELS)));
        at = position;
    }
    out
}

struct FormulaReader<'p, 'c> {
    parts: &'p Parts<'c>,
}

impl FormulaReader<'_, '_> {
    /// What holds if a part is true, or is false.
    fn read(&self, id: NodeId, truth: bool, levels: usize) -> Written {
        let (mut id, mut truth) = (id, truth);
        loop {
            let (written, node) = self.parts.written(id);
            let Some(node) = node else { return Formula::Any(Vec::new()) };
            if let Node::Const(Value::Bool(value)) = node {
                return always(*value == truth);
            }
            if let Some([of]) = self.parts.code.formed(node, Form::Not) {
                (id, truth) = (*of, !truth);
                continue;
            }
            if let Some(side) = same(self.parts, node, truth) {
                (id, truth) = side;
                continue;
            }
            let whole = |test| Formula::Test((test, depends(self.parts.code, written)));
            let Some(levels) = levels.checked_sub(1) else {
                return whole(test(self.parts, written, node, truth));
            };
            return match node {
                Node::And(..) | Node::Or(..) => self.chain(written, truth, levels),
                Node::Conditional { condition, then, otherwise } => Formula::Choice(Box::new([
                    self.read(*condition, true, levels),
                    self.read(*then, truth, levels),
                    self.read(*otherwise, truth, levels),
                ])),
                Node::Loop(of) => {
                    // All items have it, or one has not.
                    let (body, wanted) = match of.kind {
                        LoopKind::Exists(body) => (body, true),
                        LoopKind::All(body) => (body, false),
                        _ => return whole(test(self.parts, written, node, truth)),
                    };
                    let body = self.read(body, wanted, levels).map(&mut |(test, _)| test).key();
                    let of = Key::from_hash(&("exists", self.parts.key(of.range), of.second.is_some(), body));
                    whole(Condition::holds(of, truth == wanted))
                }
                _ => whole(test(self.parts, written, node, truth)),
            };
        }
    }

    /// All sides of a chain of `&&`, or of `||`.
    fn chain(&self, id: NodeId, truth: bool, levels: usize) -> Written {
        let and = matches!(self.parts.code.node(id), Some(Node::And(..)));
        let sides = crate::cel::analysis::parts::chain(self.parts.code, id, and);
        let sides = sides.into_iter().map(|side| self.read(side, truth, levels)).collect();
        if and == truth { Formula::All(sides) } else { Formula::Any(sides) }
    }
}

const fn always(value: bool) -> Written {
    if value { Formula::All(Vec::new()) } else { Formula::Any(Vec::new()) }
}

/// That a map has a key: `'a' in m`, `has(m.a)`, `hasReqHeader('a')`.
pub(super) fn has_key(parts: &Parts<'_>, node: &Node) -> Option<Key> {
    let is_map = |id: NodeId| matches!(parts.code.ty(id), Type::Map(_));
    let (map, key) = match node {
        Node::Has { operand, field } if is_map(*operand) => (parts.key(*operand), Key::from_value(field)),
        _ => match parts.code.call(node).map(|(overload, arguments)| (overload.form, arguments))? {
            (Form::In, [key, map]) if is_map(*map) => (parts.key(*map), parts.key(*key)),
            (form @ Form::HasName(_), arguments) => parts.looked_up(form, arguments)?,
            _ => return None,
        },
    };
    Some(has(map, key))
}

fn has(map: Key, key: Key) -> Key {
    Key::from_hash(&("has", map, key))
}
