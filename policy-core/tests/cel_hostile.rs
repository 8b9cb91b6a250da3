//! Hostile expressions: an answer within bounds, on a stack of 2 MiB.
//!
//! Each text goes through everything a policy does to it: parsing, checking, folding, cost, advice, and
//! evaluation, written and folded. Once within the limits of policies, once with those of the text lifted as
//! far as they go.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::thread;

use policy_core::cel::{CelLimits, Env, EvalLimits, Fault, FieldType, NoHost, Type, Value};
use policy_core::check::{CheckOptions, load_policy};
use policy_core::compile::{CompileOptions, compile};
use policy_core::diagnostic::Diagnostics;
use policy_core::exchange::Reply;
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;
use policy_core::phase::Phase;
use policy_core::source::Source;
use policy_core::variables;

/// Runs on a stack as small as that of most threads.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    thread.join().expect("no panic, no overflow");
}

fn lifted() -> CelLimits {
    let mut limits = CelLimits::default();
    (limits.bytes, limits.nodes) = (1 << 20, 1 << 20);
    limits
}

/// The codes found, and the value or fault if the expression is well typed.
fn answer(env: &Env, text: &str, limits: &CelLimits) -> (Vec<&'static str>, Option<Result<Value, Fault>>) {
    let (expression, found) = env.check_within(text, limits);
    check_places(text, &found);
    let value = expression.map(|expression| {
        let folded = expression.evaluate(&mut NoHost, EvalLimits::default()).map_err(|error| error.fault);
        let (written, parts) = expression.explain(&mut NoHost, EvalLimits::default(), 1_000);
        for part in parts {
            assert!(text.get(part.span.to_range()).is_some());
            let _ = part.value.map(|value| value.to_string());
        }
        // The written form may run out of budget where the folded one does not.
        if let Err(error) = written
            && !error.fault.is_final()
        {
            assert!(folded.is_err(), "{text:.40}");
        }
        folded
    });
    (found.iter().map(|item| item.code.id).collect(), value)
}

fn check_places(text: &str, found: &Diagnostics) {
    for item in found.iter() {
        assert!(text.get(item.span.to_range()).is_some(), "{item:?}");
        assert!(item.help.is_some() && item.message.len() < 2_000, "{item:?}");
    }
}

fn env() -> Env {
    let mut env = Env::standard();
    env.declare("s", Type::String);
    env.declare("a", Type::Dyn);
    env
}

#[test]
fn chains_and_nests_of_any_length_have_an_answer() {
    let nested = |open: &str, inner: &str, close: &str, times| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let texts = vec![
        format!("1{}", "+1".repeat(100_000)),
        format!("a{}", "[0]".repeat(30_000)),
        format!("a{}", ".size()".repeat(30_000)),
        format!("a{}", ".f".repeat(30_000)),
        format!("{}true", "!".repeat(50_000)),
        format!("{}1", "-".repeat(50_000)),
        format!("true{}", "||true".repeat(33_000)),
        format!("false{}", "||a".repeat(50_000)),
        format!("true{}", "&&a==1".repeat(20_000)),
        format!("{}1", "true?1:".repeat(20_000)),
        format!("a{}", "?a:a".repeat(20_000)),
        nested("(", "1", ")", 100_000),
        nested("[", "1", "]", 100_000),
        nested("{1:", "1", "}", 50_000),
        nested("dyn(", "1", ")", 50_000),
        nested("a[", "0", "]", 50_000),
        nested("[1].map(x,", "x", ")", 20_000),
        nested("cel.bind(x,[1],", "x", ")", 20_000),
        nested("{1:", "1", "}", 60),
        nested("[", "1", "]", 60),
        nested("1+(1*(", "1", "))", 31),
        nested("true||(true&&(1==(1+(1*(", "1", "))) ))", 12),
        format!("[{}]", "1,".repeat(60_000)),
        format!("s{}", ".optMap(x,x)".repeat(5_000)),
        "\"".repeat(100_000),
        "`".repeat(100_000),
        "${".repeat(50_000),
        "\\".repeat(100_000),
        format!("'{}'", "\\u0041".repeat(30_000)),
        "é".repeat(50_000),
        "/*".repeat(50_000),
        "/* é */".repeat(10_000),
    ];
    on_a_small_stack(move || {
        let env = env();
        for text in texts {
            let (default, _) = answer(&env, &text, &CelLimits::default());
            assert!(text.len() <= 8 << 10 || default == ["TP202"], "{:?} {text:.40}", default);
            let _ = answer(&env, &text, &lifted());
            let _ = env.unchecked(&text);
        }
    });
}

