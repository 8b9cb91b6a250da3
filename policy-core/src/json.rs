//! JSON for people and programs: what is written holds no character raw that steers a terminal or turns the direction
//! of writing.
//!
//! JSON itself asks for escapes below U+0020 only (RFC 8259 §7). Outside of its strings it is ASCII, so every other
//! character that is escaped stands in a string, and a reader gets the same value.

use std::fmt::Write as _;

use serde::Serialize;

use crate::diagnostic::steers;

/// A value as one line.
///
/// ```
/// use policy_core::json;
/// assert_eq!(json::to_string(&"Büro\u{202e}\u{9b}")?, r#""Büro\u202e\u009b""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn to_string<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string(value).map(escaped)
}

/// A value over several lines.
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn to_string_pretty<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(escaped)
}

/// The bytes of a value as one line.
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    to_string(value).map(String::into_bytes)
}

/// JSON that others have written, with the same escapes. O(length); copied only if there is something to escape.
#[must_use]
pub fn escaped(json: String) -> String {
    // Line breaks between values stay; inside strings they are escapes already.
    let odd = |c: char| c >= '\u{7f}' && steers(c);
    if json.is_ascii() && !json.contains('\u{7f}') || !json.contains(odd) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if !odd(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a text cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back_and_none_steers() {
        let all: String = ('\0'..=char::MAX).collect();
        for text in [to_string(&all), to_string_pretty(&[&all])] {
            let text = text.expect("written");
            assert!(text.contains('ü') && text.contains("\\u2067") && text.contains("\\u007f"));
            assert_eq!(text.chars().find(|c| *c != '\n' && steers(*c)), None);
            let private: String = ('\u{e000}'..'\u{f000}').collect();
            assert!(text.contains(&private));
            let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(read.as_str().or_else(|| read[0].as_str()), Some(&*all));
        }
        assert_eq!(to_vec(&"\u{2028}").expect("written"), br#""\u2028""#);
    }
}
