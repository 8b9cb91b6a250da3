//! ` #` begins a comment of YAML, also inside of what is meant as a text or an expression.

use super::{Reader, TextRef};
use crate::cel;
use crate::diagnostic::{Diagnostic, Severity, codes};
use crate::parse::Style;
use crate::source::Span;

codes! {
    pub(super) static CUT_BY_COMMENT = warning("TP225", "cut-by-comment");
}

/// Bytes of a line that are looked at after a text.
const MAX_WIDTH: usize = 1_024;

/// What an expression goes on with, longer ones first.
const OPERATORS: &[&str] =
    &["&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "?", "in ", "[", "."];

impl<'d> TextRef<'d> {
    /// The comment after an unquoted text in its line.
    fn comment_behind(self) -> Option<(Span, &'d str)> {
        if self.style() != Style::Plain {
            return None;
        }
        let text = self.document.source().text();
        let start = self.span.end as usize;
        let rest = text.get(start..text.floor_char_boundary(start.saturating_add(MAX_WIDTH)))?;
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
        if unfinished || self.goes_on(comment, reader) {
            let help = "put the whole expression in quotes, or remove the part after ` #`";
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

    /// True if a comment reads as the rest of the expression: it begins with an operator, and the whole is an expression
    /// without a fault, or has an operand of the language after a comparison or a logical operator.
    fn goes_on(self, comment: &str, reader: &Reader<'_>) -> bool {
        // What follows a further ` #` is no part of it.
        let comment = comment.split(" #").next().unwrap_or(comment).trim_end();
        let Some(operator) = OPERATORS.iter().find(|operator| comment.starts_with(**operator)) else {
            return false;
        };
        let operand = comment.get(operator.len()..).unwrap_or_default();
        let env = reader.env(crate::vocabulary::Site { retry: true, ..crate::vocabulary::Site::default() });
        let joins = matches!(*operator, "&&" | "||" | "==" | "!=" | "<=" | ">=");
        let first = operand.trim_start_matches(['!', '(', ' ']);
        if joins
            && env
                .first_names()
                .any(|name| first.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
        {
            return true;
        }
        // Notes are numbered and enumerated.
        let is_number = operand.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if !joins && is_number || comment.starts_with("//") {
            return false;
        }
        let whole = format!("{} {comment}", self.value);
        let Some(limits) = reader.cel_limits(self.span) else { return false };
        let (expression, _) = env.check_within(&whole, &limits);
        let nodes = expression.as_ref().map_or(whole.len() / 2, cel::Expression::nodes);
        reader.charge(nodes, expression.as_ref().map_or(0, cel::Expression::pattern_states));
        expression.is_some()
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
