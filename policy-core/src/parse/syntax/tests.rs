//! What broken YAML is told, by example.

use crate::diagnostic::Diagnostics;
use crate::parse::{self, Limits, NodeKind};
use crate::source::Source;

/// The code and help of the only finding in a list with one item.
fn found(item: &str) -> (&'static str, String) {
    let source = Source::new("p.yml", format!("on_tcp_connect:\n- expressions:\n  - {item}\n"));
    let mut found = Diagnostics::default();
    let _ = parse::parse(&source, &Limits::default(), &mut found);
    let all: Vec<_> = found.iter().collect();
    assert_eq!(all.len(), 1, "{item}: {all:#?}");
    (all[0].code.id, all[0].help.clone().expect("a help"))
}

/// What YAML reads from a value.
fn value(yaml: &str) -> String {
    let source = Source::new("p.yml", format!("- {yaml}\n"));
    let mut found = Diagnostics::default();
    let document = parse::parse(&source, &Limits::default(), &mut found);
    assert!(found.is_empty(), "{yaml}: {found:?}");
    let NodeKind::Sequence(items) = document.root().expect("a list").kind() else { panic!("{yaml}") };
    match items.iter().next().expect("an item").kind() {
        NodeKind::Scalar(scalar) => scalar.text.to_owned(),
        other => panic!("{yaml}: {other:?}"),
    }
}

#[test]
fn the_help_of_broken_quotes_is_the_expression_that_was_meant() {
    for (item, meant) in [
        // Quotes of the expression end those around it.
        ("'conn.client_ip == 'a.example''", "conn.client_ip == 'a.example'"),
        ("'conn.client_ip in ['a.example', 'b.example']'", "conn.client_ip in ['a.example', 'b.example']"),
        ("'inCidrRange(conn.client_ip, '10.0.0.0/8')'", "inCidrRange(conn.client_ip, '10.0.0.0/8')"),
        ("'req.url.path == '/a''", "req.url.path == '/a'"),
        ("'req.host.endsWith('.example')'", "req.host.endsWith('.example')"),
        ("'!hasReqHeader('x')'", "!hasReqHeader('x')"),
        ("'it's me'", "it's me"),
        ("\"conn.client_ip == \"a.example\"\"", "conn.client_ip == \"a.example\""),
        ("\"req.host == \\\"a\\\" && req.host == \"b\"\"", "req.host == \"a\" && req.host == \"b\""),
        ("'req.host == \"a\" || req.host == 'b''", "req.host == \"a\" || req.host == 'b'"),
        // The expression begins or ends with a text of its own.
        ("'a.example' == conn.client_ip", "'a.example' == conn.client_ip"),
        ("'a' == req.host || req.host == 'b'", "'a' == req.host || req.host == 'b'"),
        ("\"a.example\" == conn.client_ip", "\"a.example\" == conn.client_ip"),
        ("!req.host.startsWith('a')", "!req.host.startsWith('a')"),
    ] {
        let (_, help) = found(item);
        let proposed = help.split_once(": `").and_then(|(_, rest)| rest.strip_suffix('`'));
        assert_eq!(value(proposed.unwrap_or_else(|| panic!("{item}: {help}"))), meant, "{item}: {help}");
    }
    // What was meant is not certain, or there is more in the line.
    for item in [
        "'req.host == ''a'' && req.host == 'b''",
        "\"req.host.matches(\\\"\\\\d\\\") && req.host == \"b\"\"",
        "'req.host == 'a'' # ours",
    ] {
        assert_eq!(
            found(item),
            ("TP103", "put the whole value or expression in quotes".to_owned()),
            "{item}"
        );
    }
}
