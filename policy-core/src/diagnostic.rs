//! Diagnostics as plain data: what is wrong, where, and what to do.
//!
//! Every stage of the pipeline collects into one [`Diagnostics`] and goes on. A [`Code`] is declared by a line beside
//! the check that raises it, which includes its page under `docs/diagnostics/`; [`crate::catalog`] lists them all.
//! Nothing here renders: hosts do.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::source::{FileSpan, Source, Span, join, overlaps};

mod characters;
mod code;
mod consequences;
mod texts;
mod user_info;
pub(crate) use characters::{OddCharacter, is_invisible, plain};
pub use code::Code;
pub(crate) use code::{Codes, codes};
pub use consequences::drop_consequences;
pub use texts::{counted, cut, did_you_mean, printable, shown_address, steers, summary};
pub(crate) use texts::{did_you_mean_help, shorten, with_odd};
pub(crate) use user_info::user_info;

/// More diagnostics than this in one file are counted, not kept.
pub const MAX_DIAGNOSTICS: usize = 1_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not do what its author wants.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// The lower-case name, as in JSON output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A second place that helps to understand a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    place: LabelPlace,
    /// What is to be seen there.
    pub message: String,
}

impl Label {
    /// The place.
    #[must_use]
    pub const fn span(&self) -> Span {
        match self.place {
            LabelPlace::Text(span) => span,
            LabelPlace::File(span) => span.span(),
        }
    }
}

/// Where a label stands: beside the finding in its text, or anywhere in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LabelPlace {
    /// In the text that the finding is about.
    Text(Span),
    /// In the file, whatever the finding is about.
    File(FileSpan),
}

impl From<Span> for LabelPlace {
    fn from(span: Span) -> Self {
        Self::Text(span)
    }
}

impl From<FileSpan> for LabelPlace {
    fn from(span: FileSpan) -> Self {
        Self::File(span)
    }
}

/// Replacement of one span by a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub replacement: String,
}

/// A change of the file that fixes the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fix {
    /// True if the change keeps what the policy decides.
    pub safe: bool,
    /// The replacements, disjoint and in order.
    pub edits: Vec<Edit>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// What kind of finding.
    pub code: &'static Code,
    /// How bad it is here.
    pub severity: Severity,
    /// One line: lower case, what was found and what was expected, user text in backticks.
    pub message: String,
    /// The place.
    pub span: Span,
    /// Further places.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The change that does it.
    pub fix: Option<Fix>,
    /// True if it only follows from errors in another file that is looked at with this one.
    pub follows: bool,
    /// True if a further place is the place itself: the same text is read again, through an alias or a merge key.
    pub(crate) again: bool,
    /// Message and help that repeat nothing of the text, for a place that is secret.
    pub(crate) discreet: Option<(Option<&'static str>, &'static str)>,
}

