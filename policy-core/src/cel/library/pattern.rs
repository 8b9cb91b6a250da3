//! Regular expressions: RE2's language on the crate `regex`, within bounds.
//!
//! Both match in linear time. What a pattern costs is known from its grammar before it is compiled: a class
//! of Unicode takes hundreds of states, and bounds multiply.

mod syntax;

use regex::bytes::{Regex, RegexBuilder};

use crate::cel::values::fault::Fault;
use crate::diagnostic::shorten;

/// Bytes that a pattern may have.
const MAX_LENGTH: usize = 8 << 10;
/// Bytes that a compiled regular expression may take.
const MAX_BYTES: usize = 4 << 20;
/// Bytes of the states it keeps while matching.
const MAX_CACHE: usize = 1 << 20;
/// What a pattern takes whatever it says, in states.
const PATTERN: u64 = 32;
/// Steps that a state takes to be compiled at run time: 1.2 µs at worst, against 40 ns of a step.
const COMPILING: u64 = 30;
/// What the grammar nests, as translated.
const MAX_DEPTH: u32 = 256;

/// A pattern that follows the grammar, not compiled yet.
#[derive(Debug)]
pub(in crate::cel) struct Draft {
    pattern: Box<str>,
    translated: syntax::Translated,
}

impl Draft {
    /// Reads a pattern. O(length).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::cel) fn read(pattern: &str) -> Result<Self, Fault> {
        if pattern.len() > MAX_LENGTH {
            let length = pattern.len();
            return Err(refused(pattern, &format!("it has {length} bytes, more than {MAX_LENGTH}")));
        }
        let translated = syntax::translate(pattern).map_err(|reason| refused(pattern, &reason))?;
        Ok(Self { pattern: pattern.into(), translated })
    }

    /// Groups that capture.
    pub(in crate::cel) const fn groups(&self) -> usize {
        self.translated.groups
    }

    /// True if [`Self::begins`] counts the start of a line as that of the text.
    pub(in crate::cel) const fn by_line(&self) -> bool {
        self.translated.by_line
    }

    /// The characters one of which every match begins with, at the start of the text.
    pub(in crate::cel) fn begins(&self) -> Option<&[char]> {
        self.translated.begins.as_deref()
    }

    /// Steps of compiling it for a match with one text of so many bytes.
    pub(in crate::cel) fn steps(&self, bytes: u64) -> u64 {
        steps(self.states(), bytes).saturating_add(self.states().saturating_mul(COMPILING))
    }

    /// About how many states it has.
    pub(in crate::cel) fn states(&self) -> u64 {
        self.translated.states.saturating_add(PATTERN)
    }

    /// Compiles it. O(states).
    ///
    /// # Errors
    /// If it is too large.
    pub(in crate::cel) fn compile(&self) -> Result<Pattern, Fault> {
        let built = RegexBuilder::new(&self.translated.text)
            .size_limit(MAX_BYTES)
            .dfa_size_limit(MAX_CACHE)
            .nest_limit(MAX_DEPTH)
            .build();
        // INVARIANT: everything that the crate refuses but for its size, the grammar has refused.
        debug_assert!(matches!(built, Ok(_) | Err(regex::Error::CompiledTooBig(_))), "{}", self.pattern);
        let regex = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => too_large(&self.pattern),
            _ => refused(&self.pattern, "it cannot be compiled"),
        })?;
        Ok(Pattern { written: self.pattern.clone(), regex, states: self.states() })
    }
}

fn refused(pattern: &str, reason: &str) -> Fault {
    Fault::argument(format!("`{}` is not a regular expression: {reason}", shorten(pattern)))
}

/// The fault of a pattern that is too large by itself.
pub(in crate::cel) fn too_large(pattern: &str) -> Fault {
    let pattern = shorten(pattern);
    Fault::PatternSize(format!("the regular expression `{pattern}` is too large when compiled").into())
}

/// The fault of a pattern that makes those of an expression too large.
pub(in crate::cel) fn too_large_together(pattern: &str) -> Fault {
    let pattern = shorten(pattern);
    let text = format!("with the regular expression `{pattern}` all together are too large when compiled");
    Fault::PatternSize(text.into())
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    written: Box<str>,
    regex: Regex,
    states: u64,
}

