//! `sse-find-replace`: replaces texts in server-sent events.
//!
//! Source: ngrok documentation, sse-find-replace (2026-08-07), the only page that has the phase
//! `on_event_stream_message`.

use std::fmt;

#[cfg(feature = "reference")]
use super::replacements::naive_in;
use super::replacements::{
    FROM, Replacement, Replacing, TO, found_values, replacement_results, without_body,
};
use super::{ActionType, EVENT_PHASE};
use crate::cel::Unrendered;
use crate::ir::Lowering;
use crate::message::Side;
use crate::ngrok::{self, NgrokCode};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Context, Declared, Field, Interpolated, Items, Record, Text};
use crate::vocabulary::{self, EVENT};

static FIELD: Field<Interpolated> =
    Field::default("field", Interpolated::up_to(64), "data", "The field of the event: `data` or `retry`.");
static REPLACEMENTS: Field<Items<Record<EventReplacement>>> = Field::required(
    "replacements",
    Items::new(Record {
        fields: &[&FIELD, &FROM, &TO],
        ignored: &[],
        read: |fields, cx| {
            let field = cx.read(fields, &FIELD);
            let (from, to) = (cx.read(fields, &FROM), cx.optional(fields, &TO));
            let field = field?;
            if let Some(name) = field.literal().filter(|name| !matches!(*name, "data" | "retry")) {
                let message = format!("`field` cannot be `{}`", crate::diagnostic::shorten(name));
                cx.invalid(field.span, message, "write `data` or `retry`");
                return None;
            }
            Some(EventReplacement { field, replacement: Replacement::new(from?, to?, cx) })
        },
    })
    .some(),
    "replacements: [{from: 'old', to: new}]",
    "What is replaced; each works on what the one before has left.",
);

replacement_results!("actions.ngrok.sse_find_replace", "EventReplacement", EVENT);

/// A replacement in a field of an event.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventReplacement {
    /// The field.
    pub field: Text,
    /// What is replaced in it.
    pub replacement: Replacement,
}

/// Replaces texts in server-sent events.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SseFindReplace {
    /// What is replaced, in order.
    pub replacements: Vec<EventReplacement>,
}

impl ActionType for SseFindReplace {
    const NAME: &'static str = "sse-find-replace";
    const PHASES: PhaseSet = EVENT_PHASE;
    const FIELDS: Declared = &[&REPLACEMENTS];
    const REWRITES: bool = true;
    const RESULTS: &'static [vocabulary::Declared] = RESULTS;
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/sse-find-replace.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        Some(Self { replacements: cx.read(fields, &REPLACEMENTS)? })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.replacements.iter().for_each(|replacement| {
            each(&replacement.field);
            super::replacements::texts(std::slice::from_ref(&replacement.replacement), each);
        });
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        let running =
            |it: &EventReplacement| (it.field.clone(), Replacing::new(std::slice::from_ref(&it.replacement)));
        Box::new(Running(self.replacements.iter().map(running).collect()))
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let Some(before) = run.body(Side::Event) else { return NaiveNext::End(NaiveEnd::Failed) };
        // Bytes that are no UTF-8 are outside of what the naive form knows.
        let Ok(mut event) = String::from_utf8(before.clone()) else { return NaiveNext::Unknown };
        let mut all = Vec::new();
        for (at, item) in self.replacements.iter().enumerate() {
            let Some(name) = run.text(&item.field).filter(|name| name == "data" || name == "retry") else {
                return NaiveNext::End(NaiveEnd::Failed);
            };
            let text = event.replace("\r\n", "\n").replace('\r', "\n");
            let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
            let is_it = |line: &&str| line.split(':').next() == Some(&*name);
            let value = |line: &&str| {
                let value = line.split_once(':').map_or("", |(_, value)| value);
                value.strip_prefix(' ').unwrap_or(value).to_owned()
            };
            let values: Vec<_> = lines.iter().filter(|line| is_it(line)).map(value).collect();
            if values.is_empty() {
                continue;
            }
            match naive_in(&item.replacement, values.join("\n").as_bytes(), run) {
                Some((after, Some(found))) => {
                    let Ok(after) = String::from_utf8(after) else { return NaiveNext::Unknown };
                    let first = lines.iter().position(is_it).unwrap_or(0);
                    let other = |lines: &[&str]| {
                        lines
                            .iter()
                            .filter(|line| !is_it(line))
                            .map(|line| format!("{line}\n"))
                            .collect::<String>()
                    };
                    let new = after.split(['\n', '\r']).map(|line| format!("{name}: {line}\n"));
                    let (before, behind) = lines.split_at_checked(first).unwrap_or_default();
                    event = other(before) + &new.collect::<String>() + &other(behind);
                    all.push((at, found));
                }
                Some((_, None)) => {}
                None => return NaiveNext::End(NaiveEnd::Failed),
            }
        }
        if event.as_bytes() != before {
            run.set_body(Side::Event, event.into_bytes());
        }
        run.set_result(&FOUND, found_values(all));
        NaiveNext::GoOn
    }
}

