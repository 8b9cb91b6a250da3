//! Every diagnostic code, with its page.

use super::Code;

/// All codes, in order of their ids.
///
/// ```
/// let ids: Vec<_> = policy_core::diagnostic::catalog().map(|code| code.id).collect();
/// assert!(ids.is_sorted() && ids.contains(&"TP105"));
/// ```
pub fn catalog() -> impl Iterator<Item = &'static Code> {
    let mut all: Vec<&'static Code> = crate::CODES.iter().flat_map(|codes| codes.iter().copied()).collect();
    all.sort_by_key(|code| code.id);
    all.dedup_by_key(|code| code.id);
    all.into_iter()
}
