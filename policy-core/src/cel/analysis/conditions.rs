//! Conditions as tests of parts: whether several cover everything.
//!
//! A condition is a formula of tests, with `!` driven down to them. Each is a test of one part: that it is true, that it
//! is one of some values, or that it lies in a range; or the opposite. Tests of the same part are compared exactly, all
//! others are taken as independent.

mod clients;
mod cover;
mod decided;
mod formula;

use std::collections::BTreeSet;
use std::hash::Hash;

pub(in crate::cel) use self::clients::clients;
pub(in crate::cel) use self::cover::is_absorbed;
pub(crate) use self::cover::{Work, adjoin, cover};
pub(crate) use self::decided::{always, never_together};
pub(crate) use self::formula::{Formula, Written};
pub(in crate::cel) use self::formula::{formula, needed, path};
use super::parts::{Key, Parts};
use super::state::{self, State};
use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::library::SIZE;
use crate::cel::library::overload::{Form, Overload, Relation};
use crate::cel::values::fact::{Meaning, PartOf};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::lpm::RangeSet;

/// Whole numbers as ranges: in order, apart from one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Numbers(Vec<(i128, i128)>);

impl Numbers {
    fn new(ranges: impl IntoIterator<Item = (i128, i128)>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        ranges.sort_unstable();
        let mut out: Vec<(i128, i128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match out.last_mut() {
                Some(open) if first <= open.1 + 1 => open.1 = open.1.max(last),
                _ => out.push((first, last)),
            }
        }
        Self(out)
    }

    fn holds(&self, number: i128) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    fn or(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied())
    }

    /// All others among these.
    fn without(&self, among: (i128, i128)) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        let mut next = among.0;
        for (first, last) in &self.0 {
            out.push((next, (first - 1).min(among.1)));
            next = next.max(last + 1);
        }
        out.push((next, among.1));
        Self::new(out)
    }

    fn and(&self, other: &Self) -> Self {
        self.without(ALL).or(&other.without(ALL)).without(ALL)
    }
}

/// What is tested of a part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PartTest {
    /// It is true.
    Holds(bool),
    /// It is one of these values, or none of them.
    OneOf(BTreeSet<Key>, bool),
    /// It is one of these whole numbers.
    Within(Numbers),
    /// It is one of these addresses.
    Addresses(RangeSet),
}

/// A test of one part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    of: Key,
    test: PartTest,
    /// Values that the part may have at all, if it is a whole number.
    domain: (i128, i128),
}

/// What a side of a condition depends on, beside the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depends {
    /// Variables and results of earlier actions.
    pub(crate) states: Vec<State>,
    /// All variables together.
    pub(crate) variables: bool,
    /// The request, the response, or what is known of TLS, but for their headers.
    pub(crate) message: bool,
    /// Headers, by their names in lower case.
    pub(crate) headers: Vec<Box<str>>,
    /// All headers together.
    pub(crate) all_headers: bool,
    /// The time, which is one for all rules of a phase.
    pub(crate) time: bool,
    /// Chance, a secret, or an attempt: two evaluations may differ.
    pub(crate) volatile: bool,
}

/// Every whole number of the language.
const ALL: (i128, i128) = (i64::MIN as i128, u64::MAX as i128);

impl Condition {
    /// One that is equal to itself only, by a number of its own.
    pub(crate) fn opaque(number: u64) -> Self {
        Self::holds(Key::from_value(&Value::Null).at(number), true)
    }

    /// That a part is true, or is false.
    const fn holds(of: Key, truth: bool) -> Self {
        Self { of, test: PartTest::Holds(truth), domain: ALL }
    }

    /// That a list, map or text has so many items or characters.
    fn longer(of: Key, min: u64) -> Self {
        const MAX: i128 = i64::MAX as i128;
        let test = PartTest::Within(Numbers::new([(min.into(), MAX)]));
        Self { of: Key::call(SIZE, &[of]), test, domain: (0, MAX) }
    }

    /// The same at a time: it is equal only to what is tested at that time.
    pub(crate) fn at(self, time: u64) -> Self {
        Self { of: self.of.at(time), ..self }
    }

