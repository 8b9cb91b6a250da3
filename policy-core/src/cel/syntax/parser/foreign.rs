//! Operators of other languages: said once, with the operator of CEL that is meant, and read as that.

use super::super::ast::{BinaryOp, ExprId, ExprKind, Literal, UnaryOp};
use super::super::lexer::{Symbol, Token, TokenKind};
use super::Parser;
use crate::cel::codes::CEL_SYNTAX;
use crate::cel::syntax::macros::{Standing, named};
use crate::diagnostic::{Diagnostic, Edit, Fix};
use crate::source::Span;

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    /// An operator of the language.
    Known(BinaryOp),
    /// Another spelling of one.
    Foreign(BinaryOp, Span),
    /// A function of the text to the left that others write as an operator; `true` if its result is turned round.
    Method(&'static str, bool, Span),
    /// `not in`.
    NotIn(Span),
}

impl Operator {
    pub(super) const fn binding(self) -> u8 {
        match self {
            Self::Known(operator) | Self::Foreign(operator, _) => operator.binding(),
            Self::Method(..) | Self::NotIn(_) => BinaryOp::In.binding(),
        }
    }
}

/// What a foreign operator means.
#[derive(Clone, Copy)]
enum Meant {
    Operator(BinaryOp),
    Method(&'static str, bool),
}

/// The meaning of signs that are no operator of the language.
fn sign(text: &str) -> Option<Meant> {
    let operator = match text {
        "=" | "===" | "====" | "= =" | ":=" => BinaryOp::Equal,
        "!==" | "<>" | "~=" | "! =" | "=!" => BinaryOp::NotEqual,
        "=>" | "> =" | ">==" => BinaryOp::GreaterEqual,
        "=<" | "< =" | "<==" => BinaryOp::LessEqual,
        "&" | "&&&" | "& &" => BinaryOp::And,
        "|" | "|||" | "| |" => BinaryOp::Or,
        "=~" => return Some(Meant::Method("matches", false)),
        "!~" => return Some(Meant::Method("matches", true)),
        _ => return None,
    };
    Some(Meant::Operator(operator))
}

/// The meaning of a word between two operands.
fn word(text: &str) -> Option<Meant> {
    let operator = match text.to_ascii_lowercase().as_str() {
        "and" => BinaryOp::And,
        "or" => BinaryOp::Or,
        "is" | "eq" | "equals" => BinaryOp::Equal,
        "ne" | "neq" => BinaryOp::NotEqual,
        "lt" => BinaryOp::Less,
        "le" | "lte" => BinaryOp::LessEqual,
        "gt" => BinaryOp::Greater,
        "ge" | "gte" => BinaryOp::GreaterEqual,
        "in" => BinaryOp::In,
        "contains" => return Some(Meant::Method("contains", false)),
        "matches" => return Some(Meant::Method("matches", false)),
        "startswith" | "starts_with" => return Some(Meant::Method("startsWith", false)),
        "endswith" | "ends_with" => return Some(Meant::Method("endsWith", false)),
        _ => return None,
    };
    Some(Meant::Operator(operator))
}

impl Meant {
    const fn at(self, span: Span) -> Operator {
        match self {
            Self::Operator(operator) => Operator::Foreign(operator, span),
            Self::Method(name, negated) => Operator::Method(name, negated, span),
        }
    }
}

impl Parser<'_> {
    /// The foreign operator at hand and how many tokens it has.
    pub(super) fn foreign(&self) -> Option<(Operator, usize)> {
        let token = self.peek();
        let text = self.slice(token.span);
        match token.kind {
            TokenKind::Symbol(Symbol::Foreign) if !self.is_arrow() => Some((sign(text)?.at(token.span), 1)),
            TokenKind::Symbol(Symbol::Not) => self.not_in(token),
            TokenKind::Unknown if text == "~" => Some((Operator::Method("matches", false, token.span), 1)),
            TokenKind::Ident if matches!(text.to_ascii_lowercase().as_str(), "not_in" | "notin" | "nin") => {
                self.begins_operand(1).then_some((Operator::NotIn(token.span), 1))
            }
            TokenKind::Ident => {
                let (operator, taken) = self.words(token)?;
                self.begins_operand(taken).then_some((operator, taken))
            }
            _ => None,
        }
    }

