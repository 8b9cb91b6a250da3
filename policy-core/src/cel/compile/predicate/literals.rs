//! Literal texts, ready to be compared: short ones as one number.

use std::sync::Arc;

/// Bytes of a text that fit into a word with their number.
const MAX_SHORT: usize = 7;
/// Literals up to which a scan is faster than a search.
const MAX_SCANNED: usize = 8;
/// The word of a text that is too long for one.
const LONG: u64 = u64::MAX;

/// A text of up to seven bytes as a number, its length in the highest byte; [`LONG`] for others. Equal texts have equal
/// words, and different short texts have different ones.
#[inline(always)]
pub(super) fn word(text: &[u8]) -> u64 {
    let length = text.len();
    let behind = |part: u64, taken: usize| part << (8 * (length - taken));
    // The head and the tail overlap in equal bytes.
    let bytes = if length > MAX_SHORT {
        return LONG;
    } else if let (Some(head), Some(tail)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*head)) | behind(u32::from_le_bytes(*tail).into(), 4)
    } else if let (Some(head), Some(tail)) = (text.first_chunk::<2>(), text.last_chunk::<2>()) {
        u64::from(u16::from_le_bytes(*head)) | behind(u16::from_le_bytes(*tail).into(), 2)
    } else {
        text.first().copied().unwrap_or(0).into()
    };
    bytes | (length as u64) << 56
}

/// A text that others are compared with.
#[derive(Clone, Debug)]
pub(crate) struct TextLiteral {
    word: u64,
    text: Arc<str>,
}

impl From<Arc<str>> for TextLiteral {
    fn from(text: Arc<str>) -> Self {
        Self { word: word(text.as_bytes()), text }
    }
}

impl TextLiteral {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Its word, [`LONG`] if it has none of its own.
    pub(super) const fn word(&self) -> u64 {
        self.word
    }

    #[inline(always)]
    pub(super) fn equals(&self, text: &[u8]) -> bool {
        word(text) == self.word && (self.word != LONG || *text == *self.text.as_bytes())
    }

    #[inline(always)]
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        text.get(..self.text.len()).is_some_and(|head| self.equals(head))
    }
}

/// Several such texts.
#[derive(Clone, Debug)]
pub(crate) struct Literals {
    /// The words of short ones, in order.
    short: Box<[u64]>,
    /// The others, in order.
    long: Box<[Arc<str>]>,
}

impl FromIterator<Arc<str>> for Literals {
    fn from_iter<I: IntoIterator<Item = Arc<str>>>(texts: I) -> Self {
        let (mut short, mut long) = (Vec::new(), Vec::new());
        for text in texts {
            match word(text.as_bytes()) {
                LONG => long.push(text),
                word => short.push(word),
            }
        }
        short.sort_unstable();
        short.dedup();
        long.sort_unstable();
        long.dedup();
        Self { short: short.into(), long: long.into() }
    }
}

impl Literals {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.short) + size_of_val(&*self.long)
    }

    /// The texts, in order.
    pub(super) fn texts(&self) -> Box<[Arc<str>]> {
        let short = self.short.iter().map(|word| {
            let (bytes, length) = (word.to_le_bytes(), (word >> 56) as usize);
            String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into()
        });
        let mut texts: Vec<Arc<str>> = short.chain(self.long.iter().cloned()).collect();
        texts.sort_unstable();
        texts.into()
    }

    /// The words of the short ones, in order, and that of the long ones, if there are any.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        self.short.iter().copied().chain(self.long.first().map(|_| LONG))
    }

    #[inline(always)]
    pub(super) fn contain(&self, text: &[u8]) -> bool {
        match word(text) {
            LONG => self.contain_long(text),
            // Without a branch: which one it is, nobody can foresee.
            word if self.short.len() <= MAX_SCANNED => {
                self.short.iter().fold(false, |found, short| found | (*short == word))
            }
            word => self.short.binary_search(&word).is_ok(),
        }
    }

    fn contain_long(&self, text: &[u8]) -> bool {
        self.long.binary_search_by(|long| long.as_bytes().cmp(text)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_short_texts_apart() {
        let texts =
            ["", "\0", "a", "a\0", "\0a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "bcdefg"];
        for one in texts {
            for other in texts.iter().chain(&["abcdefgh", "\0\0\0\0\0\0\0\0"]) {
                let literal = TextLiteral::from(Arc::from(one));
                assert_eq!(literal.equals(other.as_bytes()), one == *other, "{one:?} {other:?}");
                assert_eq!(literal.begins(other.as_bytes()), other.starts_with(one), "{one:?} {other:?}");
            }
        }
        let long = TextLiteral::from(Arc::from("abcdefgh"));
        assert!(long.equals(b"abcdefgh") && !long.equals(b"abcdefgi") && !long.equals(b"abcdefg"));
        assert!(long.begins(b"abcdefghi") && !long.begins(b"abcdefg"));
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        for number in [0, 1, 8, 9, 300] {
            let texts: Vec<String> = (0..number).map(|at| "x".repeat(at % 12) + &at.to_string()).collect();
            let set: Literals = texts.iter().map(|text| Arc::from(text.as_str())).collect();
            assert!(texts.iter().all(|text| set.contain(text.as_bytes())), "{number}");
            assert!(["", "x", "xxxxxxxxxxxxxxxxx", "y"].iter().all(|text| !set.contain(text.as_bytes())));
        }
    }
}
