//! Texts and bytes as literals.

use std::fmt;

/// A text as a literal in double quotes.
pub(in crate::cel) fn write_quoted(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            c if c.is_control() => write!(out, "\\U{:08x}", u32::from(c)),
            c => out.write_char(c),
        }?;
    }
    out.write_char('"')
}

/// Bytes as a literal.
pub(in crate::cel) fn write_bytes(out: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    out.write_str("b\"")?;
    for byte in bytes {
        match byte {
            b'"' | b'\\' => write!(out, "\\{}", char::from(*byte)),
            b' '..=b'~' => out.write_char(char::from(*byte)),
            _ => write!(out, "\\x{byte:02x}"),
        }?;
    }
    out.write_char('"')
}
