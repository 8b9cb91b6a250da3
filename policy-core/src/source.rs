//! Source texts, byte spans and line/column positions.
//!
//! The first stage of the pipeline: everything that later stages say about a file is said in [`Span`]s
//! of a [`Source`]. Bytes become a `Source` in [`crate::parse::decode`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A half-open range of byte offsets into one [`Source`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span from offsets; an end before the start is moved to the start.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end: if end < start { start } else { end } }
    }

    /// Makes a span from a `usize` range, clamped to `u32`.
    #[must_use]
    pub fn from_range(range: Range<usize>) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self::new(clamp(range.start), clamp(range.end))
    }

    /// The span as a `usize` range, for slicing.
    #[must_use]
    pub const fn to_range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The empty span at this span's start.
    #[must_use]
    pub const fn at_start(self) -> Self {
        Self { start: self.start, end: self.start }
    }
}

/// True if a place lies in one of some spans, which are in order; an empty place begins in one.
pub(crate) fn overlaps(spans: &[Span], at: Span) -> bool {
    let before = spans.partition_point(|span| span.start < at.end.max(at.start.saturating_add(1)));
    let last = before.checked_sub(1).and_then(|last| spans.get(last));
    last.is_some_and(|span| at.start < span.end)
}

/// Puts spans in order and makes one of those that overlap or touch. O(spans · log spans).
pub(crate) fn join(spans: &mut Vec<Span>) {
    spans.sort_unstable();
    spans.dedup_by(|next, last| {
        let joined = next.start <= last.end;
        if joined {
            last.end = last.end.max(next.end);
        }
        joined
    });
}

/// A [`Span`] of the file itself. Findings in a text inside of the file have spans of that text until they are moved
/// into the file; a place of this type is there already and is moved no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSpan(Span);

impl FileSpan {
    /// Says that a span is one of the file.
    #[must_use]
    pub const fn new(span: Span) -> Self {
        Self(span)
    }

    /// The span.
    #[must_use]
    pub const fn span(self) -> Span {
        self.0
    }
}

/// A value together with the place it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    #[must_use]
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A line and a column, both from 1; columns count Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A named text with an index of its lines; cheap to clone.
///
/// ```
/// use policy_core::source::{Source, Span};
/// let source = Source::new("edge.yml", "a: 1\nb: ü!\n");
/// assert_eq!(source.position(10).to_string(), "2:5");
/// assert_eq!(source.slice(Span::new(5, 6)), "b");
/// ```
#[derive(Clone)]
pub struct Source {
    inner: Arc<Inner>,
}

struct Inner {
    name: Box<str>,
    text: Box<str>,
    /// Offset of the first byte of each line.
    lines: Vec<u32>,
    /// Characters before each block of [`BLOCK`] bytes, so that a column in a long line is found quickly. Empty
    /// where each byte is a character.
    chars: Vec<u32>,
    /// The number of each line where only some lines of a text are kept; empty where all are.
    numbers: Vec<u32>,
    withheld: bool,
}

/// Bytes between two counts of characters.
const BLOCK: usize = 1_024;
/// A byte order mark belongs to the encoding, not to the first line.
const BYTE_ORDER_MARK: char = '\u{feff}';

impl Source {
    /// Names a text. Offsets are 32 bits wide, so a text is cut at 4 GiB; [`crate::parse::decode`] refuses
    /// files long before that.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        let max = u32::MAX as usize - 1;
        if text.len() > max {
            let cut = (0..=max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.truncate(cut);
        }
        let lines = line_starts(&text);
        Self::with_numbers(name.into(), text, lines, Vec::new())
    }

    /// Names single lines of a text that is not kept, each with its number, in ascending order. Places are those
    /// of the whole text, so that findings in it are shown as in any other.
    pub(crate) fn excerpts(name: impl Into<Box<str>>, kept: &[(u32, String)]) -> Self {
        let (mut text, mut lines) = (String::new(), Vec::with_capacity(kept.len()));
        for (_, line) in kept {
            lines.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            text.push_str(line);
            text.push('\n');
        }
        Self::with_numbers(name.into(), text, lines, kept.iter().map(|(number, _)| *number).collect())
    }

    /// The places of some lines of a text that must not be shown, in ascending order.
    pub(crate) fn withheld(name: impl Into<Box<str>>, numbers: &[u32]) -> Self {
        let text = "\n".repeat(numbers.len());
        let lines = (0..).take(numbers.len()).collect();
        Self::new_inner(name.into(), text, lines, numbers.to_vec(), true)
    }

    fn with_numbers(name: Box<str>, text: String, lines: Vec<u32>, numbers: Vec<u32>) -> Self {
        Self::new_inner(name, text, lines, numbers, false)
    }

    fn new_inner(name: Box<str>, text: String, lines: Vec<u32>, numbers: Vec<u32>, withheld: bool) -> Self {
        let chars = if text.is_ascii() { Vec::new() } else { char_counts(&text) };
        let text = text.into_boxed_str();
        Self { inner: Arc::new(Inner { name, text, lines, chars, numbers, withheld }) }
    }

