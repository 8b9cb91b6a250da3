//! `format`.
//!
//! Source: CEL specification, string extension, `format`.

use super::numbers::{decimal, special, two_digit_exponent};
use super::overload::{Call, Cost, Fails, Overload};
use crate::cel::values::fault::Fault;
use crate::cel::values::host::Budget;
use crate::cel::values::value::Value;

pub(super) static OVERLOADS: &[Overload] = &[Overload::new(
    "(string).format(list(dyn)) -> string",
    "the string with each `%s`, `%d`, `%f`, `%e`, `%b`, `%o`, `%x` and `%X` replaced by the next item",
    Cost::Product,
    format,
)
.failing(Fails::Clauses)];

/// Digits after the point that a clause may ask for.
const MAX_PRECISION: usize = 1_000;

fn format(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::String(pattern), Value::List(items)] = call.arguments else {
        return Err(Fault::overload("format"));
    };
    let mut out = Out { text: String::new(), budget: call.budget };
    let mut items = items.iter();
    let mut rest: &str = pattern;
    while let Some(at) = rest.find('%') {
        out.push(rest.get(..at).unwrap_or_default())?;
        let tail = rest.get(at + 1..).unwrap_or_default();
        if let Some(behind) = tail.strip_prefix('%') {
            out.push("%")?;
            rest = behind;
            continue;
        }
        let (precision, tail) = precision(tail)?;
        let mut chars = tail.chars();
        let clause = chars.next().ok_or_else(|| Fault::argument("a `%` at the end of the pattern"))?;
        rest = chars.as_str();
        let item =
            items.next().ok_or_else(|| Fault::argument("the pattern needs more items than the list has"))?;
        clause_text(&mut out, clause, precision, item)?;
    }
    // Items that no clause takes are passed over, as in the reference implementation.
    out.push(rest)?;
    Ok(Value::text(out.text))
}

/// The `.3` of `%.3f`.
fn precision(tail: &str) -> Result<(Option<usize>, &str), Fault> {
    let Some(digits) = tail.strip_prefix('.') else { return Ok((None, tail)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at_checked(end).unwrap_or((digits, ""));
    let number = number.parse().ok().filter(|&number| number <= MAX_PRECISION);
    let number =
        number.ok_or_else(|| Fault::argument(format!("a precision is a number up to {MAX_PRECISION}")))?;
    Ok((Some(number), rest))
}

/// The text so far; every part is paid for.
struct Out<'b> {
    text: String,
    budget: &'b mut Budget,
}

impl Out<'_> {
    fn push(&mut self, text: &str) -> Result<(), Fault> {
        self.budget.output(text.len())?;
        self.text.push_str(text);
        Ok(())
    }
}

fn clause_text(out: &mut Out<'_>, clause: char, precision: Option<usize>, item: &Value) -> Result<(), Fault> {
    let unfit = |expected: &str| {
        Err(Fault::argument(format!(
            "`%{clause}` takes {expected}, not a value of type {}",
            item.type_name()
        )))
    };
    let precision = precision.unwrap_or(6);
    let text = match (clause, item) {
        ('s', _) => return plain(out, item),
        ('d', Value::Int(number)) => number.to_string(),
        ('d', Value::Uint(number)) => number.to_string(),
        ('d', Value::Double(number)) => decimal(*number),
        ('d', _) => return unfit("numbers"),
        ('f' | 'e', _) => {
            let number = match item {
                Value::Double(number) => *number,
                #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
                Value::Int(number) => *number as f64,
                #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
                Value::Uint(number) => *number as f64,
                _ => return unfit("numbers"),
            };
            match special(number) {
                Some(text) => text.to_owned(),
                None if clause == 'f' => format!("{number:.precision$}"),
                None => two_digit_exponent(&format!("{number:.precision$e}")),
            }
        }
        ('b', Value::Int(number)) => radix(*number, |magnitude| format!("{magnitude:b}")),
        ('b', Value::Uint(number)) => format!("{number:b}"),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('b', _) => return unfit("whole numbers and booleans"),
        ('o', Value::Int(number)) => radix(*number, |magnitude| format!("{magnitude:o}")),
        ('o', Value::Uint(number)) => format!("{number:o}"),
        ('o', _) => return unfit("whole numbers"),
        ('x' | 'X', _) => {
            let text = match item {
                Value::Int(number) => radix(*number, |magnitude| format!("{magnitude:x}")),
                Value::Uint(number) => format!("{number:x}"),
                Value::String(text) => return hex(out, text.as_bytes(), clause == 'X'),
                Value::Bytes(bytes) => return hex(out, bytes, clause == 'X'),
                _ => return unfit("whole numbers, texts and bytes"),
            };
            if clause == 'X' { text.to_uppercase() } else { text }
        }
        _ => return Err(Fault::argument(format!("`%{clause}` is not a clause of a pattern"))),
    };
    out.push(&text)
}

