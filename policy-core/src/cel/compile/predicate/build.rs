//! Compiles typed code to predicates.

use std::sync::Arc;

use super::sources::{List, Number, Over, Text};
use super::{Comparison, Draws, Intern, Leaf, Place, Test};
use crate::cel::check::code::{Code, Loop, LoopKind, Node, NodeId, Slot};
use crate::cel::library::overload::{Form, Relation, Spelling};
use crate::cel::values::fact::{Fact, Role};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::lpm::{AddressSet, RangeSet, cidr};

/// Tests inside one another; deeper ones are interpreted.
const MAX_DEPTH: usize = 80;

/// Bodies of unrolled loops in one condition; further loops over literals go on as loops.
const MAX_UNROLLED: usize = 64;

pub(in crate::cel) fn build(code: &Code, intern: Option<Intern<'_>>) -> Test {
    let mut builder = Builder { code, intern, item: None, bound: Vec::new(), unrolled: 0, depth: 0 };
    let root = code.root();
    builder.test(root).unwrap_or_else(|| builder.interpreted(root))
}

struct Builder<'c, 'i> {
    code: &'c Code,
    intern: Option<Intern<'i>>,
    /// The variable of the loop around.
    item: Option<Slot>,
    /// The variables of the unrolled loops around, with the literals that they stand for.
    bound: Vec<(Slot, Value)>,
    /// Bodies of unrolled loops so far.
    unrolled: usize,
    depth: usize,
}

