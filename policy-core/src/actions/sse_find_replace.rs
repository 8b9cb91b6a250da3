//! `sse-find-replace`: replaces texts in server-sent events.
//!
//! Source: ngrok documentation, sse-find-replace (2026-08-07), the only page that has the phase
//! `on_event_stream_message`.

use super::replacements::{FROM, Replacement, TO, replacement_results};
use super::{ActionType, EVENT_PHASE};
use crate::phase::PhaseSet;
use crate::reader::Fields;
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
    const RESULTS: &'static [vocabulary::Declared] =
        replacement_results!("actions.ngrok.sse_find_replace", "EventReplacement", EVENT);
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
}
