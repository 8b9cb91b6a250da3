//! Parts that fail for some connections or requests: a missing key, an index, a conversion.
//!
//! A part is taken as guarded if the expression is decided without it whenever it fails: `'x' in m &&
//! m['x'] == 1`, in either order, since `&&` absorbs errors; likewise `||` with a negated guard, and the
//! condition of `? :`. The items of one rule are joined by `&&` and guard one another too.

use std::collections::HashSet;
use std::rc::Rc;

use super::calls::Verdict;
use super::fallible::can_fail;
use super::flow::DataFlow;
use super::guards::{Guard, gives, present};
use super::parts::{Key, Parts, Stands, chain};
use crate::cel::analysis::conditions::{Work, is_absorbed};
use crate::cel::analysis::state::{self, Shape, State, Step};
use crate::cel::check::code::{Node, NodeId};
use crate::cel::codes;
use crate::cel::library::overload::{Form, Gives};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics};

/// A part that may fail, unless one of its guards holds.
#[derive(Clone, Debug)]
pub(in crate::cel) struct MayFail {
    pub(in crate::cel) part: Key,
    /// Its place in the code.
    pub(in crate::cel) node: NodeId,
    /// One of these is enough.
    pub(in crate::cel) needs: Vec<Guard>,
    pub(in crate::cel) found: Diagnostic,
    /// What is missing then, if it comes from an earlier action.
    pub(in crate::cel) state: Option<State>,
    /// The way to it from a variable of an earlier action.
    way: Option<(State, Vec<Step>)>,
    /// The variable that must be a position of so many.
    position: Option<(State, usize)>,
}

impl MayFail {
    /// True if an earlier action has made sure of it.
    pub(in crate::cel) fn is_sure(&self, earlier: &dyn DataFlow) -> bool {
        let entry = self.way.as_ref().is_some_and(|(of, way)| earlier.shape(of).find(way).is_some());
        entry || self.position.as_ref().is_some_and(|(of, items)| earlier.shape(of).is_position(*items))
    }
}

/// What is known where a part is evaluated: a list that grows towards its head.
type Assumptions = Option<Rc<Link>>;

struct Link {
    guards: Vec<Guard>,
    next: Assumptions,
}

fn with(known: &Assumptions, guards: Vec<Guard>) -> Assumptions {
    match guards.is_empty() {
        true => known.clone(),
        false => Some(Rc::new(Link { guards, next: known.clone() })),
    }
}

fn holds(known: &Assumptions, needs: &[Guard]) -> bool {
    let mut at = known;
    while let Some(link) = at {
        if gives(&link.guards, needs) {
            return true;
        }
        at = &link.next;
    }
    false
}

