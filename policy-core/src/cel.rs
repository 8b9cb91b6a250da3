//! CEL: the expression language of policies, front end.
//!
//! [`parse`] turns a text into an [`Ast`] whose every node knows its place. It reports several faults of one
//! expression, keeps within [`CelLimits`], and never recurses over the length of a chain. Nothing here
//! knows variables or types yet: a policy's expressions are read for their syntax, and not run.
//!
//! Source: CEL specification, language definition, syntax (github.com/google/cel-spec, 2026-06-10), with
//! optional syntax (`a.?b`, `[?i]`, `?x`) and escaped field names.

mod ast;
mod lexer;
mod literal;
mod parser;
mod print;

pub use ast::{Ast, BinaryOp, Entry, ExprId, ExprKind, Literal, UnaryOp};
pub use parser::{CelLimits, parse};
pub use print::print;

use crate::diagnostic::Code;

/// The codes this stage raises.
pub(crate) static CODES: &[&Code] = &[&CEL_SYNTAX, &CEL_LIMIT, &CEL_LITERAL];

static CEL_SYNTAX: Code = Code::error("TP201", "cel-syntax").ngrok(&["ERR_NGROK_2200"]);
static CEL_LIMIT: Code = Code::error("TP202", "cel-limit").ngrok(&["ERR_NGROK_2200"]);
static CEL_LITERAL: Code = Code::error("TP203", "cel-literal").ngrok(&["ERR_NGROK_2200"]);
