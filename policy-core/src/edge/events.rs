//! `events` of `edge.yml`: where events go.

use super::EventSink;
use crate::parse::NodeRef;
use crate::reader::head;
use crate::schema::{Choice, Context, Declared, Field, FilePath, Integer};

/// Bytes of an event file before it is moved to `<path>.1`: room for the longest events, up to what a disk has.
const MIN_FILE_BYTES: i64 = 1 << 20;
const MAX_FILE_BYTES: i64 = 1 << 40;

/// What a destination is.
#[derive(Clone, Copy, Debug)]
enum SinkType {
    Stdout,
    File,
}

static TYPE: Field<Choice<SinkType>> = Field::required(
    "type",
    Choice { of: &[("stdout", SinkType::Stdout), ("file", SinkType::File)] },
    "type: stdout",
    "Standard output, or a file that is appended to.",
);
static PATH: Field<FilePath> = Field::optional("path", FilePath, "The file; it has to be given for one.");
static MAX_BYTES: Field<Integer> = Field::default(
    "max_bytes",
    Integer(MIN_FILE_BYTES, MAX_FILE_BYTES),
    "104857600",
    "Bytes of a file before it is moved to `<path>.1`.",
);

/// The fields of a destination.
pub(super) const FIELDS: Declared = &[&TYPE, &PATH, &MAX_BYTES];

/// Reads a destination; `None` if it is unusable, which has been reported.
pub(super) fn read_sink<'d>(node: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<EventSink> {
    let fields = cx.map(node, "an event destination", FIELDS, &[])?;
    let cx = &cx.with_owner(("the event destination", head(node)));
    match cx.read(&fields, &TYPE)? {
        SinkType::Stdout => {
            if let Some(field) = fields.field(MAX_BYTES.name()) {
                cx.invalid(field.span, "standard output has no `max_bytes`", "remove it; a file has it");
            }
            Some(EventSink::Stdout)
        }
        SinkType::File => {
            fields.required(cx.reader, PATH.name(), cx.owner, "path: events.jsonl");
            let (path, max_bytes) = (cx.optional(&fields, &PATH), cx.read(&fields, &MAX_BYTES));
            let max_bytes = max_bytes.or(MAX_BYTES.default_value())?;
            Some(EventSink::File { path: path??.value, max_bytes: max_bytes.try_into().ok()? })
        }
    }
}