/// Goes through an expression: the parts that may fail, and what is said of those that always do.
pub(in crate::cel) fn failures(parts: &Parts<'_>, found: &mut Diagnostics) -> Vec<MayFail> {
    let code = parts.code;
    if !code.nodes().any(|(_, node)| can_fail(node, code)) {
        return Vec::new();
    }
    let mut out: Vec<MayFail> = Vec::new();
    let mut work: Vec<(NodeId, Assumptions)> = vec![(code.root(), None)];
    while let Some((id, known)) = work.pop() {
        let Some(node) = code.node(id) else { continue };
        match node {
            Node::And(..) | Node::Or(..) => {
                // What each side of a chain tells holds for all the others, since each absorbs their errors.
                let and = matches!(node, Node::And(..));
                let sides = chain(code, id, and);
                let told = sides.iter().flat_map(|side| parts.implied(*side, and)).collect();
                let known = with(&known, told);
                work.extend(sides.into_iter().map(|side| (side, known.clone())));
            }
            Node::Conditional { condition, then, otherwise } => {
                work.push((*then, with(&known, parts.implied(*condition, true))));
                work.push((*otherwise, with(&known, parts.implied(*condition, false))));
                work.push((*condition, known));
            }
            _ => {
                match parts.verdict(id, node) {
                    Verdict::Never => {}
                    Verdict::Always(message, help) => {
                        found.push(
                            Diagnostic::new(&codes::ALWAYS_FAILS, code.span(id), message).with_help(help),
                        );
                    }
                    Verdict::Unless(needs, ..) if holds(&known, &needs) => {}
                    Verdict::Unless(needs, message, help) => {
                        let found = Diagnostic::new(&codes::MAY_FAIL, code.span(id), message).with_help(help);
                        let state = parts.state(node);
                        let (way, position) = (state::way(code, id), parts.position(node));
                        out.push(MayFail {
                            part: parts.key(id),
                            node: id,
                            needs,
                            found,
                            state,
                            way,
                            position,
                        });
                    }
                }
                node.operands(&mut |operand| work.push((operand, known.clone())));
            }
        }
    }
    out.sort_by_key(|part| part.found.span);
    // Others may decide without it, however they are put together.
    let (mut work, mut looked_at) = (Work::default(), 0);
    out.retain(|part| {
        looked_at += 1;
        looked_at > MAX_ABSORBED || !is_absorbed(parts, part.node, &part.needs, &mut work)
    });
    // What is read twice is missing once; what earlier actions produce may be missing in one place only.
    let mut told = HashSet::new();
    out.retain(|part| part.state.is_some() || told.insert(part.part));
    out
}

