//! Typed code → what decisions run: constant parts folded, cost bounded, conditions as tests on borrowed facts.

pub(in crate::cel) mod cost;
pub(in crate::cel) mod fold;
pub(in crate::cel) mod patterns;
pub(in crate::cel) mod predicate;

#[cfg(test)]
mod tests;
