//! Runs predicates.

use std::cell::Cell;
use std::ops::ControlFlow;

use super::given::{ClientAddress, Given};
use super::sources::{Items, MapValue, Number, Over, Text, each_key, entry, number_of, text_of};
use super::{Leaf, Place, Test};
use crate::cel::check::code::{Code, NodeId};
use crate::cel::evaluate::evaluate;
use crate::cel::values::fault::{EvalError, Fault};
use crate::cel::values::host::{Borrowed, EvalLimits, Host};
use crate::cel::values::value::Value;

/// Evaluates a predicate.
#[inline(always)]
pub(in crate::cel) fn holds<H: Host>(
    test: &Test,
    code: &Code,
    host: &mut H,
    limits: &mut EvalLimits,
    client: Option<ClientAddress<'_>>,
) -> Result<bool, Box<EvalError>> {
    match try_inline(test, host) {
        Some(value) => Ok(value),
        None => evaluate_prepared(test, code, host, limits, client),
    }
}

/// The value of a leaf, or of leaves that are joined by `&&`, where each has one at once.
#[inline(always)]
pub(super) fn try_inline<H: Host>(test: &Test, host: &H) -> Option<bool> {
    match test {
        Test::Leaf(_, leaf) => leaf.try_inline(host),
        Test::All(parts) => try_inline_all(parts, host),
        _ => None,
    }
}

#[inline(never)]
fn try_inline_all<H: Host>(parts: &[Test], host: &H) -> Option<bool> {
    for part in parts {
        let Test::Leaf(_, leaf) = part else { return None };
        if !leaf.try_inline(host)? {
            return Some(false);
        }
    }
    Some(true)
}

#[inline(never)]
fn evaluate_prepared<H: Host>(
    test: &Test,
    code: &Code,
    host: &mut H,
    limits: &mut EvalLimits,
    client: Option<ClientAddress<'_>>,
) -> Result<bool, Box<EvalError>> {
    let steps = Cell::new(limits.steps);
    let given = Given { host: &*host, client, item: None, steps: &steps };
    if let Some(value) = try_specialised(test, &given) {
        limits.steps = steps.get();
        return Ok(value);
    }
    evaluate_parts(test, code, host, limits, client)
}

/// The value where every part of it has one, and draws nothing.
#[inline(always)]
fn try_specialised<H: Host>(test: &Test, given: &Given<'_, H>) -> Option<bool> {
    match test {
        Test::Leaf(_, leaf) => leaf.holds(given),
        Test::Client(test) => given.client.map(|client| client.is_in(*test)),
        _ => try_joined(test, given),
    }
}

