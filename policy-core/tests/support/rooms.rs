//! The order of the rooms of a crate, which are the modules at its top, or in its wings: what the tests of every crate ask
//! of it (ADR 33, 34).

use std::fs;
use std::path::{Path, PathBuf};

/// A module at the top of a crate, and the modules in it, lowest first; empty where those may use one another.
pub(crate) type Wing<'n> = (&'n str, &'n [&'n str]);

/// Fails where a wing, or a room in it, uses one that is not before it. `wings` has all of them, lowest first; the roots
/// of the crate, `lib.rs` and `main.rs`, use what they like and are used by none. The root of a wing, which says what
/// stands in it, is used by other wings only.
pub(crate) fn assert_in_order(src: &Path, wings: &[Wing<'_>]) {
    let place = |wing: &str| wings.iter().position(|(known, _)| *known == wing);
    let (mut seen, mut uses) = (Vec::new(), 0);
    for path in sources(src) {
        let module = module_of(path.strip_prefix(src).expect("below src"));
        let shown = path.display();
        let (wing, room) = (&*module[0], module.get(1));
        if matches!(wing, "lib" | "main") {
            continue;
        }
        let own = place(wing).unwrap_or_else(|| panic!("`{wing}` has no place"));
        let rooms = wings[own].1;
        let in_wing = |room: &str| rooms.iter().position(|known| *known == room);
        let own_room = room.filter(|_| !rooms.is_empty()).map(|room| {
            in_wing(room).unwrap_or_else(|| panic!("{shown}: `{room}` has no place in `{wing}`"))
        });
        seen.extend([vec![wing.to_owned()], module.iter().take(2).cloned().collect()]);
        for used in used_modules(&production_code(&path), &module) {
            let other = place(&used[0]).unwrap_or_else(|| panic!("{shown}: `{}` has no place", used[0]));
            assert!(other <= own, "{shown}: `{wing}` uses `{}`, which is above it", used[0]);
            uses += 1;
            if let (true, Some(own_room), Some(name)) = (other == own, own_room, used.get(1)) {
                let of_room =
                    in_wing(name).unwrap_or_else(|| panic!("{shown}: `{name}` is no room of `{wing}`"));
                assert!(
                    of_room <= own_room,
                    "{shown}: `{}` uses `{name}`, which is above it",
                    rooms[own_room]
                );
            }
        }
    }
    let named = wings.iter().flat_map(|(wing, rooms)| {
        let rooms = rooms.iter().map(|room| vec![(*wing).to_owned(), (*room).to_owned()]);
        rooms.chain([vec![(*wing).to_owned()]])
    });
    let gone: Vec<_> = named.filter(|name| !seen.contains(name)).collect();
    assert!(gone.is_empty(), "no files: {gone:?}");
    assert!(uses > wings.len(), "only {uses} uses found: the scan is broken");
}

/// The names of the module that a file below `src` is.
fn module_of(relative: &Path) -> Vec<String> {
    let names = relative.with_extension("");
    names.components().map(|it| it.as_os_str().to_str().expect("a name").to_owned()).collect()
}

/// The code of a file without its comments and its tests.
pub(crate) fn production_code(path: &Path) -> String {
    if path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests")) {
        return String::new();
    }
    let text = fs::read_to_string(path).expect("readable");
    let production = text.split("\nmod tests {").next().expect("a first part");
    production.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that the code of one names from the root of the crate, a wing and at most a room in it: as `crate::a::b`,
/// as `super::b`, or within `{…}` of either.
fn used_modules(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut used = Vec::new();
    // `$crate::a` in a macro as well.
    for (at, word) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let mut rest = &code[at..];
        let mut base = if word == "crate::" { Vec::new() } else { module.to_vec() };
        while let Some(further) = rest.strip_prefix("super::") {
            base.pop();
            rest = further;
        }
        tree(rest.strip_prefix("crate::").unwrap_or(rest), base, &mut used);
    }
    used.retain(|path| !path.is_empty());
    used
}

/// The paths of a tree such as `a::{b, c::D}` below `base`, as far as wing and room.
fn tree(text: &str, mut base: Vec<String>, used: &mut Vec<Vec<String>>) {
    let text = text.trim_start();
    if let Some(list) = text.strip_prefix('{') {
        return list_of(list).into_iter().for_each(|part| tree(part, base.clone(), used));
    }
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = &text[name.len()..];
    base.extend(Some(name).filter(|name| !name.is_empty()));
    match rest.strip_prefix("::") {
        Some(rest) if base.len() < 2 => tree(rest, base, used),
        _ => {
            base.truncate(2);
            used.push(base);
        }
    }
}

/// The parts of a list whose bracket is open, as far as it goes.
fn list_of(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[test]
fn the_scan_sees_every_form_of_a_use() {
    let module = ["edge", "agents", "bind"].map(str::to_owned);
    let used = |code: &str| {
        let paths: Vec<_> = used_modules(code, &module).iter().map(|path| path.join("::")).collect();
        paths.join(" ")
    };
    assert_eq!(
        used("use crate::cel::{Env, Site};\ncrate::url::parse(crate::lpm::X)"),
        "cel::Env cel::Site url::parse lpm::X"
    );
    assert_eq!(
        used("use crate::{\n    a,\n    b::{C, d::E},\n    f::G,\n};\nuse std::fmt;"),
        "a b::C b::d f::G"
    );
    assert_eq!(
        used("use super::session;\nuse super::super::{shares::Holder, listener};"),
        "edge::agents edge::shares edge::listener"
    );
    assert_eq!(used("pub(crate) fn x() {}\npub(in crate::edge) fn y() {}\n$crate::a!()"), "edge a");
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
