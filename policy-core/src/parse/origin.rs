//! Where the characters of a scalar's value stand in the file: through quotes, escapes, folding and
//! indentation.
//!
//! The value and its source text are walked side by side (YAML 1.2.2 §5.7 escapes, §6.5 folding, §8.1 blocks).
//! Only characters that are looked at count: of white space that was folded or cut, any will do.

use super::document::{Form, Scalar};
use crate::source::{Source, Span};

/// The places of a scalar's value.
#[derive(Clone, Debug)]
pub(crate) struct Origin<'d> {
    source: &'d Source,
    value: &'d str,
    whole: Span,
    /// For each byte of the value, start and end of what it was written as; `None` where they could not be
    /// told.
    places: Option<Vec<Span>>,
}

impl<'d> Origin<'d> {
    /// Finds the places. O(length).
    pub(crate) fn new(scalar: Scalar<'d>, source: &'d Source) -> Self {
        let value = scalar.text;
        let places = match scalar.content {
            Some(content) => {
                let bytes = 0..u32::try_from(value.len()).unwrap_or(u32::MAX);
                Some(bytes.map(|at| Span::new(content.start + at, content.start + at + 1)).collect())
            }
            None => {
                let span = match scalar.form {
                    Form::Block => from_header(source, scalar.span),
                    _ => scalar.span,
                };
                align(source.slice(span), span.start, value, scalar.form)
            }
        };
        Self { source, value, whole: scalar.span, places }
    }

    /// The place of a part of the value, and whether the file has exactly these characters there.
    pub(crate) fn place(&self, part: Span) -> (Span, bool) {
        let Some(places) = &self.places else { return (self.whole, false) };
        let at = |index: usize| places.get(index).copied();
        let range = part.to_range();
        let span = if range.is_empty() {
            // Between two characters, or after the last.
            let before = range.start.checked_sub(1).and_then(at).map(|span| span.end);
            let offset = at(range.start).map(|span| span.start).or(before).unwrap_or(self.whole.end);
            Span::new(offset, offset)
        } else {
            let start = at(range.start).map_or(self.whole.start, |span| span.start);
            let end = range.end.checked_sub(1).and_then(at).map_or(self.whole.end, |span| span.end);
            Span::new(start, end)
        };
        (span, self.value.get(range) == Some(self.source.slice(span)))
    }
}

/// The place of a block from the line after its header on: blank lines before its first word belong to it.
fn from_header(source: &Source, span: Span) -> Span {
    let before = source.text().get(..span.start as usize).unwrap_or_default();
    let header = before.trim_end().len();
    let line_end = before.get(header..).and_then(|space| space.find('\n'));
    line_end.map_or(span, |at| Span::new(Span::from_range(header + at + 1..header + at + 1).start, span.end))
}

/// Walks value and source text side by side; `None` if they do not fit together.
fn align(raw: &str, start: u32, value: &str, form: Form) -> Option<Vec<Span>> {
    let (quote, skipped) = match form {
        Form::Double => (Some('"'), 1),
        Form::Single => (Some('\''), 1),
        // The place of a block begins after its header.
        Form::Plain | Form::Tagged | Form::Block => (None, 0),
    };
    let mut walk = Walk { raw, at: skipped, start, places: Vec::with_capacity(value.len()) };
    for c in value.chars() {
        walk.character(c, quote)?;
    }
    Some(walk.places)
}

struct Walk<'r> {
    raw: &'r str,
    at: usize,
    start: u32,
    places: Vec<Span>,
}

