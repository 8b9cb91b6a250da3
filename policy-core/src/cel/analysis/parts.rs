//! What the parts of an expression are: equal parts have equal keys, names of macros lead to what they stand for, and
//! items of lists and maps that are written out to what is written.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::cel::check::code::{Code, LoopKind, Node, NodeId, Slot};
use crate::cel::library::overload::{Form, Overload, Spelling};
use crate::cel::values::fact::{Fact, Meaning};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;

/// Bytes of a constant as it is written; those of folded expressions are far shorter.
const MAX_CONSTANT: usize = 4 << 20;

/// A part: equal parts have equal keys, in other expressions too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    /// The key of a constant.
    pub(in crate::cel) fn from_value(value: &Value) -> Self {
        // Whole: two long texts may differ at their end.
        let written = value.written_within(MAX_CONSTANT).unwrap_or_else(|| value.to_string());
        hashed(&(0_u8, value.type_name(), written))
    }

    /// The key of a constant, equal for numbers that are equal whatever their types.
    pub(in crate::cel) fn from_equal(value: &Value) -> Self {
        let number = match value {
            Value::Int(number) => number.to_string(),
            Value::Uint(number) => number.to_string(),
            Value::Double(number) if *number == 0.0 => "0".to_owned(),
            Value::Double(number) => number.to_string(),
            other => return Self::from_value(other),
        };
        hashed(&(3_u8, number))
    }

    /// The key of a call.
    pub(in crate::cel) fn call(name: &str, arguments: &[Self]) -> Self {
        hashed(&(14_u8, name, arguments))
    }

    /// The key of something else.
    pub(in crate::cel) fn from_hash(of: &impl Hash) -> Self {
        hashed(&(4_u8, of))
    }

    /// The key of a fact.
    pub(in crate::cel) fn from_fact(path: &str) -> Self {
        hashed(&(10_u8, path))
    }

    /// The entry of a map, or the item of a list.
    pub(in crate::cel) fn entry(of: Self, key: Self) -> Self {
        hashed(&(1_u8, of, key))
    }

    /// The same part at another time.
    pub(crate) fn at(self, time: u64) -> Self {
        hashed(&(2_u8, self, time))
    }
}

fn hashed(of: &impl Hash) -> Key {
    // The same for every run: its keys are fixed.
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    Key(hasher.finish())
}

/// What a variable of a macro stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Stands {
    /// A value that `cel.bind` has named.
    Bound(NodeId),
    /// Each item of a list, or each key of a map.
    Item(NodeId),
    /// Something else that differs.
    Other,
}

/// The parts of an expression.
pub(in crate::cel) struct Parts<'c> {
    pub(in crate::cel) code: &'c Code,
    keys: Vec<Key>,
    /// What each variable stands for.
    stands: Vec<Stands>,
    /// The written part that a node is equal to, often itself.
    written: Vec<NodeId>,
}

impl<'c> Parts<'c> {
    /// Looks at all parts. O(parts · depth of macros).
    pub(in crate::cel) fn new(code: &'c Code) -> Self {
        let count = code.len();
        let mut parts = Self {
            code,
            keys: Vec::with_capacity(count),
            stands: stands(code),
            written: Vec::with_capacity(count),
        };
        for (id, node) in code.nodes() {
            let written = parts.find_written(id, node);
            parts.written.push(written);
            let key = parts.find_key(id, node);
            parts.keys.push(key);
        }
        parts
    }

    pub(in crate::cel) fn key(&self, id: NodeId) -> Key {
        self.keys.get(id.index()).copied().unwrap_or(Key(0))
    }

    /// The part as it is written, after names and positions in what is written out.
    pub(in crate::cel) fn written(&self, id: NodeId) -> (NodeId, Option<&'c Node>) {
        let id = self.written.get(id.index()).copied().unwrap_or(id);
        (id, self.code.node(id))
    }

    pub(in crate::cel) fn stands(&self, id: NodeId) -> Stands {
        self.stands.get(id.index()).copied().unwrap_or(Stands::Other)
    }