#[test]
fn work_and_memory_are_bounded() {
    on_a_small_stack(|| {
        let env = env();
        let faults = |text: &str| answer(&env, text, &lifted());
        // Ten to the eighth iterations: foreseen, and stopped when run.
        let list = "[1,2,3,4,5,6,7,8,9,10]";
        let mut eight = "x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 > 0 && a != 1".to_owned();
        for depth in 0..8 {
            eight = format!("{list}.all(x{depth}, {eight})");
        }
        let (found, value) = faults(&eight);
        assert!(found.contains(&"TP218"), "{found:?}");
        assert_eq!(value.map(|value| value.expect_err("stopped")), Some(Fault::Steps));
        // A text that doubles thirty times.
        let mut doubled = "[s]".to_owned();
        for depth in 0..30 {
            doubled = format!("{doubled}.map(x{depth}, x{depth} + x{depth})");
        }
        for text in [doubled.replace("[s]", "['aaaaaaaaaa']"), doubled] {
            let (_, value) = faults(&text);
            let fault = value.expect("well typed").expect_err("stopped");
            assert!(matches!(fault, Fault::Output | Fault::UnknownName(_)), "{fault:?} {text:.60}");
        }
        // A list that shares its parts: small in memory, huge for whoever walks it.
        let mut shared = "[1]".to_owned();
        for depth in 0..40 {
            shared = format!("cel.bind(v{depth}, {shared}, [v{depth}, v{depth}])");
        }
        for text in [
            format!("cel.bind(v, {shared}, v == v)"),
            format!("cel.bind(v, {shared}, v in [v])"),
            format!("cel.bind(v, {shared}, [v, v].distinct())"),
            format!("cel.bind(v, {shared}, '%s'.format([v]))"),
            format!("cel.bind(v, {shared}, v.flatten(50))"),
        ] {
            let (_, value) = faults(&text);
            let fault = value.expect("well typed").expect_err("stopped");
            assert!(fault.is_final(), "{fault:?} {text:.20}");
        }
        for text in [
            "lists.range(9223372036854775807)".to_owned(),
            "lists.range(100000000).size()".to_owned(),
            "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.replace('', lists.range(10000).map(x, 'aaaaaaaaaaaaaaaaaaaa').join())".to_owned(),
            "'%1000.1000f'.format([1.0])".to_owned(),
            "'%.999999999999f'.format([1.0])".to_owned(),
            "lists.range(3000).map(x, lists.range(3000).map(y, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').join())".to_owned(),
            "'(a{1,1000}){1,1000}'.matches('(a{1,1000}){1,1000}')".to_owned(),
            "s.matches('((((((((((a{1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100}){1,100})')".to_owned(),
        ] {
            let (_, value) = faults(&text);
            assert!(value.is_none_or(|value| value.is_err()), "{text}");
        }
        assert!(faults("'a'.matches('(a{1,1000}){1,1000}')").0.contains(&"TP212"));
    });
}

