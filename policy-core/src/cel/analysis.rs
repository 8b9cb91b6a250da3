//! Typed code → what is said of it: advice, what may fail, what follows from a condition.

pub(in crate::cel) mod advice;
pub(in crate::cel) mod calls;
pub(in crate::cel) mod conditions;
pub(in crate::cel) mod failures;
pub(in crate::cel) mod fallible;
pub(in crate::cel) mod flow;
pub(in crate::cel) mod guards;
pub(in crate::cel) mod parts;
pub(in crate::cel) mod state;
