//! Names with a hyphen, which CEL reads as a minus: `req.headers.x-token`, `actions.ngrok.rate-limit.limited`.

use super::Checker;
use crate::cel::codes;
use crate::cel::syntax::ast::{BinaryOp, ExprId, ExprKind};
use crate::cel::values::types::Type;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Words of a name that are looked at.
const MAX_WORDS: usize = 8;

impl Checker<'_> {
    /// Reports a name with a hyphen, if the text before its first word is an object or map that can have it; true if it
    /// has been. O(length of the name).
    pub(super) fn hyphenated(&mut self, id: ExprId) -> bool {
        if !self.strict || self.is_enough() {
            return false;
        }
        let Some((operand, name)) = self.name_with_hyphen(id) else { return false };
        let Some(path) = self.dotted(operand) else { return false };
        if self.scope.iter().any(|local| path.split('.').next() == Some(local.name)) {
            return false;
        }
        let Some(node) = self.env.tree.find(&path) else { return false };
        let written = self.text.get(name.to_range()).unwrap_or_default();
        let (help, place, replacement) = match self.env.tree.type_of(node) {
            Type::Object(_) => {
                let right = written.replace('-', "_");
                if self.env.tree.child(node, &right).is_none() {
                    return false;
                }
                (format!("did you mean `{right}`?"), name, right)
            }
            Type::Map(of) if of.0 == Type::String => {
                let right = format!("['{written}']");
                // With the dot before it.
                (format!("write `{path}{right}`"), Span::new(self.span_of(operand).end, name.end), right)
            }
            _ => return false,
        };
        let message = format!("`{written}` after a dot is read with a minus in it");
        let found = Diagnostic::new(&codes::UNKNOWN_FIELD, name, message);
        self.push_found(found.with_help(help).with_fix_at(false, Some(place), replacement));
        true
    }

    /// What stands before the dot, and the place of the name behind it, of `operand.a-b-c…`.
    fn name_with_hyphen(&self, id: ExprId) -> Option<(ExprId, Span)> {
        let mut end = None;
        let mut at = id;
        for _ in 0..MAX_WORDS {
            match self.ast.kind(at) {
                ExprKind::Binary(BinaryOp::Subtract, left, right) => {
                    let word = self.first_word(*right)?;
                    // No space on either side of the minus.
                    if self.span_of(*left).end + 1 != word.start {
                        return None;
                    }
                    end = end.or(Some(word.end));
                    at = *left;
                }
                ExprKind::Select { operand, field, optional: false } => {
                    let start = self.span_of(at).end.checked_sub(u32::try_from(field.len()).ok()?)?;
                    return Some((*operand, Span::new(start, end?)));
                }
                _ => return None,
            }
        }
        None
    }

    /// The name that an operand begins with.
    fn first_word(&self, id: ExprId) -> Option<Span> {
        let mut at = id;
        for _ in 0..MAX_WORDS {
            match self.ast.kind(at) {
                ExprKind::Ident { absolute: false, .. } => return Some(self.span_of(at)),
                ExprKind::Select { operand, .. } | ExprKind::Index { operand, .. } => at = *operand,
                ExprKind::Call { receiver: Some(receiver), .. } => at = *receiver,
                _ => return None,
            }
        }
        None
    }

    fn span_of(&self, id: ExprId) -> Span {
        self.ast.span(id)
    }
}
