//! Operands: literals, names, calls, brackets; and what follows them with dots and brackets.

use super::super::ast::{Entry, ExprId, ExprKind, Literal};
use super::super::lexer::{Symbol, Token, TokenKind};
use super::{CLOSING, Parser};
use crate::cel::codes::{CEL_LITERAL, CEL_SYNTAX};
use crate::cel::syntax::literal;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// Words that CEL keeps for other languages' sake (language definition, syntax).
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Words that are no names of fields either.
const KEYWORDS: &[&str] = &["false", "in", "null", "true"];

/// Reserved words that begin a statement of other languages.
const STATEMENTS: &[&str] = &["const", "for", "function", "if", "let", "return", "var", "while"];

impl Parser<'_> {
    /// Says that a keyword cannot be a field, and passes over it.
    fn keyword_field(&mut self, token: Token) {
        let word = self.slice(token.span).to_owned();
        let message = format!("`{word}` cannot be the name of a field");
        let found = Diagnostic::new(&CEL_SYNTAX, token.span, message);
        self.diagnostics.push(found.with_help(format!("write it in brackets: `['{word}']`")));
        self.advance();
    }

    pub(super) fn primary(&mut self) -> ExprId {
        let token = self.peek();
        match token.kind {
            TokenKind::Int => {
                self.advance();
                self.int(token.span, token.span, false)
            }
            TokenKind::Double => {
                self.advance();
                self.double(token.span, token.span, false)
            }
            TokenKind::Uint | TokenKind::String | TokenKind::Bytes => {
                self.advance();
                self.literal(token)
            }
            TokenKind::Ident => self.name(token, false),
            TokenKind::Symbol(Symbol::Dot) => {
                self.advance();
                let name = self.peek();
                match name.kind {
                    TokenKind::Ident => {
                        self.name(Token { span: Span::new(token.span.start, name.span.end), ..name }, true)
                    }
                    _ => self.broken("a name after the dot"),
                }
            }
            TokenKind::Symbol(Symbol::OpenParen) => {
                self.advance();
                let inner = self.expression();
                let end = self.close(Symbol::CloseParen, CLOSING);
                // Its parentheses belong to its place, so that what stands around it begins with them.
                if let Some((_, span)) = self.ast.nodes.get_mut(inner.0 as usize) {
                    *span = Span::new(token.span.start, end);
                }
                inner
            }
            TokenKind::Unknown if self.slice(token.span) == "$" && self.interpolated() => {
                // Said, and read as what was meant.
                self.unexpected("a value");
                self.advance();
                self.advance();
                let inner = self.expression();
                self.close(Symbol::CloseBrace, "`}`");
                inner
            }
            TokenKind::Symbol(Symbol::OpenBracket) => self.list(token),
            TokenKind::Symbol(Symbol::OpenBrace) => self.map(token),
            _ => self.broken("a value"),
        }
    }

    /// True if a `{` follows the token at hand.
    fn interpolated(&self) -> bool {
        let next = self.tokens.get(self.at + 1);
        next.is_some_and(|next| next.kind == TokenKind::Symbol(Symbol::OpenBrace))
    }

    fn broken(&mut self, expected: &str) -> ExprId {
        let span = self.peek().span;
        self.unexpected(expected);
        // A token that can begin nothing is passed over; a bracket or comma may belong to somebody.
        if matches!(self.peek().kind, TokenKind::Unknown | TokenKind::Unclosed) {
            self.advance();
        }
        self.push(ExprKind::Broken, span)
    }

    fn literal(&mut self, token: Token) -> ExprId {
        let text = self.slice(token.span);
        let value = match token.kind {
            TokenKind::Uint => literal::uint(text).map(Literal::Uint),
            kind => {
                let bytes = kind == TokenKind::Bytes;
                match literal::unquote(text, bytes) {
                    Ok(value) if bytes => Some(Literal::Bytes(value.into())),
                    Ok(value) => String::from_utf8(value).ok().map(|text| Literal::String(text.into())),
                    Err(error) => {
                        let start = token.span.start as usize;
                        let at = Span::from_range(start + error.range.start..start + error.range.end);
                        let found = Diagnostic::new(&CEL_LITERAL, at, error.message);
                        self.diagnostics
                            .push(found.with_help("see the escapes of the CEL language definition"));
                        return self.push(ExprKind::Broken, token.span);
                    }
                }
            }
        };
        match value {
            Some(value) => self.push(ExprKind::Literal(value), token.span),
            None => {
                self.bad_literal(token.span, "the number does not fit into 64 bits", "write a smaller number")
            }
        }
    }

    pub(super) fn bad_literal(&mut self, span: Span, message: &str, help: &str) -> ExprId {
        self.diagnostics.push(Diagnostic::new(&CEL_LITERAL, span, message).with_help(help));
        self.push(ExprKind::Broken, span)
    }

    /// A name: a constant, a variable, a call, or the type of a message. The token at hand is the word.
    fn name(&mut self, token: Token, absolute: bool) -> ExprId {
        let word = self.advance();
        let text: Box<str> = self.slice(word.span).into();
        let constant = match &*text {
            _ if absolute => None,
            "true" => Some(Literal::Bool(true)),
            "false" => Some(Literal::Bool(false)),
            "null" => Some(Literal::Null),
            _ => None,
        };
        if let Some(literal) = constant {
            return self.push(ExprKind::Literal(literal), token.span);
        }
        if &*text == "in" || RESERVED.contains(&&*text) {
            let message = format!("`{text}` is a reserved word");
            let help = match &*text {
                "if" => "write `condition ? value : other`, or the condition alone",
                _ => "use another name; an expression has neither statements nor declarations",
            };
            self.diagnostics.push(Diagnostic::new(&CEL_SYNTAX, token.span, message).with_help(help));
            if STATEMENTS.contains(&&*text) {
                // What follows is a part of it.
                while self.peek().kind != TokenKind::End {
                    self.advance();
                }
                self.failed_at = Some(self.at);
            }
            return self.push(ExprKind::Broken, token.span);
        }
        if self.eat(Symbol::OpenParen).is_some() {
            let arguments = self.arguments();
            let end = self.close(Symbol::CloseParen, "`,` or `)`");
            let kind = ExprKind::Call { receiver: None, function: text, absolute, arguments };
            return self.push(kind, Span::new(token.span.start, end));
        }
        self.push(ExprKind::Ident { name: text, absolute }, token.span)
    }

    /// Dots, indices and message braces after an operand.
    pub(super) fn postfixed(&mut self, mut operand: ExprId) -> ExprId {
        loop {
            let start = self.span(operand).start;
            if self.dot() {
                let optional = self.eat(Symbol::Question).is_some();
                let token = self.peek();
                let field: Box<str> = match token.kind {
                    TokenKind::Ident if KEYWORDS.contains(&self.slice(token.span)) => {
                        self.keyword_field(token);
                        return operand;
                    }
                    TokenKind::Ident => self.slice(token.span).into(),
                    TokenKind::Escaped => self.slice(token.span).trim_matches('`').into(),
                    _ => {
                        self.unexpected("the name of a field or function");
                        return operand;
                    }
                };
                self.advance();
                operand =
                    if !optional && token.kind == TokenKind::Ident && self.eat(Symbol::OpenParen).is_some() {
                        let arguments = self.arguments();
                        let end = self.close(Symbol::CloseParen, "`,` or `)`");
                        let kind = ExprKind::Call {
                            receiver: Some(operand),
                            function: field,
                            absolute: false,
                            arguments,
                        };
                        self.push(kind, Span::new(start, end))
                    } else {
                        let kind = ExprKind::Select { operand, field, optional };
                        self.push(kind, Span::new(start, token.span.end))
                    };
            } else if self.eat(Symbol::OpenBracket).is_some() {
                let optional = self.eat(Symbol::Question).is_some();
                let index = self.expression();
                let end = self.close(Symbol::CloseBracket, "`]`");
                operand = self.push(ExprKind::Index { operand, index, optional }, Span::new(start, end));
            } else if self.peek().kind == TokenKind::Symbol(Symbol::OpenBrace) {
                let Some(name) = self.type_name(operand) else { return operand };
                operand = self.message(name, start);
            } else {
                return operand;
            }
            if self.exhausted {
                return operand;
            }
        }
    }

    /// The dotted name that an operand spells, if it is nothing but a name.
    fn type_name(&self, operand: ExprId) -> Option<Box<str>> {
        let mut parts: Vec<&str> = Vec::new();
        let mut at = operand;
        loop {
            match self.ast.kind(at) {
                ExprKind::Select { operand, field, optional: false } => {
                    parts.push(field);
                    at = *operand;
                }
                ExprKind::Ident { name, absolute } => {
                    parts.push(name);
                    let dot = if *absolute { "." } else { "" };
                    parts.reverse();
                    return Some(format!("{dot}{}", parts.join(".")).into());
                }
                _ => return None,
            }
        }
    }

    fn arguments(&mut self) -> Vec<ExprId> {
        let mut out = Vec::new();
        if !self.more(Symbol::CloseParen) {
            return out;
        }
        loop {
            out.push(self.expression());
            // Unlike in lists and maps, no comma may follow the last.
            if self.exhausted || (self.eat(Symbol::Comma).is_none() && !self.arrow()) {
                return out;
            }
        }
    }

    /// True if another item may begin.
    fn more(&self, close: Symbol) -> bool {
        !self.exhausted
            && !matches!(self.peek().kind, TokenKind::End)
            && self.peek().kind != TokenKind::Symbol(close)
    }

    fn list(&mut self, open: Token) -> ExprId {
        self.advance();
        let mut items = Vec::new();
        while self.more(Symbol::CloseBracket) {
            let optional = self.eat(Symbol::Question).is_some();
            items.push(Entry { key: (), value: self.expression(), optional });
            if self.eat(Symbol::Comma).is_none() {
                break;
            }
        }
        let end = self.close(Symbol::CloseBracket, "`,` or `]`");
        self.push(ExprKind::List(items), Span::new(open.span.start, end))
    }

    fn map(&mut self, open: Token) -> ExprId {
        self.advance();
        let mut entries = Vec::new();
        while self.more(Symbol::CloseBrace) {
            let optional = self.eat(Symbol::Question).is_some();
            let key = self.expression();
            if self.eat(Symbol::Colon).is_none() {
                self.unexpected("`:` and the value of the entry");
            }
            entries.push(Entry { key, value: self.expression(), optional });
            if self.eat(Symbol::Comma).is_none() {
                break;
            }
        }
        let end = self.close(Symbol::CloseBrace, "`,` or `}`");
        self.push(ExprKind::Map(entries), Span::new(open.span.start, end))
    }

    fn message(&mut self, name: Box<str>, start: u32) -> ExprId {
        self.advance();
        let mut fields = Vec::new();
        while self.more(Symbol::CloseBrace) {
            let optional = self.eat(Symbol::Question).is_some();
            let token = self.peek();
            if !matches!(token.kind, TokenKind::Ident | TokenKind::Escaped) {
                self.unexpected("the name of a field");
                break;
            }
            self.advance();
            let key = self.slice(token.span).trim_matches('`').into();
            if self.eat(Symbol::Colon).is_none() {
                self.unexpected("`:` and the value of the field");
            }
            fields.push(Entry { key, value: self.expression(), optional });
            if self.eat(Symbol::Comma).is_none() {
                break;
            }
        }
        let end = self.close(Symbol::CloseBrace, "`,` or `}`");
        self.push(ExprKind::Message { name, fields }, Span::new(start, end))
    }

    /// Takes a closing bracket, or says that it is missing and passes over what stands before the next one;
    /// the offset where the bracketed part ends.
    fn close(&mut self, symbol: Symbol, expected: &str) -> u32 {
        if let Some(token) = self.eat(symbol) {
            return token.span.end;
        }
        let end = self.peek().span.start;
        self.unexpected(expected);
        let mut open = 0_usize;
        loop {
            match self.peek().kind {
                TokenKind::End => return end,
                TokenKind::Symbol(Symbol::OpenParen | Symbol::OpenBracket | Symbol::OpenBrace) => open += 1,
                TokenKind::Symbol(found) if found == symbol && open == 0 => return self.advance().span.end,
                TokenKind::Symbol(Symbol::CloseParen | Symbol::CloseBracket | Symbol::CloseBrace) => {
                    // Somebody else's bracket: ours is missing.
                    let Some(outer) = open.checked_sub(1) else { return end };
                    open = outer;
                }
                _ => {}
            }
            self.advance();
        }
    }
}