    /// What holds where this one does not.
    fn opposite(&self) -> Self {
        let test = match &self.test {
            PartTest::Holds(value) => PartTest::Holds(!value),
            PartTest::OneOf(values, of) => PartTest::OneOf(values.clone(), !of),
            PartTest::Within(numbers) => PartTest::Within(numbers.without(self.domain)),
            PartTest::Addresses(set) => PartTest::Addresses(RangeSet::all().without(set)),
        };
        Self { test, ..self.clone() }
    }
}

/// `a == true` is `a`.
fn same(parts: &Parts<'_>, node: &Node, truth: bool) -> Option<(NodeId, bool)> {
    let (relation, a, b) = comparison(parts.code, node).filter(|(relation, ..)| relation.is_equality())?;
    let value = |id| match parts.constant(id) {
        Some(Value::Bool(value)) => Some(*value),
        _ => None,
    };
    let (of, value) = value(b).map(|value| (a, value)).or_else(|| Some((b, value(a)?)))?;
    // Something else than true and false is neither.
    (*parts.code.ty(of) == Type::Bool).then_some((of, (value == truth) == (relation == Relation::Equal)))
}

/// What a part compares, and how.
fn comparison(code: &Code, node: &Node) -> Option<(Relation, NodeId, NodeId)> {
    match code.call(node).map(|(overload, arguments)| (overload.form, arguments))? {
        (Form::Compare(relation), [a, b]) => Some((relation, *a, *b)),
        _ => None,
    }
}

/// One side as a test.
fn test(parts: &Parts<'_>, id: NodeId, node: &Node, truth: bool) -> Condition {
    if let Some(of) = formula::has_key(parts, node) {
        return Condition::holds(of, truth);
    }
    if let Some((of, set)) = clients::tested(parts, node, truth) {
        return Condition { of, test: PartTest::Addresses(set), domain: ALL };
    }
    let whole = || Condition::holds(parts.key(id), truth);
    if let Some([a, b]) = parts.code.formed(node, Form::In) {
        return match parts.constants(*b) {
            Some(values) => one_of(parts, *a, values.into_iter().map(|(_, value)| value), truth),
            None => whole(),
        };
    }
    let Some((relation, a, b)) = comparison(parts.code, node) else { return whole() };
    match relation {
        Relation::Equal | Relation::NotEqual => {
            let truth = truth == (relation == Relation::Equal);
            if let Some(empty) = empty(parts, a, b, truth).or_else(|| empty(parts, b, a, truth)) {
                return empty;
            }
            match (parts.constant(a), parts.constant(b)) {
                (_, Some(value)) => equal(parts, a, value, truth),
                (Some(value), _) => equal(parts, b, value, truth),
                (None, None) => {
                    let (a, b) = (parts.key(a), parts.key(b));
                    Condition::holds(Key::entry(a.min(b), a.max(b)), truth)
                }
            }
        }
        _ => ordered(parts, relation, (a, b), truth).unwrap_or_else(whole),
    }
}

fn equal(parts: &Parts<'_>, of: NodeId, value: &Value, truth: bool) -> Condition {
    one_of(parts, of, std::iter::once(value), truth)
}

/// `list == []`: that it has no item.
fn empty(parts: &Parts<'_>, of: NodeId, with: NodeId, truth: bool) -> Option<Condition> {
    let empty = matches!(parts.written(with).1, Some(Node::List(items)) if items.is_empty());
    (empty && matches!(parts.code.ty(of), Type::List(_))).then(|| {
        let longer = Condition::longer(parts.key(of), 1);
        if truth { longer.opposite() } else { longer }
    })
}

fn one_of<'v>(
    parts: &Parts<'_>,
    of: NodeId,
    values: impl Iterator<Item = &'v Value> + Clone,
    truth: bool,
) -> Condition {
    let numbers: Option<Vec<i128>> = values.clone().map(whole_number).collect();
    if let Some(numbers) = numbers.filter(|_| is_whole(parts, of)) {
        let numbers = Numbers::new(numbers.into_iter().map(|number| (number, number)));
        return within(parts, of, if truth { numbers } else { numbers.without(ALL) });
    }
    let values = values.map(Key::from_equal).collect();
    Condition { of: parts.key(of), test: PartTest::OneOf(values, truth), domain: ALL }
}

fn is_whole(parts: &Parts<'_>, of: NodeId) -> bool {
    matches!(parts.code.ty(of), Type::Int | Type::Uint)
}

