//! Escapes and classes of characters.

use std::fmt::Write as _;

use super::{Atom, Head, PatternReader, UNICODE, WIDE};

impl PatternReader<'_> {
    pub(super) fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.chars.next() else { return Err("a `\\` at the end".to_owned()) };
        match c {
            'A' => self.start("\\A"),
            'z' => self.put("\\z", 1),
            'b' => self.put("(?-u:\\b)", 1),
            'B' => self.put("(?-u:\\B)", 1),
            'Q' => {
                while let Some(c) = self.chars.next() {
                    if c == '\\' && self.chars.next_if_eq(&'E').is_some() {
                        break;
                    }
                    self.literal(c);
                }
            }
            // The end of a quotation that has not begun.
            'E' => return Err("`\\E` ends no `\\Q`".to_owned()),
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P' => {
                let mut class = Class::default();
                self.named_class(c, &mut class)?;
                self.put_class(false, &class);
            }
            c => match self.character(c)? {
                Some(c) => self.literal(c),
                // Half of a surrogate pair: no text has it.
                None => self.put(NOTHING, 1),
            },
        }
        Ok(())
    }

    /// The character of an escape, after its backslash and first letter; `None` for half a pair.
    fn character(&mut self, c: char) -> Result<Option<char>, String> {
        let octal = |c: &char| ('0'..='7').contains(c);
        let code = match c {
            '1'..='7' if !self.chars.peek().is_some_and(octal) => {
                return Err(format!("`\\{c}` is a back reference, which RE2 syntax does not have"));
            }
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = self.chars.next_if(octal) else { break };
                    code = code * 8 + digit.to_digit(8).unwrap_or(0);
                }
                code
            }
            'x' => self.hexadecimal()?,
            'a' => 0x07,
            'f' => 0x0C,
            'n' => 0x0A,
            'r' => 0x0D,
            't' => 0x09,
            'v' => 0x0B,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c.into(),
            c => return Err(format!("unknown escape `\\{c}`")),
        };
        Ok(char::from_u32(code))
    }

    fn hexadecimal(&mut self) -> Result<u32, String> {
        let wrong = || "`\\x` is followed by two hexadecimal digits, or by some in braces".to_owned();
        let digit = |reader: &mut Self| reader.chars.next_if(char::is_ascii_hexdigit);
        let mut code = 0;
        if self.chars.next_if_eq(&'{').is_some() {
            let mut count = 0;
            while let Some(found) = digit(self) {
                code = code * 16 + found.to_digit(16).unwrap_or(0);
                count += 1;
                if code > u32::from(char::MAX) {
                    return Err("no character has this number".to_owned());
                }
            }
            return match count > 0 && self.chars.next_if_eq(&'}').is_some() {
                true => Ok(code),
                false => Err(wrong()),
            };
        }
        for _ in 0..2 {
            code = code * 16 + digit(self).and_then(|found| found.to_digit(16)).ok_or_else(wrong)?;
        }
        Ok(code)
    }

    /// A class, after its opening bracket.
    pub(super) fn class(&mut self) -> Result<(), String> {
        let negated = self.chars.next_if_eq(&'^').is_some();
        let (mut class, mut first) = (Class::default(), true);
        loop {
            let c = self.chars.next().ok_or("a `[` is not closed")?;
            match c {
                ']' if !first => break,
                '[' if self.posix(&mut class)? => {}
                '\\' if matches!(self.chars.peek(), Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P')) => {
                    let letter = self.chars.next().unwrap_or(c);
                    self.named_class(letter, &mut class)?;
                }
                c => {
                    let from = self.class_character(c)?;
                    let mut ahead = self.chars.clone();
                    let ranged = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
                    let to = match ranged {
                        true => {
                            self.chars.next();
                            let c = self.chars.next().ok_or("a `[` is not closed")?;
                            self.class_character(c)?
                        }
                        false => from,
                    };
                    if to < from {
                        return Err("a range ends before it begins".to_owned());
                    }
                    class.range(from, to);
                }
            }
            first = false;
        }
        self.put_class(negated, &class);
        Ok(())
    }

    /// The number of a character inside a class.
    fn class_character(&mut self, c: char) -> Result<u32, String> {
        if c != '\\' {
            return Ok(c.into());
        }
        let Some(c) = self.chars.next() else { return Err("a `\\` at the end".to_owned()) };
        // Halves of pairs only bound ranges here.
        self.character(c).map(|c| c.map_or(0xD800, u32::from))
    }

    /// `:alpha:]` after a bracket; false if the bracket is a character.
    fn posix(&mut self, class: &mut Class) -> Result<bool, String> {
        let mut ahead = self.chars.clone();
        if ahead.next() != Some(':') {
            return Ok(false);
        }
        let mut name = String::new();
        loop {
            match ahead.next() {
                Some(':') if ahead.peek() == Some(&']') => break,
                // No `:]` in the whole pattern.
                None => return Ok(false),
                Some(c) => name.push(c),
            }
        }
        ahead.next();
        let (negated, wanted) = name.strip_prefix('^').map_or((false, &*name), |rest| (true, rest));
        let Some((_, ranges)) = POSIX.iter().find(|(name, _)| *name == wanted) else {
            return Err(format!("unknown class `[:{}:]`", crate::diagnostic::shorten(&name)));
        };
        class.nested(negated, ranges);
        self.chars = ahead;
        Ok(true)
    }

    /// `\d` and the like, `\p{…}`; after the letter.
    fn named_class(&mut self, letter: char, class: &mut Class) -> Result<(), String> {
        let ranges = match letter.to_ascii_lowercase() {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            's' => "\\t\\n\\x0C\\r ",
            _ => return self.unicode(letter == 'P', class),
        };
        let open = class.open;
        class.nested(letter.is_ascii_uppercase(), ranges);
        if letter == 's' {
            class.open = open;
            class.characters.extend(['\t', '\n', '\u{c}', '\r', ' ']);
        }
        Ok(())
    }

    fn unicode(&mut self, mut negated: bool, class: &mut Class) -> Result<(), String> {
        let mut name = String::new();
        match self.chars.next() {
            Some('{') => loop {
                match self.chars.next() {
                    Some('}') => break,
                    Some('^') if name.is_empty() => negated = !negated,
                    Some(c) => name.push(c),
                    None => return Err("a `\\p{` is not closed".to_owned()),
                }
            },
            Some(c) => name.push(c),
            None => return Err("`\\p` is followed by a class of Unicode".to_owned()),
        }
        let ranges = match &*name {
            "Any" => "\\x00-\\x{10FFFF}".to_owned(),
            // The crate counts characters that are not assigned.
            "C" => "\\p{Cc}\\p{Cf}\\p{Co}".to_owned(),
            "Cs" => NOTHING.to_owned(),
            name if CATEGORIES.contains(&name) => format!("\\p{{{name}}}"),
            name if SCRIPTS.split(' ').any(|script| script == name) => format!("\\p{{sc={name}}}"),
            name => {
                let name = crate::diagnostic::shorten(name);
                return Err(format!("unknown Unicode class `{name}`"));
            }
        };
        class.nested(negated, &ranges);
        class.states = class.states.saturating_add(UNICODE);
        Ok(())
    }

    fn put_class(&mut self, negated: bool, class: &Class) {
        let items = if class.text.is_empty() { NOTHING } else { &*class.text };
        let head = self.one_of(&class.characters);
        match negated || class.open || class.characters.is_empty() {
            true => self.here.begin(|_| Head::Any),
            false => self.here.begin(head),
        }
        self.folded(&format!("[{}{items}]", if negated { "^" } else { "" }));
        let states = class.states.max(if negated { WIDE } else { 1 });
        let states = states.saturating_mul(if self.flags.fold { 4 } else { 1 });
        self.here.atom(Atom { states, repeats: 1 });
    }
}