    /// A constant, perhaps named before.
    pub(in crate::cel) fn constant(&self, id: NodeId) -> Option<&'c Value> {
        match self.written(id).1 {
            Some(Node::Const(value)) => Some(value),
            _ => None,
        }
    }

    pub(in crate::cel) fn text(&self, id: NodeId) -> Option<&'c str> {
        match self.constant(id) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The fact that a part is.
    pub(in crate::cel) fn fact(&self, id: NodeId) -> Option<Fact> {
        match self.written(id).1 {
            Some(Node::Fact(fact)) => Some(*fact),
            _ => None,
        }
    }

    /// Which values a part has that is a fact; any for other parts.
    pub(in crate::cel) fn meaning(&self, id: NodeId) -> Meaning {
        self.fact(id).map_or(Meaning::Any, Fact::meaning)
    }

    /// The function that a part calls, with its arguments.
    pub(in crate::cel) fn call(&self, id: NodeId) -> Option<(&'static Overload, &'c [NodeId])> {
        self.code.call(self.written(id).1?)
    }

    /// The arguments of a part that is a call of a form.
    pub(in crate::cel) fn formed(&self, id: NodeId, form: Form) -> Option<&'c [NodeId]> {
        self.code.formed(self.written(id).1?, form)
    }

    /// The constants of a list that is written out.
    pub(in crate::cel) fn constants(&self, list: NodeId) -> Option<Vec<(NodeId, &'c Value)>> {
        let Some(Node::List(items)) = self.written(list).1 else { return None };
        items
            .iter()
            .map(|(item, optional)| Some((*item, self.constant(*item).filter(|_| !optional)?)))
            .collect()
    }

    /// The items of a list that is written out, or the keys of a map: what `in` looks among.
    pub(in crate::cel) fn members(&self, of: NodeId) -> Vec<NodeId> {
        match self.written(of).1 {
            Some(Node::List(items)) => items.iter().map(|(item, _)| *item).collect(),
            Some(Node::Map(entries)) => entries.iter().map(|(key, ..)| *key).collect(),
            _ => Vec::new(),
        }
    }

    /// The map and the name of an entry that a part reads, headers in lower case: `m['a']`, `m.a`,
    /// `getReqHeader('A')`.
    pub(in crate::cel) fn entry(&self, id: NodeId) -> Option<(Key, Key)> {
        let (_, node) = self.written(id);
        match node? {
            Node::Index { operand, index, optional: false } => Some((self.key(*operand), self.key(*index))),
            Node::Select { operand, field, optional: false } => {
                Some((self.key(*operand), Key::from_value(field)))
            }
            Node::Call { overloads, arguments, .. } => self.looked_up(self.code.form(overloads), arguments),
            _ => None,
        }
    }

    /// The map and the name that a function looks up.
    pub(in crate::cel) fn looked_up(&self, form: Form, arguments: &[NodeId]) -> Option<(Key, Key)> {
        let [map, name] = *arguments else { return None };
        let name = match (form.looks_up()?, self.text(name)) {
            (Spelling::LowerCase, Some(text)) => Key::from_value(&Value::text(text.to_ascii_lowercase())),
            _ => self.key(name),
        };
        Some((self.key(map), name))
    }

    fn find_written(&self, id: NodeId, node: &Node) -> NodeId {
        let behind = |id: NodeId| self.written.get(id.index()).copied().unwrap_or(id);
        let found = match node {
            Node::Local(_) => match self.stands(id) {
                Stands::Bound(init) => Some(behind(init)),
                _ => None,
            },
            Node::Bind { body, .. } => Some(behind(*body)),
            Node::Select { operand, field, optional: false } => {
                self.item(behind(*operand), field).map(behind)
            }
            Node::Index { operand, index, optional: false } => {
                let index = self.code.node(behind(*index));
                match index {
                    Some(Node::Const(index)) => self.item(behind(*operand), index).map(behind),
                    _ => None,
                }
            }
            _ => None,
        };
        found.unwrap_or(id)
    }

    /// The item of a list or map that is written out.
    fn item(&self, of: NodeId, key: &Value) -> Option<NodeId> {
        match self.code.node(of)? {
            Node::Map(entries) => {
                let wanted = Key::from_value(key);
                let found = entries.iter().find(|(at, _, optional)| !optional && self.key(*at) == wanted);
                found.map(|(_, value, _)| *value)
            }
            Node::List(items) => {
                let Value::Int(index) = key else { return None };
                let before = items.get(..=usize::try_from(*index).ok()?)?;
                before.iter().all(|(_, optional)| !optional).then(|| before.last().map(|(item, _)| *item))?
            }
            _ => None,
        }
    }

    fn find_key(&self, id: NodeId, node: &Node) -> Key {
        let key = |id: &NodeId| self.key(*id);
        match node {
            Node::Const(value) => Key::from_value(value),
            Node::Fact(fact) => Key::from_fact(fact.path()),
            Node::HasFact(fact) => hashed(&(11_u8, fact.path())),
            Node::Global(name) => hashed(&(12_u8, name)),
            Node::Local(slot) => match self.stands(id) {
                Stands::Bound(init) => self.key(init),
                _ => hashed(&(13_u8, slot)),
            },
            Node::Select { operand, field, optional: false } => {
                Key::entry(key(operand), Key::from_value(field))
            }
            Node::Index { operand, index, optional: false } => Key::entry(key(operand), key(index)),
            Node::Bind { body, .. } => key(body),
            Node::Call { name, overloads, arguments } => match self.code.form(overloads) {
                // The same list as in the map, but for one that is not there.
                form @ Form::Named(_) => match self.looked_up(form, arguments) {
                    Some((map, entry)) => Key::entry(map, entry),
                    None => Key::call(name, &arguments.iter().map(key).collect::<Vec<_>>()),
                },
                _ => Key::call(name, &arguments.iter().map(key).collect::<Vec<_>>()),
            },
            Node::Matches { operand, pattern } => hashed(&(15_u8, key(operand), pattern.written())),
            _ => {
                let mut operands = Vec::new();
                node.operands(&mut |id| operands.push(self.key(id)));
                hashed(&(16_u8, kind_of(node, id), operands))
            }
        }
    }
}

