//! What expressions are about: types, facts, values and why there is none, and what an evaluation takes from its host.

mod distinct;
pub(in crate::cel) mod fact;
pub(in crate::cel) mod fault;
pub(in crate::cel) mod host;
pub(in crate::cel) mod quote;
pub(in crate::cel) mod time;
pub(in crate::cel) mod types;
pub(in crate::cel) mod value;
