//! Parse: bytes to `Source`, source to [`Document`].
//!
//! The only place that knows the YAML reader (`granit-parser`): the tree it fills is ours, so the reader
//! can be exchanged. JSON comes by the same door, being YAML 1.2. Every input is bounded by [`Limits`];
//! a broken file still yields the tree up to the fault.

mod brackets;
mod build;
mod decode;
mod document;
mod json;
mod keys;
mod limits;
mod lines;
mod merge;
mod origin;
mod plain;
mod syntax;
mod unclosed;

pub(crate) use build::EMPTY_DOCUMENT;
pub use build::parse;
pub(crate) use decode::CONTROL_CHARACTER;
pub use decode::decode;
pub use document::{Document, Mapping, NodeKind, NodeRef, Scalar, Sequence, Style};
pub use limits::{Limits, MAX_SOURCE_BYTES};
pub(crate) use origin::Origin;
pub use plain::{Plain, PlainMap};

use crate::diagnostic::codes;

codes! {
    ..build;
    ..decode;
    ..json;
    ..keys;
    ..lines;
    ..merge;
    ..syntax;
}
