//! What values are, in words of messages.

use std::ops::RangeInclusive;

use crate::diagnostic::shorten;
use crate::parse::{NodeKind, NodeRef, Plain};

/// True for a number with zeros in front: some read such numbers as octal.
pub(super) fn begins_with_zero(text: &str) -> bool {
    text.len() > 1 && text.trim_start_matches(['-', '+']).starts_with('0')
}

/// What numbers there may be.
pub(super) fn within(range: &RangeInclusive<i64>) -> String {
    match (range.start(), range.end()) {
        (min, max) if min == max => format!("write `{min}`"),
        (min, max) => format!("give a whole number from {min} to {max}"),
    }
}

pub(super) fn is_yaml_1_1_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "y", "n"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// What a node is, for a message; `secret` if its value must not be repeated.
pub(super) fn describe(node: NodeRef<'_>, secret: bool) -> String {
    match node.kind() {
        NodeKind::Sequence(_) => "a list".to_owned(),
        NodeKind::Mapping(_) => "a map".to_owned(),
        NodeKind::Scalar(scalar) => match Plain::from_scalar(scalar) {
            Plain::Null => "nothing".to_owned(),
            Plain::Bool(value) => format!("`{value}`"),
            Plain::Int(_) | Plain::Float(_) if secret => "a number".to_owned(),
            Plain::String(_) if secret => "a string".to_owned(),
            Plain::Int(_) | Plain::Float(_) => format!("the number `{}`", shorten(scalar.text)),
            _ => format!("the string `{}`", shorten(scalar.text)),
        },
    }
}