/// What tells nodes with the same operands apart.
fn kind_of(node: &Node, id: NodeId) -> (u8, u64) {
    match node {
        Node::Select { field, .. } => (0, Key::from_value(field).0),
        Node::Has { field, .. } => (1, Key::from_value(field).0),
        Node::Index { .. } => (2, 0),
        Node::And(..) => (3, 0),
        Node::Or(..) => (4, 0),
        Node::Conditional { .. } => (5, 0),
        Node::List(items) => (6, hashed(&items.iter().map(|(_, optional)| *optional).collect::<Vec<_>>()).0),
        Node::Map(entries) => {
            (7, hashed(&entries.iter().map(|(.., optional)| *optional).collect::<Vec<_>>()).0)
        }
        Node::Object(fields) => (8, hashed(&fields.iter().map(|(name, _)| *name).collect::<Vec<_>>()).0),
        Node::Loop(of) => {
            let (kind, filtered) = match of.kind {
                LoopKind::All(_) => (0_u8, false),
                LoopKind::Exists(_) => (1, false),
                LoopKind::ExistsOne(_) => (2, false),
                LoopKind::Filter(_) => (3, false),
                LoopKind::List { filter, .. } => (4, filter.is_some()),
                LoopKind::Map { filter, .. } => (5, filter.is_some()),
                LoopKind::Entries { filter, .. } => (6, filter.is_some()),
                LoopKind::SortBy(_) => (7, false),
            };
            (9, hashed(&(kind, filtered, of.second.is_some())).0)
        }
        Node::OptionalMap { flat, .. } => (10, u64::from(*flat)),
        Node::OrElse { unwrap, .. } => (11, u64::from(*unwrap)),
        // Nothing else is equal to it.
        _ => (12, id.index() as u64),
    }
}

/// What each variable of a macro stands for. O(parts · depth of macros).
fn stands(code: &Code) -> Vec<Stands> {
    let mut out = vec![Stands::Other; code.len()];
    let mut mark = |from: NodeId, to: usize, slot: Slot, stands: Stands| {
        let body = code.nodes().zip(&mut out).take(to).skip(from.index() + 1);
        for (_, of) in body.filter(|((_, node), _)| matches!(node, Node::Local(it) if *it == slot)) {
            *of = stands;
        }
    };
    for (id, node) in code.nodes() {
        match node {
            Node::Bind { slot, init, .. } => mark(*init, id.index(), *slot, Stands::Bound(*init)),
            Node::Loop(of) => {
                let item = match (of.second, code.ty(of.range)) {
                    // With two variables over a list the first is the position.
                    (Some(second), Type::List(_)) => second,
                    _ => of.first,
                };
                mark(of.range, id.index(), item, Stands::Item(of.range));
            }
            _ => {}
        }
    }
    out
}

/// The sides of a chain of `&&`, or of `||`.
pub(in crate::cel) fn chain(code: &Code, id: NodeId, and: bool) -> Vec<NodeId> {
    let mut sides = Vec::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        match code.node(id) {
            Some(Node::And(a, b)) if and => open.extend([*b, *a]),
            Some(Node::Or(a, b)) if !and => open.extend([*b, *a]),
            _ => sides.push(id),
        }
    }
    sides
}
