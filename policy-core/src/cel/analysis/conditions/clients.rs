//! Which addresses a client may have for a condition to hold.

use crate::cel::analysis::parts::{Key, Parts, Stands};
use crate::cel::check::code::{Code, LoopKind, Node, NodeId};
use crate::cel::compile::predicate::{hosts, networks};
use crate::cel::library::overload::{Form, Relation};
use crate::cel::values::fact::{Fact, Role};
use crate::lpm::RangeSet;

/// Brackets and choices inside one another that are looked into.
const MAX_LEVELS: usize = 24;
/// Texts of a list that are looked at.
const MAX_TEXTS: usize = 4_096;

/// The addresses for which a condition may hold; `None` if that may be any of them, or is not known. A test that no
/// address passes, as one of a text that is no network, is taken as not known: it is wrong for a reason of its own.
/// O(parts · networks).
pub(in crate::cel) fn clients(code: &Code) -> Option<RangeSet> {
    if !code.nodes().any(|(id, _)| code.fact(id).is_some_and(is_client)) {
        return None;
    }
    ClientReader { parts: &Parts::new(code) }.read(code.root(), true, MAX_LEVELS)
}

/// Ranges of a test of the client's address that is compared with others.
const MAX_RANGES: usize = 64;

/// The client's address, and for which of them a test comes out this way; `None` for other tests, and long lists.
pub(super) fn tested(parts: &Parts<'_>, node: &Node, truth: bool) -> Option<(Key, RangeSet)> {
    let reader = ClientReader { parts };
    let test = reader.test(node)?;
    let set = test.addresses(&reader.texts(test.of)?, truth)?;
    (ranges(&set) <= MAX_RANGES).then(|| (parts.key(test.client), set))
}

/// Ranges of a set of addresses.
pub(super) fn ranges(set: &RangeSet) -> usize {
    set.v4().as_slice().len() + set.v6().as_slice().len()
}

/// True for the address of the client.
fn is_client(fact: Fact) -> bool {
    fact.role == Role::Client
}

struct ClientReader<'p, 'c> {
    parts: &'p Parts<'c>,
}

impl ClientReader<'_, '_> {
    fn read(&self, id: NodeId, truth: bool, levels: usize) -> Option<RangeSet> {
        let levels = levels.checked_sub(1)?;
        let (id, node) = self.parts.written(id);
        let node = node?;
        match node {
            Node::And(..) | Node::Or(..) => {
                let and = matches!(node, Node::And(..));
                let sides = crate::cel::analysis::parts::chain(self.parts.code, id, and);
                let mut sides = sides.into_iter().map(|side| self.read(side, truth, levels));
                match and == truth {
                    true => sides.flatten().reduce(|all, side| all.common(&side)),
                    false => sides.try_fold(RangeSet::default(), |any, side| Some(any.with(&side?))),
                }
            }
            Node::Conditional { condition, then, otherwise } => {
                let way = |of: NodeId, value: bool| {
                    let known = [self.read(*condition, value, levels), self.read(of, truth, levels)];
                    known.into_iter().flatten().reduce(|all, side| all.common(&side))
                };
                Some(way(*then, true)?.with(&way(*otherwise, false)?))
            }
            Node::Loop(of) => {
                let (body, any) = match of.kind {
                    LoopKind::Exists(body) => (body, truth),
                    LoopKind::All(body) => (body, !truth),
                    _ => return None,
                };
                let test = self.test(self.parts.code.node(body)?)?;
                if self.parts.stands(test.of) != Stands::Item(of.range) {
                    return None;
                }
                let mut each = self.items(of.range)?.into_iter().map(|text| test.addresses(&[text], truth));
                match any {
                    true => each.try_fold(RangeSet::default(), |all, next| Some(all.with(&next?))),
                    false => each.flatten().reduce(|all, next| all.common(&next)),
                }
            }
            _ => match self.parts.code.formed(node, Form::Not) {
                Some(of) => self.read(*of.first()?, !truth, levels),
                None => {
                    let test = self.test(node)?;
                    test.addresses(&self.texts(test.of)?, truth)
                }
            },
        }
    }

    /// A test of the client's address.
    fn test(&self, node: &Node) -> Option<AddressTest> {
        let is_client = |id: &NodeId| self.parts.fact(*id).is_some_and(is_client);
        let (overload, arguments) = self.parts.code.call(node)?;
        let (kind, equal, client, of) = match (overload.form, arguments) {
            (Form::Within, [client, of]) if is_client(client) => {
                (AddressTestKind::Networks, true, *client, *of)
            }
            (Form::Compare(relation @ (Relation::Equal | Relation::NotEqual)), [a, b])
                if is_client(a) || is_client(b) =>
            {
                let (client, of) = if is_client(a) { (*a, *b) } else { (*b, *a) };
                (AddressTestKind::Hosts, relation == Relation::Equal, client, of)
            }
            (Form::In, [client, list]) if is_client(client) => (AddressTestKind::Hosts, true, *client, *list),
            _ => return None,
        };
        Some(AddressTest { kind, equal, client, of })
    }

    /// The texts of a list that is written out, or the one that is.
    fn texts(&self, id: NodeId) -> Option<Vec<&str>> {
        match self.parts.text(id) {
            Some(text) => Some(vec![text]),
            None if matches!(self.parts.stands(id), Stands::Item(_)) => None,
            None => self.items(id),
        }
    }

    fn items(&self, list: NodeId) -> Option<Vec<&str>> {
        let items = self.parts.constants(list).filter(|items| items.len() <= MAX_TEXTS)?;
        items.into_iter().map(|(item, _)| self.parts.text(item)).collect()
    }
}

/// What a test asks of the address.
#[derive(Clone, Copy)]
enum AddressTestKind {
    /// That it lies in a network.
    Networks,
    /// That it is an address.
    Hosts,
}

struct AddressTest {
    kind: AddressTestKind,
    /// False for `!=`.
    equal: bool,
    client: NodeId,
    of: NodeId,
}

impl AddressTest {
    /// The addresses that pass, or do not; `None` if no text is one.
    fn addresses(&self, texts: &[&str], truth: bool) -> Option<RangeSet> {
        let set = match self.kind {
            AddressTestKind::Networks => networks(texts.iter().copied()),
            AddressTestKind::Hosts => hosts(texts.iter().copied()),
        };
        if set.is_empty() {
            return None;
        }
        Some(if truth == self.equal { set } else { RangeSet::all().without(&set) })
    }
}
