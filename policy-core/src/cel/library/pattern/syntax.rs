//! The grammar of regular expressions: reads RE2's language, and writes it for the crate `regex`.
//!
//! Everything is written out: literals escaped, classes as ranges, flags at the very thing they apply to. So
//! nothing that the crate understands beyond RE2 can slip through, and what both spell alike and read
//! differently (`\d`, `\<`, `\x{…}`, `[[]`) means what RE2 says.
//!
//! Source: RE2, wiki page Syntax (2026-08), as the standard library of Go implements it; where RE2 and Go
//! differ, Go counts, since cel-go runs on it: no `\C`, and repetitions multiply to at most 1,000.

mod classes;

use std::iter::Peekable;
use std::str::Chars;

/// Groups inside one another.
const MAX_DEPTH: usize = 64;
/// How often something may be repeated by bounds, those around it multiplied.
const MAX_REPEATS: u32 = 1_000;

/// A pattern as the crate reads it, and about how many states its automaton takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) text: String,
    pub(super) states: u64,
    /// Groups that capture.
    pub(super) groups: usize,
    /// The characters one of which every match begins with, at the start of the text.
    pub(super) begins: Option<Vec<char>>,
    /// True if that counts the start of a line as the start of the text.
    pub(super) by_line: bool,
}

/// How the matches of a branch begin.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Head {
    /// Nothing that must be there has been read but the start of the text, if `start`; what may be there begins with one
    /// of `skipped`.
    Open { start: bool, skipped: Vec<char> },
    /// With one of these, at the start of the text.
    With(Vec<char>),
    /// Anywhere, or with other things.
    Any,
}

impl Default for Head {
    fn default() -> Self {
        Self::open(false)
    }
}

impl Head {
    /// More characters than this are not followed.
    const MAX: usize = 64;

    const fn open(start: bool) -> Self {
        Self::Open { start, skipped: Vec::new() }
    }

    /// That of a thing after what may be left out.
    fn behind(self, mut before: Vec<char>) -> Self {
        match self {
            Self::With(more) if before.len() + more.len() <= Self::MAX => {
                before.extend(more);
                Self::With(before)
            }
            Self::Open { start, skipped } if before.len() + skipped.len() <= Self::MAX => {
                before.extend(skipped);
                Self::Open { start, skipped: before }
            }
            _ => Self::Any,
        }
    }

    /// That of the same, if it may be left out; `started` where the start of the text had been read before it.
    fn left_out(self, started: bool) -> Self {
        match self {
            Self::With(skipped) if started => Self::Open { start: true, skipped },
            Self::Open { start, skipped } if start == started => Self::Open { start, skipped },
            _ => Self::Any,
        }
    }

    /// That of a branch or another one.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::With(mut some), Self::With(others)) => {
                some.extend(others);
                Self::With(some)
            }
            (Self::Open { start: a, skipped: mut some }, Self::Open { start: b, skipped: others }) => {
                some.extend(others);
                Self::Open { start: a && b, skipped: some }
            }
            _ => Self::Any,
        }
    }
}

/// States of a character beyond ASCII, or of a negated class.
const WIDE: u64 = 16;
/// States of a class of Unicode.
const UNICODE: u64 = 400;

/// Reads a pattern. O(length).
///
/// # Errors
/// What is wrong with it.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut reader = PatternReader {
        chars: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() * 2),
        flags: Flags::default(),
        groups: Vec::new(),
        here: Group::default(),
        groups_read: 0,
        names: Vec::new(),
        by_line: false,
    };
    reader.read()?;
    let begins = match reader.here.heads() {
        Head::With(characters) => Some(characters),
        Head::Open { .. } | Head::Any => None,
    };
    Ok(Translated {
        text: reader.out,
        states: reader.here.total(),
        groups: reader.groups_read,
        begins,
        by_line: reader.by_line,
    })
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// `i`: either case.
    fold: bool,
    /// `m`: `^` and `$` at lines.
    lines: bool,
    /// `s`: `.` is any character.
    all: bool,
    /// `U`: `*` and `*?` are exchanged.
    swapped: bool,
}

/// What an operator may repeat.
#[derive(Clone, Copy, Debug)]
struct Atom {
    states: u64,
    /// How often its innermost part is repeated by bounds.
    repeats: u32,
}

/// What is read of a group; the whole pattern is one.
#[derive(Debug, Default)]
struct Group {
    flags: Flags,
    states: u64,
    repeats: u32,
    last: Option<Atom>,
    /// True if the last thing was a repetition.
    repeated: bool,
    /// How the branch begins that is read, and those before it.
    head: Head,
    branches: Option<Head>,
    /// Whether the start of the text had been read before the last atom, if that atom decided how the branch begins.
    decided: Option<bool>,
    /// How the branch began when the group was opened; of the whole pattern anywhere.
    outer: Head,
}

impl Group {
    /// How all of its branches begin.
    fn heads(&self) -> Head {
        let last = self.head.clone();
        self.branches.clone().map_or(last.clone(), |before| before.or(last))
    }