impl Pattern {
    /// Whether it matches anywhere in a text.
    pub(in crate::cel) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }

    /// The pattern as it is written.
    pub(in crate::cel) fn written(&self) -> &str {
        &self.written
    }

    /// Steps of matching a text of so many bytes.
    pub(in crate::cel) fn steps(&self, bytes: u64) -> u64 {
        steps(self.states, bytes)
    }
}

/// A text in which a pattern was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) text: String,
    /// What matched, the first so many of them.
    pub(crate) matches: Vec<String>,
}

/// How many times the permitted length one match may become at most before its true length is known.
const MAX_EXPANSION: usize = 16;
/// Matches that [`Replaced`] names.
const MAX_MATCHES: usize = 100;

impl Pattern {
    /// Compiles a pattern outside of expressions. O(states).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(pattern: &str) -> Result<Self, Fault> {
        Draft::read(pattern)?.compile()
    }

    /// What compiles a pattern that is known at run time only, and the steps that this takes beside matching so many bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn draft(
        pattern: &str,
        bytes: usize,
    ) -> Result<(impl FnOnce() -> Result<Self, Fault>, u64), Fault> {
        let draft = Draft::read(pattern)?;
        let steps = draft.steps(bytes as u64);
        Ok((move || draft.compile(), steps))
    }

    /// What the crate has compiled.
    #[cfg(feature = "reference")]
    pub(crate) const fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Steps of replacing it in a text of so many bytes.
    pub(crate) fn steps_of_replacing(&self, bytes: usize) -> u64 {
        self.steps(bytes as u64).saturating_add(bytes as u64 / 32)
    }

    /// Replaces every match in a text; see [`Self::replace_bytes`].
    pub(crate) fn replace_all(&self, text: &str, to: &str, max: usize) -> Option<Replaced> {
        let (bytes, matches) = self.replace_bytes(text.as_bytes(), to, max)?;
        Some(Replaced { text: String::from_utf8(bytes).ok()?, matches })
    }

    /// Replaces every match; `$1` and `${name}` in what takes its place are groups, `$$` is a `$`. `None` if the result has
    /// more than so many bytes. What is no UTF-8 matches nothing. O(length × states).
    pub(crate) fn replace_bytes(&self, text: &[u8], to: &str, max: usize) -> Option<(Vec<u8>, Vec<String>)> {
        let groups = to.bytes().filter(|byte| *byte == b'$').count();
        let is_boundary = |at: usize| text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
        let (mut out, mut matches, mut from) = (Vec::new(), Vec::new(), 0);
        for found in self.regex.captures_iter(text) {
            let whole = found.get(0)?;
            // An empty match inside of a character is none.
            if !is_boundary(whole.start()) {
                continue;
            }
            out.extend_from_slice(text.get(from..whole.start())?);
            // Each group is at most the whole match; what could become far too long is not written first.
            if groups.saturating_mul(whole.len()) > MAX_EXPANSION.saturating_mul(max) {
                return None;
            }
            found.expand(to.as_bytes(), &mut out);
            from = whole.end();
            if out.len() > max {
                return None;
            }
            if matches.len() < MAX_MATCHES {
                matches.push(String::from_utf8_lossy(whole.as_bytes()).into_owned());
            }
        }
        out.extend_from_slice(text.get(from..)?);
        (out.len() <= max).then_some((out, matches))
    }
}

/// Steps of matching so many bytes against so many states: large automata are walked state by state.
pub(in crate::cel) fn steps(states: u64, bytes: u64) -> u64 {
    bytes.saturating_mul(states) / 32
}

/// Checks a regular expression outside of expressions: the states it takes, of at most so many, or what is wrong
/// with it.
pub(crate) fn check_regex(text: &str, max: u64) -> Result<u64, String> {
    let draft = Draft::read(text).map_err(|fault| fault.to_string())?;
    let states = draft.states();
    if states > max {
        return Err("the regular expressions of the document are too large together".to_owned());
    }
    draft.compile().map(|_| states).map_err(|fault| fault.to_string())
}

/// What is known of a regular expression from its grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternFacts {
    /// Groups that capture.
    pub(crate) groups: usize,
    /// The characters one of which every match begins with, at the start of the text.
    pub(crate) begins: Option<Box<[char]>>,
    /// True if that counts the start of a line as the start of the text.
    pub(crate) by_line: bool,
}

