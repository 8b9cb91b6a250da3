//! Text → tree: tokens, literals, the parser, and the tree as text again.

pub(in crate::cel) mod ast;
pub(in crate::cel) mod lexer;
pub(in crate::cel) mod literal;
pub(in crate::cel) mod macros;
pub(in crate::cel) mod parser;
pub(in crate::cel) mod print;
pub(in crate::cel) mod text;
