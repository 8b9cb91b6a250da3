//! Lists: joining, cutting, flattening, sorting.
//!
//! Source: CEL extension library `lists` (cel-go, 2026), string extension `join`; ngrok documentation, list
//! macros (2026-08-07).

use std::cmp::Ordering;

use super::overload::{Call, Cost, Fails, Form, Overload, Sequence};
use crate::cel::values::fault::Fault;
use crate::cel::values::host::ITEM;
use crate::cel::values::value::Value;

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("(list(string)).join() -> string", "all strings, one after the other", Cost::Product, join)
        .adding_no_slash(),
    Overload::new(
        "(list(string)).join(string) -> string",
        "all strings with a separator between them",
        Cost::Product,
        join,
    )
    .adding_no_slash(),
    Overload::new(
        "(list(A)).slice(int, int) -> list(A)",
        "the items from one position to before another",
        Cost::Copy,
        slice,
    )
    .failing(Fails::Outside(1, Sequence::List)),
    Overload::new(
        "(list(A)).flatten() -> list(dyn)",
        "the items of lists inside the list in their place",
        Cost::Copy,
        flatten,
    ),
    Overload::new(
        "(list(A)).flatten(int) -> list(dyn)",
        "the same, so many levels deep",
        Cost::Copy,
        flatten,
    )
    .failing(Fails::Negative),
    Overload::new(
        "(list(A)).sort() -> list(A)",
        "the items in order; all must be of one type",
        Cost::Pairs,
        sort,
    )
    .known_as(Form::Sort),
    Overload::new(
        "(list(A)).distinct() -> list(A)",
        "each item once, where it stands first",
        Cost::Pairs,
        distinct,
    ),
    Overload::new("(list(A)).reverse() -> list(A)", "the items in reverse order", Cost::Copy, reverse)
        .adding_no_slash(),
    Overload::new(
        "(list(A)).first() -> optional_type(A)",
        "the first item, if there is one",
        Cost::Unit,
        first,
    ),
    Overload::new("(list(A)).last() -> optional_type(A)", "the last item, if there is one", Cost::Unit, last),
    Overload::new(
        "lists.range(int) -> list(int)",
        "the whole numbers from 0 to before a number",
        Cost::Number,
        range,
    ),
];

fn join(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (items, separator) = match call.arguments {
        [Value::List(items)] => (items, ""),
        [Value::List(items), Value::String(separator)] => (items, &**separator),
        _ => return Err(Fault::overload("join")),
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items.iter() {
        let Value::String(text) = item else {
            return Err(Fault::argument(format!(
                "`join` takes strings, not a value of type {}",
                item.type_name()
            )));
        };
        texts.push(&**text);
    }
    let bytes: usize = texts.iter().map(|text| text.len().saturating_add(separator.len())).sum();
    call.budget.output(bytes)?;
    Ok(Value::text(texts.join(separator)))
}

/// A position from 0 to the number of items.
fn bound(index: i64, items: usize) -> Result<usize, Fault> {
    let at = usize::try_from(index).ok().filter(|&at| at <= items);
    at.ok_or_else(|| Fault::NoSuchIndex(index.to_string().into()))
}

fn slice(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let length = call.items(0)?.len();
    let (start, end) = (call.int(1)?, call.int(2)?);
    if start > end {
        return Err(Fault::argument(format!("the slice ends at {end}, before it begins at {start}")));
    }
    let (from, to) = (bound(start, length)?, bound(end, length)?);
    call.room((to - from) * ITEM)?;
    Ok(Value::list(call.items(0)?.get(from..to).unwrap_or_default().to_vec()))
}

fn flatten(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let depth = if call.arguments.len() > 1 { call.int(1)? } else { 1 };
    if depth < 0 {
        return Err(Fault::argument("the depth of `flatten` cannot be negative"));
    }
    let [Value::List(items), ..] = call.arguments else { return Err(Fault::overload("flatten")) };
    let mut out = Vec::new();
    // INVARIANT: values are nested no deeper than expressions and JSON may be, which bounds the stack.
    let mut open = vec![(items.iter(), depth)];
    while let Some((items, depth)) = open.last_mut() {
        let depth = *depth;
        match items.next() {
            None => drop(open.pop()),
            Some(Value::List(inner)) if depth > 0 => {
                call.budget.steps(1)?;
                open.push((inner.iter(), depth - 1));
            }
            Some(item) => {
                call.budget.output(ITEM)?;
                out.push(item.clone());
            }
        }
    }
    Ok(Value::list(out))
}

/// The positions of keys in order; equal keys stay as they are.
fn sorted_positions(keys: &[Value]) -> Result<Vec<usize>, Fault> {
    let name = keys.first().map_or("", Value::type_name);
    for key in keys {
        if key.type_name() != name || key.order(key).is_none() {
            let what = "the items to sort must be of one type that has an order";
            return Err(Fault::argument(format!("{what}; found {name} and {}", key.type_name())));
        }
    }
    let mut positions: Vec<usize> = (0..keys.len()).collect();
    positions.sort_by(|a, b| match (keys.get(*a), keys.get(*b)) {
        // A total order, for NaN too: the sort relies on it. The two zeros are equal.
        (Some(Value::Double(a)), Some(Value::Double(b))) => {
            a.partial_cmp(b).unwrap_or_else(|| a.total_cmp(b))
        }
        (Some(a), Some(b)) => a.order(b).flatten().unwrap_or(Ordering::Equal),
        _ => Ordering::Equal,
    });
    Ok(positions)
}

fn sort(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.items(0)?.len() * ITEM)?;
    let items = call.items(0)?;
    let positions = sorted_positions(items)?;
    Ok(Value::list(positions.iter().filter_map(|&at| items.get(at).cloned()).collect()))
}

/// What the macro `sortBy` ends with: the items in the order of their keys, which are a list of their own.
pub(in crate::cel) fn sort_by(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.items(0)?.len() * ITEM)?;
    let (items, positions) = (call.items(0)?, sorted_positions(call.items(1)?)?);
    Ok(Value::list(positions.iter().filter_map(|&at| items.get(at).cloned()).collect()))
}

fn distinct(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::List(items)] = call.arguments else { return Err(Fault::overload("distinct")) };
    let mut out: Vec<Value> = Vec::new();
    let budget = &mut *call.budget;
    'items: for item in items.iter() {
        for known in &out {
            if known.equals(item, &mut |steps| budget.steps(steps))? {
                continue 'items;
            }
        }
        budget.output(ITEM)?;
        out.push(item.clone());
    }
    Ok(Value::list(out))
}

fn reverse(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.items(0)?.len() * ITEM)?;
    Ok(Value::list(call.items(0)?.iter().rev().cloned().collect()))
}

fn first(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Optional(call.items(0)?.first().cloned().map(Into::into)))
}

fn last(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Optional(call.items(0)?.last().cloned().map(Into::into)))
}

fn range(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let end = call.int(0)?;
    let count = usize::try_from(end).unwrap_or(0);
    call.budget.steps(count as u64)?;
    call.room(count.saturating_mul(ITEM))?;
    Ok(Value::list((0..end).map(Value::Int).collect()))
}
