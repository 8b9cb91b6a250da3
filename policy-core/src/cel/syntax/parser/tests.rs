//! Trees, places, faults and limits.

use proptest::prelude::*;

use super::*;
use crate::cel::syntax::print::print;

fn read(text: &str) -> (Ast, Vec<String>) {
    let mut found = Diagnostics::default();
    let ast = parse(text, &CelLimits::default(), &mut found);
    let lines = found.iter().map(|d| format!("{}..{} {} {}", d.span.start, d.span.end, d.code.id, d.message));
    (ast, lines.collect())
}

/// The tree with every parenthesis, so that structure shows.
fn shape(ast: &Ast, id: ExprId) -> String {
    match ast.kind(id) {
        ExprKind::Binary(operator, left, right) => {
            format!("({} {} {})", shape(ast, *left), operator.symbol(), shape(ast, *right))
        }
        ExprKind::Unary(operator, operand) => format!("({}{})", operator.symbol(), shape(ast, *operand)),
        ExprKind::Conditional { condition, then, otherwise } => {
            format!("({} ? {} : {})", shape(ast, *condition), shape(ast, *then), shape(ast, *otherwise))
        }
        ExprKind::Ident { name, .. } => name.to_string(),
        _ => print(&Ast { nodes: ast.nodes.clone(), root: Some(id) }),
    }
}

fn tree(text: &str) -> String {
    let (ast, found) = read(text);
    assert!(found.is_empty(), "{text}: {found:?}");
    shape(&ast, ast.root().expect("a root"))
}

#[test]
fn operators_bind_as_the_language_says() {
    assert_eq!(tree("a || b && c == d + e * -f"), "(a || (b && (c == (d + (e * (-f))))))");
    assert_eq!(tree("a - b - c"), "((a - b) - c)");
    assert_eq!(tree("a < b == c in d"), "(((a < b) == c) in d)");
    assert_eq!(tree("!a && !!b"), "((!a) && (!(!b)))");
    assert_eq!(tree("a ? b : c ? d : e"), "(a ? b : (c ? d : e))");
    assert_eq!(tree("a || b ? c : d"), "((a || b) ? c : d)");
    assert_eq!(tree("(a ? b : c) ? d : e"), "((a ? b : c) ? d : e)");
    assert_eq!(tree("a - -1"), "(a - -1)");
    assert_eq!(tree("-9223372036854775808"), "-9223372036854775808");
    assert_eq!(tree("--1"), "(--1)");
}

#[test]
fn operands_of_every_kind_read_and_print() {
    for text in [
        "conn.client_ip",
        "a.b.c[0][\"x\"].d(1, 2)",
        "a.?b[?0]",
        "[1, 2u, 3.0, ?x]",
        "{\"a\": 1, ?b: 2}",
        "google.type.Money{units: 1, `odd-name`: 2}",
        ".absolute(x).y",
        "a.`b-c`",
        "null == true",
        "b\"\\xff\\\"a\"",
        "\"tab\\tü\"",
        "[1, 2].exists(x, x > 1)",
        "-1.5",
        "(-1).abs()",
    ] {
        let (ast, found) = read(text);
        assert!(found.is_empty(), "{text}: {found:?}");
        assert_eq!(print(&ast), text);
    }
    // A trailing comma and comments change nothing.
    assert_eq!(tree("[1, 2,] // two"), "[1, 2]");
    assert_eq!(tree("f(1, // one\n 2)"), "f(1, 2)");
}

#[test]
fn every_node_has_its_whole_place() {
    let text = "aa.b(1)[ 2 ] + (cc ? d : e)";
    let (ast, _) = read(text);
    let places: Vec<_> = (0..ast.nodes.len()).filter_map(|at| text.get(ast.nodes[at].1.to_range())).collect();
    assert_eq!(
        places,
        [
            "aa",
            "1",
            "aa.b(1)",
            "2",
            "aa.b(1)[ 2 ]",
            "cc",
            "d",
            "e",
            "(cc ? d : e)",
            "aa.b(1)[ 2 ] + (cc ? d : e)"
        ]
    );
}

#[test]
fn several_faults_of_one_expression_are_found() {
    assert_eq!(
        read("a = 1 && b(, c) && 'x\\q' && d.").1,
        [
            "2..3 TP201 `=` is not an operator",
            "11..12 TP201 expected a value, found `,`",
            "21..23 TP203 an unknown escape; write `\\\\` for a backslash, or `r'…'` for a string without escapes",
            "30..30 TP201 the expression ends where the name of a field or function is expected",
        ]
    );
    assert_eq!(read("").1, ["0..0 TP201 the expression ends where a value is expected"]);
    assert_eq!(read("(a && b").1, ["7..7 TP201 the expression ends where `)` is expected"]);
    assert_eq!(read("[1, 2) == x").1, ["5..6 TP201 expected `,` or `]`, found `)`"]);
    assert_eq!(read("a b").1, ["2..3 TP201 expected an operator or the end of the expression, found `b`"]);
    assert_eq!(read("a == 'x").1, ["5..7 TP201 the string that starts here has no closing quote"]);
    assert_eq!(
        read("a ? b").1,
        ["5..5 TP201 the expression ends where `:` and the value for the other case is expected"]
    );
    assert_eq!(read("for").1, ["0..3 TP201 `for` is a reserved word"]);
    assert_eq!(read("9223372036854775808").1, ["0..19 TP203 the number does not fit into 64 bits"]);
}

