//! Tables in the documentation are those of the code. `BLESS=1 cargo test -p policy-core --test generated`
//! writes them anew.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use policy_core::cel::functions;
use policy_core::phase::{Phase, PhaseSet};
use policy_core::variables;

/// The phases of a row: all of them are said by nothing.
fn phases(set: PhaseSet) -> &'static str {
    let has = |phase| set.contains(phase);
    match (has(Phase::OnTcpConnect), has(Phase::OnHttpRequest), has(Phase::OnHttpResponse)) {
        (true, ..) => "",
        (false, true, _) => "requests, responses",
        (false, false, _) => "responses",
    }
}

fn variable_table() -> String {
    let mut out = String::from("| variable | type | where | what |\n|---|---|---|---|\n");
    for variable in variables::all() {
        let (path, ty, doc) = (variable.path, variable.ty, variable.doc);
        let optional = if variable.optional { ", may be missing" } else { "" };
        writeln!(out, "| `{path}` | {ty} | {} | {doc}{optional} |", phases(variable.phases)).expect("a text");
    }
    out
}

fn function_table() -> String {
    let mut out = String::from("| function | where | what |\n|---|---|---|\n");
    for function in functions() {
        let signature = function.signature.replace('|', "\\|");
        writeln!(out, "| `{signature}` | {} | {} |", phases(function.phases), function.doc).expect("a text");
    }
    out
}

#[test]
fn the_tables_of_expressions_are_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/expressions.md");
    let page = fs::read_to_string(&path).expect("readable");
    let mut wanted = page.clone();
    for (name, table) in [("variables", variable_table()), ("functions", function_table())] {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (front, rest) = wanted.split_once(&begin).expect("a beginning");
        let (_, back) = rest.split_once(&end).expect("an end");
        wanted = format!("{front}{begin}{table}{end}{back}");
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &wanted).expect("writable");
    }
    assert!(
        page == wanted || std::env::var_os("BLESS").is_some(),
        "docs/expressions.md is out of date; run with BLESS=1"
    );
}
