//! What the find-replace actions share: replacements by regular expressions.
//!
//! Source: ngrok documentation, find-replace actions (2026-08-07).

use super::patterns::check_groups;
use crate::schema::{Context, Declared, Field, Interpolated, Items, Record, Regex, Text};

/// A replacement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replacement {
    /// What is replaced, wherever it is found.
    pub from: Text,
    /// What takes its place; nothing, if there is none.
    pub to: Option<Text>,
}

impl Replacement {
    /// A replacement whose groups have been looked at.
    pub(super) fn new(from: Text, to: Option<Text>, cx: &Context<'_, '_>) -> Self {
        if let Some(to) = &to {
            check_groups(Some(&from), to, cx);
        }
        Self { from, to }
    }
}

pub(super) static FROM: Field<Regex> =
    Field::required("from", Regex, "from: '192\\.0\\.2\\.\\d+'", "What is replaced, wherever it is found.");
pub(super) static TO: Field<Interpolated> = Field::optional(
    "to",
    Interpolated::ANY,
    "What takes its place; `$1` is the first group of `from`, nothing deletes.",
);

const FIELDS: Declared = &[&FROM, &TO];

/// A list of replacements in a body.
pub(super) const REPLACEMENTS: Items<Record<Replacement>> = Items::new(Record {
    fields: FIELDS,
    ignored: &[],
    read: |fields, cx| {
        let (from, to) = (cx.read(fields, &FROM), cx.optional(fields, &TO));
        Some(Replacement::new(from?, to?, cx))
    },
})
.some();

pub(super) fn texts<'a>(replacements: &'a [Replacement], each: &mut dyn FnMut(&'a Text)) {
    replacements.iter().for_each(|it| [&it.from].into_iter().chain(&it.to).for_each(&mut *each));
}

/// The results below a path.
macro_rules! replacement_results {
    ($base:literal, $record:literal, $at:expr) => {
        &[
            $crate::vocabulary::Declared::new(
                concat!($base, ".replacements"),
                concat!("list(", $record, ")"),
                $at,
                "what each replacement found",
            ),
            $crate::vocabulary::Declared::new(
                concat!($record, ".replacement_index"),
                "int",
                $at,
                "which replacement, from 0",
            ),
            $crate::vocabulary::Declared::new(
                concat!($record, ".matched_content"),
                "string",
                $at,
                "what it matched first",
            ),
        ]
    };
}
pub(super) use replacement_results;
