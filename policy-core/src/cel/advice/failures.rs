//! Parts that fail for some connections or requests: a missing key, an index, a conversion.
//!
//! A part is taken as guarded if the expression is decided without it whenever it fails: `'x' in m &&
//! m['x'] == 1`, in either order, since `&&` absorbs errors; likewise `||` with a negated guard, and the
//! condition of `? :`. The items of one rule are joined by `&&` and guard one another too.

use std::rc::Rc;

use crate::cel;
use crate::cel::code::{Code, LoopKind, Node, NodeId};
use crate::cel::state::{self, State};
use crate::cel::types::Type;
use crate::cel::value::Value;
use crate::diagnostic::Diagnostic;

/// A part that may fail, unless one of its guards holds.
#[derive(Clone, Debug)]
pub(in crate::cel) struct MayFail {
    pub(in crate::cel) guards: Vec<String>,
    pub(in crate::cel) found: Diagnostic,
    /// What is missing then, if it comes from an earlier action.
    pub(in crate::cel) state: Option<State>,
}

/// What an expression tells of failures.
#[derive(Clone, Debug, Default)]
pub(in crate::cel) struct Failures {
    /// Parts that may fail.
    pub(in crate::cel) parts: Vec<MayFail>,
    /// What is known if the expression is true.
    pub(in crate::cel) known: Vec<String>,
}

/// What is known where a part is evaluated: a list that grows towards its head.
type Known = Option<Rc<Link>>;

struct Link {
    guard: String,
    next: Known,
}

fn with(known: &Known, guards: Vec<String>) -> Known {
    guards.into_iter().fold(known.clone(), |next, guard| Some(Rc::new(Link { guard, next })))
}

fn holds(known: &Known, guard: &str) -> bool {
    let mut at = known;
    while let Some(link) = at {
        if link.guard == guard {
            return true;
        }
        at = &link.next;
    }
    false
}

/// The sides of a chain of `&&`, or of `||`.
fn chain(code: &Code, id: NodeId, and: bool) -> Vec<NodeId> {
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

/// Texts longer than this are not compared.
const LONGEST_KEY: usize = 200;

/// Goes through an expression.
pub(in crate::cel) fn failures(code: &Code) -> Failures {
    if !code.nodes.iter().any(matters) {
        return Failures::default();
    }
    let keys = keys(code);
    let look = Look { code, keys: &keys };
    let mut out = Failures { parts: Vec::new(), known: look.implied(code.root, true) };
    let mut work: Vec<(NodeId, Known)> = vec![(code.root, None)];
    while let Some((id, known)) = work.pop() {
        let Some(node) = code.node(id) else { continue };
        match node {
            Node::And(..) | Node::Or(..) => {
                // What each side of a chain tells holds for all the others, since each absorbs their errors.
                let and = matches!(node, Node::And(..));
                let sides = chain(code, id, and);
                let told = sides.iter().flat_map(|side| look.implied(*side, and)).collect();
                let known = with(&known, told);
                work.extend(sides.into_iter().map(|side| (side, known.clone())));
            }
            Node::Conditional { condition, then, otherwise } => {
                work.push((*then, with(&known, look.implied(*condition, true))));
                work.push((*otherwise, with(&known, look.implied(*condition, false))));
                work.push((*condition, known));
            }
            _ => {
                if let Some(part) = look.may_fail(id, node)
                    && !part.guards.iter().any(|guard| holds(&known, guard))
                {
                    out.parts.push(part);
                }
                node.operands(&mut |operand| work.push((operand, known.clone())));
            }
        }
    }
    out.parts.sort_by_key(|part| part.found.span);
    out
}

/// True for a part that may fail, or that tells of failures. Most expressions have none.
fn matters(node: &Node) -> bool {
    const CALLS: &[&str] = &[
        "_in_",
        "size",
        "hasReqHeader",
        "hasResHeader",
        "hasReqCookie",
        "hasResCookie",
        "hasQueryParam",
        "getReqCookie",
        "getResCookie",
        "int",
        "uint",
        "double",
        "timestamp",
        "duration",
        "bool",
        "_/_",
        "_%_",
    ];
    match node {
        Node::Index { .. } | Node::Select { .. } | Node::Has { .. } | Node::HasFact(_) | Node::Loop(_) => {
            true
        }
        Node::Fact(fact) => fact.is_optional() || state::result_path(fact.path()).is_some(),
        Node::Call { name, .. } => CALLS.contains(name),
        _ => false,
    }
}

/// A text for each node that is the same for equal parts; empty where it would be long.
fn keys(code: &Code) -> Vec<String> {
    let mut keys: Vec<String> = Vec::with_capacity(code.nodes.len());
    for (at, node) in code.nodes.iter().enumerate() {
        let of = |id: &NodeId| keys.get(id.index()).map_or("", String::as_str);
        let key = match node {
            Node::Const(value) => value.to_string(),
            Node::Fact(fact) => fact.path().to_owned(),
            Node::Local(slot) => format!("@{slot}"),
            Node::Select { operand, field, .. } => format!("{}[{field}]", of(operand)),
            Node::Index { operand, index, .. } => format!("{}[{}]", of(operand), of(index)),
            Node::Call { name, arguments, .. } => {
                let all: Vec<_> = arguments.iter().map(of).collect();
                format!("{name}({})", all.join(","))
            }
            _ => format!("#{at}"),
        };
        let whole = matches!(node, Node::Const(_) | Node::Fact(_) | Node::Local(_));
        let known = whole || !key.contains("[]") && !key.starts_with('[');
        keys.push(if key.len() <= LONGEST_KEY && known { key } else { format!("#{at}") });
    }
    keys
}

struct Look<'c> {
    code: &'c Code,
    keys: &'c [String],
}

