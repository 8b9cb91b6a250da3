//! Texts as policies cut and change them.
//!
//! Source: ngrok documentation, string macros (2026-08-07).

use crate::cel::library::overload::{Call, Case, Cost, Form, Gives, Overload};
use crate::cel::library::strings::{changed, contains, parts, separated};
use crate::cel::{Fault, Value};

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "(string).split(string, int) -> list(string)",
        "the first parts, at most so many",
        Cost::Copy,
        split_some,
    )
    .adding_no_slash(),
    Overload::new(
        "(string).split() -> list(string)",
        "the parts between white space",
        Cost::Copy,
        split_space,
    )
    .adding_no_slash(),
    Overload::new("(string).lower() -> string", "all letters in lower case", Cost::Copy, lower)
        .known_as(Form::KeepsAddress)
        .giving(Gives::Cased(Case::Lower))
        .adding_no_slash(),
    Overload::new("(string).upper() -> string", "all letters in upper case", Cost::Copy, upper)
        .giving(Gives::Cased(Case::Upper))
        .adding_no_slash(),
    Overload::new(
        "(string).includes(string) -> bool",
        "true if the string contains the other; write `contains`",
        Cost::Scan,
        contains,
    ),
];

/// Of the policy language: parts after the limit are dropped.
fn split_some(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(text), Value::String(separator), Value::Int(limit)] = call.arguments else {
        return Err(Fault::overload("split"));
    };
    let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
    parts(call, separated(text, separator).take(limit))
}

fn split_space(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let Value::String(text) = call.value(0)?.clone() else { return Err(Fault::overload("text")) };
    parts(call, text.split_whitespace())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| text.chars().map(|c| single_or_same(c, c.to_lowercase())).collect::<String>().into())
}

fn upper(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    changed(call, |text| text.chars().map(|c| single_or_same(c, c.to_uppercase())).collect::<String>().into())
}

/// The other case of one character, as Go's `unicode.ToLower` and `ToUpper` have it: one character for one. A
/// character that becomes several has a single one in that case, or stays as it is.
fn single_or_same(c: char, mut others: impl Iterator<Item = char>) -> char {
    match (c, others.next(), others.next()) {
        ('\u{130}', ..) => 'i',
        (_, Some(one), None) => one,
        // Greek with an iota below has titles of one character, which Go takes for the upper case.
        ('\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}', ..) => {
            char::from_u32(u32::from(c) + 8).unwrap_or(c)
        }
        ('\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}', ..) => char::from_u32(u32::from(c) + 9).unwrap_or(c),
        _ => c,
    }
}
