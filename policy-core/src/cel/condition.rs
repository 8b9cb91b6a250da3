//! What is said of an expression because it decides: it is true or false, and not the same for everybody.

use super::analysis::conditions;
use super::codes;
use super::expression::Expression;
use super::values::types::Type;
use super::values::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;

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
        && let Some(value) = conditions::always(expression.formula())
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
            Type::String => "compare the string, e.g. with `== 'a'`",
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
