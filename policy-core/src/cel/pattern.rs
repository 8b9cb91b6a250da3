//! Regular expressions: RE2's language on the crate `regex`, within bounds.
//!
//! The two share grammar and linear time. What differs is translated: `\d`, `\w`, `\s` and `\b` are ASCII in
//! RE2, a bracket inside a class is a character, `\Q…\E` quotes, and a repetition of a repetition is an error.
//!
//! Source: RE2, wiki page Syntax (2026-08); documentation of the crate `regex` 1.13, syntax.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::fault::Fault;
use crate::diagnostic::shorten;

/// Bytes that a compiled regular expression may take.
const MOST_BYTES: usize = 1 << 20;
/// Groups inside one another.
const MOST_DEPTH: u32 = 64;

/// Compiles a pattern.
pub(super) fn compile_regex(pattern: &str) -> Result<Regex, Fault> {
    let bad = |reason: &str| {
        Fault::argument(format!("`{}` is not a regular expression: {reason}", shorten(pattern)))
    };
    let translated = translate(pattern).map_err(|reason| bad(&reason))?;
    let built = RegexBuilder::new(&translated)
        .size_limit(MOST_BYTES)
        .dfa_size_limit(MOST_BYTES)
        .nest_limit(MOST_DEPTH)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Fault::argument(format!(
            "the regular expression `{}` is too large when compiled",
            shorten(pattern)
        )),
        other => {
            // The crate draws the place over several lines; the last one says what is wrong.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            bad(last.trim().trim_start_matches("error: "))
        }
    })
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    // Whether the last thing was a repetition, and whether a `?` may still make it reluctant.
    let (mut repeated, mut reluctant) = (false, false);
    while let Some(c) = chars.next() {
        let repetition = matches!(c, '*' | '+' | '?') || (c == '{' && bounds(&chars));
        if repetition && repeated {
            if c == '?' && !reluctant {
                reluctant = true;
                out.push(c);
                continue;
            }
            return Err(format!("`{c}` repeats a repetition"));
        }
        (repeated, reluctant) = (repetition, false);
        match c {
            '\\' => escape(&mut chars, &mut out, false),
            '[' => class(&mut chars, &mut out),
            '{' if repetition => {
                out.push(c);
                for c in chars.by_ref() {
                    out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            // RE2 takes a brace that bounds nothing for itself.
            '{' => out.push_str("\\{"),
            '}' => out.push_str("\\}"),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// True if `n}`, `n,}` or `n,m}` follows.
fn bounds(chars: &Peekable<Chars<'_>>) -> bool {
    let inside: String = chars.clone().take_while(|c| *c != '}').take(12).collect();
    let closed = chars.clone().nth(inside.chars().count()) == Some('}');
    let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    closed && !least.is_empty() && digits(least) && digits(most)
}

/// An escape, behind its backslash.
fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String, in_class: bool) {
    match chars.next() {
        Some('d') => out.push_str("[0-9]"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("[0-9A-Za-z_]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str("[\\t\\n\\x0C\\r ]"),
        Some('S') => out.push_str("[^\\t\\n\\x0C\\r ]"),
        Some('b') if !in_class => out.push_str("(?-u:\\b)"),
        Some('Q') if !in_class => {
            let mut quoted = String::new();
            while let Some(c) = chars.next() {
                if c == '\\' && chars.peek() == Some(&'E') {
                    chars.next();
                    break;
                }
                quoted.push(c);
            }
            out.push_str(&regex::escape(&quoted));
        }
        Some(c @ ('p' | 'P')) => {
            out.extend(['\\', c]);
            if chars.peek() == Some(&'{') {
                for c in chars.by_ref() {
                    out.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
        }
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
}

/// A class, behind its opening bracket.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    // A closing bracket that comes first is a character.
    if chars.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    while let Some(c) = chars.next() {
        match c {
            ']' => {
                out.push(']');
                return;
            }
            '\\' => escape(chars, out, true),
            '[' if chars.peek() == Some(&':') => {
                // `[:alpha:]`.
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' => out.push_str("\\["),
            // The crate's operators on classes, doubled characters, are plain ones in RE2.
            '&' | '~' => out.extend(['\\', c]),
            c => {
                if c == '-' && chars.peek() == Some(&'-') {
                    out.push('\\');
                }
                out.push(c);
                // A range that ends with `-`.
                if chars.clone().take(2).eq(['-', '-']) {
                    chars.nth(1);
                    out.push_str("-\\-");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compile_regex(pattern).expect(pattern).is_match(text)
    }

    #[test]
    fn classes_are_those_of_re2() {
        assert!(matches(r"^\d\w\s$", "1a ") && !matches(r"^\d$", "٣") && !matches(r"^\w$", "é"));
        assert!(matches(r"^\W$", "é") && matches(r"^[\W\d]+$", "é1") && matches("^.$", "é"));
        assert!(matches(r"\bfoo\b", "éfooé"));
        assert!(
            matches("^[[]$", "[")
                && matches("^[]a]+$", "]a")
                && matches("^[&&]$", "&")
                && matches("^[a~~]$", "~")
        );
        assert!(matches("^[[:alpha:]]+$", "ab") && matches("^[+--]+$", "+,-"));
        assert!(matches(r"^\Qa.b\E$", "a.b") && !matches(r"^\Qa.b\E$", "axb"));
        assert!(matches("^a{,2}$", "a{,2}") && matches("^{}$", "{}") && matches("^a{2}?$", "aa"));
        assert!(matches("(?i)^Straße$", "STRAßE"));
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for bad in [
            "a**",
            "a+*",
            "a??+",
            "a{2}{3}",
            "(",
            "a{2,1}",
            "(?=a)",
            r"(a)\1",
            "[",
            "(a{1,1000}){1,1000}",
            "*a",
        ] {
            assert!(compile_regex(bad).is_err(), "{bad}");
        }
        assert!(compile_regex("a*?b+?c??").is_ok());
        let deep = format!("{}a{}", "(".repeat(100), ")".repeat(100));
        assert!(compile_regex(&deep).is_err());
    }
}