impl Parts<'_> {
    /// The variable or result that a part reads.
    fn state(&self, node: &Node) -> Option<State> {
        match node {
            Node::Fact(fact) => fact.result().map(State::Result),
            _ => state::variable(self.code, node),
        }
    }

    /// The variable that a part takes for a position in a list that is written out, and the items of that.
    fn position(&self, node: &Node) -> Option<(State, usize)> {
        let Node::Index { operand, index, .. } = node else { return None };
        let Some(Node::List(items)) = self.written(*operand).1 else { return None };
        Some((state::variable(self.code, self.written(*index).1?)?, items.len()))
    }

    /// True for an entry of a map, or item of a list, that is written out, if each of them has a key.
    fn all_have(&self, id: NodeId, key: &Value) -> bool {
        let (Some(Node::Index { operand, .. }), Value::String(key)) = (self.written(id).1, key) else {
            return false;
        };
        let has = |id: NodeId| {
            let shape = state::shape(self.code, self.written(id).0, 2);
            shape.find(&[Step::Key((&**key).into())]).is_some()
        };
        match self.written(*operand).1 {
            Some(Node::Map(entries)) => entries.iter().all(|(_, value, _)| has(*value)),
            Some(Node::List(items)) => items.iter().all(|(item, _)| has(*item)),
            _ => false,
        }
    }

    /// True for what comes from JSON: which keys it has, nobody has said.
    fn is_decoded(&self, id: NodeId) -> bool {
        let mut at = self.written(id).1;
        loop {
            match at {
                Some(Node::Select { operand, .. } | Node::Index { operand, .. }) => {
                    at = self.written(*operand).1
                }
                Some(node) => {
                    return self
                        .code
                        .call(node)
                        .is_some_and(|(overload, _)| overload.gives == Gives::Decoded);
                }
                None => return false,
            }
        }
    }

    fn verdict(&self, id: NodeId, node: &Node) -> Verdict {
        match node {
            Node::Index { operand, index, optional: false } => {
                let key = self.key(*index);
                let shown = self.constant(*index);
                self.entry_verdict(id, *operand, key, shown, Some(*index))
            }
            Node::Select { operand, field, optional: false } => {
                self.entry_verdict(id, *operand, Key::from_value(field), Some(field), None)
            }
            Node::Fact(fact) => match fact.result() {
                Some(path) => Verdict::Unless(
                    vec![present(fact.path()), present(path)],
                    format!("this fails if `{path}` is missing"),
                    "check first: `has(…) && …`",
                ),
                None if fact.is_optional() => Verdict::Unless(
                    vec![present(fact.path())],
                    format!("this fails if `{fact}` is missing"),
                    "check first: `has(…) && …`",
                ),
                None => Verdict::Never,
            },
            _ => match self.code.call(node) {
                Some((overload, arguments)) => self.call_verdict(id, overload, arguments),
                None => Verdict::Never,
            },
        }
    }

    /// The entry of a map or the item of a list: `index` is there if the key stands in brackets.
    fn entry_verdict(
        &self,
        id: NodeId,
        operand: NodeId,
        key: Key,
        shown: Option<&Value>,
        index: Option<NodeId>,
    ) -> Verdict {
        // It is written out.
        if self.written(id).0 != id || index.is_some_and(|index| self.is_own_key(operand, index)) {
            return Verdict::Never;
        }
        match (self.written(operand).1, self.code.ty(operand)) {
            (Some(Node::Map(entries)), _) => {
                let keys: Option<Vec<&Value>> = entries.iter().map(|(key, ..)| self.constant(*key)).collect();
                let all = keys.filter(|_| entries.iter().all(|(.., optional)| !optional));
                self.written_verdict(operand, key, shown, index, all)
            }
            (Some(Node::List(items)), _) if items.iter().all(|(_, optional)| !optional) => {
                let shape =
                    index.map_or(Shape::Any, |index| state::shape(self.code, self.written(index).0, 1));
                if shape.is_position(items.len()) {
                    return Verdict::Never;
                }
                let positions: Vec<Value> =
                    (0_i64..).zip(items.iter()).take(MAX_WRITTEN).map(|(at, _)| Value::Int(at)).collect();
                let all = (items.len() <= MAX_WRITTEN).then(|| positions.iter().collect());
                self.written_verdict(operand, key, shown, index, all)
            }
            (Some(_), _) if shown.is_some_and(|key| self.always_has(operand, key)) => Verdict::Never,
            (_, Type::List(_)) => self.item_verdict(operand, shown, index),
            (_, Type::Map(_)) if shown.is_some_and(|key| self.all_have(operand, key)) => Verdict::Never,
            (_, Type::Dyn) if !self.is_decoded(operand) => Verdict::Never,
            (_, Type::Map(_) | Type::Dyn) => {
                let mut needs = vec![Guard::Has(self.key(operand), key)];
                if let (Some(Value::Int(at)), Type::Dyn) = (shown, self.code.ty(operand)) {
                    needs.push(Guard::Longer(self.key(operand), u64::try_from(*at).unwrap_or(0) + 1));
                }
                let key = shown.map_or_else(|| "the key".to_owned(), |key| format!("the key {key}"));
                let message = format!("this fails if {key} is missing");
                Verdict::Unless(needs, message, if index.is_some() { ASK_IN } else { ASK_HAS })
            }
            _ => Verdict::Never,
        }
    }

    /// True for a map that a function gives, always with this key.
    fn always_has(&self, map: NodeId, key: &Value) -> bool {
        match (self.call(map).map(|(overload, _)| overload.gives), key) {
            (Some(Gives::Keys(keys)), Value::String(key)) => keys.contains(&&**key),
            _ => false,
        }
    }

    /// True for a key over which a macro goes, in the very map: `m.exists(k, m[k] == 1)`.
    fn is_own_key(&self, map: NodeId, index: NodeId) -> bool {
        matches!(self.code.ty(map), Type::Map(_))
            && matches!(self.stands(index), Stands::Item(range) if self.key(range) == self.key(map))
    }

    /// The entry of something whose keys or positions are all written out, if they are.
    fn written_verdict(
        &self,
        operand: NodeId,
        key: Key,
        shown: Option<&Value>,
        index: Option<NodeId>,
        all: Option<Vec<&Value>>,
    ) -> Verdict {
        let is_map = matches!(self.written(operand).1, Some(Node::Map(_)));
        match (shown, all) {
            // What is constant as a whole has been evaluated.
            (Some(_), Some(_)) if self.code.is_constant(operand) => Verdict::Never,
            (Some(shown), Some(_)) if is_map => {
                Verdict::Always(format!("the map has no key {shown}"), "check the key, or add it".to_owned())
            }
            (Some(shown), Some(all)) => {
                let message = format!("the list has no item at {shown}: it has {}", all.len());
                Verdict::Always(message, "the first item is at 0".to_owned())
            }
            (_, all) => {
                let mut needs = vec![Guard::Has(self.key(operand), key)];
                needs.extend(
                    all.zip(index).map(|(all, index)| {
                        Guard::OneOf(self.key(index), all.into_iter().cloned().collect())
                    }),
                );
                let what = if is_map { "the map has no such key" } else { "the list has no such position" };
                let help = if is_map { ASK_IN } else { "check first, e.g. `i in [0, 1] && …`" };
                Verdict::Unless(needs, format!("this fails if {what}"), help)
            }
        }
    }

    /// The item of a list.
    fn item_verdict(&self, list: NodeId, shown: Option<&Value>, index: Option<NodeId>) -> Verdict {
        let position = match shown {
            Some(Value::Int(at)) => u64::try_from(*at).ok(),
            // `list[list.size() - 2]` is there where `list[1]` is.
            _ => index.and_then(|index| self.before_end(index, list)).and_then(|back| back.checked_sub(1)),
        };
        let first = position == Some(0);
        // The lists of these maps are never empty: the key decides. A text that is split has a first part.
        let split = self.split(list);
        let slash = |(text, separator)| self.meaning(text).is_path() && self.text(separator) == Some("/");
        if first && (self.is_fact_entry(list) || split.is_some())
            || position == Some(1) && split.is_some_and(slash)
        {
            return Verdict::Never;
        }
        let mut needs: Vec<_> =
            position.map(|at| Guard::Longer(self.key(list), at.saturating_add(1))).into_iter().collect();
        if let (Some(1), Some((text, separator))) = (position, split) {
            needs.push(Guard::Contains(self.key(text), self.key(separator)));
        }
        // Nor are those that a function reads out of these maps, if the key is there.
        let call = self.call(list).filter(|_| first);
        needs.extend(call.and_then(|(overload, arguments)| {
            self.looked_up(overload.form, arguments).map(|(map, key)| Guard::Has(map, key))
        }));
        let help = match call.map(|(overload, _)| overload.gives) {
            Some(Gives::Entries(help)) => help,
            _ if first => "check first, e.g. `size(list) > 0 && …`, or write `list.exists(x, …)`",
            _ => "check first, e.g. `size(list) > 1 && …`, or write `list.exists(x, …)`",
        };
        Verdict::Unless(needs, "this fails if the list is shorter".to_owned(), help)
    }

    /// Text and separator of `text.split(separator)`, without a limit.
    fn split(&self, id: NodeId) -> Option<(NodeId, NodeId)> {
        match *self.formed(id, Form::Split)? {
            [text, separator] if self.text(separator) != Some("") => Some((text, separator)),
            _ => None,
        }
    }

    /// True for the entry of a map of a request or response.
    fn is_fact_entry(&self, id: NodeId) -> bool {
        matches!(
            self.written(id).1,
            Some(Node::Index { operand, .. } | Node::Select { operand, .. }) if self.fact(*operand).is_some()
        )
    }
}

/// Parts of an expression that may fail, of which it is tried whether others decide without them.
const MAX_ABSORBED: usize = 64;
/// Items of a list that is written out, up to which positions are compared.
const MAX_WRITTEN: usize = 64;

const ASK_IN: &str = "check first, e.g. `'key' in map && …`; without that the connection or request fails";
const ASK_HAS: &str = "check first: `has(map.key) && …`; without that the connection or request fails";
