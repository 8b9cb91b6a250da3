//! Every diagnostic code, with its page. Each stage declares its own; nothing below knows them all.

use crate::diagnostic::{Code, codes};
use crate::{
    actions, agent, cel, check, compile, edge, endpoint_policy, flow, ip_policies, model, parse, reader,
    schema,
};

codes! {
    ..parse;
    ..cel;
    ..reader;
    ..flow;
    ..ip_policies;
    ..schema;
    ..actions;
    ..model;
    ..check;
    ..endpoint_policy;
    ..agent;
    ..compile;
    ..edge;
}

/// All codes, in order of their ids. O(codes · log codes).
///
/// ```
/// let ids: Vec<_> = policy_core::catalog::codes().map(|code| code.id).collect();
/// assert!(ids.is_sorted() && ids.contains(&"TP105"));
/// ```
pub fn codes() -> impl Iterator<Item = &'static Code> {
    let mut all = CODES.all();
    all.sort_by_key(|code| code.id);
    all.into_iter()
}

/// The page of a code, as Markdown: what it means, why it matters, a failing and a fixed example.
///
/// The id may be written in any case. `None` if there is no such code.
///
/// ```
/// let page = policy_core::catalog::page("tp105").expect("a page");
/// assert!(page.starts_with("# TP105 duplicate-key"));
/// ```
#[must_use]
pub fn page(id: &str) -> Option<&'static str> {
    codes().find(|code| code.id.eq_ignore_ascii_case(id)).map(|code| code.page)
}
