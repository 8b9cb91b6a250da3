//! The facts that hosts are asked for most, by a number.

use crate::cel::Tag;
use crate::message::Part;

pub(crate) const CLIENT_IP: Tag = Tag(0);
pub(crate) const CLIENT_PORT: Tag = Tag(1);
pub(crate) const SERVER_IP: Tag = Tag(2);
pub(crate) const SERVER_PORT: Tag = Tag(3);
pub(crate) const STARTED: Tag = Tag(4);
pub(crate) const NOW: Tag = Tag(5);
pub(crate) const ENDPOINT_URL: Tag = Tag(6);
pub(crate) const ENDPOINT_HOST: Tag = Tag(7);
/// What actions produced.
pub(crate) const STATE: Tag = Tag(8);
/// Any other.
pub(crate) const OTHER: Tag = Tag(9);
pub(crate) const ENDPOINT_PORT: Tag = Tag(10);
pub(crate) const ENDPOINT_ADDR: Tag = Tag(11);
pub(crate) const ENDPOINT_PROTOCOL: Tag = Tag(12);
/// The first of the parts of messages.
const MESSAGE: u8 = 16;

/// The number of a part of a message.
pub(crate) const fn message(part: Part) -> Tag {
    Tag(MESSAGE + part as u8)
}

/// The part of a message that a fact is.
#[inline]
pub(crate) fn part(tag: Tag) -> Option<Part> {
    tag.0.checked_sub(MESSAGE).and_then(Part::from_number)
}
