//! Hostile and ordinary documents, through [`parse`] alone.

use std::fmt::Write as _;

use super::*;
use crate::parse::{NodeKind, NodeRef, Plain};

fn read(text: &str) -> (Document, Diagnostics) {
    let mut found = Diagnostics::default();
    let document = parse(&Source::new("t.yml", text), &Limits::default(), &mut found);
    (document, found)
}

fn codes(text: &str) -> Vec<(&'static str, String)> {
    let (document, found) = read(text);
    found.iter().map(|d| (d.code.id, document.source().position(d.span.start).to_string())).collect()
}

fn plain(text: &str) -> Plain {
    let (document, found) = read(text);
    assert!(found.is_empty(), "{found:?}");
    Plain::from_node(document.root().expect("a root"))
}

#[test]
fn yaml_and_json_give_the_same_tree() {
    let yaml = "a:\n  - 1\n  - \"x\\ty\"\n  - 'it''s'\nb: >-\n  one\n  two\nc:\n";
    let json = r#"{"a": [1, "x\ty", "it's"], "b": "one two", "c": null}"#;
    assert_eq!(plain(yaml), plain(json));
}

#[test]
fn spans_hold_the_text_of_the_node() {
    let (document, _) = read("list: [a, 'b c']\nmap:\n  k: v\nend: 1\n");
    let slice = |node: NodeRef<'_>| document.source().slice(node.span()).to_owned();
    let NodeKind::Mapping(top) = document.root().expect("root").kind() else { panic!("a map") };
    let values: Vec<_> = top.iter().map(|(_, value)| slice(value)).collect();
    assert_eq!(values, ["[a, 'b c']", "k: v", "1"]);
}

#[test]
fn faults_of_keys_are_reported_and_reading_goes_on() {
    assert_eq!(codes("a: 1\nb: 2\na: 3\n? [x]\n: y\n"), [("TP105", "3:1".into()), ("TP111", "4:3".into())]);
}

#[test]
fn syntax_errors_name_their_place_and_keep_the_tree_before_them() {
    assert_eq!(codes("a:\n\tb: 1\n"), [("TP104", "2:1".into())]);
    assert_eq!(codes("a: b: c\n"), [("TP103", "1:5".into())]);
    assert_eq!(codes("a: 1\n---\nb: 2\n"), [("TP108", "2:1".into())]);
    assert_eq!(codes(""), [("TP109", "1:1".into())]);
    assert_eq!(codes("# only a comment\n"), [("TP109", "1:1".into())]);
    let (document, _) = read("a: 1\nb: [2, 3\n");
    assert!(document.cut_at().is_some());
    let NodeKind::Mapping(top) = document.root().expect("root").kind() else { panic!("a map") };
    assert_eq!(top.iter().count(), 2, "the list that was cut is kept with its items");
}

#[test]
fn an_unquoted_bang_is_explained() {
    assert_eq!(codes("- !hasReqHeader('x')\n"), [("TP110", "1:3".into())]);
    assert_eq!(codes("- !('x' in y)\n"), [("TP110", "1:3".into())]);
    assert!(codes("- !!str 1\n").is_empty());
}

#[test]
fn aliases_work_and_their_faults_are_found() {
    assert_eq!(plain("a: &x [1]\nb: *x\n"), plain("a: [1]\nb: [1]\n"));
    assert_eq!(codes("a: *nope\n"), [("TP106", "1:4".into())]);
    assert_eq!(codes("a: &x [1, *x]\n"), [("TP106", "1:11".into())]);
}

#[test]
fn alias_bombs_are_refused() {
    let mut exponential = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        writeln!(exponential, "a{level}: &a{level} [*a{below}, *a{below}]").expect("a String");
    }
    assert_eq!(codes(&exponential).first().map(|(id, _)| *id), Some("TP107"));

    let mut quadratic = format!("a: &a [{}]\n", "x, ".repeat(5_000));
    for _ in 0..5_000 {
        quadratic.push_str("- *a\n");
    }
    let quadratic = quadratic.replace("\n- ", "\n  - ").replacen("]\n", "]\nb:\n", 1);
    assert_eq!(codes(&quadratic).last().map(|(id, _)| *id), Some("TP107"));
}

