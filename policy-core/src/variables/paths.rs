//! How facts are written, by their index: a table of the program text, the same whoever asks first.

use super::{Declared, FAMILIES};
use crate::cel::Fact;

/// How many facts are declared.
const FACTS: usize = fill([""; 0]).1;

/// The path of each fact.
static PATHS: [&str; FACTS] = fill([""; FACTS]).0;

impl Fact {
    /// How an expression writes it, `conn.client_ip`.
    #[must_use]
    pub fn path(self) -> &'static str {
        PATHS.get(self.index()).copied().unwrap_or_default()
    }
}

/// Writes the paths of the first facts, as many as there is room for, and counts all of them.
const fn fill<const N: usize>(paths: [&'static str; N]) -> ([&'static str; N], usize) {
    let filled = of_families(FAMILIES, paths, 0);
    let mut filled = of_families(crate::RESULTS, filled.0, filled.1);
    let mut rest = crate::MORE_RESULTS;
    while let Some((families, others)) = rest.split_first() {
        filled = of_families(families, filled.0, filled.1);
        rest = others;
    }
    filled
}

const fn of_families<const N: usize>(
    mut families: &[&[Declared]],
    mut paths: [&'static str; N],
    mut next: usize,
) -> ([&'static str; N], usize) {
    while let Some((family, others)) = families.split_first() {
        let mut rest: &[Declared] = family;
        while let Some((declared, others)) = rest.split_first() {
            if is_fact(declared.path) {
                if let Some((_, from)) = paths.split_at_mut_checked(next)
                    && let Some((path, _)) = from.split_first_mut()
                {
                    *path = declared.path;
                }
                next += 1;
            }
            rest = others;
        }
        families = others;
    }
    (paths, next)
}

/// False for the fields of records, whose names begin with a capital.
pub(super) const fn is_fact(path: &str) -> bool {
    match path.as_bytes().first() {
        Some(first) => !first.is_ascii_uppercase(),
        None => true,
    }
}
