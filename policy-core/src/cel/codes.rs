//! The diagnostics of expressions.

use crate::diagnostic::{Code, Diagnostics, codes};
use crate::source::Span;

codes! {
    pub(in crate::cel) static CEL_SYNTAX = error("TP201", "cel-syntax", ERR_NGROK_2200);
    pub(crate) static CEL_LIMIT = error("TP202", "cel-limit", ERR_NGROK_2200);
    pub(in crate::cel) static CEL_LITERAL = error("TP203", "cel-literal", ERR_NGROK_2200);
    /// A name that is not declared.
    pub static UNDECLARED = error("TP204", "undeclared-name", ERR_NGROK_2200);
    pub(in crate::cel) static UNKNOWN_FIELD = error("TP205", "unknown-cel-field", ERR_NGROK_2200);
    pub(in crate::cel) static UNKNOWN_FUNCTION = error("TP206", "unknown-function", ERR_NGROK_2200);
    pub(in crate::cel) static TYPE_MISMATCH = error("TP207", "type-mismatch", ERR_NGROK_2200);
    pub(in crate::cel) static NOT_A_CONDITION = error("TP208", "not-a-condition", ERR_NGROK_2200);
    pub(in crate::cel) static OUT_OF_PLACE = error("TP209", "out-of-place", ERR_NGROK_2200);
    pub(in crate::cel) static MACRO = error("TP210", "macro-use", ERR_NGROK_2200);
    pub(in crate::cel) static FOREIGN_SPELLING = warning("TP211", "foreign-spelling");
    pub(in crate::cel) static REGEX = error("TP212", "invalid-regex", ERR_NGROK_2200);
    pub(in crate::cel) static CONSTANT = warning("TP213", "constant-expression");
    pub(in crate::cel) static NEVER_EQUAL = warning("TP214", "address-never-equal");
    pub(in crate::cel) static CIDR_ARGUMENT = error("TP215", "cidr-argument", ERR_NGROK_1406);
    pub(in crate::cel) static MAY_FAIL = warning("TP216", "may-fail", ERR_NGROK_2254);
    pub(in crate::cel) static ALWAYS_FAILS = error("TP217", "always-fails", ERR_NGROK_2254);
    pub(in crate::cel) static COSTLY = error("TP218", "costly-expression");
    pub(in crate::cel) static TEMPLATE = error("TP220", "template-syntax", ERR_NGROK_2224);
    pub(in crate::cel) static TEMPLATE_TYPE = error("TP221", "template-type", ERR_NGROK_2224);
    pub(in crate::cel) static IMPOSSIBLE = warning("TP224", "value-never-occurs");
    pub(in crate::cel) static HEADER_CASE = warning("TP219", "header-case");
}

/// Drops what is said of the values of these parts: that they are none yet has been told.
pub(crate) fn drop_values(found: &mut Diagnostics, is_told: impl Fn(Span) -> bool) {
    let codes: [&'static Code; 3] = [&CIDR_ARGUMENT, &IMPOSSIBLE, &NEVER_EQUAL];
    found.retain(|item| !(codes.iter().any(|code| std::ptr::eq(*code, item.code)) && is_told(item.span)));
}