/// Few nodes and much text: what aliases stand for is counted in bytes as well.
#[test]
fn aliases_of_long_texts_are_refused() {
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(300));
    assert_eq!(codes(&long).last().map(|(id, _)| *id), Some("TP107"));
    let keys = format!("a: &a {}\nb:\n{}", "x".repeat(1 << 16), "  ? *a\n  : 1\n".repeat(60));
    let (_, found) = read(&keys);
    assert!(found.iter().all(|item| item.message.len() < 200), "messages are shortened");
}

#[test]
fn nesting_is_bounded_in_every_notation() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000), "? ".repeat(100_000)] {
        assert_eq!(codes(&text).last().map(|(id, _)| *id), Some("TP107"), "{:?}", text.get(..8));
    }
    let maps: String = (0..3_000).fold(String::new(), |mut text, depth| {
        writeln!(text, "{}k:", " ".repeat(depth)).expect("a String");
        text
    });
    assert_eq!(codes(&maps).last().map(|(id, _)| *id), Some("TP107"));
}

#[test]
fn depth_counts_through_aliases() {
    let deep = format!(
        "a: &a {}1{}\nb: {}*a{}\n",
        "[".repeat(100),
        "]".repeat(100),
        "[".repeat(100),
        "]".repeat(100)
    );
    assert_eq!(codes(&deep).last().map(|(id, _)| *id), Some("TP107"));
}

#[test]
fn the_node_budget_holds() {
    let mut found = Diagnostics::default();
    let limits = Limits { nodes: 10, ..Limits::default() };
    let _ = parse(&Source::new("t", "[1,2,3,4,5,6,7,8,9,10,11,12]"), &limits, &mut found);
    assert_eq!(found.iter().map(|d| d.code.id).collect::<Vec<_>>(), ["TP107"]);
}

/// The first finding: its code, place and help.
fn first(text: &str) -> (&'static str, String, String) {
    let (document, found) = read(text);
    let [first] = found.iter().collect::<Vec<_>>()[..] else { panic!("{text}: {found:?}") };
    let place = document.source().position(first.span.start).to_string();
    (first.code.id, place, first.help.clone().expect("a help"))
}

#[test]
fn values_that_begin_with_an_indicator_are_quoted() {
    let whole = |expression: &str| format!("put the whole expression in quotes: `{expression}`");
    for (text, code, place, help) in [
        ("- 'a' in b", "TP103", "1:7", whole("\"'a' in b\"")),
        ("- \"a\" == b", "TP103", "1:7", whole("'\"a\" == b'")),
        ("- \"a\" == 'b'", "TP103", "1:7", whole("'\"a\" == ''b'''")),
        ("- !a.b() || c", "TP110", "1:3", whole("\"!a.b() || c\"")),
        ("- !(a in [1, 2]) && b", "TP110", "1:3", whole("\"!(a in [1, 2]) && b\"")),
        ("- !a ? [1] : [2]", "TP110", "1:3", whole("\"!a ? [1] : [2]\"")),
        ("- !has(a.b)", "TP110", "1:3", whole("\"!has(a.b)\"")),
        ("- !!has(a.b)", "TP110", "1:3", whole("\"!!has(a.b)\"")),
        ("- [1, 2].all(x, x > 0)", "TP103", "1:9", whole("\"[1, 2].all(x, x > 0)\"")),
        ("- {'a': 1}['a'] == 1", "TP103", "1:11", whole("\"{'a': 1}['a'] == 1\"")),
        ("- @a", "TP103", "1:3", whole("\"@a\"")),
        ("- > 5", "TP103", "1:3", whole("\"> 5\"")),
        ("a: 'b' c", "TP103", "1:8", "put the whole value or expression in quotes".to_owned()),
        ("a: ['b' in c]", "TP103", "1:9", whole("\"'b' in c\"")),
        (
            "- !a &&\n  b",
            "TP110",
            "1:3",
            "put the expression in quotes, e.g. `\"!hasReqHeader('x')\"`".to_owned(),
        ),
    ] {
        assert_eq!(first(text), (code, place.to_owned(), help), "{text}");
    }
    assert_eq!(first("- *a == 1").0, "TP106");
}

