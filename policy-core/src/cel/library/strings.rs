//! Texts: searching, cutting, joining, changing. Positions count code points.
//!
//! Source: CEL specification, standard definitions and string extension.

use std::borrow::Cow;

use super::overload::{Call, Case, Cost, Fails, Form, Gives, Overload, Sequence};
use crate::cel::library::pattern::Draft;
use crate::cel::values::fault::Fault;
use crate::cel::values::host::ITEM;
use crate::cel::values::value::Value;

/// The name of the function of patterns: what is said where it has no overload.
pub(in crate::cel) const MATCHES: &str = "matches";

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "(string).contains(string) -> bool",
        "true if the string contains the other",
        Cost::Scan,
        contains,
    )
    .known_as(Form::Holds)
    .adding_no_slash(),
    Overload::new(
        "(string).startsWith(string) -> bool",
        "true if the string starts with the other",
        Cost::Scan,
        starts_with,
    )
    .known_as(Form::Begins)
    .adding_no_slash(),
    Overload::new(
        "(string).endsWith(string) -> bool",
        "true if the string ends with the other",
        Cost::Scan,
        ends_with,
    )
    .known_as(Form::Ends)
    .adding_no_slash(),
    Overload::new(
        "matches(string, string) -> bool",
        "true if a part of the string fits the regular expression",
        Cost::Pairs,
        matches,
    )
    .known_as(Form::Matches)
    .failing(Fails::Pattern),
    Overload::new(
        "(string).matches(string) -> bool",
        "true if a part of the string fits the regular expression",
        Cost::Pairs,
        matches,
    )
    .known_as(Form::Matches)
    .failing(Fails::Pattern),
    Overload::new(
        "(string).charAt(int) -> string",
        "the character at a position; empty at the end",
        Cost::Scan,
        char_at,
    )
    .failing(Fails::Outside(1, Sequence::Text))
    .adding_no_slash(),
    Overload::new(
        "(string).indexOf(string) -> int",
        "the first position of the other string, or -1",
        Cost::Scan,
        index_of,
    )
    .known_as(Form::Find)
    .adding_no_slash(),
    Overload::new(
        "(string).indexOf(string, int) -> int",
        "the first position from another one on, or -1",
        Cost::Scan,
        index_of,
    )
    .known_as(Form::Find)
    .failing(Fails::Outside(2, Sequence::Text))
    .adding_no_slash(),
    Overload::new(
        "(string).lastIndexOf(string) -> int",
        "the last position of the other string, or -1",
        Cost::Scan,
        last_index_of,
    )
    .known_as(Form::Find)
    .adding_no_slash(),
    Overload::new(
        "(string).lastIndexOf(string, int) -> int",
        "the last position up to another one, or -1",
        Cost::Scan,
        last_index_of,
    )
    .known_as(Form::Find)
    .failing(Fails::Outside(2, Sequence::Text))
    .adding_no_slash(),
    Overload::new(
        "(string).substring(int) -> string",
        "the string from a position on",
        Cost::Copy,
        substring,
    )
    .failing(Fails::Outside(1, Sequence::Text))
    .adding_no_slash(),
    Overload::new(
        "(string).substring(int, int) -> string",
        "the string from one position to before another",
        Cost::Copy,
        substring,
    )
    .failing(Fails::Outside(1, Sequence::Text))
    .adding_no_slash(),
    Overload::new(
        "(string).replace(string, string) -> string",
        "the string with every occurrence replaced",
        Cost::Product,
        replace,
    )
    .adding_no_slash(),
    Overload::new(
        "(string).replace(string, string, int) -> string",
        "the string with so many occurrences replaced",
        Cost::Product,
        replace,
    )
    .adding_no_slash(),
    Overload::new(
        "(string).split(string) -> list(string)",
        "the parts between the separators",
        Cost::Copy,
        split,
    )
    .known_as(Form::Split)
    .adding_no_slash(),
    Overload::new(
        "(string).trim() -> string",
        "the string without white space at its ends",
        Cost::Copy,
        trim,
    )
    .known_as(Form::KeepsAddress)
    .adding_no_slash(),
    Overload::new("(string).reverse() -> string", "the characters in reverse order", Cost::Copy, reverse)
        .adding_no_slash(),
    Overload::new(
        "(string).lowerAscii() -> string",
        "the letters A to Z in lower case",
        Cost::Copy,
        lower_ascii,
    )
    .known_as(Form::KeepsAddress)
    .giving(Gives::Cased(Case::LowerAscii))
    .adding_no_slash(),
    Overload::new(
        "(string).upperAscii() -> string",
        "the letters a to z in upper case",
        Cost::Copy,
        upper_ascii,
    )
    .adding_no_slash(),
    Overload::new(
        "strings.quote(string) -> string",
        "the string in double quotes, with escapes",
        Cost::Copy,
        quote,
    ),
];

