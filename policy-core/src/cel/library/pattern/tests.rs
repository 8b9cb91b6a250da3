//! Regular expressions: what is taken, and what is said of the rest.

use super::*;

fn compile(pattern: &str) -> Result<Pattern, Fault> {
    Draft::read(pattern)?.compile()
}

fn matches(pattern: &str, text: &str) -> bool {
    compile(pattern).expect(pattern).is_match(text)
}

#[test]
fn classes_are_those_of_re2() {
    for (pattern, text) in [
        (r"^\d\w\s$", "1a "),
        (r"^\W$", "é"),
        (r"^[\W\d]+$", "é1"),
        ("^.$", "é"),
        (r"\bfoo\b", "éfooé"),
        ("^[[]$", "["),
        ("^[]a]+$", "]a"),
        ("^[^]a]+$", "[b\n"),
        ("^[&&]$", "&"),
        ("^[a~~]$", "~"),
        ("^[[:alpha:]]+$", "ab"),
        ("^[[:^alpha:]]+$", "1é"),
        ("^[[:punct:]]+$", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        ("^[[:a]+$", "[:a"),
        ("^[+--]+$", "+,-"),
        ("^[a-]+$", "a-"),
        (r"^[\d-z]+$", "1-z"),
        (r"^[\<\-\]]+$", "<-]"),
        (r"^\Qa.b\E*$", "a.bbb"),
        (r"^\Qa\b", r"a\b"),
        ("^a{,2}$", "a{,2}"),
        ("^a{01}$", "a{01}"),
        ("^{}$", "{}"),
        ("^a{2}?$", "aa"),
        ("(?i)^Straße$", "STRAßE"),
        (r"(?i)^[^\W]$", "\u{212A}"),
        (r"^\<\>\_\%$", "<>_%"),
        (r"^\x{e9}\x41\101\0\07$", "éAA\0\x07"),
        (r"^[\x{e9}\101\0]+$", "éA\0"),
        (r"^\a\f\n\r\t\v$", "\x07\x0C\n\r\t\x0B"),
        (r"\B", "É"),
        (r"^\p{^Greek}\pL\PL\p{Greek}\p{Any}$", "aa1αa"),
        (r"^\P{^Greek}$", "α"),
        (r"^[^\x{D800}]$", "a"),
        ("(?m)^b$", "a\nb\nc"),
        ("(?s)a.b", "a\nb"),
        ("^(?i:a)b$", "Ab"),
        ("^(a(?i)b)c$", "aBc"),
        ("^(?ii)a(?-i)b(?)$", "Ab"),
        ("(?P<a_1>a)(?<b>b)(?<b>)", "ab"),
        ("^(|a)()b||$", "ab"),
        ("(a{50}){20}", &"a".repeat(1_000)),
    ] {
        assert!(matches(pattern, text), "{pattern} {text:?}");
    }
    for (pattern, text) in [
        (r"^\d$", "٣"),
        (r"^\w$", "é"),
        (r"^\s$", "\x0B"),
        (r"a\B", "aÉ"),
        ("a.b", "a\nb"),
        ("^a$", "a\n"),
        ("^b", "a\nb"),
        (r"\p{C}", "\u{378}"),
        (r"\x{D800}", "\u{FFFD}"),
        (r"^\Qa.b\E$", "axb"),
        ("^((?i)a)b$", "AB"),
        ("^(?U)a+", ""),
    ] {
        assert!(!matches(pattern, text), "{pattern} {text:?}");
    }
}

#[test]
fn every_match_is_replaced_with_its_groups() {
    let replaced = |pattern: &str, text: &str, to: &str| {
        let replaced = compile(pattern).expect(pattern).replace_all(text, to, 100).expect("short");
        (replaced.text, replaced.matches.len())
    };
    assert_eq!(replaced("a(b)?", "ab a", "<$1>"), ("<b> <>".into(), 2));
    assert_eq!(replaced("(?P<x>a)", "ba", "${x}$x$y$$1$1x"), ("baa$1".into(), 1));
    assert_eq!(replaced("", "ü", "-"), ("-ü-".into(), 2));
    assert_eq!(replaced("x", "ab", "y"), ("ab".into(), 0));
    assert!(compile("a").expect("right").replace_all("aaaa", &"b".repeat(30), 100).is_none());
    let bomb = "$0".repeat(1 << 19);
    assert!(compile("a+").expect("right").replace_all(&"a".repeat(1 << 19), &bomb, 1 << 20).is_none());
}

#[test]
fn how_matches_begin_is_known() {
    let begins = |pattern: &str| {
        Draft::read(pattern).expect(pattern).begins().map(|all| all.iter().collect::<String>())
    };
    for (pattern, with) in [
        ("^/api", "/"),
        (r"\A/api(/.*)?$", "/"),
        (r"^\/api", "/"),
        ("^(/a|/b)x", "//"),
        ("^/a|^b", "/b"),
        ("(^/a|^/b)", "//"),
        ("^(?:(/)a)", "/"),
        ("(?i)^api", "aA"),
        ("^/+", "/"),
        ("^/{2}", "/"),
        ("^^a", "a"),
        (r"^\Qa.b\E", "a"),
        ("(?P<x>^/)a", "/"),
        ("^/?api", "/a"),
        ("^/*a", "/a"),
        ("^[/]a", "/"),
        ("^(/a)?b", "/b"),
        ("^/{0,2}a", "/a"),
        ("^(a?)?/x", "a/"),
        ("(?m)^/a", "/"),
        ("^$", ""),
        ("^/?$", "/"),
        ("(?i)^[/a]b", "//aA"),
    ] {
        assert_eq!(begins(pattern).as_deref(), Some(with), "{pattern}");
    }
    for pattern in [
        "/api", "^.", "^(/a|.*)", "(^)?/a", "(^/a)?b", "^/a|b", "a^/b", "", "^", "^(|/a)", "^*/a", "^/*",
        "^[^/]a", "^[a-z]", "^\\w", "$", "^/a|$",
    ] {
        assert_eq!(begins(pattern), None, "{pattern}");
    }
    let groups = |pattern: &str| Draft::read(pattern).expect(pattern).groups();
    assert_eq!((groups("a(b(c))"), groups("(?:a)(?i)(?P<n>b)[(]"), groups(r"\(a")), (2, 1, 0));
}

#[test]
fn what_re2_refuses_is_refused() {
    for bad in [
        "a**",
        "a+*",
        "a??+",
        "a{2}{3}",
        "(",
        ")",
        "a{2,1}",
        "a{1001}",
        "a{2,1001}",
        "(a{50}){21}",
        "((a{2}){2}|b){500}",
        "(a{1,1000}){1,1000}",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?P=a)",
        "(?P<a.b>a)",
        "(?<>a)",
        "(?x)a b",
        "(?u)a",
        "(?R)a",
        "(?-)a",
        "(?i-)a",
        "(?",
        "(?i",
        r"(a)\1",
        r"\8",
        "[",
        "[]",
        "[z-a]",
        r"[a-\d]",
        "[[:foo:]]",
        r"[\b]",
        "*a",
        "(*a)",
        "a|*",
        r"\",
        r"\C",
        r"\E",
        r"\Z",
        r"\u0041",
        r"\U00000061",
        r"\x",
        r"\xg0",
        r"\x{}",
        r"\x{110000}",
        r"\x{61",
        r"\p",
        r"\p{L",
        r"\p{Letter}",
        r"\p{greek}",
        r"\p{script=Greek}",
        r"\p{Emoji}",
        r"\p{isLatin}",
        r"\p{LC}",
        r"\p{Grek}",
        r"\p{NewTaiLue}",
        r"\p{Katakana_Or_Hiragana}",
        r"\é",
    ] {
        assert!(compile(bad).is_err(), "{bad}");
    }
    assert!(compile("a*?b+?c??d{2}?").is_ok());
    let deep = |depth| format!("{}a{}", "(?i:(?:".repeat(depth), "))".repeat(depth));
    assert!(compile(&deep(32)).is_ok() && compile(&deep(33)).is_err());
    assert!(compile(&"a".repeat(MAX_LENGTH)).is_ok() && compile(&"a".repeat(MAX_LENGTH + 1)).is_err());
}

#[test]
fn states_are_known_before_compiling() {
    let states = |pattern: &str| Draft::read(pattern).expect(pattern).states() - PATTERN;
    assert_eq!((states("abc"), states("a|b"), states("")), (3, 2, 0));
    assert_eq!(states("(ab){10}"), 41);
    assert!(states(r"\pL{100}") > 40_000 && states("((a{10}){10}){10}") > 1_000);
}