fn within(parts: &Parts<'_>, of: NodeId, numbers: Numbers) -> Condition {
    let domain = domain(parts, of);
    let numbers = numbers.and(&Numbers::new([domain]));
    Condition { of: parts.key(of), test: PartTest::Within(numbers), domain }
}

/// A whole number that is compared with a constant; of anything else with an order the smaller side is `a`.
fn ordered(
    parts: &Parts<'_>,
    relation: Relation,
    (a, b): (NodeId, NodeId),
    truth: bool,
) -> Option<Condition> {
    let turned = matches!(relation, Relation::Greater | Relation::GreaterEqual);
    let strict = matches!(relation, Relation::Less | Relation::Greater);
    let (a, b) = if turned { (b, a) } else { (a, b) };
    // Now `a < b` or `a <= b`; the opposite is `b <= a` or `b < a`.
    let (small, large, strict) = if truth { (a, b, strict) } else { (b, a, !strict) };
    let number = |id| parts.constant(id).and_then(whole_number);
    let less = i128::from(strict);
    match (number(small), number(large)) {
        (None, Some(max)) if is_whole(parts, small) => {
            Some(within(parts, small, Numbers::new([(ALL.0, max - less)])))
        }
        (Some(min), None) if is_whole(parts, large) => {
            Some(within(parts, large, Numbers::new([(min + less, ALL.1)])))
        }
        _ => {
            // Doubles that are no number are neither less nor greater.
            let total = |id| {
                matches!(
                    parts.code.ty(id),
                    Type::Int | Type::Uint | Type::String | Type::Timestamp | Type::Duration
                )
            };
            (total(a) && total(b)).then(|| {
                // `a <= b` is the opposite of `b < a`.
                let (first, second, holds) =
                    if strict { (small, large, true) } else { (large, small, false) };
                let of = Key::entry(
                    Key::entry(parts.key(first), parts.key(second)),
                    Key::from_value(&Value::text("<")),
                );
                Condition::holds(of, holds)
            })
        }
    }
}

/// The whole numbers that a part may be.
fn domain(parts: &Parts<'_>, of: NodeId) -> (i128, i128) {
    let all = match parts.code.ty(of) {
        Type::Uint => (0, ALL.1),
        _ => (i64::MIN.into(), i64::MAX.into()),
    };
    match parts.meaning(of) {
        Meaning::Port => (0, 65_535),
        _ if parts.formed(of, Form::Size).is_some() => (0, all.1),
        _ => all,
    }
}

fn whole_number(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some((*number).into()),
        Value::Uint(number) => Some((*number).into()),
        _ => None,
    }
}

/// What a part depends on. O(parts below it).
pub(in crate::cel) fn depends(code: &Code, root: NodeId) -> Depends {
    let mut out = Depends::default();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        let Some(node) = code.node(id) else { continue };
        if let Some(state) = state::variable(code, node).or_else(|| state::asked(code, node)) {
            out.states.push(state);
            // Only what names it is looked at further.
            if let Node::Index { index, .. } = node {
                open.push(*index);
            }
            continue;
        }
        if let Some(name) = header(code, node) {
            out.headers.push(name);
            out.message = true;
            continue;
        }
        match node {
            Node::Fact(fact) | Node::HasFact(fact) => match fact.result() {
                Some(path) => out.states.push(State::Result(path)),
                None => {
                    out.variables |= node.is_variables();
                    out.time |= fact.part_of() == PartOf::Time;
                    out.volatile |= fact.part_of() == PartOf::Attempt;
                    out.message |= fact.part_of() == PartOf::Message;
                    out.all_headers |= fact.meaning().has_header_names();
                }
            },
            Node::Call { overloads, .. } => {
                out.volatile |= !code.overloads(overloads).all(Overload::is_pure);
            }
            _ => {}
        }
        node.operands(&mut |operand| open.push(operand));
    }
    out
}

