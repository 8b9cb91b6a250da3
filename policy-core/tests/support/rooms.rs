//! The order of the rooms of a crate, which are the modules at its top, and of those of a module: what the tests of every
//! crate ask of it (ADR 33, 35).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Fails where a room uses one that is not before it. `rooms` has all of them, lowest first; the roots of the crate,
/// `lib.rs` and `main.rs`, use what they like and are used by none.
pub(crate) fn assert_in_order(src: &Path, rooms: &[&str]) {
    assert_in_order_within(src, "", rooms);
}

/// The same of the rooms of a module, such as `cel`, whose own file is their root: they name one another's files, not
/// what the root shows to others.
pub(crate) fn assert_in_order_within(src: &Path, module: &str, rooms: &[&str]) {
    let place = |room: &str| rooms.iter().position(|known| *known == room);
    let inside: Vec<&str> = module.split('/').filter(|part| !part.is_empty()).collect();
    let (mut seen, mut uses) = (vec![false; rooms.len()], 0);
    for path in sources(src) {
        let of = module_of(path.strip_prefix(src).expect("below src"));
        let Some([room, ..]) = below(&of, &inside).filter(|rest| *rest != ["tests"]) else { continue };
        let own = place(room).unwrap_or_else(|| panic!("`{room}` has no place in `{module}`"));
        seen[own] = true;
        for used in used_paths(&production_code(&path), &of) {
            let Some(rest) = below(&used, &inside) else { continue };
            let used = rest.first().unwrap_or_else(|| panic!("{}: uses all of `{module}`", path.display()));
            let other = place(used).unwrap_or_else(|| panic!("{}: `{used}` has no place", path.display()));
            assert!(other <= own, "{}: `{room}` uses `{used}`, which is above it", path.display());
            uses += 1;
        }
    }
    let gone: Vec<_> = rooms.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(room, _)| room).collect();
    assert!(gone.is_empty(), "no files: {gone:?}");
    assert!(uses > rooms.len() / 2, "only {uses} uses found: the scan is broken");
}

/// Fails where files side by side, with what stands below them, use one another in a circle, in any folder of a crate.
/// What their module's own file declares is left out: parents and their parts belong together. `known` are circles that
/// stay, each by one of its files.
pub(crate) fn assert_no_circles(src: &Path, known: &[&str]) {
    let mut uses: BTreeMap<(Vec<String>, String), BTreeSet<String>> = BTreeMap::new();
    let files: Vec<(PathBuf, Vec<String>)> = sources(src)
        .into_iter()
        .map(|path| (path.clone(), module_of(path.strip_prefix(src).expect("below src"))))
        .collect();
    let modules: BTreeSet<&[String]> = files.iter().map(|(_, of)| of.as_slice()).collect();
    for (path, of) in &files {
        for used in used_paths(&production_code(path), of) {
            let common = of.iter().zip(&used).take_while(|(a, b)| a == b).count();
            let (Some(own), Some(other)) = (of.get(common), used.get(common)) else { continue };
            let is_module = modules.iter().any(|module| module.starts_with(&used[..=common]));
            if is_module && own != "tests" {
                uses.entry((of[..common].to_vec(), own.clone())).or_default().insert(other.clone());
            }
        }
    }
    let (mut circles, mut expected) = (Vec::new(), known.to_vec());
    for (folder, start) in uses.keys() {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(at) = open.pop() {
            let next = uses.get(&(folder.clone(), at.clone())).into_iter().flatten();
            open.extend(next.filter(|next| seen.insert(*next)));
        }
        if seen.contains(start) {
            let name = format!("{}/{start}", folder.join("/"));
            match expected.iter().position(|known| *known == name) {
                Some(at) => drop(expected.swap_remove(at)),
                None => circles.push(name),
            }
        }
    }
    assert!(circles.is_empty(), "files in a circle: {circles:?}");
    assert!(expected.is_empty(), "no circles any more: {expected:?}");
    assert!(uses.len() > 5, "only {} uses found: the scan is broken", uses.len());
}

/// Fails where the file of a module does more than declare its rooms and hand on what they show.
#[allow(dead_code, reason = "not every crate has such modules")]
pub(crate) fn assert_only_declares(src: &Path, module: &str) {
    let file = src.join(module).with_extension("rs");
    for statement in production_code(&file).split(';') {
        let mut rest = statement.trim();
        while let Some(attribute) = rest.strip_prefix("#[") {
            rest = attribute.split_once(']').expect("an end").1.trim_start();
        }
        let shown = rest.strip_prefix("pub").unwrap_or(rest);
        let visible = shown.strip_prefix('(').and_then(|within| within.split_once(')'));
        let item = visible.map_or(shown, |(_, item)| item).trim_start();
        let is_room = item.strip_prefix("mod ").is_some_and(|name| !name.contains('{'));
        assert!(
            item.is_empty() || is_room || item.starts_with("use "),
            "{}: more than declarations: `{rest}`",
            file.display()
        );
    }
}