#[test]
fn a_wrong_escape_is_named_at_its_place() {
    assert_eq!(first("- \"ab\\.c\"").1, "1:6");
    assert_eq!(first("- \"\\\\ \\t \\u00e4 \\d\"").1, "1:17");
    assert_eq!(first("- \"a\\xzz\"").1, "1:5");
    assert!(first("- \"ab\\.c\"").2.starts_with("write `\\\\.` for a backslash"));
}

#[test]
fn a_tab_is_named_at_its_place_once() {
    for (text, place) in [
        ("a:\n\t- b\n", "2:1"),
        ("a:\n  - b: c\n\td: e\n", "3:1"),
        ("a:\n  - b: c\n  \td: e\n", "3:3"),
        ("a:\n  - b == 1\n\t  - c\n", "3:1"),
        ("a: b\n\tc: d\n", "2:1"),
    ] {
        assert_eq!(codes(text), [("TP104", place.to_owned())], "{text:?}");
    }
    assert!(codes("a: b\t\nc: d\t# e\n").is_empty());
}

#[test]
fn an_item_in_a_wrong_column_is_named() {
    assert_eq!(codes("a:\n  - b\n   - c\n"), [("TP115", "3:4".into())]);
    assert_eq!(codes("a:\n  - b: c\n   - d: e\n"), [("TP115", "3:4".into())]);
    assert_eq!(first("a:\n  - b\n\n  # x\n   - c\n").2, "start the item in column 3, below the previous one");
    assert_eq!(first("a:\n  - b: [c]\n - d\n").2, "the lists above start in column 3");
    // Text over several lines, and lists inside of lists.
    assert!(codes("a: b\n  - c\n").is_empty());
    assert!(codes("- b\n  c - d\n").is_empty());
    assert!(codes("- b:\n   - c\n- - d\n  - e\n").is_empty());
}

#[test]
fn comments_inside_of_brackets_are_named() {
    assert_eq!(codes("a: [b == 'c #d']\ne: f\n"), [("TP103", "1:13".into())]);
    assert!(codes("a: [b, # c\n  d]\n").is_empty());
}

#[test]
fn merge_keys_are_told_once_and_their_entries_read() {
    assert_eq!(codes("a: &a {b: 1}\nc: {<<: *a, d: 2}\n"), [("TP113", "2:5".into())]);
    let (document, found) =
        read("a: &a {b: 1, c: 1}\nd: &d {c: 2, e: 2}\nf: {<<: [*a, *d], b: 3, <<: {g: 4}}\n");
    assert_eq!(found.iter().count(), 1);
    let Plain::Map(top) = Plain::from_node(document.root().expect("a root")) else { panic!("a map") };
    assert_eq!(top.0[2].1, plain("{b: 3, c: 1, e: 2, g: 4}"));
    // In quotes it is a key like any other.
    assert!(codes("a: {\"<<\": 1}\n").is_empty());
    assert_eq!(codes("a: {<<: 1}\n"), [("TP113", "1:5".into())]);
}

#[test]
fn numbers_that_older_readers_take_for_octal_are_told() {
    for text in ["a: 022", "a: [-0755]", "- 00017"] {
        assert_eq!(first(text).0, "TP114", "{text}");
    }
    for text in
        ["a: 0", "a: 00", "a: 08", "a: 0x10", "a: 0o17", "a: \"022\"", "022: a", "a: 10.0.0.022", "a: 1.0"]
    {
        assert!(codes(text).is_empty(), "{text}");
    }
}

#[test]
fn a_character_that_looks_like_a_colon_is_named() {
    assert_eq!(codes("a：\n  - b: c\n"), [("TP103", "1:2".into())]);
}