    /// `!in`, `! in`.
    fn not_in(&self, token: Token) -> Option<(Operator, usize)> {
        let next = self.tokens.get(self.at + 1)?;
        let is_in = next.kind == TokenKind::Ident && self.slice(next.span) == "in";
        is_in.then(|| (Operator::NotIn(Span::new(token.span.start, next.span.end)), 2))
    }

    /// One or two words that are an operator elsewhere.
    fn words(&self, token: Token) -> Option<(Operator, usize)> {
        let first = self.slice(token.span);
        let next = self.tokens.get(self.at + 1).filter(|next| next.kind == TokenKind::Ident);
        let both = next.map(|next| (self.slice(next.span), Span::new(token.span.start, next.span.end)));
        match (first.to_ascii_lowercase().as_str(), both) {
            ("not", Some((second, span))) => match word(second)? {
                Meant::Operator(BinaryOp::In) => Some((Operator::NotIn(span), 2)),
                Meant::Method(name, _) => Some((Operator::Method(name, true, span), 2)),
                Meant::Operator(_) => None,
            },
            ("is", Some((second, span))) if second.eq_ignore_ascii_case("not") => {
                Some((Operator::Foreign(BinaryOp::NotEqual, span), 2))
            }
            _ => Some((word(first)?.at(token.span), 1)),
        }
    }

    /// True if the token so far ahead can begin an operand.
    fn begins_operand(&self, ahead: usize) -> bool {
        let Some(token) = self.tokens.get(self.at + ahead) else { return false };
        match token.kind {
            TokenKind::Ident => self.slice(token.span) != "in",
            TokenKind::Symbol(symbol) => matches!(
                symbol,
                Symbol::Not | Symbol::Minus | Symbol::OpenParen | Symbol::OpenBracket | Symbol::OpenBrace
            ),
            TokenKind::Int | TokenKind::Uint | TokenKind::Double | TokenKind::String | TokenKind::Bytes => {
                true
            }
            TokenKind::Unclosed => true,
            _ => false,
        }
    }

    /// True for the `=>` of `list.exists(x => …)`.
    pub(super) fn is_arrow(&self) -> bool {
        let before = |back: usize| self.tokens.get(self.at.checked_sub(back)?).copied();
        let is = |back: usize, kind: TokenKind| before(back).filter(|token| token.kind == kind);
        self.slice(self.peek().span) == "=>"
            && is(1, TokenKind::Ident).is_some()
            && is(2, TokenKind::Symbol(Symbol::OpenParen)).is_some()
            && is(3, TokenKind::Ident)
                .is_some_and(|name| named(self.slice(name.span), Standing::AfterValue).is_some())
            && is(4, TokenKind::Symbol(Symbol::Dot)).is_some()
    }

    /// Takes an arrow for the comma that is meant.
    pub(super) fn arrow(&mut self) -> bool {
        let arrow = self.is_arrow();
        if arrow {
            let token = self.advance();
            let found = Diagnostic::new(&CEL_SYNTAX, token.span, "`=>` is not an operator");
            let help = "separate the variable and its expression by a comma: `list.exists(x, x > 1)`";
            let gap = self.tokens.get(self.at.saturating_sub(2)).map(|name| name.span.end);
            let place = Span::new(gap.unwrap_or(token.span.start), token.span.end);
            self.diagnostics.push(found.with_help(help).with_fix_at(false, Some(place), ","));
        }
        arrow
    }