/// What is known of a regular expression; `None` if it is none. O(length).
pub(crate) fn pattern_facts(text: &str) -> Option<PatternFacts> {
    let draft = Draft::read(text).ok()?;
    Some(PatternFacts {
        groups: draft.groups(),
        begins: draft.begins().map(Into::into),
        by_line: draft.by_line(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(pattern: &str) -> Result<Pattern, Fault> {
        Draft::read(pattern)?.compile()
    }

    fn matches(pattern: &str, text: &str) -> bool {
        compile(pattern).expect(pattern).is_match(text)
    }

    #[test]
    fn classes_are_those_of_re2() {
        for (pattern, text) in [
            (r"^\d\w\s$", "1a "),
            (r"^\W$", "é"),
            (r"^[\W\d]+$", "é1"),
            ("^.$", "é"),
            (r"\bfoo\b", "éfooé"),
            ("^[[]$", "["),
            ("^[]a]+$", "]a"),
            ("^[^]a]+$", "[b\n"),
            ("^[&&]$", "&"),
            ("^[a~~]$", "~"),
            ("^[[:alpha:]]+$", "ab"),
            ("^[[:^alpha:]]+$", "1é"),
            ("^[[:punct:]]+$", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
            ("^[[:a]+$", "[:a"),
            ("^[+--]+$", "+,-"),
            ("^[a-]+$", "a-"),
            (r"^[\d-z]+$", "1-z"),
            (r"^[\<\-\]]+$", "<-]"),
            (r"^\Qa.b\E*$", "a.bbb"),
            (r"^\Qa\b", r"a\b"),
            ("^a{,2}$", "a{,2}"),
            ("^a{01}$", "a{01}"),
            ("^{}$", "{}"),
            ("^a{2}?$", "aa"),
            ("(?i)^Straße$", "STRAßE"),
            (r"(?i)^[^\W]$", "\u{212A}"),
            (r"^\<\>\_\%$", "<>_%"),
            (r"^\x{e9}\x41\101\0\07$", "éAA\0\x07"),
            (r"^[\x{e9}\101\0]+$", "éA\0"),
            (r"^\a\f\n\r\t\v$", "\x07\x0C\n\r\t\x0B"),
            (r"\B", "É"),
            (r"^\p{^Greek}\pL\PL\p{Greek}\p{Any}$", "aa1αa"),
            (r"^\P{^Greek}$", "α"),
            (r"^[^\x{D800}]$", "a"),
            ("(?m)^b$", "a\nb\nc"),
            ("(?s)a.b", "a\nb"),
            ("^(?i:a)b$", "Ab"),
            ("^(a(?i)b)c$", "aBc"),
            ("^(?ii)a(?-i)b(?)$", "Ab"),
            ("(?P<a_1>a)(?<b>b)(?<b>)", "ab"),
            ("^(|a)()b||$", "ab"),
            ("(a{50}){20}", &"a".repeat(1_000)),
        ] {
            assert!(matches(pattern, text), "{pattern} {text:?}");
        }
        for (pattern, text) in [
            (r"^\d$", "٣"),
            (r"^\w$", "é"),
            (r"^\s$", "\x0B"),
            (r"a\B", "aÉ"),
            ("a.b", "a\nb"),
            ("^a$", "a\n"),
            ("^b", "a\nb"),
            (r"\p{C}", "\u{378}"),
            (r"\x{D800}", "\u{FFFD}"),
            (r"^\Qa.b\E$", "axb"),
            ("^((?i)a)b$", "AB"),
            ("^(?U)a+", ""),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text:?}");
        }
    }

    #[test]
    fn every_match_is_replaced_with_its_groups() {
        let replaced = |pattern: &str, text: &str, to: &str| {
            let replaced = compile(pattern).expect(pattern).replace_all(text, to, 100).expect("short");
            (replaced.text, replaced.matches.len())
        };
        assert_eq!(replaced("a(b)?", "ab a", "<$1>"), ("<b> <>".into(), 2));
        assert_eq!(replaced("(?P<x>a)", "ba", "${x}$x$y$$1$1x"), ("baa$1".into(), 1));
        assert_eq!(replaced("", "ü", "-"), ("-ü-".into(), 2));
        assert_eq!(replaced("x", "ab", "y"), ("ab".into(), 0));
        assert!(compile("a").expect("right").replace_all("aaaa", &"b".repeat(30), 100).is_none());
        let bomb = "$0".repeat(1 << 19);
        assert!(compile("a+").expect("right").replace_all(&"a".repeat(1 << 19), &bomb, 1 << 20).is_none());
    }

    #[test]
    fn how_matches_begin_is_known() {
        let begins = |pattern: &str| {
            Draft::read(pattern).expect(pattern).begins().map(|all| all.iter().collect::<String>())
        };
        for (pattern, with) in [
            ("^/api", "/"),
            (r"\A/api(/.*)?$", "/"),
            (r"^\/api", "/"),
            ("^(/a|/b)x", "//"),
            ("^/a|^b", "/b"),
            ("(^/a|^/b)", "//"),
            ("^(?:(/)a)", "/"),
            ("(?i)^api", "aA"),
            ("^/+", "/"),
            ("^/{2}", "/"),
            ("^^a", "a"),
            (r"^\Qa.b\E", "a"),
            ("(?P<x>^/)a", "/"),
            ("^/?api", "/a"),
            ("^/*a", "/a"),
            ("^[/]a", "/"),
            ("^(/a)?b", "/b"),
            ("^/{0,2}a", "/a"),
            ("^(a?)?/x", "a/"),
            ("(?m)^/a", "/"),
            ("^$", ""),
            ("^/?$", "/"),
            ("(?i)^[/a]b", "//aA"),
        ] {
            assert_eq!(begins(pattern).as_deref(), Some(with), "{pattern}");
        }
        for pattern in [
            "/api", "^.", "^(/a|.*)", "(^)?/a", "(^/a)?b", "^/a|b", "a^/b", "", "^", "^(|/a)", "^*/a", "^/*",
            "^[^/]a", "^[a-z]", "^\\w", "$", "^/a|$",
        ] {
            assert_eq!(begins(pattern), None, "{pattern}");
        }
        let groups = |pattern: &str| Draft::read(pattern).expect(pattern).groups();
        assert_eq!((groups("a(b(c))"), groups("(?:a)(?i)(?P<n>b)[(]"), groups(r"\(a")), (2, 1, 0));
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for bad in [
            "a**",
            "a+*",
            "a??+",
            "a{2}{3}",
            "(",
            ")",
            "a{2,1}",
            "a{1001}",
            "a{2,1001}",
            "(a{50}){21}",
            "((a{2}){2}|b){500}",
            "(a{1,1000}){1,1000}",
            "(?=a)",
            "(?!a)",
            "(?<=a)",
            "(?<!a)",
            "(?P=a)",
            "(?P<a.b>a)",
            "(?<>a)",
            "(?x)a b",
            "(?u)a",
            "(?R)a",
            "(?-)a",
            "(?i-)a",
            "(?",
            "(?i",
            r"(a)\1",
            r"\8",
            "[",
            "[]",
            "[z-a]",
            r"[a-\d]",
            "[[:foo:]]",
            r"[\b]",
            "*a",
            "(*a)",
            "a|*",
            r"\",
            r"\C",
            r"\E",
            r"\Z",
            r"\u0041",
            r"\U00000061",
            r"\x",
            r"\xg0",
            r"\x{}",
            r"\x{110000}",
            r"\x{61",
            r"\p",
            r"\p{L",
            r"\p{Letter}",
            r"\p{greek}",
            r"\p{script=Greek}",
            r"\p{Emoji}",
            r"\p{isLatin}",
            r"\p{LC}",
            r"\p{Grek}",
            r"\p{NewTaiLue}",
            r"\p{Katakana_Or_Hiragana}",
            r"\é",
        ] {
            assert!(compile(bad).is_err(), "{bad}");
        }
        assert!(compile("a*?b+?c??d{2}?").is_ok());
        let deep = |depth| format!("{}a{}", "(?i:(?:".repeat(depth), "))".repeat(depth));
        assert!(compile(&deep(32)).is_ok() && compile(&deep(33)).is_err());
        assert!(compile(&"a".repeat(MAX_LENGTH)).is_ok() && compile(&"a".repeat(MAX_LENGTH + 1)).is_err());
    }

    #[test]
    fn states_are_known_before_compiling() {
        let states = |pattern: &str| Draft::read(pattern).expect(pattern).states() - PATTERN;
        assert_eq!((states("abc"), states("a|b"), states("")), (3, 2, 0));
        assert_eq!(states("(ab){10}"), 41);
        assert!(states(r"\pL{100}") > 40_000 && states("((a{10}){10}){10}") > 1_000);
    }
}
