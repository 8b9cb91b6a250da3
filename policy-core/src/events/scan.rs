//! A scanner of JSON that lends what is wanted and passes over the rest.
//!
//! It accepts what `serde_json` accepts, up to a depth, which the tests compare. A log has some hundred bytes a line of which a
//! decision needs a few: everything else is looked at eight bytes at a time.

use std::borrow::Cow;

/// Levels of lists and objects.
const MAX_DEPTH: usize = 64;

/// Why a text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends where more has to come.
    End,
    /// A character that cannot stand where it does, or too many levels.
    Syntax,
}

/// A text of JSON, as it is written between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'l> {
    raw: &'l str,
    escaped: bool,
}

impl<'l> Text<'l> {
    /// The text; lent unless it has escapes. `None` if an escape is half of a character.
    #[must_use]
    #[inline]
    pub fn get(self) -> Option<Cow<'l, str>> {
        match self.escaped {
            false => Some(Cow::Borrowed(self.raw)),
            true => self.unescaped().map(Cow::Owned),
        }
    }

    #[cold]
    fn unescaped(self) -> Option<String> {
        serde_json::from_str(&format!("\"{}\"", self.raw)).ok()
    }

    /// As it is written, escapes included.
    #[must_use]
    pub const fn raw(self) -> &'l str {
        self.raw
    }

    /// The text, if it has no escapes.
    #[must_use]
    pub const fn plain(self) -> Option<&'l str> {
        if self.escaped { None } else { Some(self.raw) }
    }
}

/// A place in a text.
#[derive(Debug)]
pub(super) struct Scanner<'l> {
    text: &'l str,
    at: usize,
    depth: usize,
}

/// The same byte in every place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of the first byte that is a quote, a backslash or a control character, and perhaps of some behind it.
const fn special(word: u64) -> u64 {
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(each(1)) & !word
    }
    let control = word.wrapping_sub(each(0x20)) & !word;
    (zero(word ^ each(b'"')) | zero(word ^ each(b'\\')) | control) & each(0x80)
}

impl<'l> Scanner<'l> {
    pub(super) const fn new(text: &'l str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The first byte of what comes next.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                other => return other,
            }
        }
    }

    /// Passes over a byte.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(Broken::Syntax),
            None => Err(Broken::End),
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Broken::Syntax),
        }
    }

    /// What was passed over since a place.
    fn since(&self, start: usize) -> &'l str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Reads an object; `entry` reads the value of each key.
    #[inline]
    pub(super) fn object(
        &mut self,
        mut entry: impl FnMut(&mut Self, Text<'l>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.expect(b'{')?;
        self.items(b'}', |scanner| {
            if scanner.peek().is_some_and(|byte| byte != b'"') {
                return Err(Broken::Syntax);
            }
            let key = scanner.string()?;
            scanner.expect(b':')?;
            entry(scanner, key)
        })
    }

    /// Reads a list; `item` reads each value.
    #[inline]
    pub(super) fn list(&mut self, item: impl FnMut(&mut Self) -> Result<(), Broken>) -> Result<(), Broken> {
        self.expect(b'[')?;
        self.items(b']', item)
    }

    #[inline]
    fn items(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Broken::Syntax);
        }
        if self.peek() == Some(close) {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            item(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => break,
                Some(_) => return Err(Broken::Syntax),
                None => return Err(Broken::End),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Reads a text.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'l>, Broken> {
        self.expect(b'"')?;
        let (start, mut escaped) = (self.at, false);
        loop {
            self.pass_plain();
            match self.byte() {
                Some(b'"') => {
                    let raw = self.since(start);
                    self.at += 1;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return Err(Broken::Syntax),
                None => return Err(Broken::End),
            }
        }
    }

    /// Passes over the characters of a text that stand for themselves.
    #[inline]
    fn pass_plain(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let (words, last) = rest.as_chunks::<8>();
        let mut passed = 0;
        for word in words {
            let found = special(u64::from_le_bytes(*word));
            if found != 0 {
                passed += usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
                self.at += passed;
                return;
            }
            passed += 8;
        }
        passed += last.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
        self.at += passed;
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<(), Broken> {
        let byte = self.byte().ok_or(Broken::End)?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => (0..4).try_for_each(|_| match self.byte() {
                Some(byte) if byte.is_ascii_hexdigit() => {
                    self.at += 1;
                    Ok(())
                }
                Some(_) => Err(Broken::Syntax),
                None => Err(Broken::End),
            }),
            _ => Err(Broken::Syntax),
        }
    }

    /// Passes over a value; what it is, as it is written.
    #[inline]
    pub(super) fn raw(&mut self) -> Result<&'l str, Broken> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(self.since(start))
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Result<(), Broken> {
        match self.peek().ok_or(Broken::End)? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(|scanner, _| scanner.skip()),
            b'[' => self.list(Self::skip),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(Broken::Syntax),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Broken> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(if word.as_bytes().starts_with(rest) { Broken::End } else { Broken::Syntax })
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Broken> {
        match self.byte() {
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(Broken::Syntax),
            None => return Err(Broken::End),
        }
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }
}