/// `split` with a limit, as CEL has it.
pub(super) static IN_CEL: &[Overload] = &[Overload::new(
    "(string).split(string, int) -> list(string)",
    "at most so many parts, the last with all the rest",
    Cost::Copy,
    split,
)
.adding_no_slash()];

fn made(call: &mut Call<'_, '_>, text: Cow<'_, str>) -> Result<Value, Fault> {
    call.room(text.len())?;
    Ok(Value::text(&*text))
}

/// The result of turning the receiver into another text of about its size.
pub(crate) fn changed(
    call: &mut Call<'_, '_>,
    change: impl Fn(&str) -> Cow<'_, str>,
) -> Result<Value, Fault> {
    let Value::String(text) = call.value(0)?.clone() else { return Err(Fault::overload("text")) };
    let text = change(&text);
    made(call, text)
}

pub(crate) fn contains(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(call.text(0)?.contains(call.text(1)?)))
}

fn starts_with(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(call.text(0)?.starts_with(call.text(1)?)))
}

fn ends_with(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(call.text(0)?.ends_with(call.text(1)?)))
}

fn matches(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    // A pattern that is not constant is compiled for this one call, and pays for it.
    let draft = Draft::read(call.text(1)?)?;
    let length = call.text(0)?.len() as u64;
    let steps = draft.steps(length);
    call.budget.steps(steps)?;
    Ok(Value::Bool(draft.compile()?.is_match(call.text(0)?)))
}

fn out_of_range(index: i64) -> Fault {
    Fault::NoSuchIndex(index.to_string().into())
}

/// The byte offset of a position from 0 to the number of characters.
fn offset(text: &str, index: i64) -> Result<usize, Fault> {
    let wanted = usize::try_from(index).map_err(|_| out_of_range(index))?;
    let mut count = 0;
    for (at, _) in text.char_indices() {
        if count == wanted {
            return Ok(at);
        }
        count += 1;
    }
    if count == wanted { Ok(text.len()) } else { Err(out_of_range(index)) }
}