impl<'c> Builder<'c, '_> {
    /// The test of a condition; nothing within a loop that has no form as one.
    fn test(&mut self, id: NodeId) -> Option<Test> {
        if self.depth >= MAX_DEPTH {
            return self.otherwise(id);
        }
        self.depth += 1;
        let test = self.specialised(id);
        self.depth -= 1;
        test.or_else(|| self.otherwise(id))
    }

    fn otherwise(&self, id: NodeId) -> Option<Test> {
        // Only the loop binds its variable: within it nothing is interpreted by itself.
        (self.item.is_none() && self.bound.is_empty()).then(|| self.interpreted(id))
    }

    fn interpreted(&self, root: NodeId) -> Test {
        let mut work = vec![root];
        while let Some(node) = work.pop().and_then(|id| self.code.node(id)) {
            if let Node::Call { overloads, .. } = node
                && self.code.overload(overloads).is_some_and(|overload| !overload.is_pure())
            {
                return Test::Interpreted(root, Draws::Maybe);
            }
            node.operands(&mut |operand| work.push(operand));
        }
        Test::Interpreted(root, Draws::Never)
    }

    fn specialised(&mut self, id: NodeId) -> Option<Test> {
        let leaf = |leaf: Option<Leaf>| leaf.map(|leaf| Test::Leaf(id, leaf));
        match self.code.node(id)? {
            Node::Const(Value::Bool(value)) => Some(Test::Always(*value)),
            Node::Fact(fact) if *self.code.ty(id) == Type::Bool => leaf(Some(Leaf::Flag(*fact))),
            Node::HasFact(fact) => leaf(Some(Leaf::Known(*fact))),
            Node::And(..) => self.joined(id, false),
            Node::Or(..) => self.joined(id, true),
            Node::Conditional { condition, then, otherwise } => {
                let parts = [*condition, *then, *otherwise];
                self.all_bool(&parts)?;
                let [condition, then, otherwise] = parts.map(|part| self.test(part));
                Some(Test::Choice(Box::new([condition?, then?, otherwise?])))
            }
            Node::Matches { operand, pattern } => {
                leaf(self.text(*operand).map(|text| Leaf::Matches { text, pattern: pattern.clone() }))
            }
            Node::Loop(of) => leaf(self.quantified(of)),
            Node::Call { overloads, arguments, .. } => self.call(id, self.code.form(overloads), arguments),
            _ => None,
        }
    }

    fn all_bool(&self, ids: &[NodeId]) -> Option<()> {
        ids.iter().all(|id| *self.code.ty(*id) == Type::Bool).then_some(())
    }

    /// A chain of `&&` or of `||`, flat: chains hang on their first operand and may be long.
    fn joined(&mut self, id: NodeId, decisive: bool) -> Option<Test> {
        let (mut operands, mut work) = (Vec::new(), vec![id]);
        while let Some(id) = work.pop() {
            match (self.code.node(id)?, decisive) {
                (Node::And(left, right), false) | (Node::Or(left, right), true) => {
                    work.extend([*right, *left]);
                }
                _ => operands.push(id),
            }
        }
        self.all_bool(&operands)?;
        let tests: Option<Vec<Test>> = operands.into_iter().map(|operand| self.test(operand)).collect();
        Some(Test::joined(tests?.into_iter(), decisive))
    }

    fn quantified(&mut self, of: &Loop) -> Option<Leaf> {
        let (body, exists) = match of.kind {
            LoopKind::All(body) => (body, false),
            LoopKind::Exists(body) => (body, true),
            LoopKind::ExistsOne(body) => return self.key_among(of, body, Relation::Equal),
            _ => return None,
        };
        if of.second.is_some() || *self.code.ty(body) != Type::Bool {
            return None;
        }
        let relation = if exists { Relation::Equal } else { Relation::NotEqual };
        let leaf = self.key_among(of, body, relation).or_else(|| self.unrolled(of, body, exists));
        leaf.or_else(|| self.looped(of, body, exists))
    }

    /// A loop over the keys of a map that asks for one of them: `exists(key, key == 'a')`, `all(key, key != 'a')`.
    fn key_among(&self, of: &Loop, body: NodeId, relation: Relation) -> Option<Leaf> {
        let map = self.map(of.range).filter(|_| of.second.is_none())?;
        let [one, other] = self.code.formed(self.code.node(body)?, Form::Compare(relation))? else {
            return None;
        };
        let is_key = |id: NodeId| matches!(self.code.node(id), Some(Node::Local(slot)) if *slot == of.first);
        let key = if is_key(*one) { other } else { Some(one).filter(|_| is_key(*other))? };
        let found = Leaf::HasKey { map, key: self.literal(*key)? };
        Some(if relation == Relation::Equal { found } else { Leaf::Unless(Box::new(found)) })
    }

    /// A loop over literals, as its body for each of them.
    fn unrolled(&mut self, of: &Loop, body: NodeId, exists: bool) -> Option<Leaf> {
        let Value::List(items) = self.code.constant(of.range)? else { return None };
        let unrolled = self.unrolled + items.len();
        if unrolled > MAX_UNROLLED {
            return None;
        }
        self.unrolled = unrolled;
        let bodies: Option<Vec<Test>> = items
            .iter()
            .map(|item| {
                self.bound.push((of.first, item.clone()));
                let test = self.test(body);
                self.bound.pop();
                test
            })
            .collect();
        Some(Leaf::Unrolled(Box::new(Test::joined(bodies?.into_iter(), exists))))
    }

    fn looped(&mut self, of: &Loop, body: NodeId, exists: bool) -> Option<Leaf> {
        if self.item.is_some() {
            return None;
        }
        let over = match self.map(of.range) {
            Some(map) => Over::Keys(map),
            None => Over::List(self.list(of.range)?),
        };
        self.item = Some(of.first);
        let body = self.test(body);
        self.item = None;
        Some(Leaf::Quantified { over, body: Box::new(body?), exists })
    }

    fn call(&mut self, id: NodeId, form: Form, arguments: &[NodeId]) -> Option<Test> {
        let leaf = |leaf: Leaf| Some(Test::Leaf(id, leaf));
        match (form, arguments) {
            (Form::Not, [operand]) => {
                self.all_bool(&[*operand])?;
                self.test(*operand).map(Test::negated)
            }
            (Form::Compare(Relation::Equal), [one, other]) => self.equal(id, *one, *other),
            (Form::Compare(Relation::NotEqual), [one, other]) => {
                self.equal(id, *one, *other).map(|test| match test {
                    // The node is that of the comparison as it is written.
                    Test::Leaf(id, leaf) => Test::Leaf(id, Leaf::Unless(Box::new(leaf))),
                    other => Test::negated(other),
                })
            }
            (Form::Compare(relation), [one, other]) => {
                let how = match relation {
                    Relation::Less => Comparison::Less,
                    Relation::LessEqual => Comparison::LessEqual,
                    Relation::Greater => Comparison::Greater,
                    Relation::GreaterEqual => Comparison::GreaterEqual,
                    Relation::Equal | Relation::NotEqual => return None,
                };
                self.compare(id, *one, how, *other)
            }
            (Form::In, [item, list]) => self.member(id, *item, *list),
            (Form::Begins, [text, part]) => leaf(self.part(*text, *part, Place::Start)?),
            (Form::Ends, [text, part]) => leaf(self.part(*text, *part, Place::End)?),
            (Form::Holds, [text, part]) => leaf(self.part(*text, *part, Place::Anywhere)?),
            (Form::Within, [text, of]) => {
                let networks = match (self.literal(*of), self.literals(*of)) {
                    (Some(one), _) => networks([&*one]),
                    (None, literals) => networks(literals?.iter().map(|literal| &**literal)),
                };
                self.within(id, *text, networks)
            }
            (Form::WithinFixed(of), [text]) => self.within(id, *text, networks(of.iter().copied())),
            (Form::HasName(spelling), [map, name]) => {
                let key = spelled(self.literal(*name)?, spelling);
                Some(Test::Leaf(id, Leaf::HasKey { map: self.map(*map)?, key }))
            }
            _ => None,
        }
    }

    fn part(&self, text: NodeId, part: NodeId, place: Place) -> Option<Leaf> {
        let text = self.text(text)?;
        let Some(literal) = self.literal(part) else {
            return Some(Leaf::HasPart { text, part: self.text(part)?, place });
        };
        Some(match place {
            Place::Start => Leaf::StartsWith { text, literal: literal.into() },
            Place::End => Leaf::EndsWith { text, literal },
            Place::Anywhere => Leaf::Contains { text, literal },
        })
    }

    fn equal(&mut self, id: NodeId, one: NodeId, other: NodeId) -> Option<Test> {
        let leaf = |leaf: Leaf| Some(Test::Leaf(id, leaf));
        let pair = self.literal(other).map(|literal| (one, literal));
        let pair = pair.or_else(|| self.literal(one).map(|literal| (other, literal)));
        if let Some((text, literal)) = pair {
            if let Some(test) = self.client(text, || hosts([&*literal])) {
                return Some(test);
            }
            return leaf(Leaf::Is { text: self.text(text)?, literal: literal.into() });
        }
        if let (Some(one), Some(other)) = (self.text(one), self.text(other)) {
            return leaf(Leaf::Same { one, other });
        }
        self.compare(id, one, Comparison::Equal, other)
    }

    fn compare(&mut self, id: NodeId, one: NodeId, how: Comparison, other: NodeId) -> Option<Test> {
        let (one, other) = (self.number(one)?, self.number(other)?);
        Some(Test::Leaf(id, Leaf::Compare { one, how, other }))
    }

    fn member(&mut self, id: NodeId, item: NodeId, list: NodeId) -> Option<Test> {
        if let Some(literals) = self.literals(list) {
            let set = || hosts(literals.iter().map(|literal| &**literal));
            if let Some(test) = self.client(item, set) {
                return Some(test);
            }
            let (text, literals) = (self.text(item)?, literals.into_iter().collect());
            return Some(Test::Leaf(id, Leaf::OneOf { text, literals }));
        }
        if let Some(map) = self.map(list) {
            return Some(Test::Leaf(id, Leaf::HasKey { map, key: self.literal(item)? }));
        }
        let (list, text) = (self.list(list)?, self.text(item)?);
        Some(Test::Leaf(id, Leaf::Has { list, text }))
    }

    fn within(&mut self, id: NodeId, text: NodeId, networks: RangeSet) -> Option<Test> {
        if let Some(test) = self.client(text, || networks.clone()) {
            return Some(test);
        }
        let text = self.text(text)?;
        Some(Test::Leaf(id, Leaf::Within { text, networks: Box::new(AddressSet::new(&networks)) }))
    }

    /// A test of the client's address, if the text is that address and there is a table for it.
    fn client(&mut self, text: NodeId, set: impl FnOnce() -> RangeSet) -> Option<Test> {
        if self.code.fact(text).is_none_or(|fact| fact.role != Role::Client) {
            return None;
        }
        let intern = self.intern.as_mut()?;
        let set = set();
        // The address is always there: what holds for none is false.
        Some(if set.is_empty() { Test::Always(false) } else { Test::Client(intern(set)) })
    }

    /// The value of a part that is constant, or that an unrolled loop around it makes so.
    fn constant(&self, id: NodeId) -> Option<&Value> {
        match self.code.node(id)? {
            Node::Const(value) => Some(value),
            Node::Local(slot) => self.bound.iter().find(|(bound, _)| bound == slot).map(|(_, value)| value),
            _ => None,
        }
    }

    fn literal(&self, id: NodeId) -> Option<Arc<str>> {
        match self.constant(id)? {
            Value::String(text) => Some(Arc::clone(text)),
            _ => None,
        }
    }

    /// The texts of a list of literals.
    fn literals(&self, id: NodeId) -> Option<Box<[Arc<str>]>> {
        let Value::List(items) = self.code.constant(id)? else { return None };
        let text = |item: &Value| match item {
            Value::String(text) => Some(Arc::clone(text)),
            _ => None,
        };
        items.iter().map(text).collect()
    }

    fn text(&self, id: NodeId) -> Option<Text> {
        if *self.code.ty(id) != Type::String {
            return None;
        }
        if let Some(text) = self.literal(id) {
            return Some(Text::Literal(text));
        }
        match self.code.node(id)? {
            Node::Fact(fact) => Some(Text::Fact(*fact)),
            Node::Local(slot) if self.item == Some(*slot) => Some(Text::Item),
            Node::Index { operand, index, optional: false } => {
                let Value::Int(at) = self.code.constant(*index)? else { return None };
                Some(Text::At(self.list(*operand)?, usize::try_from(*at).ok()?))
            }
            _ => None,
        }
    }

    fn list(&self, id: NodeId) -> Option<List> {
        let Type::List(item) = self.code.ty(id) else { return None };
        if **item != Type::String {
            return None;
        }
        match self.code.node(id)? {
            Node::Const(Value::List(items)) => Some(List::Literal(Arc::clone(items))),
            Node::Fact(fact) => Some(List::Fact(*fact)),
            Node::Select { operand, field: Value::String(key), optional: false } => {
                Some(List::Entry { map: self.map(*operand)?, key: Arc::clone(key) })
            }
            Node::Index { operand, index, optional: false } => {
                Some(List::Entry { map: self.map(*operand)?, key: self.literal(*index)? })
            }
            Node::Call { overloads, arguments, .. } => match (self.code.form(overloads), &**arguments) {
                (Form::Named(spelling), [map, name]) => {
                    let key = spelled(self.literal(*name)?, spelling);
                    Some(List::EntryOrEmpty { map: self.map(*map)?, key })
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn map(&self, id: NodeId) -> Option<Fact> {
        self.code.fact(id).filter(|_| matches!(self.code.ty(id), Type::Map(_)))
    }

    fn number(&self, id: NodeId) -> Option<Number> {
        if *self.code.ty(id) != Type::Int {
            return None;
        }
        if let Some(Value::Int(number)) = self.constant(id) {
            return Some(Number::Literal(*number));
        }
        match self.code.node(id)? {
            Node::Fact(fact) => Some(Number::Fact(*fact)),
            node => match self.code.formed(node, Form::Size)? {
                [list] => Some(Number::Length(self.list(*list)?)),
                _ => None,
            },
        }
    }
}

/// A name as a map has it.
fn spelled(name: Arc<str>, how: Spelling) -> Arc<str> {
    match how {
        Spelling::AsWritten => name,
        Spelling::LowerCase => name.to_ascii_lowercase().into(),
    }
}

/// The networks of texts, as `inCidrRange` reads them: what is no network with a length holds nothing.
pub(in crate::cel) fn networks<'t>(texts: impl IntoIterator<Item = &'t str>) -> RangeSet {
    let read = |text| cidr(text).ok().filter(|network| !network.bare).map(|network| network.network);
    RangeSet::from_networks(texts.into_iter().filter_map(read))
}

/// The addresses whose canonical text is among some: any other text equals none.
pub(in crate::cel) fn hosts<'t>(texts: impl IntoIterator<Item = &'t str>) -> RangeSet {
    let read = |text: &str| {
        let address: std::net::IpAddr = text.parse().ok()?;
        (address.to_canonical().to_string() == text).then_some(address.into())
    };
    RangeSet::from_networks(texts.into_iter().filter_map(read))
}