    /// Says that an operator is of another language, once both of its operands are read, and gives what is meant.
    pub(super) fn joined(&mut self, left: ExprId, operator: Operator, right: ExprId) -> ExprId {
        let span = self.join(left, right);
        let (first, last) = (self.span(left), self.span(right));
        let gap = Span::new(first.end.min(last.start), last.start);
        match operator {
            Operator::Known(operator) => self.push(ExprKind::Binary(operator, left, right), span),
            Operator::Foreign(operator, at) => {
                let symbol = operator.symbol();
                let help = match operator {
                    BinaryOp::And | BinaryOp::Or if self.is_sign(at) && self.is_number(right) => {
                        "there are no operators for bits; to join two conditions write `&&` or `||`"
                    }
                    BinaryOp::Equal | BinaryOp::NotEqual if self.is_literal(right, &Literal::Null) => {
                        "a missing value is an error, not null; ask with `has(…)`"
                    }
                    _ => {
                        self.no_operator(at, &format!("write `{symbol}`"), vec![edit(at, symbol)]);
                        return self.push(ExprKind::Binary(operator, left, right), span);
                    }
                };
                let message = format!("`{}` is not an operator", self.slice(at));
                self.diagnostics.push(Diagnostic::new(&CEL_SYNTAX, at, message).with_help(help));
                self.push(ExprKind::Broken, span)
            }
            Operator::Method(name, negated, at) => {
                let not = if negated { "!" } else { "" };
                let mut edits = Vec::new();
                let wrapped = self.needs_parentheses(left);
                let before = format!("{not}{}", if wrapped { "(" } else { "" });
                if !before.is_empty() {
                    edits.push(edit(first.at_start(), before));
                }
                edits.push(edit(gap, format!("{}.{name}(", if wrapped { ")" } else { "" })));
                edits.push(edit(Span::new(last.end, last.end), ")"));
                self.no_operator(at, &format!("write `{not}text.{name}(…)`"), edits);
                let arguments = vec![right];
                let kind = ExprKind::Call {
                    receiver: Some(left),
                    function: name.into(),
                    absolute: false,
                    arguments,
                };
                let call = self.push(kind, span);
                if negated { self.push(ExprKind::Unary(UnaryOp::Not, call), span) } else { call }
            }
            Operator::NotIn(at) => {
                let edits = vec![
                    edit(first.at_start(), "!("),
                    edit(gap, " in "),
                    edit(Span::new(last.end, last.end), ")"),
                ];
                self.no_operator(at, "write `!(value in list)`", edits);
                let inside = self.push(ExprKind::Binary(BinaryOp::In, left, right), span);
                self.push(ExprKind::Unary(UnaryOp::Not, inside), span)
            }
        }
    }

    /// True for one sign such as `&`, not a word such as `and`.
    fn is_sign(&self, at: Span) -> bool {
        matches!(self.slice(at), "&" | "|")
    }

    fn is_literal(&self, id: ExprId, literal: &Literal) -> bool {
        matches!(self.ast.kind(id), ExprKind::Literal(other) if other == literal)
    }

    /// True for a number, or one that is compared with something.
    fn is_number(&self, id: ExprId) -> bool {
        match self.ast.kind(id) {
            ExprKind::Literal(Literal::Int(_) | Literal::Uint(_)) => true,
            ExprKind::Binary(operator, left, _) if operator.binding() == BinaryOp::Equal.binding() => {
                matches!(self.ast.kind(*left), ExprKind::Literal(Literal::Int(_) | Literal::Uint(_)))
            }
            _ => false,
        }
    }

    fn no_operator(&mut self, at: Span, help: &str, edits: Vec<Edit>) {
        let message = format!("`{}` is not an operator", self.slice(at));
        let mut found = Diagnostic::new(&CEL_SYNTAX, at, message).with_help(help);
        found.fix = Some(Fix { safe: false, edits });
        self.diagnostics.push(found);
    }

    /// True if a dot or `!` at an operand would take only a part of it.
    fn needs_parentheses(&self, id: ExprId) -> bool {
        let begins = |first: &ExprId| self.span(*first).start == self.span(id).start;
        match self.ast.kind(id) {
            // Its own parentheses belong to its place.
            ExprKind::Binary(_, left, _) => begins(left),
            ExprKind::Conditional { condition, .. } => begins(condition),
            ExprKind::Unary(..) => !self.slice(self.span(id)).starts_with('('),
            _ => false,
        }
    }

    /// True for `not` before an operand.
    pub(super) fn is_not_word(&self) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Ident
            && self.slice(token.span).eq_ignore_ascii_case("not")
            && self.begins_operand(1)
    }

    /// `not` and all that it turns round: where it is an operator, relations bind more strongly.
    pub(super) fn not_word(&mut self) -> ExprId {
        let token = self.advance();
        let inner = self.nested(|parser| parser.operators(BinaryOp::And.binding()));
        let (at, end) = (self.span(inner).start, self.span(inner).end);
        let gap = Span::new(token.span.start, at.max(token.span.end));
        let (help, edits) = match self.needs_parentheses(inner) {
            true => ("write `!(…)`", vec![edit(gap, "!("), edit(Span::new(end, end), ")")]),
            false => ("write `!`", vec![edit(gap, "!")]),
        };
        self.no_operator(token.span, help, edits);
        self.push(ExprKind::Unary(UnaryOp::Not, inner), Span::new(token.span.start, end))
    }
}