    /// An atom decides how the branch begins, if nothing has before.
    fn begin(&mut self, head: impl FnOnce(bool) -> Head) {
        self.decided = None;
        if let Head::Open { start, skipped } = &mut self.head {
            let (start, skipped) = (*start, std::mem::take(skipped));
            (self.head, self.decided) = (head(start).behind(skipped), Some(start));
        }
    }

    fn total(&self) -> u64 {
        self.states.saturating_add(self.last.map_or(0, |atom| atom.states))
    }

    fn max_repeats(&self) -> u32 {
        self.repeats.max(self.last.map_or(1, |atom| atom.repeats)).max(1)
    }

    /// Ends the last atom: nothing repeats it any more.
    fn end_atom(&mut self) {
        (self.states, self.repeats) = (self.total(), self.max_repeats());
        (self.last, self.repeated) = (None, false);
    }

    fn atom(&mut self, atom: Atom) {
        self.end_atom();
        self.last = Some(atom);
    }
}

struct PatternReader<'p> {
    chars: Peekable<Chars<'p>>,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    here: Group,
    /// Groups that capture.
    groups_read: usize,
    /// Names that the crate was given.
    names: Vec<String>,
    /// True if the start of a line has been read.
    by_line: bool,
}

impl PatternReader<'_> {
    fn read(&mut self) -> Result<(), String> {
        while let Some(c) = self.chars.next() {
            match c {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.here.end_atom();
                    let outer = self.here.outer.clone();
                    let branch = std::mem::replace(&mut self.here.head, outer);
                    let before = self.here.branches.take();
                    self.here.branches = Some(before.map_or(branch.clone(), |before| before.or(branch)));
                    self.out.push('|');
                }
                '*' | '+' | '?' => self.repeat(&c.to_string(), None)?,
                '{' => match self.bounds() {
                    Some((min, max)) => {
                        let written = match max {
                            Some(max) if max == min => format!("{{{min}}}"),
                            Some(max) => format!("{{{min},{max}}}"),
                            None => format!("{{{min},}}"),
                        };
                        self.repeat(&written, Some((min, max)))?;
                    }
                    None => self.literal('{'),
                },
                '[' => self.class()?,
                '\\' => self.escape()?,
                '.' if self.flags.all => self.put("(?s:.)", WIDE),
                '.' => self.put("[^\\n]", WIDE),
                '^' if self.flags.lines => {
                    self.by_line = true;
                    self.start("(?m:^)");
                }
                '^' => self.start("\\A"),
                '$' if self.flags.lines => self.put("(?m:$)", 1),
                '$' => self.end(),
                c => self.literal(c),
            }
        }
        match self.groups.is_empty() {
            true => Ok(()),
            false => Err("a `(` is not closed".to_owned()),
        }
    }

    /// The start of the text.
    fn start(&mut self, written: &str) {
        let head = std::mem::take(&mut self.here.head);
        self.put(written, 1);
        (self.here.head, self.here.decided) = match head {
            // What may stand in front of a start cannot.
            Head::Open { start, .. } => (Head::open(true), Some(start)),
            head => (head, None),
        };
    }

    /// The end of the text: after its start, a match begins with nothing.
    fn end(&mut self) {
        self.here.begin(|start| if start { Head::With(Vec::new()) } else { Head::Any });
        let decided = self.here.decided;
        self.put("\\z", 1);
        self.here.decided = decided;
    }

    /// How a thing begins that is one of these characters.
    fn one_of(&self, characters: &[char]) -> impl FnOnce(bool) -> Head + use<> {
        let all: Vec<char> = match self.flags.fold {
            true => characters.iter().flat_map(|c| c.to_lowercase().chain(c.to_uppercase())).collect(),
            false => characters.to_vec(),
        };
        move |start| if start { Head::With(all) } else { Head::Any }
    }

    /// Something that needs no brackets of its own.
    fn put(&mut self, text: &str, states: u64) {
        self.here.begin(|_| Head::Any);
        self.out.push_str(text);
        self.here.atom(Atom { states, repeats: 1 });
    }

    fn folded(&mut self, text: &str) {
        match self.flags.fold {
            true => self.out.extend(["(?i:", text, ")"]),
            false => self.out.push_str(text),
        }
    }

    fn literal(&mut self, c: char) {
        let mut buffer = [0; 4];
        self.folded(&regex::escape(c.encode_utf8(&mut buffer)));
        let states = if c.is_ascii() { 1 } else { 4 } * if self.flags.fold { 4 } else { 1 };
        let head = self.one_of(&[c]);
        self.here.begin(head);
        self.here.atom(Atom { states, repeats: 1 });
    }

    fn open(&mut self) -> Result<(), String> {
        let outer = self.flags;
        if self.chars.next_if_eq(&'?').is_some() {
            match self.chars.peek() {
                Some('P' | '<') => {
                    self.chars.next_if_eq(&'P');
                    let name = self.name()?;
                    self.groups_read += 1;
                    // The crate takes each name once, and none that begins with a digit.
                    match name.starts_with(|c: char| c.is_ascii_digit()) || self.names.contains(&name) {
                        true => self.out.push('('),
                        false => {
                            self.out.push_str("(?P<");
                            self.out.push_str(&name);
                            self.out.push('>');
                            self.names.push(name);
                        }
                    }
                }
                _ => {
                    if !self.flags()? {
                        // `(?i)`: until the group ends.
                        return Ok(());
                    }
                    self.out.push_str("(?:");
                }
            }
        } else {
            self.groups_read += 1;
            self.out.push('(');
        }
        if self.groups.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} groups inside one another"));
        }
        // Behind something else nothing inside of the group is at the start.
        let head = match &self.here.head {
            Head::Open { start, .. } => Head::open(*start),
            _ => Head::Any,
        };
        let inner = Group { flags: outer, head: head.clone(), outer: head, ..Group::default() };
        self.groups.push(std::mem::replace(&mut self.here, inner));
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(outer) = self.groups.pop() else { return Err("a `)` closes nothing".to_owned()) };
        let inner = std::mem::replace(&mut self.here, outer);
        self.flags = inner.flags;
        self.out.push(')');
        self.here.begin(|_| inner.heads());
        self.here.atom(Atom { states: inner.total() + 2, repeats: inner.max_repeats() });
        Ok(())
    }

    /// `<name>`: it has no meaning for a match, but must be one. Several groups may have the same.
    fn name(&mut self) -> Result<String, String> {
        if self.chars.next_if_eq(&'<').is_none() {
            return Err("`(?P` is followed by `<name>`".to_owned());
        }
        if matches!(self.chars.peek(), Some('=' | '!')) {
            return Err("lookbehind `(?<…` is not supported (RE2 syntax)".to_owned());
        }
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if self.chars.next_if_eq(&'>').is_none() || name.is_empty() {
            return Err("the name of a group is letters, digits and `_` between `<` and `>`".to_owned());
        }
        Ok(name)
    }

    /// Reads flags behind `(?`; true if a group begins after them.
    fn flags(&mut self) -> Result<bool, String> {
        let (mut flags, mut on, mut seen) = (self.flags, true, false);
        loop {
            let flag = match self.chars.next() {
                Some('i') => &mut flags.fold,
                Some('m') => &mut flags.lines,
                Some('s') => &mut flags.all,
                Some('U') => &mut flags.swapped,
                Some('-') if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                Some(end @ (':' | ')')) if on || seen => {
                    self.flags = flags;
                    return Ok(end == ':');
                }
                Some(c @ ('=' | '!')) => {
                    return Err(format!("look-ahead `(?{c}…)` is not supported (RE2 syntax)"));
                }
                Some(c) => return Err(format!("`{c}` is none of the flags `i`, `m`, `s` and `U`")),
                None => return Err("a `(` is not closed".to_owned()),
            };
            (*flag, seen) = (on, true);
        }
    }

    /// `n}`, `n,}` or `n,m}`; anything else makes the brace a character.
    fn bounds(&mut self) -> Option<(u32, Option<u32>)> {
        let mut ahead = self.chars.clone();
        let number = |ahead: &mut Peekable<Chars<'_>>| {
            let mut digits = String::new();
            while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            match digits.len() > 1 && digits.starts_with('0') {
                true => None,
                false => Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u32::MAX))),
            }
        };
        let min = number(&mut ahead)??;
        let max = match ahead.next_if_eq(&',') {
            Some(_) => number(&mut ahead)?,
            None => Some(min),
        };
        ahead.next_if_eq(&'}')?;
        self.chars = ahead;
        Some((min, max))
    }

    fn repeat(&mut self, written: &str, bounds: Option<(u32, Option<u32>)>) -> Result<(), String> {
        let Some(atom) = self.here.last else {
            return Err(format!("`{written}` repeats nothing"));
        };
        if self.here.repeated {
            return Err(format!("`{written}` repeats a repetition"));
        }
        let reluctant = self.chars.next_if_eq(&'?').is_some() != self.flags.swapped;
        let (mut copies, mut repeats) = (1, atom.repeats);
        if let Some((min, max)) = bounds {
            let last = max.unwrap_or(min);
            if last < min {
                return Err(format!("the bounds `{written}` are in the wrong order"));
            }
            repeats = if max == Some(0) { 1 } else { repeats.saturating_mul(last.max(1)) };
            if last > MAX_REPEATS || min > MAX_REPEATS || (last >= 2 && repeats > MAX_REPEATS) {
                return Err(format!("`{written}` repeats more than {MAX_REPEATS} times in all"));
            }
            copies = u64::from(last.max(1));
        }
        // What may be left out leaves it to what follows.
        let min = bounds.map_or(u32::from(written == "+"), |(min, _)| min);
        if let Some(started) = self.here.decided.filter(|_| min == 0) {
            self.here.head = std::mem::take(&mut self.here.head).left_out(started);
        }
        self.out.push_str(written);
        if reluctant {
            self.out.push('?');
        }
        self.here.last = Some(Atom { states: atom.states.saturating_mul(copies).saturating_add(1), repeats });
        self.here.repeated = true;
        Ok(())
    }
}