/// A class without a character.
const NOTHING: &str = "[^\\x00-\\x{10FFFF}]";

/// What stands between the brackets of a class.
#[derive(Debug, Default)]
struct Class {
    text: String,
    states: u64,
    /// The characters of it, unless it is open.
    characters: Vec<char>,
    /// True if it has more characters than are listed.
    open: bool,
}

impl Class {
    fn range(&mut self, from: u32, to: u32) {
        const LISTED: u32 = 16;
        match to.saturating_sub(from) < LISTED && self.characters.len() < Head::MAX {
            true => self.characters.extend((from..=to).filter_map(char::from_u32)),
            false => self.open = true,
        }
        // Halves of pairs are in no text.
        let from = if (0xD800..0xE000).contains(&from) { 0xE000 } else { from };
        let to = if (0xD800..0xE000).contains(&to) { 0xD7FF } else { to };
        if from <= to {
            let _ = write!(self.text, "\\x{{{from:X}}}-\\x{{{to:X}}}");
        }
        self.states = self.states.saturating_add(if to < 0x80 { 1 } else { WIDE });
    }

    fn nested(&mut self, negated: bool, ranges: &str) {
        self.open = true;
        self.text.push_str(if negated { "[^" } else { "[" });
        self.text.push_str(ranges);
        self.text.push(']');
        self.states = self.states.saturating_add(if negated { WIDE } else { 1 });
    }
}

const POSIX: &[(&str, &str)] = &[
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", "\\x00-\\x7F"),
    ("blank", "\\t "),
    ("cntrl", "\\x00-\\x1F\\x7F"),
    ("digit", "0-9"),
    ("graph", "!-\\~"),
    ("lower", "a-z"),
    ("print", " -\\~"),
    ("punct", "!-/:-@\\[-`\\{-\\~"),
    ("space", "\\t\\n\\x0B\\x0C\\r "),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

const CATEGORIES: &[&str] = &[
    "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P",
    "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
];

/// The scripts of Unicode 16, as RE2 writes them: in full, with the capitals of the standard.
const SCRIPTS: &str = "\
    Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali \
    Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma \
    Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari \
    Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Garay Georgian Glagolitic \
    Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema Han Hangul Hanifi_Rohingya Hanunoo \
    Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese \
    Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Kirat_Rai \
    Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic \
    Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive \
    Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari \
    New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic \
    Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage \
    Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan \
    Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Sunuwar \
    Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana \
    Thai Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi \
    Yi Zanabazar_Square";

#[cfg(test)]
mod tests {
    use super::*;

    /// What is listed the crate has, so that it refuses no pattern for a class.
    #[test]
    fn the_crate_has_every_class() {
        for name in CATEGORIES.iter().copied().chain(SCRIPTS.split(' ')) {
            let translated = super::super::translate(&format!("\\p{{{name}}}")).expect(name);
            assert!(regex::Regex::new(&translated.text).is_ok(), "{name}");
        }
    }
}
