//! A Pratt parser with recovery.
//!
//! Chains of operators, postfix operators and prefix operators are loops; only brackets and conditionals
//! recurse, within [`CelLimits::depth`]. What cannot be read becomes [`ExprKind::Broken`] and a diagnostic,
//! and reading goes on after it, so that one expression can show several faults.

mod access;
mod foreign;
mod odd;
mod primary;
mod unquoted;

pub(in crate::cel) use unquoted::full_time;

use foreign::Operator;

use super::ast::{Ast, BinaryOp, ExprId, ExprKind, Literal, UnaryOp};
use super::lexer::{Symbol, Token, TokenKind, tokens};
use crate::cel::codes::{CEL_LIMIT, CEL_SYNTAX};
use crate::cel::limits::CelLimits;
use crate::cel::syntax::literal;
use crate::diagnostic::{Diagnostic, Diagnostics, shorten};
use crate::source::Span;

/// Reads an expression; spans are offsets into `text`. O(length).
///
/// ```
/// use policy_core::cel::{parse, CelLimits, ExprKind};
/// use policy_core::diagnostic::Diagnostics;
/// let mut found = Diagnostics::default();
/// let ast = parse("conn.client_ip == '203.0.113.42' && 1 + 2 < 4", &CelLimits::default(), &mut found);
/// assert!(found.is_empty());
/// let root = ast.root().expect("an expression");
/// assert!(matches!(ast.kind(root), ExprKind::Binary(..)));
/// ```
#[must_use]
pub fn parse(text: &str, limits: &CelLimits, diagnostics: &mut Diagnostics) -> Ast {
    if text.len() > limits.bytes {
        let message =
            format!("the expression has {} bytes, more than the {} allowed", text.len(), limits.bytes);
        let found = Diagnostic::new(
            &CEL_LIMIT,
            Span::from_range(0..text.chars().next().map_or(0, char::len_utf8)),
            message,
        );
        diagnostics.push(found.with_help("split it over several list items; they are joined by `&&`"));
        return Ast::default();
    }
    let mut tokens = tokens(text);
    tokens.retain(|token| {
        let foreign = token.kind == TokenKind::ForeignComment;
        if foreign {
            let found = Diagnostic::new(&CEL_SYNTAX, token.span, "`/*` does not start a comment");
            diagnostics.push(found.with_help("write `//`; such a comment ends with its line"));
        }
        !foreign
    });
    let odd = odd::report(text, &tokens, diagnostics);
    if odd {
        // What stands around it follows from it.
        tokens.clear();
    }
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        depth: 0,
        limits,
        ast: Ast::default(),
        diagnostics,
        failed_at: odd.then_some(0),
        exhausted: false,
    };
    let root = parser.expression();
    parser.ast.root = Some(root);
    if parser.peek().kind != TokenKind::End {
        parser.unexpected("an operator or the end of the expression");
    }
    parser.ast
}

/// What a parenthesis around one expression waits for.
const CLOSING: &str = "`)`";

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    limits: &'a CelLimits,
    ast: Ast,
    diagnostics: &'a mut Diagnostics,
    /// The token of the last syntax error: one fault is reported once.
    failed_at: Option<usize>,
    /// A limit was exceeded: nothing more is read.
    exhausted: bool,
}

/// An operand whose right side is being read.
struct Pending {
    left: ExprId,
    operator: Operator,
}