/// It as it runs: the field and what is replaced in it.
#[derive(Debug)]
struct Running(Vec<(Text, Replacing)>);

impl Execute for Running {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let before = match run.body(Side::Event).map_err(without_body)? {
            Ok(event) => event,
            Err(ask) => return Ok(ask),
        };
        let (mut event, mut found) = (before.to_vec(), Vec::new());
        for (at, (field, replacing)) in self.0.iter().enumerate() {
            let of_value = |it: Unrendered| it.with_code(ngrok::ERR_NGROK_3900);
            let name = run.render(&field.template).map_err(of_value)?;
            if !matches!(&*name, "data" | "retry") {
                let text = "`field` is neither `data` nor `retry`".to_owned();
                return Err(of_value(Unrendered::unusable(text)));
            }
            let Some(value) = field_of(&event, name.as_bytes()) else { continue };
            let (after, first) = replacing.in_text(value, run).map_err(without_body)?;
            if let Some((_, content)) = first.into_iter().next() {
                event = with_field(&event, name.as_bytes(), &after);
                found.push((at, content));
            }
        }
        if event != *before {
            run.replace_body(Side::Event, event).map_err(without_body)?;
        }
        if run.keeps_results {
            run.set_result(&FOUND, found_values(found));
        }
        Ok(Next::GoOn)
    }

    fn code_without_body(&self) -> Option<NgrokCode> {
        Some(ngrok::ERR_NGROK_3902)
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.0.iter().for_each(|(field, replacing)| {
            each(field);
            replacing.texts(each);
        });
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(SseFindReplace::NAME);
        self.0.iter().for_each(|(field, replacing)| {
            digest.template(field);
            replacing.digest(digest);
        });
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SseFindReplace::NAME)
    }
}

/// The lines of an event, without their ends (WHATWG HTML, 9.2.5: LF, CRLF or CR).
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = event;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end)?;
        let after = after.strip_prefix(b"\r\n").or(after.get(1..)).unwrap_or_default();
        rest = after;
        Some(line)
    })
}

/// The value of a line with a field, its first space left out; nothing for other lines.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

/// The value of a field; lines of `data` are joined by line breaks.
fn field_of(event: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = lines(event).filter_map(|line| value_of(line, name)).collect();
    (!values.is_empty()).then(|| values.join(&b'\n'))
}

/// An event with another value of a field, where that stood first.
fn with_field(event: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let (mut out, mut written) = (Vec::with_capacity(event.len()), false);
    for line in lines(event) {
        match value_of(line, name) {
            None => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Some(_) if written => {}
            Some(_) => {
                written = true;
                for part in value.split(|byte| matches!(byte, b'\n' | b'\r')) {
                    out.extend_from_slice(name);
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(part);
                    out.push(b'\n');
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written_as_browsers_read_them() {
        let event = b"id: 7\r\ndata: a\rdata:b\ndata\nretry: 10\ndatax: c\n\n";
        assert_eq!(field_of(event, b"data").as_deref(), Some(&b"a\nb\n"[..]));
        assert_eq!(field_of(event, b"retry").as_deref(), Some(&b"10"[..]));
        assert_eq!(field_of(event, b"event"), None);
        let changed = with_field(event, b"data", b"x\ny");
        assert_eq!(changed, b"id: 7\ndata: x\ndata: y\nretry: 10\ndatax: c\n\n");
        // A line break in what takes its place makes no field of its own.
        assert_eq!(with_field(b"data: a\n", b"data", b"b\rid: 9"), b"data: b\ndata: id: 9\n");
    }
}