/// The position of a byte offset.
fn position(text: &str, at: usize) -> Value {
    let count = text.get(..at).map_or(0, |before| before.chars().count());
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn char_at(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    let at = offset(text, call.int(1)?)?;
    let found = text.get(at..).and_then(|rest| rest.chars().next());
    Ok(Value::text(found.map(String::from).unwrap_or_default()))
}

fn index_of(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (text, wanted) = (call.text(0)?, call.text(1)?);
    let from = if call.arguments.len() > 2 { offset(text, call.int(2)?)? } else { 0 };
    let found = text.get(from..).and_then(|rest| rest.find(wanted));
    Ok(found.map_or(Value::Int(-1), |at| position(text, from + at)))
}

fn last_index_of(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (text, wanted) = (call.text(0)?, call.text(1)?);
    let latest = if call.arguments.len() > 2 { offset(text, call.int(2)?)? } else { text.len() };
    if wanted.is_empty() {
        return Ok(position(text, latest));
    }
    // The other text may begin at the latest position and go beyond it. The end is moved up to a boundary of
    // characters, so a find may lie a few bytes too far.
    let mut end = text.ceil_char_boundary(latest.saturating_add(wanted.len()).min(text.len()));
    loop {
        match text.get(..end).and_then(|front| front.rfind(wanted)) {
            None => return Ok(Value::Int(-1)),
            Some(at) if at <= latest => return Ok(position(text, at)),
            Some(at) => end = text.floor_char_boundary(at + wanted.len() - 1),
        }
    }
}

fn substring(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let Value::String(text) = call.value(0)?.clone() else { return Err(Fault::overload("text")) };
    let (start, end) = match call.arguments.len() {
        2 => (call.int(1)?, None),
        _ => (call.int(1)?, Some(call.int(2)?)),
    };
    let from = offset(&text, start)?;
    let to = end.map_or(Ok(text.len()), |end| offset(&text, end))?;
    if from > to {
        let end = end.unwrap_or_default();
        return Err(Fault::argument(format!("the substring ends at {end}, before it begins at {start}")));
    }
    made(call, text.get(from..to).unwrap_or_default().into())
}

fn replace(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(text), Value::String(from), Value::String(to), rest @ ..] = call.arguments else {
        return Err(Fault::overload("replace"));
    };
    let limit = match rest {
        [Value::Int(limit)] if *limit >= 0 => usize::try_from(*limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let count = match from.is_empty() {
        true => text.chars().count() + 1,
        false => text.matches(&**from).count(),
    };
    let count = count.min(limit);
    call.budget.steps(count as u64)?;
    call.budget.output(text.len().saturating_add(count.saturating_mul(to.len())))?;
    Ok(Value::text(text.replacen(&**from, to, count)))
}

pub(crate) fn parts<'t>(
    call: &mut Call<'_, '_>,
    parts: impl Iterator<Item = &'t str>,
) -> Result<Value, Fault> {
    let mut out = Vec::new();
    for part in parts {
        call.room(part.len() + ITEM)?;
        out.push(Value::text(part));
    }
    Ok(Value::list(out))
}

/// The parts of a text; of an empty separator its characters.
pub(crate) fn separated<'t>(text: &'t str, separator: &'t str) -> Box<dyn Iterator<Item = &'t str> + 't> {
    match separator.is_empty() {
        true => Box::new(text.split("").filter(|part| !part.is_empty())),
        false => Box::new(text.split(separator)),
    }
}

fn split(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(text), Value::String(separator), rest @ ..] = call.arguments else {
        return Err(Fault::overload("split"));
    };
    let limit = match rest {
        [Value::Int(limit)] if *limit >= 0 => usize::try_from(*limit).unwrap_or(usize::MAX),
        _ => return parts(call, separated(text, separator)),
    };
    match (limit, separator.is_empty()) {
        (0, _) => Ok(Value::list(Vec::new())),
        (_, false) => parts(call, text.splitn(limit, &**separator)),
        (_, true) => {
            let at = text.char_indices().nth(limit - 1).map_or(text.len(), |(at, _)| at);
            let (front, rest) = text.split_at_checked(at).unwrap_or((text, ""));
            parts(call, separated(front, "").chain([rest]).filter(|part| !part.is_empty()))
        }
    }
}

fn trim(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| text.trim().into())
}

fn reverse(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| text.chars().rev().collect::<String>().into())
}

fn lower_ascii(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| text.to_ascii_lowercase().into())
}

fn upper_ascii(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| text.to_ascii_uppercase().into())
}

fn quote(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        for c in text.chars() {
            match c {
                '\u{7}' => out.push_str("\\a"),
                '\u{8}' => out.push_str("\\b"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '"' | '\\' => out.extend(['\\', c]),
                c => out.push(c),
            }
        }
        out.push('"');
        out.into()
    })
}
