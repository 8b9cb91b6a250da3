//! Macros: their names, where they stand, and how many arguments they take.
//!
//! Source: CEL specification, macros; extensions for two variables, bindings and optionals (cel-go, 2026);
//! ngrok documentation, `sortBy` (2026-08-07).

use std::ops::RangeInclusive;

/// A macro, however it is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Macro {
    /// `has(a.b)`.
    Has,
    /// `cel.bind(x, value, body)`.
    Bind,
    /// `list.all(x, condition)`.
    All,
    /// `list.exists(x, condition)`.
    Exists,
    /// `list.exists_one(x, condition)`.
    ExistsOne,
    /// `list.filter(x, condition)`.
    Filter,
    /// `list.map(x, item)`, `list.map(x, condition, item)`.
    Map,
    /// `list.transformList(i, x, item)`.
    TransformList,
    /// `map.transformMap(key, value, new_value)`.
    TransformMap,
    /// `map.transformMapEntry(key, value, {new_key: new_value})`.
    TransformMapEntry,
    /// `optional.optMap(x, value)`.
    OptMap,
    /// `optional.optFlatMap(x, optional)`.
    OptFlatMap,
    /// `list.sortBy(x, key)`.
    SortBy,
}

/// Where a macro stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Standing {
    /// By itself, with its namespace if it has one.
    Alone,
    /// After the value it goes over.
    AfterValue,
}

/// A name of a macro.
#[derive(Debug)]
pub(in crate::cel) struct MacroName {
    pub(in crate::cel) name: &'static str,
    pub(in crate::cel) is: Macro,
    pub(in crate::cel) standing: Standing,
    arguments: RangeInclusive<usize>,
    /// How it is written, for whoever gives other arguments.
    pub(in crate::cel) usage: &'static str,
}

impl MacroName {
    const fn new(
        name: &'static str,
        is: Macro,
        standing: Standing,
        arguments: RangeInclusive<usize>,
        usage: &'static str,
    ) -> Self {
        Self { name, is, standing, arguments, usage }
    }

    /// True if it takes so many arguments.
    pub(in crate::cel) fn takes(&self, arguments: usize) -> bool {
        self.arguments.contains(&arguments)
    }
}

const TEST: &str =
    "write `list.exists(x, condition)`, or with two variables `map.exists(key, value, condition)`";
const OPTIONAL: &str = "write `optional.optMap(x, value)`";

/// All of them.
static NAMES: &[MacroName] = &[
    MacroName::new("has", Macro::Has, Standing::Alone, 1..=1, "write `has(a.b)`"),
    MacroName::new(
        "cel.bind",
        Macro::Bind,
        Standing::Alone,
        3..=3,
        "write `cel.bind(name, value, expression)`",
    ),
    MacroName::new("all", Macro::All, Standing::AfterValue, 2..=3, TEST),
    MacroName::new("exists", Macro::Exists, Standing::AfterValue, 2..=3, TEST),
    MacroName::new("exists_one", Macro::ExistsOne, Standing::AfterValue, 2..=3, TEST),
    MacroName::new("existsOne", Macro::ExistsOne, Standing::AfterValue, 2..=3, TEST),
    MacroName::new("filter", Macro::Filter, Standing::AfterValue, 2..=2, "write `list.filter(x, condition)`"),
    MacroName::new(
        "map",
        Macro::Map,
        Standing::AfterValue,
        2..=3,
        "write `list.map(x, item)` or `list.map(x, condition, item)`",
    ),
    MacroName::new(
        "transformList",
        Macro::TransformList,
        Standing::AfterValue,
        3..=4,
        "write `list.transformList(i, x, item)`",
    ),
    MacroName::new(
        "transformMap",
        Macro::TransformMap,
        Standing::AfterValue,
        3..=4,
        "write `map.transformMap(key, value, new_value)`",
    ),
    MacroName::new(
        "transformMapEntry",
        Macro::TransformMapEntry,
        Standing::AfterValue,
        3..=4,
        "write `map.transformMapEntry(key, value, {new_key: new_value})`",
    ),
    MacroName::new("optMap", Macro::OptMap, Standing::AfterValue, 2..=2, OPTIONAL),
    MacroName::new("optFlatMap", Macro::OptFlatMap, Standing::AfterValue, 2..=2, OPTIONAL),
    MacroName::new("sortBy", Macro::SortBy, Standing::AfterValue, 2..=2, "write `list.sortBy(x, key)`"),
];

impl Macro {
    /// The first of its names.
    pub(in crate::cel) fn name(self) -> &'static str {
        NAMES.iter().find(|known| known.is == self).map_or("", |known| known.name)
    }
}

/// The macro of a name, where it stands.
pub(in crate::cel) fn named(name: &str, standing: Standing) -> Option<&'static MacroName> {
    NAMES.iter().find(|known| known.standing == standing && known.name == name)
}

/// The names of macros over values.
pub(in crate::cel) fn over_values() -> impl Iterator<Item = &'static str> + Clone {
    NAMES.iter().filter(|known| known.standing == Standing::AfterValue).map(|known| known.name)
}

/// True for a name in a namespace, such as `cel.bind`.
pub(in crate::cel) fn is_namespaced(name: &str) -> bool {
    name.contains('.') && named(name, Standing::Alone).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_have_one_place_each_and_stand_in_the_documentation() {
        let page = include_str!("../../../../docs/expressions.md");
        for known in NAMES {
            assert!(std::ptr::eq(named(known.name, known.standing).expect("known"), known), "{}", known.name);
            let name = known.is.name();
            assert!(page.contains(&format!("{name}(")) || page.contains(&format!("`{name}`")), "{name}");
        }
        assert!(is_namespaced("cel.bind") && !is_namespaced("has") && !is_namespaced("cel.map"));
    }
}
