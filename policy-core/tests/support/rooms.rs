//! The order of the rooms of a crate, which are the modules at its top: what the tests of every crate ask of it (ADR 33).

use std::fs;
use std::path::{Path, PathBuf};

/// Fails where a room uses one that is not before it. `rooms` has all of them, lowest first; the roots of the crate,
/// `lib.rs` and `main.rs`, use what they like and are used by none.
pub(crate) fn assert_in_order(src: &Path, rooms: &[&str]) {
    let place = |room: &str| rooms.iter().position(|known| *known == room);
    let (mut seen, mut uses) = (vec![false; rooms.len()], 0);
    for path in sources(src) {
        let room = room_of(path.strip_prefix(src).expect("below src"));
        if matches!(&*room, "lib" | "main") {
            continue;
        }
        let own = place(&room).unwrap_or_else(|| panic!("`{room}` has no place"));
        seen[own] = true;
        for used in used_rooms(&production_code(&path)) {
            let other = place(&used).unwrap_or_else(|| panic!("{}: `{used}` has no place", path.display()));
            assert!(other <= own, "{}: `{room}` uses `{used}`, which is above it", path.display());
            uses += 1;
        }
    }
    let gone: Vec<_> = rooms.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(room, _)| room).collect();
    assert!(gone.is_empty(), "no files: {gone:?}");
    assert!(uses > rooms.len(), "only {uses} uses found: the scan is broken");
}

/// The first part of a path below `src`.
fn room_of(relative: &Path) -> String {
    let first = relative.components().next().expect("a name").as_os_str().to_str().expect("a name");
    first.trim_end_matches(".rs").to_owned()
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

/// The rooms that code names, as `crate::room` or within `crate::{…}`.
fn used_rooms(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    // `$crate::room` in a macro as well.
    for rest in code.split("crate::").skip(1) {
        let list = rest.strip_prefix('{').and_then(|list| list.split("};").next());
        // `a, b::{C, d::E}, f` has the rooms a, b and f.
        let mut depth = 0;
        let begins = list.unwrap_or(rest).split_inclusive([',', '{', '}']).filter(|part| {
            let top = depth == 0;
            match part.chars().last() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                _ => {}
            }
            top
        });
        let most = if list.is_some() { usize::MAX } else { 1 };
        let names = begins.take(most).map(|part| {
            part.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()
        });
        used.extend(names.filter(|name| !name.is_empty()));
    }
    used
}

#[test]
fn the_scan_sees_every_form_of_a_use() {
    let rooms = |code: &str| used_rooms(code).join(" ");
    assert_eq!(rooms("use crate::cel::{Env, Site};\ncrate::url::parse(crate::lpm::X)"), "cel url lpm");
    assert_eq!(rooms("use crate::{\n    a,\n    b::{C, d::E},\n    f::G,\n};\nuse std::fmt;"), "a b f");
    assert_eq!(rooms("pub(crate) fn x() {}"), "");
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