#[test]
fn values_nest_no_deeper_than_the_stack_allows() {
    on_a_small_stack(|| {
        let env = env();
        let chain = |times: usize, levels: usize, made: &str| {
            let step = format!(".map(x, {}{made}{})", "[".repeat(levels), "]".repeat(levels));
            format!("[1]{}", step.repeat(times))
        };
        for text in [
            chain(60, 55, "x"),
            format!("cel.bind(a, {}, a == a)", chain(60, 55, "x")),
            format!("'%s'.format([{}])", chain(60, 55, "x")),
            chain(60, 55, "dyn(x)"),
            chain(300, 0, "optional.of(x)"),
            chain(300, 0, "{1: x}"),
            format!("optional.of(1){}", ".optMap(x, [[[[x]]]])".repeat(70)),
        ] {
            assert!(answer(&env, &text, &lifted()).0.contains(&"TP202"), "{text:.80}");
            assert!(env.unchecked(&text).is_none_or(|expression| {
                expression.evaluate(&mut NoHost, EvalLimits::default()).is_err()
            }));
        }
        // As deep as allowed, and chains that do not nest at all.
        for text in [
            chain(4, 60, "x"),
            chain(800, 0, "x"),
            format!("[[1]]{}", ".map(x, x.map(y, y))".repeat(300)),
            format!("{} == []", "[1] + ".repeat(500) + "[1]"),
            format!("cel.bind(a, {}, [a == a, a in [a], [a, a].distinct() == [a]])", chain(4, 60, "x")),
        ] {
            let (found, value) = answer(&env, &text, &lifted());
            assert!(!found.contains(&"TP202"), "{found:?} {text:.80}");
            value.expect("well typed").expect("a value");
        }
    });
}

#[test]
fn regular_expressions_pay_for_their_automata() {
    on_a_small_stack(|| {
        let env = env();
        for text in [
            r"lists.range(1000).exists(i, 'x'.matches('\\pL{300}' + string(i)))",
            r"lists.range(1000).exists(i, 'x'.matches('(?i)\\pL{40}' + string(i)))",
            r"lists.range(20000).exists(i, 'x'.matches((i < 0 ? '' : '\\PN{99}') + string(i)))",
            r"lists.range(5000).map(i, 'a').join().matches('(.{1,100}){1,10}b' + string(1))",
            r"cel.bind(s, lists.range(50000).map(i, 'a').join(), s.matches('(a{1,100}){1,10}b'))",
        ] {
            let (_, value) = answer(&env, text, &lifted());
            assert_eq!(value.expect("well typed").expect_err("stopped"), Fault::Steps, "{text}");
        }
        let many = |count| vec![r"s.matches('(?i)\\pL{9}')"; count].join(" || ");
        let (few, _) = answer(&env, &many(3), &lifted());
        let (more, _) = answer(&env, &many(300), &lifted());
        assert!(!few.contains(&"TP212") && more.contains(&"TP212"), "{few:?}");
    });
    // Together, the expressions of a policy may have as many states as ten large ones.
    let rule =
        "- {expressions: [\"conn.client_ip.matches('(a{1,30}){1,30}')\"], actions: [{type: deny}]}\n  ";
    let lint = |rules: usize| {
        let text = format!("on_tcp_connect:\n  {}", rule.repeat(rules));
        let source = Source::new("policy.yml", text);
        let (_, found) = load_policy(&source, &CheckOptions::default());
        found.iter().filter(|item| item.code.id == "TP212").count()
    };
    assert_eq!(lint(500), 0);
    assert!(lint(1_000) > 100);
}

