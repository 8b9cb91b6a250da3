//! CEL: the expression language of policies.
//!
//! [`Env::check`] turns a text into an [`Expression`]: parsed with the place of every part, checked against
//! declared variables and functions, with constant parts folded and its cost bounded. The tree interpreter
//! behind [`Expression::evaluate`] is the reference for everything faster. No input makes any stage abort,
//! hang or take memory without bound ([`CelLimits`], [`EvalLimits`]).
//!
//! Source: CEL specification, language definition (github.com/google/cel-spec, 2026-06-10), with the standard
//! extensions for strings, lists, math, encoders, addresses, optionals, bindings and macros of two variables,
//! and the functions of ngrok's Traffic Policy (2026-08-07).

mod analysis;
mod check;
mod codes;
mod compile;
mod evaluate;
mod expression;
mod library;
mod syntax;
mod template;
mod values;

pub(crate) use analysis::conditions::{Condition, Depends, Formula, Work, Written, adjoin, cover};
pub(crate) use analysis::guards::{Guard, Guards};
pub(crate) use analysis::state::{DataFlow, Place, Shape, State, Use, result_path};
pub use check::env::{Env, Fact, Site};
pub(crate) use check::env::{FactSource, Leaf, Tree, TreeNode, Where};
pub use codes::UNDECLARED;
pub(crate) use codes::{CEL_LIMIT, CODES};
pub use compile::predicate::Predicate;
pub(crate) use compile::predicate::{ClientAddress, Gate, GateFact, Test};
pub use expression::{Expression, Part};
pub use library::{FunctionDoc, functions};
pub use syntax::ast::{Ast, BinaryOp, Entry, ExprId, ExprKind, Literal, UnaryOp};
pub use syntax::parser::{CelLimits, parse};
pub use syntax::print::print;
pub(crate) use template::Unrendered;
pub use template::{FieldType, Template, TemplatePart, is_template};
pub use values::fault::{EvalError, Fault};
pub use values::host::{Borrowed, EvalLimits, Host, NoHost, TextMap};
pub use values::time::{Duration, Timestamp};
pub use values::types::{Object, Type};
pub use values::value::{Map, Value};

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::source::Span;

/// Drops what is said of the values of these parts: that they are none yet has been told.
pub(crate) fn drop_values(found: &mut Diagnostics, is_told: impl Fn(Span) -> bool) {
    let codes: [&'static Code; 3] = [&codes::CIDR_ARGUMENT, &codes::IMPOSSIBLE, &codes::NEVER_EQUAL];
    found.retain(|item| !(codes.iter().any(|code| std::ptr::eq(*code, item.code)) && is_told(item.span)));
}

/// What a condition decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decides {
    /// Whether a rule runs.
    Rule,
    /// Whether a request is tried again: `false` is a setting like any other, and what holds if there is none.
    Retry,
}

/// A condition is true or false, and not the same for everybody; of one that is, `found` may have told why.
pub(crate) fn check_condition(expression: &Expression, decides: Decides, found: &mut Diagnostics) {
    let is_setting = decides == Decides::Retry && expression.text().trim() == "false";
    if let Some(Value::Bool(value)) = expression.constant()
        && found.is_empty()
        && !is_setting
    {
        let message = format!("the expression is always {value}");
        let help = match (decides, value) {
            (Decides::Rule, true) => "leave it out, or compare with something of the connection or request",
            (Decides::Rule, false) => {
                "the rule never runs; remove it, or compare with something of the connection or request"
            }
            (Decides::Retry, true) => {
                "the request is tried again whatever it met; compare with something of `last_attempt`"
            }
            (Decides::Retry, false) => "the request is never tried again; write `false`, or leave it out",
        };
        found.push(Diagnostic::new(&codes::CONSTANT, expression.root_span(), message).with_help(help));
    }
    // One test that never holds has been told by itself.
    if decides == Decides::Rule
        && found.is_empty()
        && let Some(value) = analysis::conditions::always(expression.formula())
        && (value || !Expression::leave_nobody(std::slice::from_ref(expression)))
    {
        let (message, help) = match value {
            true => (
                "these tests hold for everybody, so the expression is always true",
                "join them by `&&` if that is meant, or leave the expression out",
            ),
            false => (
                "these tests never hold together, so the rule never runs",
                "join them by `||`, or remove the rule",
            ),
        };
        let whole = Span::from_range(0..expression.text().len());
        found.push(Diagnostic::new(&codes::CONSTANT, whole, message).with_help(help));
    }
    let ty = expression.result();
    if !matches!(ty, Type::Bool | Type::Dyn | Type::Error) {
        let whole = Span::from_range(0..expression.text().len());
        let message = format!("the expression gives {ty}, not true or false");
        let help = match ty {
            Type::String => "compare the text, e.g. with `== 'a'`",
            Type::List(_) | Type::Map(_) => "ask for an item, e.g. `'a' in …`, or for `size(…) > 0`",
            _ => "compare the value, e.g. with `== 1`",
        };
        found.push(Diagnostic::new(&codes::NOT_A_CONDITION, whole, message).with_help(help));
    }
}

