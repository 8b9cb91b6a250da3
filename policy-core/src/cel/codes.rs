//! The diagnostics of expressions.

use crate::diagnostic::{Code, Diagnostics};
use crate::ngrok;
use crate::source::Span;

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] = &[
    &CEL_SYNTAX,
    &CEL_LIMIT,
    &CEL_LITERAL,
    &UNDECLARED,
    &UNKNOWN_FIELD,
    &UNKNOWN_FUNCTION,
    &TYPE_MISMATCH,
    &NOT_A_CONDITION,
    &OUT_OF_PLACE,
    &MACRO,
    &FOREIGN_SPELLING,
    &REGEX,
    &CONSTANT,
    &NEVER_EQUAL,
    &CIDR_ARGUMENT,
    &MAY_FAIL,
    &ALWAYS_FAILS,
    &COSTLY,
    &HEADER_CASE,
    &IMPOSSIBLE,
    &TEMPLATE,
    &TEMPLATE_TYPE,
];

pub(in crate::cel) static CEL_SYNTAX: Code =
    Code::error("TP201", "cel-syntax").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(crate) static CEL_LIMIT: Code = Code::error("TP202", "cel-limit").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static CEL_LITERAL: Code =
    Code::error("TP203", "cel-literal").ngrok(&[ngrok::ERR_NGROK_2200]);
/// A name that is not declared.
pub static UNDECLARED: Code = Code::error("TP204", "undeclared-name").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static UNKNOWN_FIELD: Code =
    Code::error("TP205", "unknown-cel-field").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static UNKNOWN_FUNCTION: Code =
    Code::error("TP206", "unknown-function").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static TYPE_MISMATCH: Code =
    Code::error("TP207", "type-mismatch").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static NOT_A_CONDITION: Code =
    Code::error("TP208", "not-a-condition").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static OUT_OF_PLACE: Code =
    Code::error("TP209", "out-of-place").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static MACRO: Code = Code::error("TP210", "macro-use").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static FOREIGN_SPELLING: Code = Code::warning("TP211", "foreign-spelling");
pub(in crate::cel) static REGEX: Code = Code::error("TP212", "invalid-regex").ngrok(&[ngrok::ERR_NGROK_2200]);
pub(in crate::cel) static CONSTANT: Code = Code::warning("TP213", "constant-expression");
pub(in crate::cel) static NEVER_EQUAL: Code = Code::warning("TP214", "address-never-equal");
pub(in crate::cel) static CIDR_ARGUMENT: Code =
    Code::error("TP215", "cidr-argument").ngrok(&[ngrok::ERR_NGROK_1406]);
pub(in crate::cel) static MAY_FAIL: Code = Code::warning("TP216", "may-fail").ngrok(&[ngrok::ERR_NGROK_2254]);
pub(in crate::cel) static ALWAYS_FAILS: Code =
    Code::error("TP217", "always-fails").ngrok(&[ngrok::ERR_NGROK_2254]);
pub(in crate::cel) static COSTLY: Code = Code::error("TP218", "costly-expression");
pub(in crate::cel) static TEMPLATE: Code =
    Code::error("TP220", "template-syntax").ngrok(&[ngrok::ERR_NGROK_2224]);
pub(in crate::cel) static TEMPLATE_TYPE: Code =
    Code::error("TP221", "template-type").ngrok(&[ngrok::ERR_NGROK_2224]);
pub(in crate::cel) static IMPOSSIBLE: Code = Code::warning("TP224", "value-never-occurs");
pub(in crate::cel) static HEADER_CASE: Code = Code::warning("TP219", "header-case");

/// Drops what is said of the values of these parts: that they are none yet has been told.
pub(crate) fn drop_values(found: &mut Diagnostics, is_told: impl Fn(Span) -> bool) {
    let codes: [&'static Code; 3] = [&CIDR_ARGUMENT, &IMPOSSIBLE, &NEVER_EQUAL];
    found.retain(|item| !(codes.iter().any(|code| std::ptr::eq(*code, item.code)) && is_told(item.span)));
}