#[test]
fn types_and_constants_do_not_grow() {
    on_a_small_stack(|| {
        let env = env();
        // Each macro doubles the type of the one before.
        let mut body = "true".to_owned();
        for at in (0..30).rev() {
            body = format!("[m{at}[0].map(k, k), m{}].size() == 0 || {body}", at + 1);
        }
        for at in (0..=30).rev() {
            body = format!("cel.bind(m{at}, [].map(x, {{x: x}}), {body})");
        }
        assert!(answer(&env, &body, &lifted()).0.contains(&"TP202"));
        // A name of 256 KiB for each of 40,000 items.
        let doubled = (0..8).fold("lists.range(1000).map(i, 'a').join()".to_owned(), |text, _| {
            format!("cel.bind(s, {text}, s + s)")
        });
        let policy = variables::env(variables::Site {
            phase: Some(Phase::OnTcpConnect),
            ..variables::Site::default()
        });
        let query = format!("{{{doubled}: lists.range(40000)}}.encodeQueryString().size() > 0");
        let (_, value) = answer(policy, &query, &lifted());
        assert_eq!(value.expect("well typed").expect_err("stopped"), Fault::Output);
        // Keys and texts of 256 KiB, looked up and compared.
        for text in [
            format!("cel.bind(s, {doubled}, lists.range(60000).all(i, !(s in {{'a': 1}})))"),
            format!("cel.bind(s, {doubled}, lists.range(60000).all(i, {{'a': 1}}[?s] == optional.none()))"),
            format!("cel.bind(s, [{doubled}], lists.range(60000).all(i, s == s))"),
            format!(
                "cel.bind(s, {doubled} + 'x', lists.range(60000).all(i, ![1, int(s)].exists(x, x == i)))"
            ),
        ] {
            let (_, value) = answer(&env, &text, &lifted());
            let fault = value.expect("well typed").expect_err("stopped");
            assert!(matches!(fault, Fault::Steps | Fault::Conversion(_)), "{fault:?} {text:.80}");
        }
        // Parts that cannot be folded, one around the other.
        let chain = "cel.bind(l, lists.range(1000), lists.range(100).filter(a, -1 in l)).size()";
        let (found, value) = answer(&env, &format!("{chain}{} > 0", "+1".repeat(2_000)), &lifted());
        assert!(!found.contains(&"TP202") && value.is_some(), "{found:?}");
    });
}

#[test]
fn conditions_share_the_steps_of_a_run() {
    let condition =
        "cel.bind(l, lists.range(3000), lists.range(100).all(i, !(conn.client_port + 9999 in l)))";
    let run = |count: usize| {
        let items = format!("\"{condition}\", ").repeat(count);
        let text = format!("on_tcp_connect: [{{expressions: [{items}], actions: [{{type: deny}}]}}]");
        let (policy, found) = load_policy(&Source::new("policy.yml", text), &CheckOptions::default());
        let program = compile(&policy.expect("no errors"), &CompileOptions::default()).expect("small");
        assert!(!found.has_errors());
        let address = "192.0.2.1:5000".parse().expect("fine");
        let facts = Facts::from_connection(address, address);
        let mut run = program.on_tcp_connect(&facts);
        let outcome = run.run(|_, _| Reply::Logged);
        (
            matches!(outcome, Outcome::Denied { .. }),
            run.failed_condition().map(|(_, error)| error.fault.clone()),
        )
    };
    assert_eq!(run(2), (true, None));
    assert_eq!(run(20), (false, Some(Fault::Steps)));
}

/// The final faults are absorbed by nothing.
#[test]
fn a_budget_that_is_used_up_ends_everything() {
    let env = Env::standard();
    let endless = "lists.range(60000).all(a, lists.range(60000).all(b, a + b >= 0))";
    for text in [
        format!("{endless} || true"),
        format!("true && ({endless} ? true : true)"),
        format!("[1, 2].exists(x, {endless} || x == 2)"),
        format!("[1, 2].all(x, {endless} && x == 3)"),
        format!("cel.bind(unused, {endless}, true)"),
    ] {
        let (expression, _) = env.check(&text);
        let value = expression.expect("well typed").evaluate(&mut NoHost, EvalLimits::default());
        assert_eq!(value.expect_err("stopped").fault, Fault::Steps, "{text}");
    }
}

#[test]
fn templates_of_any_shape_have_an_answer() {
    on_a_small_stack(|| {
        let env = variables::env(variables::Site {
            phase: Some(Phase::OnTcpConnect),
            ..variables::Site::default()
        });
        for text in [
            "${".repeat(50_000),
            "${a}".repeat(20_000),
            "${/*".repeat(100_000),
            format!("${{{}", "/*".repeat(100_000)),
            format!("${{{}1{}}}", "{1:".repeat(20_000), "}".repeat(20_000)),
            format!("${{{}", "'".repeat(50_000)),
            format!("${{//{}", "}".repeat(50_000)),
            format!("${{{}}}", "1+".repeat(50_000)),
            "}".repeat(50_000),
        ] {
            let (template, found) = env.check_template(&text, FieldType::Any);
            check_places(&text, &found);
            assert!(template.is_none() || !found.has_errors());
        }
    });
}