impl Diagnostic {
    /// A finding of a kind at a place.
    #[must_use]
    pub fn new(code: &'static Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity,
            message: message.into(),
            span,
            labels: Vec::new(),
            help: None,
            fix: None,
            follows: false,
            again: false,
            discreet: None,
        }
    }

    /// What is said instead where the text must not be repeated.
    #[must_use]
    pub(crate) fn with_discreet(mut self, message: Option<&'static str>, help: &'static str) -> Self {
        self.discreet = Some((message, help));
        self
    }

    /// Repeats nothing of the text any more.
    fn be_discreet(&mut self) {
        if let Some((message, help)) = self.discreet.take() {
            self.message = message.map_or_else(|| std::mem::take(&mut self.message), str::to_owned);
            self.help = Some(help.to_owned());
            self.fix = None;
        }
    }

    /// Says that it only follows from errors in another file, which are found as well.
    #[must_use]
    pub(crate) fn into_consequence(self) -> Self {
        Self { follows: true, ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Points at a second place: a [`Span`] of the text the finding is about, or a [`FileSpan`]. The place of the
    /// finding itself is none.
    #[must_use]
    pub(crate) fn with_label(mut self, place: impl Into<LabelPlace>, message: impl Into<String>) -> Self {
        let place = place.into();
        match place {
            LabelPlace::Text(span) if span == self.span => self.again = true,
            _ => self.labels.push(Label { place, message: message.into() }),
        }
        self
    }

    /// Overrides the severity of the code.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Offers a replacement of one place, if there is one; `safe` if the decisions stay the same.
    #[must_use]
    pub fn with_fix_at(mut self, safe: bool, at: Option<Span>, replacement: impl Into<String>) -> Self {
        self.fix = at.map(|span| Fix { safe, edits: vec![Edit { span, replacement: replacement.into() }] });
        self
    }
}

/// The findings of one source, bounded by [`MAX_DIAGNOSTICS`]; errors are never lost from the counts.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
    /// Those that were counted and not kept, by their code.
    not_kept: Vec<(&'static Code, Severity, usize)>,
    dropped: usize,
    errors: usize,
    warnings: usize,
    /// Places of the file whose text must not be shown, in order.
    hidden: Vec<Span>,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.items.len() < MAX_DIAGNOSTICS {
            self.count(diagnostic.severity);
            self.items.push(diagnostic);
        } else {
            self.count_only(diagnostic.code, diagnostic.severity);
        }
    }

    /// Counts a finding and does not keep it.
    pub(crate) fn count_only(&mut self, code: &'static Code, severity: Severity) {
        self.count(severity);
        self.count_dropped(code, severity, 1);
    }

    fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => {}
        }
    }

    fn count_dropped(&mut self, code: &'static Code, severity: Severity, count: usize) {
        self.dropped += count;
        match self.not_kept.iter_mut().find(|(other, of, _)| *other == code && *of == severity) {
            Some((_, _, counted)) => *counted += count,
            None => self.not_kept.push((code, severity, count)),
        }
    }

    /// Adds all findings of another collection.
    pub fn append(&mut self, other: Self) {
        // What `push` below counts again is taken off: the rest was counted and not kept.
        let kept = |severity| other.items.iter().filter(|item| item.severity == severity).count();
        other.not_kept.iter().for_each(|(code, severity, count)| self.count_dropped(code, *severity, *count));
        self.conceal(other.hidden.iter().copied());
        self.errors += other.errors - kept(Severity::Error);
        self.warnings += other.warnings - kept(Severity::Warning);
        for item in other.items {
            self.push(item);
        }
    }

    /// The findings that were kept, in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// The findings of a text inside the file; `place` tells where a part of the text stands, and whether
    /// letter by letter.
    pub(crate) fn relocate(self, place: &dyn Fn(Span) -> (Span, bool)) -> Self {
        let mut out = Self::default();
        for mut item in self.items {
            item.span = place(item.span).0;
            for label in &mut item.labels {
                if let LabelPlace::Text(span) = &mut label.place {
                    *span = place(*span).0;
                }
            }
            // Where the text was escaped or folded, an edit would hit the wrong letters.
            let exact = |fix: &Fix| fix.edits.iter().all(|edit| place(edit.span).1);
            item.fix = item.fix.filter(exact);
            for edit in item.fix.iter_mut().flat_map(|fix| &mut fix.edits) {
                edit.span = place(edit.span).0;
            }
            out.push(item);
        }
        out
    }

    /// Notes places whose text must not be shown, whatever is found near them.
    pub(crate) fn conceal(&mut self, secrets: impl Iterator<Item = Span>) {
        self.hidden.extend(secrets);
        join(&mut self.hidden);
        for item in &mut self.items {
            if overlaps(&self.hidden, item.span) {
                item.be_discreet();
            }
        }
    }

    /// A stretch of the file as it may be shown: letters of secrets are covered, and every character keeps its width
    /// in bytes.
    #[must_use]
    pub fn excerpt<'s>(&self, source: &'s Source, stretch: Range<usize>) -> Cow<'s, str> {
        let text = source.text().get(stretch.clone()).unwrap_or_default();
        let first = self.hidden.partition_point(|secret| secret.end as usize <= stretch.start);
        let secrets = self.hidden.get(first..).unwrap_or_default().iter().map(|span| span.to_range());
        let secrets: Vec<_> = secrets.take_while(|secret| secret.start < stretch.end).collect();
        if secrets.is_empty() {
            return text.into();
        }
        let is_secret = |at: usize| secrets.iter().any(|secret| secret.contains(&(stretch.start + at)));
        let shown = text.char_indices().map(|(at, c)| match c.len_utf8() {
            _ if c.is_whitespace() || !is_secret(at) => c,
            1 => '*',
            2 => '\u{b7}',
            3 => '\u{2022}',
            _ => '\u{1f784}',
        });
        shown.collect::<String>().into()
    }

    /// Takes away what was said of some places.
    pub(crate) fn withhold_where(&mut self, secret: impl Fn(Span) -> bool) {
        for item in self.items.iter_mut().filter(|item| secret(item.span)) {
            let what = item.code.slug.replace('-', " ");
            item.message = format!("{what} in a secret value, which is not shown");
            item.help = Some(format!("`policy explain {}` explains it", item.code.id));
            item.fix = None;
        }
    }

    /// Leaves out the findings of other codes, of those that were not kept as well.
    pub fn keep_codes(&mut self, keep: &dyn Fn(&'static Code) -> bool) {
        let old = std::mem::take(self);
        self.hidden = old.hidden;
        old.items.into_iter().filter(|item| keep(item.code)).for_each(|item| self.push(item));
        for (code, severity, count) in old.not_kept.into_iter().filter(|(code, ..)| keep(code)) {
            self.count_dropped(code, severity, count);
            match severity {
                Severity::Error => self.errors += count,
                Severity::Warning => self.warnings += count,
                Severity::Note => {}
            }
        }
    }

    /// Leaves out the fixes with an edit that does not fit its place.
    pub(crate) fn keep_fixes(&mut self, fits: impl Fn(&Edit) -> bool) {
        for item in &mut self.items {
            item.fix = item.fix.take().filter(|fix| fix.edits.iter().all(&fits));
        }
    }

    /// Takes away what was said of the text, and moves each finding to a place of a text that may be shown.
    pub(crate) fn withhold(&mut self, place: impl Fn(Span) -> u32) {
        self.hidden.clear();
        for item in &mut self.items {
            let what = item.code.slug.replace('-', " ");
            item.message =
                format!("{what}; the file lies outside of the folder, so its content is not shown");
            item.help = Some(format!(
                "`policy explain {}` explains it; check the file under its own path to see more",
                item.code.id
            ));
            let at = place(item.span);
            item.span = Span::new(at, at);
            item.labels = Vec::new();
            item.fix = None;
        }
    }

    /// Makes warnings of errors.
    pub(crate) fn demote_errors(&mut self) {
        for item in self.items.iter_mut().filter(|item| item.severity == Severity::Error) {
            item.severity = Severity::Warning;
        }
        for (_, severity, _) in self.not_kept.iter_mut().filter(|(_, it, _)| *it == Severity::Error) {
            *severity = Severity::Warning;
        }
        self.warnings += self.errors;
        self.errors = 0;
    }

    /// Keeps the findings that `keep` says.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Diagnostic) -> bool) {
        let old = std::mem::take(self);
        self.hidden = old.hidden;
        old.items.into_iter().filter(keep).for_each(|item| self.push(item));
    }

    /// Drops findings that a file which could not be read to its end does not bear out.
    pub(crate) fn retain_before(&mut self, cut: u32) {
        self.retain(|item| item.span.end <= cut && !item.code.absence);
    }

    /// Drops what is said of a place because the same text is read there again.
    pub(crate) fn drop_repeated(&mut self) {
        self.retain(|item| !item.again);
    }

    /// Sorts by place, then by code, and removes exact repeats.
    pub fn sort(&mut self) {
        self.items.sort_by(|a, b| (a.span, a.code.id, &a.message).cmp(&(b.span, b.code.id, &b.message)));
        let (mut errors, mut warnings) = (0, 0);
        self.items.dedup_by(|later, first| {
            let same = later == first;
            errors += usize::from(same && later.severity == Severity::Error);
            warnings += usize::from(same && later.severity == Severity::Warning);
            same
        });
        self.errors -= errors;
        self.warnings -= warnings;
    }

    /// True if at least one finding is an error.
    #[must_use]
    pub const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Number of errors, counting those that were not kept.
    #[must_use]
    pub const fn errors(&self) -> usize {
        self.errors
    }

    /// Number of warnings, counting those that were not kept.
    #[must_use]
    pub const fn warnings(&self) -> usize {
        self.warnings
    }

    /// Number of findings that were counted but not kept.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// True if nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// One line per finding: `file:line:column: severity[code]: message (help)`.