    /// True if the text is not to be shown and has been taken away ([`crate::named_file::withhold`]).
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.inner.withheld
    }

    /// The name given at creation, usually a path.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// The text of a span; empty where the span does not fit the text.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.inner.text.get(span.to_range()).unwrap_or("")
    }

    /// Line and column of a byte offset. O(log lines).
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let line = self.inner.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.inner.lines.get(line - 1).copied().unwrap_or(0);
        let mark = u32::from(line == 1 && offset > 0 && self.text().starts_with(BYTE_ORDER_MARK));
        let column = self.chars_before(offset).saturating_sub(self.chars_before(start)).saturating_sub(mark);
        let number = self.inner.numbers.get(line - 1).copied();
        let number = number.unwrap_or_else(|| u32::try_from(line).unwrap_or(u32::MAX));
        Position { line: number, column: column.saturating_add(1) }
    }

    /// Characters that begin before an offset.
    fn chars_before(&self, offset: u32) -> u32 {
        let offset = (offset as usize).min(self.text().len());
        if self.inner.chars.is_empty() {
            return u32::try_from(offset).unwrap_or(u32::MAX);
        }
        let block = offset / BLOCK;
        let before = self.inner.chars.get(block).copied().unwrap_or(0);
        let rest = self.inner.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        before.saturating_add(count_chars(rest))
    }

    /// Where the line at a byte offset ends, without its break. O(log lines).
    pub(crate) fn line_end(&self, offset: u32) -> usize {
        let lines = &self.inner.lines;
        let next = lines.get(lines.partition_point(|&start| start <= offset));
        let end = next.map_or(self.text().len(), |&start| start as usize);
        let line = self.text().get(offset as usize..end).unwrap_or_default();
        offset as usize + line.trim_end_matches(['\n', '\r']).len()
    }

    /// Byte offset of a line's start (lines from 1); the end of the text past the last line. Of a line that is
    /// not kept, the start of the next one that is.
    #[must_use]
    pub fn line_start(&self, line: u32) -> u32 {
        let end = u32::try_from(self.text().len()).unwrap_or(u32::MAX);
        let numbers = &self.inner.numbers;
        let index = match numbers.is_empty() {
            true => (line as usize).checked_sub(1),
            false => Some(numbers.partition_point(|&number| number < line)),
        };
        index.and_then(|index| self.inner.lines.get(index)).copied().unwrap_or(end)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.inner.name)
            .field("bytes", &self.inner.text.len())
            .finish_non_exhaustive()
    }
}

/// Characters are counted at their first byte: continuation bytes are 0b10xx_xxxx.
fn count_chars(bytes: &[u8]) -> u32 {
    let count = bytes.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn char_counts(text: &str) -> Vec<u32> {
    let mut before = 0_u32;
    let count = |block: &[u8]| {
        let this = before;
        before = before.saturating_add(count_chars(block));
        this
    };
    let mut counts: Vec<u32> = text.as_bytes().chunks(BLOCK).map(count).collect();
    counts.push(before);
    counts
}

/// Line starts; `\n`, `\r\n` and a lone `\r` end a line, as YAML 1.2.2 §5.4 has it.
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut lines = vec![0];
    for (at, &byte) in bytes.iter().enumerate() {
        let ends = byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        if ends && let Ok(next) = u32::try_from(at + 1) {
            lines.push(next);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_all_line_breaks() {
        let source = Source::new("x", "aé\r\nb\rc\nd");
        let at = |offset| source.position(offset).to_string();
        assert_eq!(at(0), "1:1");
        assert_eq!(at(3), "1:3");
        assert_eq!(at(5), "2:1");
        assert_eq!(at(7), "3:1");
        assert_eq!(at(9), "4:1");
        assert_eq!(at(4_000), "4:2");
    }

    #[test]
    fn excerpts_have_the_places_of_the_whole_text() {
        let source = Source::excerpts("x", &[(7, "añb".into()), (8, String::new()), (900, "c".into())]);
        let at = |offset| source.position(offset).to_string();
        assert_eq!([at(0), at(3), at(5), at(6)], ["7:1", "7:3", "8:1", "900:1"]);
        let starts: Vec<_> = [1, 7, 8, 9, 899, 900, 901].map(|line| source.line_start(line)).into();
        assert_eq!(starts, [0, 0, 5, 6, 6, 6, 8]);
        assert_eq!(Source::excerpts("x", &[]).position(0).to_string(), "1:1");
    }

    #[test]
    fn lines_end_before_their_breaks() {
        let source = Source::new("x", "ab\r\nc\rd\n\nef");
        let ends: Vec<_> = (0..12).map(|offset| source.line_end(offset)).collect();
        assert_eq!(ends, [2, 2, 2, 3, 5, 5, 7, 7, 8, 11, 11, 11]);
    }

    #[test]
    fn long_lines_and_marks_are_counted_right() {
        let text = format!("\u{feff}{}\nü{}", "é".repeat(3_000), "x".repeat(5_000));
        let source = Source::new("x", text.clone());
        for (offset, _) in text.char_indices() {
            let before = &text.as_bytes()[..offset];
            let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            let column = count_chars(&before[start..]) + 1 - u32::from(start == 0 && offset > 0);
            let offset = u32::try_from(offset).expect("small");
            assert_eq!(source.position(offset).column, column, "{offset}");
        }
    }
}