/// The name, in lower case, of the one header that a part looks at.
fn header(code: &Code, node: &Node) -> Option<Box<str>> {
    let constant = |id: &NodeId| code.constant(*id);
    let (map, name) = match node {
        Node::Select { operand, field, .. } | Node::Has { operand, field } => (operand, Some(field)),
        Node::Index { operand, index, .. } => (operand, constant(index)),
        _ => match code.call(node).map(|(overload, arguments)| (overload.form, arguments))? {
            (Form::In, [key, map]) => (map, constant(key)),
            (form, [map, key]) if form.looks_up().is_some() => (map, constant(key)),
            _ => return None,
        },
    };
    match (code.node(*map)?, name?) {
        (Node::Fact(fact), Value::String(name)) if fact.meaning().has_header_names() => {
            Some(name.to_ascii_lowercase().into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::Phase;
    use crate::variables::Site;

    fn read(text: &str) -> Formula {
        let site = Site { phase: Some(Phase::OnHttpRequest), ..Site::default() };
        let (expression, found) = crate::variables::env(site).check(text);
        let expression = expression.unwrap_or_else(|| panic!("{text}: {found:?}"));
        expression.formula().map(&mut |(test, _)| test)
    }

    fn covers(texts: &[&str]) -> bool {
        cover(&texts.iter().map(|text| read(text)).collect::<Vec<_>>(), &mut Work::default())
    }

    #[test]
    fn what_covers_everything_is_known() {
        for texts in [
            &["req.method == 'GET'", "req.method != 'GET'"][..],
            &["req.method == 'GET'", "!(req.method == 'GET')"],
            &["hasReqHeader('a')", "hasReqHeader('a') == false"],
            &["req.method in ['GET', 'PUT']", "!(req.method in ['PUT', 'GET'])"],
            &["req.method == 'GET'", "req.method == 'PUT'", "!(req.method in ['PUT', 'GET'])"],
            &["conn.client_port < 5", "conn.client_port >= 5"],
            &["conn.client_port <= 1000", "conn.client_port >= 1001 && conn.client_port <= 65535"],
            &["conn.client_port == 1", "conn.client_port != 1"],
            &["conn.client_port in [1, 2]", "conn.client_port < 1", "conn.client_port > 2"],
            &["5 > conn.client_port", "5 <= conn.client_port"],
            &["size(getReqHeader('a')) == 0", "getReqHeader('a').size() > 0"],
            &["req.host < 'm'", "req.host >= 'm'"],
            &[
                "hasReqHeader('a')",
                "!hasReqHeader('a') && req.method == 'GET'",
                "!hasReqHeader('a') && req.method != 'GET'",
            ],
            &["req.method == 'A'", "req.method != 'A' && req.host == 'x'", "req.host != 'x'"],
            &["req.host == 'a'", "req.host == 'b'", "req.host != 'a' && req.host != 'b'"],
            &["!(hasReqHeader('a') || hasReqHeader('b'))", "hasReqHeader('a')", "hasReqHeader('b')"],
            &["hasReqHeader('a') || hasReqHeader('b')", "!(hasReqHeader('b') || hasReqHeader('a'))"],
            &["hasReqHeader('a') || hasReqHeader('b')", "!hasReqHeader('a') && !hasReqHeader('b')"],
            &["!(hasReqHeader('a') && hasReqHeader('b'))", "hasReqHeader('a') && hasReqHeader('b')"],
            &["!hasReqHeader('a') || req.method != 'GET'", "hasReqHeader('a') && req.method == 'GET'"],
            &["hasReqHeader('a') ? req.host == 'x' : false", "hasReqHeader('a') ? req.host != 'x' : true"],
            &["hasReqHeader('a') ? req.host == 'x' : false", "!hasReqHeader('a')", "req.host != 'x'"],
            &["hasReqHeader('A')", "!('a' in req.headers)"],
            &["has(req.headers.a)", "!('a' in req.headers)"],
            &["timestamp(time.now).getHours() < 8", "timestamp(time.now).getHours() >= 8"],
            &[
                "conn.ts.start.getHours() < 8",
                "conn.ts.start.getHours() >= 18",
                "conn.ts.start.getHours() >= 8 && conn.ts.start.getHours() < 18",
            ],
            &[
                "conn.client_ip.categories.exists(c, c.startsWith('a'))",
                "conn.client_ip.categories.all(x, !x.startsWith('a'))",
            ],
            &[
                "conn.client_ip.categories.exists(c, c == 'a' || c == 'b')",
                "!conn.client_ip.categories.exists(c, !(c != 'b' && c != 'a'))",
            ],
            &[
                "['a', 'b'].all(x, x == req.host || req.method == x)",
                "['a', 'b'].exists(y, y != req.host && y != req.method)",
            ],
            &["(req.host == 'a') == true", "!(req.host == 'a' && true)"],
            &[
                "hasReqHeader('a') && (hasReqHeader('b') || req.host == 'c')",
                "!hasReqHeader('a')",
                "!hasReqHeader('b') && req.host != 'c'",
            ],
        ] {
            assert!(covers(texts), "{texts:?}");
        }
        for texts in [
            &["req.method == 'GET'"][..],
            &["req.method == 'GET'", "req.method != 'PUT' && req.host == 'a'"],
            &["req.method == 'GET'", "req.method == 'PUT'"],
            &["req.host == 'GET'", "req.method != 'GET'"],
            &["conn.client_port < 5", "conn.client_port > 5"],
            &["hasReqHeader('a')", "!hasReqHeader('b')"],
            &["double(conn.geo.radius) < 5.0", "double(conn.geo.radius) >= 5.0"],
            &["hasReqHeader('a') && hasReqHeader('b')", "!hasReqHeader('a') && !hasReqHeader('b')"],
            &[
                "hasReqHeader('a') || hasReqHeader('b')",
                "!hasReqHeader('a') && req.host == 'c' || !hasReqHeader('b') && req.host == 'd'",
            ],
            &["hasReqHeader('a') || hasReqHeader('b')", "!hasReqHeader('a') && req.method == 'GET'"],
            &["hasReqHeader('a') ? req.host == 'x' : false", "hasReqHeader('a') ? req.host != 'x' : false"],
            &["conn.ts.start.getHours() < 8", "conn.ts.start.getHours() > 8"],
            &["conn.ts.start.getHours() < 8", "conn.ts.start.getHours('Europe/Berlin') >= 8"],
            &["conn.ts.start.getHours() < 8", "timestamp(time.now).getHours() >= 8"],
            &[
                "conn.client_ip.categories.exists(c, c == 'a')",
                "conn.client_ip.categories.exists(c, c != 'a')",
            ],
            &["conn.client_ip.categories.exists(c, c == 'a')", "conn.server_ip.categories.all(c, c != 'a')"],
            &[
                "conn.client_ip.categories.exists_one(c, c == 'a')",
                "conn.client_ip.categories.all(c, c != 'a')",
            ],
            &["json.decode(req.host).a != 1", "json.decode(req.host).a != 1.0"],
            &["has(req.headers.a)", "!has(req.headers.b)"],
        ] {
            assert!(!covers(texts), "{texts:?}");
        }
    }

    #[test]
    fn one_condition_may_follow_from_another() {
        let gives = |some: &str, other: &str| covers(&[&format!("!({some})"), other]);
        for (some, other) in [
            ("conn.client_port > 10", "conn.client_port > 5"),
            ("conn.client_port == 7", "conn.client_port > 5"),
            ("req.method == 'GET'", "req.method in ['GET', 'PUT']"),
            ("req.method == 'GET'", "req.method != 'PUT'"),
            ("'GET' == req.method && req.host == 'a'", "req.method == 'GET'"),
            ("hasReqHeader('X-A')", "hasReqHeader('X-A') == true"),
        ] {
            assert!(gives(some, other) && !gives(&format!("!({some})"), other), "{some} {other}");
        }
        assert!(!gives("conn.client_port > 5", "conn.client_port > 10"));
    }

    #[test]
    fn ranges_may_adjoin() {
        let adjoin = |texts: &[&str]| adjoin(&texts.iter().map(|text| read(text)).collect::<Vec<_>>());
        assert!(adjoin(&["int(req.host) <= 0", "int(req.host) >= 1 && int(req.host) <= 1"]));
        assert!(adjoin(&[
            "int(req.host) <= 32",
            "int(req.host) > 32 && int(req.host) < 65",
            "int(req.host) == 65"
        ]));
        assert!(!adjoin(&["int(req.host) <= 0", "int(req.host) >= 2"]));
        assert!(!adjoin(&["int(req.host) <= 0", "int(req.method) >= 1"]));
        assert!(!adjoin(&["int(req.host) <= 0"]));
    }
}