fn radix(number: i64, digits: impl Fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", digits(number.unsigned_abs()))
}

fn hex(out: &mut Out<'_>, bytes: &[u8], upper: bool) -> Result<(), Fault> {
    out.budget.output(bytes.len() * 2)?;
    for byte in bytes {
        out.text.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
    }
    Ok(())
}

/// What `%s` makes of a value: texts without quotes, maps in the order of their keys' texts.
fn plain(out: &mut Out<'_>, value: &Value) -> Result<(), Fault> {
    out.budget.steps(1)?;
    match value {
        Value::Null => out.push("null"),
        Value::String(text) => out.push(text),
        Value::Double(number) => out.push(&decimal(*number)),
        Value::Type(name) => out.push(name),
        // Each stretch of what is no UTF-8 becomes one replacement character.
        Value::Bytes(bytes) => {
            let mut broken = false;
            for chunk in bytes.utf8_chunks() {
                out.push(chunk.valid())?;
                if !chunk.invalid().is_empty() && (!broken || !chunk.valid().is_empty()) {
                    out.push("\u{FFFD}")?;
                }
                broken = !chunk.invalid().is_empty();
            }
            Ok(())
        }
        Value::List(items) => {
            out.push("[")?;
            for (index, item) in items.iter().enumerate() {
                out.push(if index > 0 { ", " } else { "" })?;
                plain(out, item)?;
            }
            out.push("]")
        }
        Value::Map(map) => {
            let mut entries: Vec<(String, &Value)> = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                let mut text = Out { text: String::new(), budget: &mut *out.budget };
                plain(&mut text, key)?;
                entries.push((text.text, value));
            }
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            out.push("{")?;
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push(if index > 0 { ", " } else { "" })?;
                out.push(key)?;
                out.push(": ")?;
                plain(out, value)?;
            }
            out.push("}")
        }
        other => match super::conversions::plain_text(other) {
            Some(text) => out.push(&text?),
            None => Err(Fault::argument(format!("`%s` takes no value of type {}", other.type_name()))),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cel::{Env, EvalLimits, NoHost};

    fn formatted(pattern: &str, items: &[String]) -> String {
        let text = format!("'{pattern}'.format([{}])", items.join(", "));
        let expression = Env::standard().unchecked(&text).expect("an expression");
        match expression.evaluate(&mut NoHost, EvalLimits::default()) {
            Ok(Value::String(text)) => text.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    proptest! {
        /// The clauses for whole numbers, as Rust writes them with a sign.
        #[test]
        fn clauses_write_numbers_as_others_do(number: i64, other: u64, precision in 0_usize..20) {
            let (sign, size) = (if number < 0 { "-" } else { "" }, number.unsigned_abs());
            for (clause, expected) in [
                ("%d", format!("{number}")),
                ("%b", format!("{sign}{size:b}")),
                ("%o", format!("{sign}{size:o}")),
                ("%x", format!("{sign}{size:x}")),
                ("%X", format!("{sign}{size:X}")),
                ("%s", format!("{number}")),
                ("<%d%%>", format!("<{number}%>")),
            ] {
                prop_assert_eq!(formatted(clause, &[number.to_string()]), expected, "{}", clause);
            }
            prop_assert_eq!(formatted("%d,%x", &[format!("{other}u"), format!("{other}u")]), format!("{other},{other:x}"));
            let double = f64::from_bits(other);
            if double.is_finite() {
                let written = format!("{double:e}");
                let written = if written.contains('.') { written } else { written.replace('e', ".0e") };
                prop_assert_eq!(formatted(&format!("%.{precision}f"), &[written]), format!("{double:.precision$}"));
            }
        }
    }
}
