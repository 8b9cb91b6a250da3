//! From the bytes of a file to a [`Source`]: size, UTF-8 and control characters.

use super::limits::MAX_SOURCE_BYTES;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, codes, steers};
use crate::source::{Source, Span};

codes! {
    pub(crate) static INVALID_ENCODING = error("TP101", "invalid-encoding", ERR_NGROK_2236);
    pub(crate) static CONTROL_CHARACTER = error("TP102", "control-character", ERR_NGROK_2236);
    pub(crate) static LIMIT_EXCEEDED = error("TP107", "limit-exceeded");
}

/// Reports of more control characters than this are left out: the file is binary.
const MAX_CONTROL_CHARACTERS: usize = 5;

/// Decodes the bytes of a file.
///
/// Bytes that are not UTF-8, control characters and an excessive size are reported; after an error the
/// text is there for rendering only and must not be parsed.
///
/// ```
/// let (source, found) = policy_core::parse::decode("edge.yml", b"a: 1\nb: \xff\n".to_vec());
/// let first = found.iter().next().expect("one finding");
/// assert_eq!(first.code.id, "TP101");
/// assert_eq!(source.position(first.span.start).to_string(), "2:4");
/// ```
#[must_use]
pub fn decode(name: impl Into<Box<str>>, bytes: Vec<u8>) -> (Source, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    if bytes.len() > MAX_SOURCE_BYTES {
        let message = format!("the file has more than the {MAX_SOURCE_BYTES} bytes that are read");
        diagnostics.push(
            Diagnostic::new(&LIMIT_EXCEEDED, Span::default(), message)
                .with_help("split the policy, or shorten its address lists"),
        );
        return (Source::new(name, String::new()), diagnostics);
    }
    let text = String::from_utf8(bytes).unwrap_or_else(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        diagnostics.push(invalid_encoding(&bytes, at));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    // In a file of another encoding every NUL would be reported a second time.
    if !diagnostics.has_errors() {
        report_control_characters(&text, &mut diagnostics);
    }
    (Source::new(name, text), diagnostics)
}

fn invalid_encoding(bytes: &[u8], at: usize) -> Diagnostic {
    let help = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "this looks like UTF-16; save the file as UTF-8",
        _ => "save the file as UTF-8",
    };
    // Decoding for display puts one replacement character at the offset of the first bad byte.
    let span = Span::from_range(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
    let bad = bytes.get(at).copied().unwrap_or_default();
    Diagnostic::new(&INVALID_ENCODING, span, format!("byte 0x{bad:02x} is not valid UTF-8")).with_help(help)
}

/// Reports the first few characters that YAML 1.2.2 §5.1 does not allow in a stream.
fn report_control_characters(text: &str, diagnostics: &mut Diagnostics) {
    // U+0085 (next line) is a line break of old; the other C1 characters steer terminals.
    let bad = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if !text.contains(bad) {
        return;
    }
    for (at, c) in text.char_indices().filter(|&(_, c)| bad(c)).take(MAX_CONTROL_CHARACTERS) {
        let what = match c {
            '\0' => "NUL byte".to_owned(),
            _ => format!("control character U+{:04X}", u32::from(c)),
        };
        let span = Span::from_range(at..at + c.len_utf8());
        diagnostics.push(
            Diagnostic::new(&CONTROL_CHARACTER, span, format!("{what} in the file"))
                .with_help("remove it, or write it as an escape inside double quotes"),
        );
    }
}

/// Warns of the first few characters that turn the direction of writing or break lines where YAML has no line: the
/// text is not what a reader sees (CVE-2021-42574).
pub(super) fn report_steering(source: &Source, diagnostics: &mut Diagnostics) {
    let text = source.text();
    if text.is_ascii() {
        return;
    }
    let bad = text.char_indices().filter(|&(_, c)| c > '\u{7f}' && steers(c));
    for (at, c) in bad.take(MAX_CONTROL_CHARACTERS) {
        let span = Span::from_range(at..at + c.len_utf8());
        let message =
            format!("U+{:04X} in the file: it cannot be seen and changes how the text reads", u32::from(c));
        diagnostics.push(
            Diagnostic::new(&CONTROL_CHARACTER, span, message)
                .with_severity(Severity::Warning)
                .with_help("remove it, or write it as an escape inside double quotes"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_reported_at_its_place() {
        let (source, found) = decode("x", b"a: \0\nb: \x1b\n".to_vec());
        let all: Vec<_> =
            found.iter().map(|d| format!("{} {}", source.position(d.span.start), d.message)).collect();
        assert_eq!(all, ["1:4 NUL byte in the file", "2:4 control character U+001B in the file"]);
    }

    #[test]
    fn characters_that_turn_the_text_are_told_and_those_in_names_as_escapes_too() {
        let found = |text: &str| {
            let source = Source::new("p.yml", text);
            let (policy, found) = crate::check::load_policy(&source, &crate::check::CheckOptions::default());
            assert!(policy.is_some(), "{text}: {found:?}");
            let place = |it: &Diagnostic| format!("{} {}", source.position(it.span.start), it.code.id);
            found.iter().map(place).collect::<Vec<_>>()
        };
        let rule = |name: &str| format!("on_tcp_connect: [{{name: {name}, actions: [{{type: deny}}]}}]");
        assert_eq!(found(&rule("B\u{fc}ro")), Vec::<String>::new());
        for c in ['\u{202e}', '\u{2066}', '\u{2028}', '\u{200f}', '\u{61c}'] {
            assert_eq!(found(&rule(&format!("a{c}b"))), ["1:26 TP102"], "{c:?}");
            assert_eq!(found(&rule(&format!("\"a\\u{:04x}b\"", u32::from(c)))), ["1:25 TP102"], "{c:?}");
        }
        assert_eq!(found(&rule("\"a\\e[2K\"")), ["1:25 TP102"]);
        assert_eq!(found(&format!("# \u{202e}\n{}", rule("a"))), ["1:3 TP102"]);
        // An escape elsewhere is what its author wants.
        let log = "on_tcp_connect: [{actions: [{type: log, config: {metadata: {a: \"\\u202e\"}}}]}]";
        assert_eq!(found(log), Vec::<String>::new());
    }

    #[test]
    fn utf16_gets_its_own_hint() {
        let (_, found) = decode("x", vec![0xff, 0xfe, b'a', 0]);
        assert!(found.iter().next().expect("one").help.as_deref().is_some_and(|h| h.contains("UTF-16")));
    }

    #[test]
    fn an_oversized_file_is_refused_without_decoding() {
        let (source, found) = decode("x", vec![b'a'; MAX_SOURCE_BYTES + 1]);
        assert_eq!((source.text().len(), found.errors()), (0, 1));
    }
}
