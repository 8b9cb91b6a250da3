//! Characters that look like others, or cannot be seen: from word processors, chats and other alphabets.

use std::fmt;

/// A character that stands in place of a plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OddCharacter {
    /// Where it begins.
    pub(crate) at: usize,
    /// The character.
    pub(crate) character: char,
    /// What it looks like; empty if it cannot be seen.
    pub(crate) twin: &'static str,
}

impl OddCharacter {
    /// The first one in a text.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        if text.is_ascii() {
            return None;
        }
        Self::all_in(text).next()
    }

    /// All of them in a text.
    pub(crate) fn all_in(text: &str) -> impl Iterator<Item = Self> {
        let odd = |(at, character)| plain_twin(character).map(|twin| Self { at, character, twin });
        text.char_indices().filter_map(odd)
    }

    /// Where it ends.
    pub(crate) const fn end(&self) -> usize {
        self.at + self.character.len_utf8()
    }

    /// What to do with a stretch of such characters.
    pub(crate) fn advice(plain: &str) -> String {
        match plain {
            "" => "remove it".to_owned(),
            plain => format!("write `{plain}`"),
        }
    }
}

/// True for a character that shows nothing and takes no room.
pub(crate) fn is_invisible(c: char) -> bool {
    plain_twin(c) == Some("")
}

impl fmt::Display for OddCharacter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u32::from(self.character);
        match self.twin {
            "" => write!(f, "U+{number:04X} cannot be seen"),
            " " => write!(f, "U+{number:04X} is not a plain space"),
            twin => write!(f, "`{}` (U+{number:04X}) looks like `{twin}`", self.character),
        }
    }
}

/// A text with plain characters in place of those that only look like them.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match plain_twin(c) {
            Some(twin) => out.push_str(twin),
            None => out.push(c),
        }
    }
    out
}

/// Full-width forms of ASCII (U+FF01 to U+FF5E), in order.
const FULL_WIDTH: &str =
    "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// What a character looks like (after the table of confusables of Unicode Technical Standard 39, as far as keyboards,
/// word processors and neighbouring alphabets give them); empty for one that cannot be seen.
#[expect(clippy::too_many_lines, reason = "a table, a line for each sign")]
fn plain_twin(c: char) -> Option<&'static str> {
    if let Some(index) = u32::from(c).checked_sub(0xff01) {
        let index = index as usize;
        if index < FULL_WIDTH.len() {
            return FULL_WIDTH.get(index..index + 1);
        }
    }
    if c.is_ascii() {
        return None;
    }
    Some(match c {
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => "",
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => " ",
        '\u{b4}' | '\u{2b9}'..='\u{2bc}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' => "'",
        '\u{2039}'..='\u{203a}' | '\u{275b}'..='\u{275c}' => "'",
        '\u{ab}' | '\u{bb}' | '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' => "\"",
        '\u{275d}'..='\u{275e}' | '\u{301d}'..='\u{301f}' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{2796}' => "-",
        '\u{2024}' | '\u{3002}' | '\u{ff61}' => ".",
        '\u{3001}' | '\u{ff64}' => ",",
        '\u{a6}' | '\u{2223}' => "|",
        '\u{2016}' => "||",
        '\u{3010}' => "[",
        '\u{3011}' => "]",
        '\u{2026}' => "...",
        '\u{2044}' | '\u{2215}' => "/",
        '\u{2236}' => ":",
        '\u{d7}' | '\u{2217}' => "*",
        '\u{f7}' => "/",
        '\u{2260}' => "!=",
        '\u{2264}' => "<=",
        '\u{2265}' => ">=",
        '\u{2227}' => "&&",
        '\u{2228}' => "||",
        '\u{ac}' => "!",
        '\u{2208}' => "in",
        // Cyrillic
        '\u{430}' => "a",
        '\u{435}' => "e",
        '\u{456}' => "i",
        '\u{458}' => "j",
        '\u{43e}' => "o",
        '\u{440}' => "p",
        '\u{441}' => "c",
        '\u{443}' => "y",
        '\u{445}' => "x",
        '\u{455}' => "s",
        '\u{4bb}' => "h",
        '\u{501}' => "d",
        '\u{51b}' => "q",
        '\u{51d}' => "w",
        '\u{410}' => "A",
        '\u{412}' => "B",
        '\u{415}' => "E",
        '\u{406}' => "I",
        '\u{408}' => "J",
        '\u{41a}' => "K",
        '\u{41c}' => "M",
        '\u{41d}' => "H",
        '\u{41e}' => "O",
        '\u{420}' => "P",
        '\u{421}' => "C",
        '\u{405}' => "S",
        '\u{422}' => "T",
        '\u{423}' => "Y",
        '\u{425}' => "X",
        // Greek
        '\u{3b1}' => "a",
        '\u{3b9}' => "i",
        '\u{3bd}' => "v",
        '\u{3bf}' => "o",
        '\u{3c1}' => "p",
        '\u{391}' => "A",
        '\u{392}' => "B",
        '\u{395}' => "E",
        '\u{397}' => "H",
        '\u{399}' => "I",
        '\u{39a}' => "K",
        '\u{39c}' => "M",
        '\u{39d}' => "N",
        '\u{39f}' => "O",
        '\u{3a1}' => "P",
        '\u{3a4}' => "T",
        '\u{3a5}' => "Y",
        '\u{3a7}' => "X",
        '\u{396}' => "Z",
        // Latin letters without their dot.
        '\u{131}' => "i",
        '\u{237}' => "j",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_named() {
        let said = |text: &str| OddCharacter::in_text(text).map(|odd| odd.to_string());
        assert_eq!(said("on_tcp_connect").as_deref(), None);
        assert_eq!(said("Büro, 東京, ñ").as_deref(), None);
        assert_eq!(said("a\u{200b}b").as_deref(), Some("U+200B cannot be seen"));
        assert_eq!(said("a\u{a0}b").as_deref(), Some("U+00A0 is not a plain space"));
        assert_eq!(said("x ‘y’").as_deref(), Some("`‘` (U+2018) looks like `'`"));
        assert_eq!(said("a：b").as_deref(), Some("`：` (U+FF1A) looks like `:`"));
        assert_eq!(plain("on_tсp_соnnect\u{200b}＿"), "on_tcp_connect_");
        assert_eq!((plain("！").as_str(), plain("～").as_str()), ("!", "~"));
        assert_eq!(said("\u{ff5f}").as_deref(), None);
    }
}
