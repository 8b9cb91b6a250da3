//! Ways to look into a value that other languages have: said once, and read as the dot that is meant.

use super::super::ast::ExprId;
use super::super::lexer::{Symbol, TokenKind};
use super::Parser;
use crate::cel::codes::CEL_SYNTAX;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

impl Parser<'_> {
    /// Takes the dot in front of a field; `->` and `?.` count as one, which is told.
    pub(super) fn dot(&mut self) -> bool {
        if self.eat(Symbol::Dot).is_some() {
            return true;
        }
        let Some(at) =
            self.pair(Symbol::Minus, Symbol::Greater).or_else(|| self.pair(Symbol::Question, Symbol::Dot))
        else {
            return false;
        };
        // `a ?.5 : b` is a condition.
        let named = self
            .tokens
            .get(self.at + 2)
            .is_some_and(|token| token.kind == TokenKind::Ident && token.span.start == at.end);
        if !named {
            return false;
        }
        let safe = self.slice(at) == "?.";
        self.advance();
        self.advance();
        let help = match safe {
            true => "write `.`; where a value may be missing, ask first with `has(…)`",
            false => "write `.`",
        };
        let message = format!("`{}` is not an operator", self.slice(at));
        let found = Diagnostic::new(&CEL_SYNTAX, at, message).with_help(help);
        self.diagnostics.push(found.with_fix_at(false, Some(at), "."));
        true
    }

    /// Reads `?? other` after a value, and says what stands for it.
    pub(super) fn or_else(&mut self, value: ExprId) -> ExprId {
        while let Some(at) = self.pair(Symbol::Question, Symbol::Question) {
            self.advance();
            self.advance();
            self.operators(0);
            let found = Diagnostic::new(&CEL_SYNTAX, at, "`??` is not an operator");
            self.diagnostics.push(found.with_help("write `has(value) ? value : other`"));
        }
        value
    }

    /// The place of two signs without anything between them.
    fn pair(&self, first: Symbol, second: Symbol) -> Option<Span> {
        let (one, two) = (self.peek(), self.tokens.get(self.at + 1)?);
        let is = one.kind == TokenKind::Symbol(first) && two.kind == TokenKind::Symbol(second);
        (is && one.span.end == two.span.start).then(|| Span::new(one.span.start, two.span.end))
    }
}

#[cfg(test)]
mod tests {
    use crate::cel::{CelLimits, parse};
    use crate::diagnostic::Diagnostics;

    fn messages(text: &str) -> Vec<String> {
        let mut found = Diagnostics::default();
        let _ = parse(text, &CelLimits::default(), &mut found);
        found.iter().map(|item| item.message.clone()).collect()
    }

    #[test]
    fn ways_into_a_value_of_other_languages_are_told_once() {
        for (text, sign) in [
            ("a->b == 1", "->"),
            ("a?.b == 'x'", "?."),
            ("f(a)?.b.c", "?."),
            ("(a ?? 'b') == 'c'", "??"),
            ("a.b ?? c", "??"),
        ] {
            assert_eq!(messages(text), [format!("`{sign}` is not an operator")], "{text}");
        }
    }

    #[test]
    fn conditions_and_optional_fields_are_of_the_language() {
        for text in ["a ? b : c", "a.?b", "a?b:c", "a ?.5 : 1.0", "a ? .b : c", "a - -1", "a[?b]"] {
            assert_eq!(messages(text), Vec::<String>::new(), "{text}");
        }
    }
}