///
/// The plain form, for logs and for hosts without a renderer.
#[derive(Debug)]
pub struct Plain<'a> {
    /// The file.
    pub source: &'a Source,
    /// Its findings.
    pub diagnostics: &'a Diagnostics,
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let position = self.source.position(item.span.start);
            let (severity, id) = (item.severity.name(), item.code.id);
            write!(f, "{}:{position}: {severity}[{id}]: {}", self.source.name(), item.message)?;
            if let Some(help) = &item.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TEST: Code = Code::error("TP000", "test", "");

    #[test]
    fn counts_survive_the_cap_and_merging() {
        let mut all = Diagnostics::default();
        for at in 0..=1_200 {
            all.push(Diagnostic::new(&TEST, Span::new(at, at), "x"));
        }
        let mut merged = Diagnostics::default();
        merged.append(all);
        assert_eq!((merged.errors(), merged.dropped()), (1_201, 201));
    }

    #[test]
    fn sorting_removes_repeats_from_the_counts() {
        let mut all = Diagnostics::default();
        all.push(Diagnostic::new(&TEST, Span::new(2, 3), "b"));
        all.push(Diagnostic::new(&TEST, Span::new(1, 3), "a"));
        all.push(Diagnostic::new(&TEST, Span::new(2, 3), "b"));
        all.sort();
        assert_eq!((all.errors(), all.iter().count()), (2, 2));
        assert_eq!(all.iter().next().expect("first").message, "a");
    }

    #[test]
    fn passwords_are_not_repeated() {
        assert_eq!(shorten("https://user:secret@host/a@b"), "https://…@host/a@b");
        assert_eq!(shorten("tcp://host:22"), "tcp://host:22");
        assert_eq!(shorten("https://host/a@b"), "https://host/a@b");
    }

    #[test]
    fn suggestions_are_near_or_absent() {
        assert_eq!(did_you_mean("alow", ["allow", "deny"]), Some("allow"));
        assert_eq!(did_you_mean("on-tcp-connect", ["on_tcp_connect"]), Some("on_tcp_connect"));
        assert_eq!(did_you_mean("zzz", ["allow", "deny"]), None);
    }
}
