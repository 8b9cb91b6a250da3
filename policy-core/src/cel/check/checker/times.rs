//! Functions of times, as they are written for texts and in other languages.
//!
//! Source: ngrok documentation, `time.now` and the functions of timestamps (2026-08-07).

use super::super::code::{Node, NodeId};
use super::Checker;
use crate::cel::codes;
use crate::cel::library::{Library, part_function};
use crate::cel::syntax::parser::full_time;
use crate::cel::values::fact::Meaning;
use crate::cel::values::types::Type;
use crate::diagnostic::{Diagnostic, Severity};
use crate::source::Span;

/// True for a function of timestamps.
fn is_time_function(name: &str, library: &Library) -> bool {
    let mut named = library.named(name);
    named.any(|(_, entry)| entry.member && entry.parameters.first() == Some(&Type::Timestamp))
}

impl Checker<'_> {
    /// The text of a part of the expression, if it is short.
    fn short_text(&self, node: NodeId) -> Option<&str> {
        const MAX_LENGTH: usize = 60;
        self.text.get(self.span(node).to_range()).filter(|text| text.len() <= MAX_LENGTH)
    }

    /// The help for a function of timestamps that is called on a text, or with the time as its argument; with the fix.
    pub(super) fn time_call(
        &self,
        found: Diagnostic,
        name: &str,
        member: bool,
        nodes: &[NodeId],
        types: &[Type],
        span: Span,
    ) -> Diagnostic {
        let ([node], [Type::String | Type::Timestamp]) = (nodes, types) else { return found };
        if !is_time_function(name, self.env.language.library) {
            return found;
        }
        let Some(text) = self.short_text(*node) else { return found };
        let time = match types {
            [Type::Timestamp] => text.to_owned(),
            _ => format!("timestamp({text})"),
        };
        let right = format!("{time}.{name}()");
        let found = found.with_help(format!("write `{right}`"));
        match member {
            true => found.with_fix_at(false, Some(self.span(*node)), time),
            false => found.with_fix_at(false, Some(span), right),
        }
    }

    /// The help for a part of a time that is written as a field of a text: `time.now.hour`.
    pub(super) fn time_field(&self, operand: NodeId, field: &str) -> Option<String> {
        let function = part_function(field)?;
        let Some(Node::Fact(fact)) = self.nodes.get(operand.index()) else { return None };
        let written = self.text.get(self.span(operand).to_range());
        let is_time = fact.meaning() == Meaning::Time && written == Some(fact.path());
        is_time.then(|| format!("write `timestamp({fact}).{function}()`"))
    }

    /// Warns of a date without quotes that is read as a subtraction: `timestamp(2026-01-31)`.
    pub(super) fn time_argument(&mut self, nodes: &[NodeId], types: &[Type], result: &Type) {
        let ([node], [Type::Int], Type::Timestamp, true) =
            (nodes, types, result, self.env.language.hints.is_careful)
        else {
            return;
        };
        let place = self.span(*node);
        let Some(written) = self.text.get(place.to_range()) else { return };
        let Some(time) = full_time(written).filter(|_| written.len() == "2026-01-31".len()) else { return };
        let message = format!("`{written}` without quotes is a subtraction");
        let found = Diagnostic::new(&codes::TYPE_MISMATCH, place, message).with_severity(Severity::Warning);
        let found = found.with_help(format!("write `timestamp('{time}')`"));
        self.push_found(found.with_fix_at(false, Some(place), format!("'{time}'")));
    }
}

/// The help for a text that `timestamp` does not take, if it is a time all the same.
pub(in crate::cel) fn timestamp_help(text: &str) -> Option<String> {
    let joined = text.trim().replacen(' ', "T", 1);
    full_time(&joined).map(|time| format!("write `timestamp('{time}')`"))
}