/// What is said of conditions of a rule that never hold together, at one of them.
pub(crate) fn check_together(joined: &[Expression]) -> Option<Diagnostic> {
    let last = joined.last().filter(|_| Expression::never_together(joined))?;
    let message = "the expressions of this rule never hold together, so it never runs";
    let help = "join them by `||` in one expression, or make a rule of each";
    let whole = Span::from_range(0..last.text().len());
    Some(Diagnostic::new(&codes::CONSTANT, whole, message).with_help(help))
}

/// The first comment of an expression, to the end of its line.
pub(crate) fn comment(text: &str) -> Option<Span> {
    // Most have none.
    text.find("//")?;
    let mut end = 0;
    let starts = syntax::lexer::tokens(text).into_iter().map(|token| token.span.to_range());
    for token in starts.chain(std::iter::once(text.len()..text.len())) {
        let gap = text.get(end..token.start).unwrap_or_default();
        if let Some(at) = gap.find("//") {
            let start = end + at;
            let rest = text.get(start..).unwrap_or_default();
            let length = rest.find('\n').unwrap_or(rest.len());
            return Some(Span::from_range(start..start + length));
        }
        end = end.max(token.end);
    }
    None
}

/// True if a place in an expression lies inside of a text.
pub(crate) fn is_in_text(text: &str, at: usize) -> bool {
    use syntax::lexer::TokenKind;
    let mut tokens = syntax::lexer::tokens(text).into_iter();
    let token = tokens.find(|token| token.span.to_range().contains(&at));
    token.is_some_and(|token| matches!(token.kind, TokenKind::String | TokenKind::Bytes))
}

/// True for an expression that ends in the middle: in a text, in brackets, or behind an operator. O(length).
pub(crate) fn is_unfinished(text: &str) -> bool {
    use syntax::lexer::{Symbol, TokenKind};
    let tokens = syntax::lexer::tokens(text);
    let count = |of: &[Symbol]| {
        tokens
            .iter()
            .filter(|token| matches!(token.kind, TokenKind::Symbol(symbol) if of.contains(&symbol)))
            .count()
    };
    let open = count(&[Symbol::OpenParen, Symbol::OpenBracket, Symbol::OpenBrace]);
    let closed = count(&[Symbol::CloseParen, Symbol::CloseBracket, Symbol::CloseBrace]);
    let ends = match tokens.iter().rev().find(|token| token.kind != TokenKind::End) {
        Some(last) => match last.kind {
            TokenKind::Unclosed => true,
            TokenKind::Symbol(symbol) => {
                !matches!(symbol, Symbol::CloseParen | Symbol::CloseBracket | Symbol::CloseBrace)
            }
            TokenKind::Ident => text.get(last.span.to_range()) == Some("in"),
            _ => false,
        },
        None => false,
    };
    ends || open > closed
}

/// Checks a regular expression outside of expressions: the states it takes, of at most so many, or what is wrong
/// with it.
pub(crate) fn check_regex(text: &str, most: u64) -> Result<u64, String> {
    let draft = library::pattern::Draft::read(text).map_err(|fault| fault.to_string())?;
    let states = draft.states();
    if states > most {
        return Err("the regular expressions of the document are too large together".to_owned());
    }
    draft.compile().map(|_| states).map_err(|fault| fault.to_string())
}

/// What is known of a regular expression from its grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternFacts {
    /// Groups that capture.
    pub(crate) groups: usize,
    /// The characters one of which every match begins with, at the start of the text.
    pub(crate) begins: Option<Box<[char]>>,
    /// True if that counts the start of a line as the start of the text.
    pub(crate) by_line: bool,
}

/// What is known of a regular expression; `None` if it is none. O(length).
pub(crate) fn pattern_facts(text: &str) -> Option<PatternFacts> {
    let draft = library::pattern::Draft::read(text).ok()?;
    Some(PatternFacts {
        groups: draft.groups(),
        begins: draft.begins().map(Into::into),
        by_line: draft.by_line(),
    })
}
