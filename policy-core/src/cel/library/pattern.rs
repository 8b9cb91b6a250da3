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
mod tests;