/// A recursion as deep as the expression's brackets.
fn try_joined<H: Host>(test: &Test, given: &Given<'_, H>) -> Option<bool> {
    match test {
        Test::Leaf(..) | Test::Client(_) => try_specialised(test, given),
        Test::Always(value) => Some(*value),
        Test::Not(part) => try_specialised(part, given).map(|value| !value),
        Test::All(parts) => {
            for part in parts {
                if !try_specialised(part, given)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        Test::Any(parts) => {
            for part in parts {
                if try_specialised(part, given)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        Test::Choice(parts) => {
            let [condition, then, otherwise] = &**parts;
            if try_specialised(condition, given)? {
                try_specialised(then, given)
            } else {
                try_specialised(otherwise, given)
            }
        }
        Test::Interpreted(..) => None,
    }
}

/// The value where parts may fail or draw numbers: each part on its own, the interpreter for those without a
/// quick answer.
#[inline(never)]
fn evaluate_parts<H: Host>(
    test: &Test,
    code: &Code,
    host: &mut H,
    limits: &mut EvalLimits,
    client: Option<ClientAddress<'_>>,
) -> Result<bool, Box<EvalError>> {
    let joined = |parts: &[Test], decisive: bool, host: &mut H, limits: &mut EvalLimits| {
        let mut failed = None;
        for part in parts {
            match evaluate_parts(part, code, host, limits, client) {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(error) if error.fault.is_final() => return Err(error),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        failed.map_or(Ok(!decisive), Err)
    };
    match test {
        Test::Always(value) => Ok(*value),
        Test::Client(test) => match client {
            Some(client) => Ok(client.is_in(*test)),
            // INVARIANT: whoever interned the test gives the table.
            None => Err(Box::new(EvalError::whole(Fault::NotProvided("the client's address")))),
        },
        Test::Not(part) => evaluate_parts(part, code, host, limits, client).map(|value| !value),
        Test::All(parts) => joined(parts, false, host, limits),
        Test::Any(parts) => joined(parts, true, host, limits),
        Test::Choice(parts) => {
            let [condition, then, otherwise] = &**parts;
            match evaluate_parts(condition, code, host, limits, client)? {
                true => evaluate_parts(then, code, host, limits, client),
                false => evaluate_parts(otherwise, code, host, limits, client),
            }
        }
        Test::Leaf(node, leaf) => {
            let steps = Cell::new(limits.steps);
            let value = leaf.holds(&Given { host: &*host, client, item: None, steps: &steps });
            match value {
                Some(value) => {
                    limits.steps = steps.get();
                    Ok(value)
                }
                None => interpreted(code, *node, host, limits),
            }
        }
        Test::Interpreted(node, _) => interpreted(code, *node, host, limits),
    }
}

#[inline(never)]
fn interpreted<H: Host>(
    code: &Code,
    node: NodeId,
    host: &mut H,
    limits: &mut EvalLimits,
) -> Result<bool, Box<EvalError>> {
    match evaluate(code, node, host, limits, None) {
        Ok(Value::Bool(value)) => Ok(value),
        Ok(other) => Err(Box::new(EvalError::whole(Fault::overload(other.type_name())))),
        Err(error) => Err(Box::new(error)),
    }
}

impl Leaf {
    /// The answer to what most conditions consist of – one fact beside literals – where the fact is there and of its
    /// type. It takes no steps.
    #[inline(always)]
    fn try_inline<H: Host>(&self, host: &H) -> Option<bool> {
        match self {
            Self::Is { text: Text::Fact(fact), literal } => Some(text_of(host, *fact)?.equals(literal)),
            Self::OneOf { text: Text::Fact(fact), literals } => {
                Some(text_of(host, *fact)?.is_one_of(literals))
            }
            Self::StartsWith { text: Text::Fact(fact), literal } => {
                Some(text_of(host, *fact)?.starts_with(literal))
            }
            Self::Compare { one: Number::Fact(fact), how, other: Number::Literal(other) } => {
                Some(how.holds(number_of(host, *fact)?, *other))
            }
            Self::Within { text: Text::Fact(fact), networks } => {
                Some(text_of(host, *fact)?.is_within(networks))
            }
            _ => None,
        }
    }

    /// The answer, where the facts are there and of their types.
    fn holds<H: Host>(&self, given: &Given<'_, H>) -> Option<bool> {
        match self {
            Self::Is { text, literal } => Some(text.find(given)?.equals(literal)),
            Self::OneOf { text, literals } => Some(text.find(given)?.is_one_of(literals)),
            Self::StartsWith { text, literal } => Some(text.find(given)?.starts_with(literal)),
            Self::Compare { one, how, other } => Some(how.holds(one.find(given)?, other.find(given)?)),
            Self::Within { text, networks } => Some(text.find(given)?.is_within(networks)),
            Self::Flag(fact) => match given.host.borrow(*fact)? {
                Borrowed::Bool(value) => Some(value),
                Borrowed::Value(Value::Bool(value)) => Some(*value),
                _ => None,
            },
            Self::Unless(leaf) => leaf.holds(given).map(|value| !value),
            Self::Known(fact) => given.host.borrow(*fact).map(|_| true),
            Self::Same { one, other } => {
                let (one, other) = (one.find(given)?, other.find(given)?);
                Some(one.with(|one| other.with(|other| one == other)))
            }
            Self::EndsWith { text, literal } => {
                Some(text.find(given)?.with(|text| text.as_bytes().ends_with(literal.as_bytes())))
            }
            Self::Contains { text, literal } => {
                let found = text.find(given)?;
                let steps = found.with(str::len) as u64 / 10;
                given.charge(steps)?;
                Some(found.with(|text| text.contains(&**literal)))
            }
            Self::Matches { text, pattern } => {
                let found = text.find(given)?;
                given.charge(pattern.steps(found.with(str::len) as u64))?;
                Some(found.with(|text| pattern.is_match(text)))
            }
            Self::Has { list, text } => {
                let (items, wanted) = (list.find(given)?, text.find(given)?);
                given.charge(items.len() as u64)?;
                wanted.with(|wanted| has(items, wanted))
            }
            Self::HasKey { map, key } => {
                entry(given.host.borrow(*map)?, key).map(|found| !matches!(found, MapValue::Absent))
            }
            Self::HasPart { text, part, place } => {
                let (text, part) = (text.find(given)?, part.find(given)?);
                given.charge((text.with(str::len) + part.with(str::len)) as u64 / 10)?;
                Some(text.with(|text| part.with(|part| place.has(text, part))))
            }
            Self::Quantified { over, body, exists } => quantified(over, body, *exists, given),
            Self::Unrolled(body) => try_specialised(body, given),
        }
    }
}

/// What a loop says, where its body has a value for each text up to the one that decides.
fn quantified<H: Host>(over: &Over, body: &Test, exists: bool, given: &Given<'_, H>) -> Option<bool> {
    let decides = |text| {
        given.charge(1)?;
        try_specialised(body, &Given { item: Some(text), ..*given }).map(|value| value == exists)
    };
    match over {
        Over::List(list) => {
            let items = list.find(given)?;
            for at in 0..items.len() {
                if decides(items.text(at)?)? {
                    return Some(exists);
                }
            }
            Some(!exists)
        }
        Over::Keys(map) => {
            let mut decided = Some(false);
            each_key(given.host.borrow(*map)?, &mut |key| {
                decided = decides(key);
                if decided == Some(false) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            decided.map(|decided| decided == exists)
        }
    }
}

impl Place {
    fn has(self, text: &str, part: &str) -> bool {
        match self {
            Self::Start => text.as_bytes().starts_with(part.as_bytes()),
            Self::End => text.as_bytes().ends_with(part.as_bytes()),
            Self::Anywhere => text.contains(part),
        }
    }
}

/// Whether a list of texts has one of them; nothing if it has something else before.
fn has(items: Items<'_>, wanted: &str) -> Option<bool> {
    for at in 0..items.len() {
        if items.text(at)? == wanted {
            return Some(true);
        }
    }
    Some(false)
}
