//! Values of literals: numbers and the escapes of texts and bytes.

use std::ops::Range;

/// Reads a whole number; `negative` if a minus stands before it, so that the least one can be written.
pub(in crate::cel) fn int(text: &str, negative: bool) -> Option<i64> {
    let magnitude = magnitude(text)?;
    match negative {
        true => 0_i64.checked_sub_unsigned(magnitude),
        false => i64::try_from(magnitude).ok(),
    }
}

/// Reads an unsigned number without its `u`.
pub(in crate::cel) fn uint(text: &str) -> Option<u64> {
    magnitude(text.trim_end_matches(['u', 'U']))
}

fn magnitude(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What is wrong inside a quoted literal, and where in its text.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cel) struct EscapeError {
    pub(in crate::cel) range: Range<usize>,
    pub(in crate::cel) message: &'static str,
}

/// The value of a quoted literal, prefix and quotes included, as bytes of UTF-8 or of a bytes literal.
pub(in crate::cel) fn unquote(text: &str, bytes: bool) -> Result<Vec<u8>, EscapeError> {
    let quote_at = text.find(['\'', '"']).unwrap_or(0);
    let (prefix, rest) = text.split_at_checked(quote_at).unwrap_or(("", text));
    let raw = prefix.contains(['r', 'R']);
    let quotes = if rest.starts_with("'''") || rest.starts_with("\"\"\"") { 3 } else { 1 };
    let (start, end) = (quote_at + quotes, text.len().saturating_sub(quotes));
    let body = text.get(start..end).unwrap_or_default();
    if raw {
        return Ok(body.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(c) = body.get(at..).and_then(|rest| rest.chars().next()) {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += c.len_utf8();
            continue;
        }
        let tail = body.get(at + 1..).unwrap_or_default();
        let (length, decoded) = escape(tail, bytes).map_err(|message| EscapeError {
            range: start + at..start + at + 1 + tail.chars().next().map_or(0, char::len_utf8),
            message,
        })?;
        match decoded {
            Decoded::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Decoded::Byte(byte) => out.push(byte),
        }
        at += 1 + length;
    }
    Ok(out)
}

enum Decoded {
    Char(char),
    Byte(u8),
}

/// Decodes what follows a backslash: its length and value.
fn escape(tail: &str, bytes: bool) -> Result<(usize, Decoded), &'static str> {
    let one = |c| Ok((1, Decoded::Char(c)));
    let Some(kind) = tail.chars().next() else { return Err("nothing follows the backslash") };
    let (digits, radix, min) = match kind {
        'a' => return one('\u{7}'),
        'b' => return one('\u{8}'),
        'f' => return one('\u{c}'),
        'n' => return one('\n'),
        'r' => return one('\r'),
        't' => return one('\t'),
        'v' => return one('\u{b}'),
        '\\' | '?' | '"' | '\'' | '`' => return one(kind),
        'x' | 'X' => (tail.get(1..3), 16, 1),
        'u' if !bytes => (tail.get(1..5), 16, 1),
        'U' if !bytes => (tail.get(1..9), 16, 1),
        'u' | 'U' => return Err("bytes have no Unicode escapes; write `\\x` and two digits"),
        '0'..='3' => (tail.get(..3), 8, 0),
        _ => {
            return Err(
                "an unknown escape; write `\\\\` for a backslash, or `r'…'` for a string without escapes",
            );
        }
    };
    let digits = digits.filter(|digits| digits.chars().all(|c| c.is_digit(radix)));
    let wrong = match radix {
        8 => "an octal escape has three digits",
        _ => "an escape with too few hexadecimal digits",
    };
    let digits = digits.ok_or(wrong)?;
    let number = u32::from_str_radix(digits, radix).map_err(|_| wrong)?;
    let length = min + digits.len();
    if bytes {
        return u8::try_from(number).map(|byte| (length, Decoded::Byte(byte))).map_err(|_| wrong);
    }
    let c = char::from_u32(number).ok_or("no character has this number")?;
    Ok((length, Decoded::Char(c)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_reach_their_ends() {
        assert_eq!(int("9223372036854775808", true), Some(i64::MIN));
        assert_eq!(int("9223372036854775808", false), None);
        assert_eq!(int("0x7fffffffffffffff", false), Some(i64::MAX));
        assert_eq!(uint("18446744073709551615u"), Some(u64::MAX));
        assert_eq!(uint("18446744073709551616u"), None);
    }

    #[test]
    fn escapes_are_decoded() {
        let text = |literal| unquote(literal, false).map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
        assert_eq!(text(r"'a\n\u00fc\U0001F600\x41\101\?'").as_deref(), Ok("a\nü😀AA?"));
        assert_eq!(text(r"r'a\n'").as_deref(), Ok(r"a\n"));
        assert_eq!(text("\"\"\"a\"b\"\"\"").as_deref(), Ok("a\"b"));
        assert_eq!(unquote(r"b'\xff\377é'", true), Ok(vec![0xff, 0xff, 0xc3, 0xa9]));
    }

    #[test]
    fn bad_escapes_are_found_at_their_place() {
        for (literal, bytes, start) in [
            (r"'ab\q'", false, 3),
            (r"'\u12'", false, 1),
            (r"'\ud800'", false, 1),
            (r"b'\u0041'", true, 2),
            (r"'\08'", false, 1),
        ] {
            assert_eq!(unquote(literal, bytes).map_err(|error| error.range.start), Err(start), "{literal}");
        }
    }

    /// A character as a literal may hold it, one of the ways that the specification gives.
    fn spelled(c: char, way: usize) -> String {
        let code = u32::from(c);
        match (way, c) {
            (0, _) if code < 0x80 => format!("\\x{code:02x}"),
            (1, _) if code < 0x80 => format!("\\{code:03o}"),
            (2, _) if code < 0x1_0000 => format!("\\u{code:04X}"),
            (3, _) => format!("\\U{code:08x}"),
            (_, '\n') => "\\n".to_owned(),
            (_, '\r') => "\\r".to_owned(),
            (_, '"' | '\\') => format!("\\{c}"),
            _ => c.to_string(),
        }
    }

    proptest! {
        #[test]
        fn texts_are_read_however_they_are_spelled(text: Vec<(char, u8)>) {
            let body: String = text.iter().map(|(c, way)| spelled(*c, usize::from(way % 5))).collect();
            let meant: String = text.iter().map(|(c, _)| c).collect();
            for literal in [format!("\"{body}\""), format!("\"\"\"{body}\"\"\"")] {
                let read = unquote(&literal, false).map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
                prop_assert_eq!(read.as_deref(), Ok(&*meant), "{}", literal);
            }
        }

        #[test]
        fn bytes_are_read_back_as_they_are_written(bytes: Vec<u8>) {
            let mut literal = String::new();
            crate::cel::values::quote::write_bytes(&mut literal, &bytes).expect("written");
            prop_assert_eq!(unquote(&literal, true), Ok(bytes));
        }
    }
}