impl Walk<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.raw.get(self.at + ahead..).and_then(|rest| rest.chars().next())
    }

    /// Takes `length` bytes as the source of a character.
    fn take(&mut self, c: char, length: usize) {
        let offset = |at: usize| self.start.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
        let place = Span::new(offset(self.at), offset(self.at + length));
        if length == c.len_utf8() {
            // Letter by letter: each byte for itself.
            self.places.extend(
                (0..length).map(|byte| Span::new(offset(self.at + byte), offset(self.at + byte + 1))),
            );
        } else {
            self.places.extend((0..c.len_utf8()).map(|_| place));
        }
        self.at += length;
    }

    fn character(&mut self, c: char, quote: Option<char>) -> Option<()> {
        loop {
            let Some(next) = self.peek(0) else {
                // A block's last line break may lie behind the scalar's place.
                self.take(c, 0);
                return matches!(c, '\n' | ' ').then_some(());
            };
            if quote == Some('"') && next == '\\' {
                match self.escape() {
                    Some((length, Some(decoded))) if decoded == c => self.take(c, length),
                    // A line break that is escaped leaves nothing.
                    Some((length, None)) => {
                        self.at += length;
                        continue;
                    }
                    _ => return None,
                }
                return Some(());
            }
            if quote == Some('\'') && next == '\'' && c == '\'' {
                self.take(c, if self.peek(1) == Some('\'') { 2 } else { 1 });
                return Some(());
            }
            let folded = matches!(c, ' ' | '\n') && matches!(next, '\n' | '\r');
            if next == c || folded {
                self.take(c, next.len_utf8());
                return Some(());
            }
            if !next.is_ascii_whitespace() {
                return None;
            }
            self.at += next.len_utf8();
        }
    }

    /// The escape at hand: its length and character; none for an escaped line break.
    fn escape(&self) -> Option<(usize, Option<char>)> {
        let kind = self.peek(1)?;
        let number = |digits: usize| {
            let text = self.raw.get(self.at + 2..self.at + 2 + digits)?;
            u32::from_str_radix(text, 16).ok()
        };
        let simple = |c: char| Some((1 + kind.len_utf8(), Some(c)));
        match kind {
            '\n' | '\r' => Some((2, None)),
            '0' => simple('\0'),
            'a' => simple('\u{7}'),
            'b' => simple('\u{8}'),
            't' | '\t' => simple('\t'),
            'n' => simple('\n'),
            'v' => simple('\u{b}'),
            'f' => simple('\u{c}'),
            'r' => simple('\r'),
            'e' => simple('\u{1b}'),
            'N' => simple('\u{85}'),
            '_' => simple('\u{a0}'),
            'L' => simple('\u{2028}'),
            'P' => simple('\u{2029}'),
            'x' => Some((4, char::from_u32(number(2)?))),
            'U' => Some((10, char::from_u32(number(8)?))),
            'u' => match number(4)? {
                // Two halves of one character, as JSON writes it.
                high @ 0xd800..=0xdbff => {
                    let low = self.raw.get(self.at + 8..self.at + 12)?;
                    let low = u32::from_str_radix(low, 16).ok()?.checked_sub(0xdc00)?;
                    Some((12, char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)))
                }
                code => Some((6, char::from_u32(code))),
            },
            c => simple(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::Diagnostics;
    use crate::parse::{Limits, NodeKind, parse};

    /// The origin of the first value of a map, and what stands at the place of each of its words.
    fn words(text: &str) -> Vec<(String, bool)> {
        let source = Source::new("t", text);
        let document = parse(&source, &Limits::default(), &mut Diagnostics::default());
        let NodeKind::Mapping(map) = document.root().expect("a root").kind() else { panic!("a map") };
        let NodeKind::Scalar(scalar) = map.iter().next().expect("an entry").1.kind() else {
            panic!("a scalar")
        };
        let origin = Origin::new(scalar, &source);
        let word = |word: &str| {
            let at = word.as_ptr().addr() - scalar.text.as_ptr().addr();
            let (span, exact) = origin.place(Span::from_range(at..at + word.len()));
            (source.slice(span).to_owned(), exact)
        };
        scalar.text.split_whitespace().map(word).collect()
    }

    #[test]
    fn words_are_found_however_they_are_written() {
        let exact = |texts: &[&str]| texts.iter().map(|text| ((*text).to_owned(), true)).collect::<Vec<_>>();
        assert_eq!(words("a: one two"), exact(&["one", "two"]));
        assert_eq!(words("a: one\n  two\n\n  three"), exact(&["one", "two", "three"]));
        assert_eq!(words("a: 'one\n  two'"), exact(&["one", "two"]));
        assert_eq!(words("a: |\n  one\n    two ünd\n  three\n"), exact(&["one", "two", "ünd", "three"]));
        assert_eq!(words("a: >-\n  one two\n  three\n\n  four\n"), exact(&["one", "two", "three", "four"]));
        assert_eq!(
            words("a: \"one\\\n  two\\n three\""),
            [("one\\\n  two".to_owned(), false), ("three".to_owned(), true)]
        );
        assert_eq!(words("a: 'it''s one'"), [("it''s".to_owned(), false), ("one".to_owned(), true)]);
        assert_eq!(words(r#"{"a": "\u0061b \ud83d\ude00 c\/d"}"#)[1], (r"\ud83d\ude00".to_owned(), false));
    }

    proptest! {
        /// Whatever a value is written as, its letters are found.
        #[test]
        fn every_letter_is_found(value in "[a-z0-9 '\"\\\\#ü:\n-]{1,40}", style in 0..4_u8) {
            let plain = value.replace(['"', '\\'], "x");
            let text = match style {
                0 => serde_json::json!({ "a": value }).to_string(),
                1 => format!("a: '{}'", value.replace('\'', "''").replace('\n', "\n\n  ")),
                2 => format!("a: |\n{}\n", plain.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")),
                _ => format!("a: >-\n{}\n", plain.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")),
            };
            let source = Source::new("t", text.clone());
            let mut found = Diagnostics::default();
            let document = parse(&source, &Limits::default(), &mut found);
            let Some(root) = document.root().filter(|_| found.is_empty()) else { return Ok(()) };
            let NodeKind::Mapping(map) = root.kind() else { return Ok(()) };
            let Some((_, node)) = map.iter().next() else { return Ok(()) };
            let NodeKind::Scalar(scalar) = node.kind() else { return Ok(()) };
            let origin = Origin::new(scalar, &source);
            for (at, c) in scalar.text.char_indices().filter(|(_, c)| c.is_alphanumeric()) {
                let (span, exact) = origin.place(Span::from_range(at..at + c.len_utf8()));
                let written = source.slice(span);
                let mut own = [0; 4];
                prop_assert!(written == &*c.encode_utf8(&mut own) || (written.starts_with('\\') && !exact), "{:?}: {:?} for {:?}", text, written, c);
            }
        }
    }
}