impl Parser<'_> {
    fn peek(&self) -> Token {
        let last = self.tokens.last().copied();
        // INVARIANT: the last token is the end, and nothing advances beyond it.
        let end = Token { kind: TokenKind::End, span: Span::default() };
        self.tokens.get(self.at).copied().or(last).unwrap_or(end)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
    }

    fn eat(&mut self, symbol: Symbol) -> Option<Token> {
        (self.peek().kind == TokenKind::Symbol(symbol)).then(|| self.advance())
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.to_range()).unwrap_or_default()
    }

    /// Adds a node; beyond the limit everything is broken and reading ends.
    fn push(&mut self, kind: ExprKind, span: Span) -> ExprId {
        if self.ast.nodes.len() >= self.limits.nodes && !self.exhausted {
            let limit = self.limits.nodes;
            self.exhaust(span, format!("the expression has more than {limit} parts"));
        }
        let id = ExprId(u32::try_from(self.ast.nodes.len()).unwrap_or(u32::MAX));
        self.ast.nodes.push((kind, span));
        id
    }

    fn exhaust(&mut self, span: Span, message: String) {
        let found = Diagnostic::new(&CEL_LIMIT, span, message);
        self.diagnostics.push(found.with_help("split it over several list items; they are joined by `&&`"));
        self.exhausted = true;
        self.at = self.tokens.len().saturating_sub(1);
        self.failed_at = Some(self.at);
    }

    fn span(&self, id: ExprId) -> Span {
        self.ast.span(id)
    }

    fn join(&self, first: ExprId, last: ExprId) -> Span {
        Span::new(self.span(first).start, self.span(last).end)
    }

    /// Reads a part that may hold others of its kind, within the limit of depth.
    fn nested(&mut self, read: impl FnOnce(&mut Self) -> ExprId) -> ExprId {
        // The expression itself is none of them.
        if self.depth > self.limits.depth && !self.exhausted {
            let (span, limit) = (self.peek().span, self.limits.depth);
            self.exhaust(span, format!("more than {limit} brackets or conditionals inside one another"));
        }
        self.depth += 1;
        let id = read(self);
        self.depth -= 1;
        id
    }

    /// `condition ? then : otherwise`, or anything that binds more strongly.
    fn expression(&mut self) -> ExprId {
        self.nested(|parser| {
            let condition = parser.operators(0);
            let condition = parser.or_else(condition);
            if parser.eat(Symbol::Question).is_none() {
                return condition;
            }
            let then = parser.operators(0);
            if parser.eat(Symbol::Colon).is_none() {
                parser.unexpected("`:` and the value for the other case");
            }
            let otherwise = parser.expression();
            let span = parser.join(condition, otherwise);
            parser.push(ExprKind::Conditional { condition, then, otherwise }, span)
        })
    }

    /// A chain of operands and operators that bind more strongly than `outer`, with a stack of its own.
    fn operators(&mut self, outer: u8) -> ExprId {
        let mut pending: Vec<Pending> = Vec::new();
        let mut operand = self.prefixed();
        loop {
            let operator = self.operator().filter(|(operator, _)| operator.binding() > outer);
            let binding = operator.map_or(0, |(operator, _)| operator.binding());
            // Operators to the left that bind at least as strongly have their right side now.
            while let Some(top) = pending.pop_if(|top| top.operator.binding() >= binding) {
                operand = self.joined(top.left, top.operator, operand);
            }
            let Some((operator, tokens)) = operator else { return operand };
            for _ in 0..tokens {
                self.advance();
            }
            pending.push(Pending { left: operand, operator });
            operand = self.prefixed();
        }
    }

    /// The operator at hand, not yet taken, and how many tokens it has.
    fn operator(&self) -> Option<(Operator, usize)> {
        let token = self.peek();
        let TokenKind::Symbol(symbol) = token.kind else {
            let is_in = token.kind == TokenKind::Ident && self.slice(token.span) == "in";
            return if is_in { Some((Operator::Known(BinaryOp::In), 1)) } else { self.foreign() };
        };
        let known = match symbol {
            Symbol::Or => BinaryOp::Or,
            Symbol::And => BinaryOp::And,
            Symbol::Less => BinaryOp::Less,
            Symbol::LessEqual => BinaryOp::LessEqual,
            Symbol::Greater => BinaryOp::Greater,
            Symbol::GreaterEqual => BinaryOp::GreaterEqual,
            Symbol::Equal => BinaryOp::Equal,
            Symbol::NotEqual => BinaryOp::NotEqual,
            Symbol::Plus => BinaryOp::Add,
            Symbol::Minus => BinaryOp::Subtract,
            Symbol::Star => BinaryOp::Multiply,
            Symbol::Slash => BinaryOp::Divide,
            Symbol::Percent => BinaryOp::Modulo,
            Symbol::Foreign | Symbol::Not => return self.foreign(),
            _ => return None,
        };
        Some((Operator::Known(known), 1))
    }

    /// Prefix operators, an operand, and what follows it with dots and brackets.
    fn prefixed(&mut self) -> ExprId {
        if self.is_not_word() {
            return self.not_word();
        }
        let mut prefixes: Vec<(UnaryOp, Span)> = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                TokenKind::Symbol(Symbol::Not) => prefixes.push((UnaryOp::Not, token.span)),
                TokenKind::Symbol(Symbol::Minus) => prefixes.push((UnaryOp::Negate, token.span)),
                _ => break,
            }
            self.advance();
            if prefixes.len() > self.limits.nodes {
                break;
            }
        }
        // A minus belongs to the number after it, so that the least number can be written: `-1.f` is `(-1).f`.
        let number = self.peek();
        let negative = match (prefixes.last(), number.kind) {
            (Some(&(UnaryOp::Negate, minus)), TokenKind::Int | TokenKind::Double) => {
                prefixes.pop();
                self.advance();
                let span = Span::new(minus.start, number.span.end);
                Some(match number.kind {
                    TokenKind::Int => self.int(number.span, span, true),
                    _ => self.double(number.span, span, true),
                })
            }
            _ => None,
        };
        let mut operand = match negative {
            Some(literal) => self.postfixed(literal),
            None => {
                let primary = self.primary();
                self.postfixed(primary)
            }
        };
        for (operator, at) in prefixes.into_iter().rev() {
            let span = Span::new(at.start, self.span(operand).end);
            operand = self.push(ExprKind::Unary(operator, operand), span);
        }
        operand
    }

    fn int(&mut self, digits: Span, span: Span, negative: bool) -> ExprId {
        match literal::int(self.slice(digits), negative) {
            Some(value) => self.push(ExprKind::Literal(Literal::Int(value)), span),
            None => self.bad_literal(span, "the number does not fit into 64 bits", "write a smaller number"),
        }
    }

    fn double(&mut self, digits: Span, span: Span, negative: bool) -> ExprId {
        // Digits, a dot and an exponent always read; what is too large reads as infinity.
        let magnitude: f64 = self.slice(digits).parse().unwrap_or(f64::INFINITY);
        if magnitude.is_infinite() {
            return self.bad_literal(span, "the number does not fit into 64 bits", "write a smaller number");
        }
        let value = if negative { -magnitude } else { magnitude };
        self.push(ExprKind::Literal(Literal::Double(value)), span)
    }

    /// Says what was found instead of what could stand here; once for each token.
    fn unexpected(&mut self, expected: &str) {
        if self.failed_at == Some(self.at) {
            return;
        }
        self.failed_at = Some(self.at);
        let token = self.peek();
        if let Some(found) = unquoted::found(self.text, token.span) {
            let span = found.span;
            self.diagnostics.push(found);
            // What is left of it follows from it.
            while self.peek().span.start < span.end && self.peek().kind != TokenKind::End {
                self.advance();
            }
            self.failed_at = Some(self.at);
            return;
        }
        let text = shorten(self.slice(token.span)).into_owned();
        let (message, help) = match token.kind {
            TokenKind::End => (format!("the expression ends where {expected} is expected"), "complete it"),
            TokenKind::Unclosed => match self.slice(token.span) {
                // The text may be a secret: it is not repeated.
                "'" | "\"" => ("this quote was never opened".to_owned(), "remove it"),
                _ => ("the string that starts here has no closing quote".to_owned(), "add the quote"),
            },
            TokenKind::Unknown if text == "$" => (
                "unexpected `${` inside an expression".to_owned(),
                "an expression is CEL already; leave out `${` and `}`",
            ),
            TokenKind::Symbol(Symbol::Comma) if expected == CLOSING => (
                format!("expected {expected}, found `{text}`"),
                "a list is written in brackets, e.g. `['a', 'b']`",
            ),
            TokenKind::Unknown => (format!("unexpected `{text}`"), "remove it, or put it in quotes"),
            _ => {
                let help = match &*text {
                    "and" => "write `&&`",
                    "or" => "write `||`",
                    "not" => "write `!`",
                    "is" | "eq" => "write `==`",
                    "for" => "write `list.map(x, …)` or `list.filter(x, …)`",
                    "if" | "else" => "write `condition ? value : other`",
                    _ => "check the operators and brackets before it",
                };
                (format!("expected {expected}, found `{text}`"), help)
            }
        };
        let found = Diagnostic::new(&CEL_SYNTAX, token.span, message).with_help(help);
        let stray = token.kind == TokenKind::Unclosed && token.span.end - token.span.start == 1;
        self.diagnostics.push(found.with_fix_at(false, stray.then_some(token.span), ""));
    }
}

#[cfg(test)]
mod tests;
