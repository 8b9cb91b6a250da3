//! Compiles typed code to predicates.

use std::sync::Arc;

use super::sources::{List, Number, Text};
use super::{Comparison, Draws, Intern, Leaf, Test};
use crate::cel::check::code::{Code, Loop, LoopKind, Node, NodeId, Slot};
use crate::cel::library::overload::{Form, Relation, Spelling};
use crate::cel::values::fact::{Fact, Role};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::lpm::{AddressSet, RangeSet, cidr};

/// Tests inside one another; deeper ones are interpreted.
const MAX_DEPTH: usize = 80;

pub(in crate::cel) fn build(code: &Code, intern: Option<Intern<'_>>) -> Test {
    let mut builder = Builder { code, intern, item: None, depth: 0 };
    let root = code.root();
    builder.test(root).unwrap_or_else(|| builder.interpreted(root))
}

struct Builder<'c, 'i> {
    code: &'c Code,
    intern: Option<Intern<'i>>,
    /// The variable of the loop around: within it nothing is interpreted by itself, since only the loop binds it.
    item: Option<Slot>,
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
        self.item.is_none().then(|| self.interpreted(id))
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
            _ => return None,
        };
        if self.item.is_some() || of.second.is_some() || *self.code.ty(body) != Type::Bool {
            return None;
        }
        let list = self.list(of.range)?;
        self.item = Some(of.first);
        let body = self.test(body);
        self.item = None;
        Some(Leaf::Quantified { list, body: Box::new(body?), exists })
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
            (Form::Begins, [text, literal]) => {
                let (text, literal) = (self.text(*text)?, self.literal(*literal)?.into());
                leaf(Leaf::StartsWith { text, literal })
            }
            (Form::Ends, [text, literal]) => {
                let (text, literal) = (self.text(*text)?, self.literal(*literal)?);
                leaf(Leaf::EndsWith { text, literal })
            }
            (Form::Holds, [text, literal]) => {
                let (text, literal) = (self.text(*text)?, self.literal(*literal)?);
                leaf(Leaf::Contains { text, literal })
            }
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

    fn literal(&self, id: NodeId) -> Option<Arc<str>> {
        self.code.text(id).map(Arc::clone)
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
        match self.code.node(id)? {
            Node::Const(Value::String(text)) => Some(Text::Literal(Arc::clone(text))),
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
        match self.code.node(id)? {
            Node::Const(Value::Int(number)) => Some(Number::Literal(*number)),
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