fn edit(span: Span, replacement: impl Into<String>) -> Edit {
    Edit { span, replacement: replacement.into() }
}

#[cfg(test)]
mod tests {
    use crate::cel::{CelLimits, parse};
    use crate::diagnostic::Diagnostics;

    /// The text with the fix of its only finding, which names `written`.
    fn fixed(text: &str, written: &str) -> String {
        let mut found = Diagnostics::default();
        let _ = parse(text, &CelLimits::default(), &mut found);
        let [only] = &*found.iter().collect::<Vec<_>>() else { panic!("{text}: {found:?}") };
        assert_eq!(only.message, format!("`{written}` is not an operator"), "{text}");
        assert_eq!(text.get(only.span.to_range()), Some(written), "{text}");
        let mut out = text.to_owned();
        for edit in only.fix.iter().flat_map(|fix| &fix.edits).rev() {
            out.replace_range(edit.span.to_range(), &edit.replacement);
        }
        out
    }

    #[test]
    fn operators_of_other_languages_are_told_once_with_their_own() {
        for (text, written, right) in [
            ("a = 1", "=", "a == 1"),
            ("a === 1", "===", "a == 1"),
            ("a !== 1", "!==", "a != 1"),
            ("a = = 1", "= =", "a == 1"),
            ("a => 1", "=>", "a >= 1"),
            ("f(a => 1)", "=>", "f(a >= 1)"),
            ("a =< 1", "=<", "a <= 1"),
            ("a > = 1", "> =", "a >= 1"),
            ("a =! b", "=!", "a != b"),
            ("a <> 'b'", "<>", "a != 'b'"),
            ("a & b", "&", "a && b"),
            ("a ||| b", "|||", "a || b"),
            ("a AND b", "AND", "a && b"),
            ("a == 1 or b", "or", "a == 1 || b"),
            ("a is not b", "is not", "a != b"),
            ("a eq 'b'", "eq", "a == 'b'"),
            ("a IN [1]", "IN", "a in [1]"),
            ("a =~ 'b'", "=~", "a.matches('b')"),
            ("c && a.b + d =~ 'b' && e", "=~", "c && (a.b + d).matches('b') && e"),
            ("(a + d) !~ 'b'", "!~", "!(a + d).matches('b')"),
            ("a contains 'b' + c", "contains", "a.contains('b' + c)"),
            ("a not in ['b'] && c", "not in", "!(a in ['b']) && c"),
            ("a && b NOT IN ['b']", "NOT IN", "a && !(b in ['b'])"),
            ("a !in ['b']", "!in", "!(a in ['b'])"),
            ("a ! in ['b'] || c", "! in", "!(a in ['b']) || c"),
            ("a not_in ['b']", "not_in", "!(a in ['b'])"),
            ("a ~ 'b'", "~", "a.matches('b')"),
            ("not a", "not", "!a"),
            ("NOT (a || b) && c", "NOT", "!(a || b) && c"),
            ("not(a)", "not", "!(a)"),
            ("not a == b && c", "not", "!(a == b) && c"),
            ("a && not b in c", "not", "a && !(b in c)"),
            ("a.exists(x => x > 1)", "=>", "a.exists(x, x > 1)"),
        ] {
            assert_eq!(fixed(text, written), right, "{text}");
        }
    }

    #[test]
    fn what_is_of_the_language_is_not_told() {
        for text in [
            "a==!b",
            "a!=!b && !!c",
            "a<-1 || a>=-1",
            "not",
            "a.not == is && or",
            "and.b(not)",
            "a ? b : c",
            "[a, b][c]",
            "{a: !b}",
            "x.contains('=>') // === <> and",
        ] {
            let mut found = Diagnostics::default();
            let _ = parse(text, &CelLimits::default(), &mut found);
            assert!(found.is_empty(), "{text}: {found:?}");
        }
        // Prefixes that nest end at the limit.
        let mut found = Diagnostics::default();
        let _ = parse(&"not ".repeat(2_000), &CelLimits::default(), &mut found);
        assert!(found.iter().any(|item| item.code.id == "TP202"));
    }
}