/// Hostile texts, with the limits lifted as far as they go: an answer, on the stack of a test thread.
#[test]
fn nothing_overflows() {
    let wide = CelLimits { bytes: 1 << 20, nodes: 1 << 20, ..CelLimits::default() };
    for (text, fine) in [
        (format!("1{}", "+1".repeat(100_000)), true),
        (format!("a{}", "[0]".repeat(30_000)), true),
        (format!("a{}", ".size()".repeat(30_000)), true),
        (format!("{}a", "!".repeat(50_000)), true),
        (format!("a{}", "||a".repeat(60_000)), true),
        ("(".repeat(100_000), false),
        ("[".repeat(100_000), false),
        ("{".repeat(100_000), false),
        ("a?b:".repeat(20_000), false),
        ("a?".repeat(20_000), false),
        ("f(".repeat(50_000), false),
        ("-".repeat(100_000), false),
    ] {
        let mut found = Diagnostics::default();
        let ast = parse(&text, &wide, &mut found);
        assert_eq!(found.is_empty(), fine, "{:?}", text.get(..8));
        assert_eq!(print(&ast).is_empty(), ast.root().is_none());
    }
    let mut found = Diagnostics::default();
    let _ = parse(&"1+".repeat(5_000), &CelLimits::default(), &mut found);
    let _ = parse(&format!("1{}", "+1".repeat(3_000)), &CelLimits::default(), &mut found);
    let codes: Vec<_> = found.iter().map(|item| item.code.id).collect();
    assert_eq!(codes, ["TP202", "TP202"], "too many bytes, too many parts");
}

proptest! {
    /// Whatever is read without a fault prints as a text that reads as the same tree.
    #[test]
    fn printing_is_stable(text in expression()) {
        let (ast, found) = read(&text);
        prop_assert!(found.is_empty(), "{}: {:?}", text, found);
        let printed = print(&ast);
        let (again, found) = read(&printed);
        prop_assert!(found.is_empty(), "{}: {:?}", printed, found);
        prop_assert_eq!(print(&again), printed);
        let root = |ast: &Ast| shape(ast, ast.root().expect("a root"));
        prop_assert_eq!(root(&again), root(&ast));
    }

    /// Any text gives an answer, with places inside the text.
    #[test]
    fn any_text_is_survived(text in "[-a-c0-9 .?:,()\\[\\]{}'\"\\\\!&|=<>+*/%`brux\n]{0,40}") {
        let mut found = Diagnostics::default();
        let ast = parse(&text, &CelLimits::default(), &mut found);
        let broken = (0..ast.nodes.len()).any(|at| ast.nodes[at].0 == ExprKind::Broken);
        prop_assert!(!broken || !found.is_empty(), "{:?} is broken and nothing is said", text);
        for item in found.iter() {
            prop_assert!(text.get(item.span.to_range()).is_some());
            prop_assert!(item.help.is_some());
        }
        if found.is_empty() {
            prop_assert_eq!(read(&print(&ast)).1, Vec::<String>::new(), "{:?}", print(&ast));
        }
    }
}

/// Texts of valid expressions with redundant and needed parentheses.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-c]",
        any::<i32>().prop_map(|number| number.to_string()),
        any::<u16>().prop_map(|number| format!("{number}u")),
        any::<i16>().prop_map(|number| format!("{number}.25e3")),
        "'[a-z\\\\n\"]{0,3}'".prop_map(|text| text.replace('\\', "\\\\")),
        Just("true".to_owned()),
        Just("null".to_owned()),
    ];
    leaf.prop_recursive(4, 40, 3, |inner| {
        let operator = prop::sample::select(vec![
            "||", "&&", "<", "<=", ">", ">=", "==", "!=", "in", "+", "-", "*", "/", "%",
        ]);
        prop_oneof![
            (inner.clone(), operator.clone(), inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("-({a})")),
            inner.clone().prop_map(|a| format!("({a}).f.g")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).f({b}, x)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, ?{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : {c}")),
        ]
    })
}

/// Operators with how tightly they bind, from loose to tight (CEL specification, syntax).
const BINDING: &[(&str, u32)] = &[
    ("||", 1),
    ("&&", 2),
    ("<", 3),
    ("<=", 3),
    (">", 3),
    (">=", 3),
    ("==", 3),
    ("!=", 3),
    ("in", 3),
    ("+", 4),
    ("-", 4),
    ("*", 5),
    ("/", 5),
    ("%", 5),
];

/// A chain of operands and operators with all its parentheses: the last one of the loosest is the outermost.
fn grouped(operands: &[String], operators: &[(&str, u32)]) -> String {
    let Some(loosest) = operators.iter().map(|(_, binding)| *binding).min() else {
        return operands[0].clone();
    };
    let at = operators.iter().rposition(|(_, binding)| *binding == loosest).expect("one of them");
    let left = grouped(&operands[..=at], &operators[..at]);
    let right = grouped(&operands[at + 1..], &operators[at + 1..]);
    format!("({left} {} {right})", operators[at].0)
}

proptest! {
    #[test]
    fn operators_bind_as_the_grammar_has_it(
        operands in prop::collection::vec(prop::sample::select(vec!["a", "-b", "!c", "d.e", "f[0]", "1"]), 8),
        operators in prop::collection::vec(prop::sample::select(BINDING), 1..8),
    ) {
        let operands: Vec<String> = operands.into_iter().map(str::to_owned).collect();
        let mut flat = operands[0].clone();
        for ((operator, _), operand) in operators.iter().zip(&operands[1..]) {
            flat.push_str(&format!(" {operator} {operand}"));
        }
        let (ast, found) = read(&flat);
        let (meant, _) = read(&grouped(&operands[..=operators.len()], &operators));
        prop_assert!(found.is_empty(), "{flat}: {found:?}");
        let root = |ast: &Ast| shape(ast, ast.root().expect("a root"));
        prop_assert_eq!(root(&ast), root(&meant), "{}", flat);
        // No more parentheses are printed than are needed: none, since none were written.
        prop_assert_eq!(print(&ast), flat);
    }
}
