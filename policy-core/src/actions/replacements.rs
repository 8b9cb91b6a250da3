//! What the find-replace actions share: replacements by regular expressions.
//!
//! Source: ngrok documentation, find-replace actions (2026-08-07).

use std::fmt;

use super::patterns::{RunPattern, check_groups};
use crate::cel::{Map, Unrendered, Value};
use crate::message::Side;
use crate::ngrok::{self, NgrokCode};
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext, naive_replace};
use crate::schema::{Context, Declared, Field, Interpolated, Items, Record, Regex, Text};
use crate::vocabulary::ActionResult;

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

/// Bytes that a body may become.
const MAX_REPLACED: usize = 4 << 20;

/// Replacements as they run.
#[derive(Debug)]
pub(super) struct Replacing {
    of: Vec<(RunPattern, Replacement)>,
}

/// What a replacement found: its number, and the first match.
pub(super) type Found = (usize, String);

impl Replacing {
    pub(super) fn new(replacements: &[Replacement]) -> Self {
        let run = |it: &Replacement| (RunPattern::new(Some(&it.from)), it.clone());
        Self { of: replacements.iter().map(run).collect() }
    }

    /// Replaces in a body, which is read first; what was found, or what comes before that.
    ///
    /// # Errors
    /// If the body cannot be read, an expression has no value, or the result is too long.
    fn in_body(&self, side: Side, run: &mut Run<'_>) -> Result<Result<Vec<Found>, Next>, Unrendered> {
        let before = match run.body(side)? {
            Ok(body) => body,
            Err(ask) => return Ok(Err(ask)),
        };
        let (body, found) = self.in_text(before.to_vec(), run)?;
        if body != *before {
            run.replace_body(side, body)?;
        }
        Ok(Ok(found))
    }

    /// Replaces in a text; what it becomes, and what was found.
    ///
    /// # Errors
    /// If an expression has no value, or the result is too long.
    pub(super) fn in_text(
        &self,
        mut text: Vec<u8>,
        run: &mut Run<'_>,
    ) -> Result<(Vec<u8>, Vec<Found>), Unrendered> {
        let mut found = Vec::new();
        for (at, (from, replacement)) in self.of.iter().enumerate() {
            if let Some((after, first)) =
                from.replace_in(&text, replacement.to.as_ref(), MAX_REPLACED, run)?
            {
                text = after;
                found.push((at, first));
            }
        }
        Ok((text, found))
    }

    pub(super) fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.of.iter().for_each(|(_, it)| texts(std::slice::from_ref(it), each));
    }

    pub(super) fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.number(self.of.len() as u64);
        for (from, replacement) in &self.of {
            from.digest(Some(&replacement.from), digest);
            digest.templates(replacement.to.as_slice());
        }
    }
}

/// An action that replaces in a body, as it runs.
#[derive(Debug)]
pub(super) struct InBody {
    pub(super) name: &'static str,
    pub(super) side: Side,
    pub(super) replacing: Replacing,
    /// The result `replacements`.
    pub(super) found: ActionResult<Value>,
}

impl Execute for InBody {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let found = match run.has_no_body(self.side) {
            true => {
                run.forget_length()?;
                Ok(Vec::new())
            }
            false => self.replacing.in_body(self.side, run).map_err(without_body)?,
        };
        let found = match found {
            Ok(found) => found,
            Err(ask) => return Ok(ask),
        };
        if run.keeps_results {
            run.set_result(&self.found, found_values(found));
        }
        Ok(Next::GoOn)
    }

    fn code_without_body(&self) -> Option<NgrokCode> {
        Some(ngrok::ERR_NGROK_3902)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.replacing.texts(each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(self.name);
        self.replacing.digest(digest);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A body that cannot be searched, if nothing else has failed.
pub(super) fn without_body(failed: Unrendered) -> Unrendered {
    failed.with_code(ngrok::ERR_NGROK_3902)
}

/// [`InBody`] naively.
#[cfg(feature = "reference")]
pub(super) fn naive_in_body(
    replacements: &[Replacement],
    side: Side,
    result: &ActionResult<Value>,
    run: &mut Naive<'_>,
) -> NaiveNext {
    if side == Side::Response && run.has_no_response_body() {
        if let Some(response) = &mut run.response {
            response.headers.remove("content-length");
        }
        run.set_result(result, found_values(Vec::new()));
        return NaiveNext::GoOn;
    }
    let Some(before) = run.body(side) else { return NaiveNext::End(NaiveEnd::Failed) };
    let (mut after, mut all) = (before.clone(), Vec::new());
    for (at, replacement) in replacements.iter().enumerate() {
        let Some((text, found)) = naive_in(replacement, &after, run) else {
            return NaiveNext::End(NaiveEnd::Failed);
        };
        after = text;
        all.extend(found.map(|found| (at, found)));
    }
    if after != before {
        run.set_body(side, after);
    }
    run.set_result(result, found_values(all));
    NaiveNext::GoOn
}

/// One replacement naively: the text after it, and its first match.
#[cfg(feature = "reference")]
pub(super) fn naive_in(
    replacement: &Replacement,
    text: &[u8],
    run: &mut Naive<'_>,
) -> Option<(Vec<u8>, Option<String>)> {
    let to = replacement.to.as_ref().map_or(Some(String::new()), |to| run.text(to))?;
    let from = run.text(&replacement.from)?;
    let (after, matches) = naive_replace(Some(&from), text, &to)?;
    Some((after, matches.into_iter().next())).filter(|(after, _)| after.len() <= MAX_REPLACED)
}

/// The result `replacements` of what was found.
pub(super) fn found_values(found: Vec<Found>) -> Value {
    let record = |(index, content): Found| {
        let index = i64::try_from(index).unwrap_or(i64::MAX);
        let fields = [("replacement_index", Value::Int(index)), ("matched_content", Value::text(content))];
        Value::from(Map::from_texts(fields))
    };
    Value::list(found.into_iter().map(record).collect())
}

pub(super) fn texts<'a>(replacements: &'a [Replacement], each: &mut dyn FnMut(&'a Text)) {
    replacements.iter().for_each(|it| [&it.from].into_iter().chain(&it.to).for_each(&mut *each));
}

/// The results below a path.
macro_rules! replacement_results {
    ($base:literal, $record:literal, $at:expr) => {
        const FOUND: $crate::vocabulary::ActionResult<$crate::cel::Value> =
            $crate::vocabulary::ActionResult::of_type(
                concat!($base, ".replacements"),
                concat!("list(", $record, ")"),
                $at,
                "what each replacement found",
            );
        const RESULTS: &[$crate::vocabulary::Declared] = &[
            FOUND.declared(),
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
        ];
    };
}
pub(super) use replacement_results;
