//! Tree + declarations → typed code.

pub(in crate::cel) mod address_parts;
pub(in crate::cel) mod checker;
pub(crate) mod code;
pub(in crate::cel) mod env;
pub(in crate::cel) mod unify;
