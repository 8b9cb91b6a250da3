//! ` #` begins a comment of YAML, also inside of what is meant as a text or an expression.

use super::{Reader, TextRef};
use crate::cel;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::parse::Style;
use crate::source::Span;

pub(super) static CUT_BY_COMMENT: Code = Code::warning("TP225", "cut-by-comment");

/// Bytes of a line that are looked at behind a text.
const WIDEST: usize = 1_024;

impl<'d> TextRef<'d> {
    /// The comment behind an unquoted text in its line.
    fn comment_behind(self) -> Option<(Span, &'d str)> {
        if self.style() != Style::Plain {
            return None;
        }
        let text = self.document.source().text();
        let start = self.span.end as usize;
        let rest = text.get(start..text.floor_char_boundary(start.saturating_add(WIDEST)))?;
        let rest = rest.lines().next()?;
        let comment = rest.trim_start_matches([' ', '\t']);
        let at = start + rest.len() - comment.len();
        (comment.starts_with('#') && at > start).then(|| (Span::from_range(at..at + comment.len()), comment))
    }

    /// Reports a comment that cuts an expression short; false if the expression cannot be read for it.
    pub(crate) fn is_whole(self, reader: &Reader<'_>) -> bool {
        let Some((span, comment)) = self.comment_behind() else { return true };
        let unfinished = cel::is_unfinished(self.value);
        let comment = comment.trim_start_matches(['#', ' ', '\t']);
        let goes_on =
            ["&&", "||", "==", "!=", "<=", ">="].iter().any(|operator| comment.starts_with(operator));
        if unfinished || goes_on {
            let help = "put the whole expression in quotes, or remove what stands behind ` #`";
            report(
                span,
                unfinished,
                "the expression continues after ` #`, which begins a comment",
                help,
                reader,
            );
        }
        !unfinished
    }

    /// Reports a comment that cuts a text short inside of `${…}`; false if the text cannot be read for it.
    pub(crate) fn is_whole_template(self, reader: &Reader<'_>) -> bool {
        let open = self.value.rfind("${").is_some_and(|at| self.value.rfind('}').is_none_or(|end| at > end));
        let Some((span, _)) = self.comment_behind().filter(|_| open) else { return true };
        let help = "put the whole text in quotes";
        report(span, true, "the text continues after ` #`, which begins a comment", help, reader);
        false
    }
}

fn report(span: Span, unfinished: bool, message: &str, help: &str, reader: &Reader<'_>) {
    let severity = if unfinished { Severity::Error } else { Severity::Warning };
    let at = Span::new(span.start, span.start + 1);
    reader.report(Diagnostic::new(&CUT_BY_COMMENT, at, message).with_severity(severity).with_help(help));
}