impl Look<'_> {
    fn key(&self, id: NodeId) -> &str {
        self.keys.get(id.index()).map_or("", String::as_str)
    }

    fn has_key(&self, map: NodeId, key: &str) -> String {
        format!("{} has {key}", self.key(map))
    }

    fn not_empty(&self, list: NodeId) -> String {
        format!("{} not empty", self.key(list))
    }

    /// The constant name of a header, as its map has it.
    fn header(&self, name: NodeId) -> String {
        self.key(name).to_ascii_lowercase()
    }

    /// What is known if a condition is true, or is false.
    fn implied(&self, id: NodeId, truth: bool) -> Vec<String> {
        let mut out = Vec::new();
        let mut work = vec![(id, truth)];
        while let Some((id, truth)) = work.pop() {
            match self.code.node(id) {
                Some(Node::And(a, b)) if truth => work.extend([(*a, true), (*b, true)]),
                Some(Node::Or(a, b)) if !truth => work.extend([(*a, false), (*b, false)]),
                Some(Node::Has { operand, field }) if truth => {
                    out.push(self.has_key(*operand, &field.to_string()))
                }
                Some(Node::HasFact(fact)) if truth => {
                    out.push(format!("{fact} is there"));
                    // The results of an action are there all together.
                    out.extend(state::result_path(fact.path()).map(|path| format!("{path} is there")));
                }
                Some(Node::Call { name, arguments, .. }) => match (*name, &**arguments, truth) {
                    ("!", [of], _) => work.push((*of, !truth)),
                    ("_in_", [key, map], true) => out.push(self.has_key(*map, self.key(*key))),
                    ("hasReqHeader" | "hasResHeader", [map, name], true) => {
                        out.push(self.has_key(*map, &self.header(*name)));
                    }
                    ("hasReqCookie" | "hasResCookie" | "hasQueryParam", [map, name], true) => {
                        out.push(self.has_key(*map, self.key(*name)));
                    }
                    (_, [a, b], _) => out.extend(self.sized(name, *a, *b, truth)),
                    _ => {}
                },
                // `map.exists(k, k == 'x')`.
                Some(Node::Loop(of)) if truth => {
                    let (LoopKind::Exists(body) | LoopKind::ExistsOne(body)) = of.kind else { continue };
                    if let Some(Node::Call { name: "_==_", arguments, .. }) = self.code.node(body)
                        && let [a, b] = **arguments
                        && let Some(Node::Local(slot)) = self.code.node(a)
                        && *slot == of.first
                    {
                        out.push(self.has_key(of.range, self.key(b)));
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// What `size(list) > 0` and its like tell.
    fn sized(&self, name: &str, a: NodeId, b: NodeId, truth: bool) -> Option<String> {
        let Some(Node::Call { name: "size", arguments, .. }) = self.code.node(a) else { return None };
        let Some(Node::Const(Value::Int(number))) = self.code.node(b) else { return None };
        let not_empty = match (name, truth) {
            ("_>_", true) => *number >= 0,
            ("_>=_" | "_==_", true) => *number >= 1,
            ("_!=_", true) | ("_==_" | "_<=_", false) => *number == 0,
            ("_<_", false) => *number == 1,
            _ => false,
        };
        let list = *arguments.first()?;
        not_empty.then(|| self.not_empty(list))
    }

    fn may_fail(&self, id: NodeId, node: &Node) -> Option<MayFail> {
        let span = self.code.span(id);
        let part = |guards: Vec<String>, message: String, help: &str| {
            let found = Diagnostic::new(&cel::MAY_FAIL, span, message).with_help(help);
            Some(MayFail { guards, found, state: state::variable(self.code, node) })
        };
        let text = |id: NodeId| self.key(id).to_owned();
        match node {
            Node::Index { operand, index, optional: false } => match self.code.ty(*operand) {
                Type::Map(_) if !self.is_constant(*operand) => {
                    let key = text(*index);
                    let shown = if key.starts_with(['#', '@']) {
                        "the key".to_owned()
                    } else {
                        format!("the key {key}")
                    };
                    let message = format!("this fails where {shown} is missing");
                    part(
                        vec![self.has_key(*operand, &key)],
                        message,
                        "ask first, e.g. `'key' in map && …`; without that the connection or request fails",
                    )
                }
                // The lists of these maps are never empty: the key decides.
                Type::List(_) if self.is_fact_entry(*operand) && self.is_zero(*index) => None,
                // A text that is split at a separator has a first part.
                Type::List(_) if self.is_split(*operand) && self.is_zero(*index) => None,
                Type::List(_) if !self.is_constant(*operand) => {
                    let mut guards = vec![self.not_empty(*operand)];
                    let mut help = "ask first, e.g. `size(list) > 0 && …`, or write `list.exists(x, …)`";
                    if let Some(Node::Call { name: "getReqHeader" | "getResHeader", arguments, .. }) =
                        self.code.node(*operand)
                        && let [map, name] = **arguments
                    {
                        guards.push(self.has_key(map, &self.header(name)));
                        help =
                            "ask first: `hasReqHeader('…') && …`, or write `getReqHeader('…').exists(x, …)`";
                    }
                    if let Some(Node::Call { name: "getQueryParam", arguments, .. }) =
                        self.code.node(*operand)
                        && let [map, name] = **arguments
                    {
                        guards.push(self.has_key(map, self.key(name)));
                        help = "ask first: `hasQueryParam('…') && …`";
                    }
                    // A guard says that there is an item, not how many.
                    if !self.is_zero(*index) {
                        guards.clear();
                    }
                    part(guards, "this fails where the list is shorter".to_owned(), help)
                }
                _ => None,
            },
            Node::Select { operand, field, optional: false }
                if matches!(self.code.ty(*operand), Type::Map(_)) && !self.is_constant(*operand) =>
            {
                part(
                    vec![self.has_key(*operand, &field.to_string())],
                    format!("this fails where the key {field} is missing"),
                    "ask first: `has(map.key) && …`; without that the connection or request fails",
                )
            }
            Node::Fact(fact) if let Some(path) = state::result_path(fact.path()) => {
                let found = part(
                    vec![format!("{fact} is there"), format!("{path} is there")],
                    format!("this fails where `{path}` is missing"),
                    "ask first: `has(…) && …`",
                );
                found.map(|found| MayFail { state: Some(State::Result(path)), ..found })
            }
            Node::Fact(fact) if fact.is_optional() => part(
                vec![format!("{fact} is there")],
                format!("this fails where `{fact}` is missing"),
                "ask first: `has(…) && …`",
            ),
            Node::Call { name: "getReqCookie" | "getResCookie", arguments, .. } => match **arguments {
                [map, name] => part(
                    vec![self.has_key(map, self.key(name))],
                    "this fails where there is no such cookie".to_owned(),
                    "ask first: `hasReqCookie(…) && …`, or `hasResCookie`",
                ),
                _ => None,
            },
            Node::Call {
                name: name @ ("int" | "uint" | "double" | "timestamp" | "duration" | "bool"),
                arguments,
                ..
            } => {
                let argument = *arguments.first()?;
                let clock =
                    matches!(self.code.node(argument), Some(Node::Fact(fact)) if fact.path() == "time.now");
                let from_text = *self.code.ty(argument) == Type::String && !self.is_constant(argument);
                (from_text && !clock).then(|| {
                    let message = format!("this fails where the text is no {name}");
                    part(
                        Vec::new(),
                        message,
                        "make sure of the text, e.g. with `matches`, or compare the text itself",
                    )
                })?
            }
            Node::Call { name: "_/_" | "_%_", arguments, .. } => {
                let divisor = *arguments.get(1)?;
                let whole = matches!(self.code.ty(divisor), Type::Int | Type::Uint);
                (whole && !self.is_constant(divisor)).then(|| {
                    part(
                        Vec::new(),
                        "this fails where the divisor is zero".to_owned(),
                        "divide by something that cannot be zero",
                    )
                })?
            }
            _ => None,
        }
    }

    fn is_constant(&self, id: NodeId) -> bool {
        self.code.is_constant(id)
    }

    fn is_zero(&self, id: NodeId) -> bool {
        matches!(self.code.node(id), Some(Node::Const(Value::Int(0))))
    }

    /// True for `text.split(separator)`, without a limit.
    fn is_split(&self, id: NodeId) -> bool {
        matches!(
            self.code.node(id),
            Some(Node::Call { name: "split", arguments, .. }) if arguments.len() == 2
        )
    }

    /// True for the entry of a map of a request or response.
    fn is_fact_entry(&self, id: NodeId) -> bool {
        matches!(
            self.code.node(id),
            Some(Node::Index { operand, .. } | Node::Select { operand, .. })
                if matches!(self.code.node(*operand), Some(Node::Fact(_)))
        )
    }
}