/// What follows the names of a module in a path; nothing if it lies elsewhere.
fn below<'p>(path: &'p [String], module: &[&str]) -> Option<&'p [String]> {
    path.split_at_checked(module.len()).filter(|(of, _)| *of == module).map(|(_, rest)| rest)
}

/// The module that a file below `src` is: nothing for the roots of the crate.
fn module_of(relative: &Path) -> Vec<String> {
    let parts = relative.with_extension("");
    let parts: Vec<_> = parts.iter().map(|part| part.to_str().expect("a name").to_owned()).collect();
    if parts == ["lib"] || parts == ["main"] { Vec::new() } else { parts }
}

/// The code of a file without its comments and its tests.
pub(crate) fn production_code(path: &Path) -> String {
    if path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests")) {
        return String::new();
    }
    let text = fs::read_to_string(path).expect("readable");
    let ends = ["\nmod tests {", "\npub(crate) mod tests {", "\npub(super) mod tests {"]
        .iter()
        .filter_map(|end| text.find(end));
    let production = &text[..ends.min().unwrap_or(text.len())];
    production.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The paths that the code of a module names from `crate`, `super` or `self`, without these words: those in lists one by
/// one, those that say how far something is visible left out.
fn used_paths(code: &str, of: &[String]) -> Vec<Vec<String>> {
    let mut used = Vec::new();
    for (root, _) in ["crate::", "super::", "self::"].iter().flat_map(|word| code.match_indices(word)) {
        // `$crate::room` in a macro as well; in `super::super::x` the first word counts.
        let (before, rest) = code.split_at(root);
        if before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':')) {
            continue;
        }
        let (mut at, mut rest) = match rest.strip_prefix("crate::") {
            Some(rest) => (Vec::new(), rest),
            None => (of.to_vec(), rest),
        };
        while let Some(outer) = rest.strip_prefix("super::") {
            at.pop();
            rest = outer;
        }
        read_paths(rest.strip_prefix("self::").unwrap_or(rest), at, &mut used);
    }
    used
}

/// Reads `a::b` or `a::{b, c::{d, e}}` after a path, and gives what follows.
fn read_paths<'c>(mut code: &'c str, mut at: Vec<String>, used: &mut Vec<Vec<String>>) -> &'c str {
    loop {
        if let Some(list) = code.strip_prefix('{') {
            let mut rest = list.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = read_paths(rest, at.clone(), used);
                rest =
                    rest.trim_start_matches(|c| !matches!(c, ',' | '}')).trim_start_matches(',').trim_start();
            }
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let end = code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len());
        let (name, rest) = code.split_at(end);
        if !name.is_empty() && name != "self" {
            at.push(name.to_owned());
        }
        match rest.strip_prefix("::") {
            Some(rest) => code = rest,
            // `pub(in crate::room)`.
            None if rest.starts_with(')') && at.iter().all(|name| name.starts_with(char::is_lowercase)) => {
                return rest;
            }
            None => {
                used.push(at);
                return rest;
            }
        }
    }
}

#[test]
fn the_scan_sees_every_form_of_a_use() {
    let of = ["x".to_owned(), "y".to_owned()];
    let uses =
        |code: &str| used_paths(code, &of).iter().map(|path| path.join("/")).collect::<Vec<_>>().join(" ");
    assert_eq!(
        uses("use crate::cel::{Env, Site};\ncrate::url::parse(crate::lpm::X)"),
        "cel/Env cel/Site url/parse lpm/X"
    );
    assert_eq!(
        uses("use crate::{\n    a,\n    b::{C, d::{E, self}},\n    f::G,\n};\nuse std::fmt;"),
        "a b/C b/d/E b/d f/G"
    );
    assert_eq!(uses("use super::z::Z;\nuse super::super::w;\nuse self::v::V as U;"), "x/z/Z w x/y/v/V");
    assert_eq!(uses("pub(crate) fn x() {}\npub(in crate::cel) fn y() {}\n$crate::json::x()"), "json/x");
}

/// The Rust files of a folder and of those below it.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let (mut out, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                out.push(path);
            }
        }
    }
    out
}
