//! The conformance cases of the CEL specification, where they are at hand, and our own under `fixtures/cel`:
//! values, deduced types and errors.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_core::cel::{
    CelLimits, Duration, Env, EvalLimits, Expression, Fact, Fault, Host, Map, NoHost, Predicate, Timestamp,
    Type, Value, parse, print,
};
use policy_core::diagnostic::Diagnostics;
use serde_json::Value as Json;

/// Sections that are left out, with the reason.
const LEFT_OUT: &[(&str, &str)] =
    &[("block_ext", "`cel.block` is what an optimiser writes for itself; it is no language for authors")];

/// The variables of a case.
struct Bindings(BTreeMap<String, Value>);

impl Host for Bindings {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        Err(Fault::NoSource(fact))
    }

    fn variable(&self, name: &str) -> Result<Value, Fault> {
        self.0.get(name).cloned().ok_or_else(|| Fault::UnknownName(name.into()))
    }
}

fn value(json: &Json) -> Value {
    let v = &json["v"];
    let text = || v.as_str().expect("a text");
    let list = || v.as_array().expect("a list");
    let pair = || {
        let [seconds, nanos] = v.as_array().expect("a pair").as_slice() else { panic!("a pair") };
        (seconds.as_str().expect("a text").parse::<i64>().expect("seconds"), nanos.as_i64().expect("nanos"))
    };
    match json["t"].as_str().expect("a type") {
        "null" => Value::Null,
        "bool" => Value::Bool(v.as_bool().expect("a bool")),
        "int" => Value::Int(text().parse().expect("an int")),
        "uint" => Value::Uint(text().parse().expect("a uint")),
        "double" => Value::Double(text().parse().expect("a double")),
        "string" => Value::text(text()),
        "bytes" => Value::Bytes(base64(text()).into()),
        "list" => Value::list(list().iter().map(value).collect()),
        "map" => Value::Map(Arc::new(
            Map::new(list().iter().map(|it| (value(&it[0]), value(&it[1])))).expect("a map"),
        )),
        "type" => Value::Type(text().into()),
        "duration" => {
            let (seconds, nanos) = pair();
            Value::Duration(Duration::from_nanos(seconds * 1_000_000_000 + nanos))
        }
        "timestamp" => {
            let (seconds, nanos) = pair();
            Value::Timestamp(Timestamp::new(seconds, nanos.try_into().expect("nanos")).expect("in range"))
        }
        other => panic!("a value of type {other}"),
    }
}

fn base64(text: &str) -> Vec<u8> {
    let (expression, _) = Env::standard().check(&format!("base64.decode('{text}')"));
    match expression.expect("checked").evaluate(&mut NoHost, EvalLimits::default()) {
        Ok(Value::Bytes(bytes)) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Equal in value and type; maps in any order, NaN like NaN.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a == b || a.is_nan() && b.is_nan(),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    let mut others = b.iter();
                    others.any(|(other_key, other)| same(key, other_key) && same(value, other))
                })
        }
        _ => a.to_string() == b.to_string(),
    }
}

fn env(case: &Json) -> Env {
    let mut env = Env::standard();
    if let Some(container) = case["container"].as_str() {
        env.set_container(container);
    }
    let read = |text: &Json| {
        let text = text.as_str().expect("a type");
        Type::parse(text).unwrap_or_else(|| panic!("the type {text}"))
    };
    for declared in case["type_env"].as_array().into_iter().flatten() {
        let name = declared["name"].as_str().expect("a name");
        match declared["overloads"].as_array() {
            None => env.declare(name, read(&declared["type"])),
            Some(overloads) => {
                for overload in overloads {
                    let parameters =
                        overload["params"].as_array().expect("a list").iter().map(read).collect();
                    let member = overload["member"].as_bool().expect("a bool");
                    env.declare_function(name, member, parameters, read(&overload["result"]));
                }
            }
        }
    }
    env
}

/// What a case gives, in words.
fn outcome(case: &Json) -> Result<(), String> {
    let text = case["expr"].as_str().expect("a text");
    let env = env(case);
    let unchecked = case["disable_check"] == true;
    let bindings = case["bindings"].as_object().into_iter().flatten();
    let mut host = Bindings(bindings.map(|(name, json)| (name.clone(), value(json))).collect());
    let (expression, faults): (Option<Expression>, Vec<String>) = if unchecked {
        (env.unchecked(text), vec!["it does not parse".to_owned()])
    } else {
        let (expression, found) = env.check(text);
        let errors = found.iter().filter(|item| item.severity == policy_core::diagnostic::Severity::Error);
        let errors: Vec<_> = errors.map(|item| format!("{} {}", item.code.id, item.message)).collect();
        (expression, errors)
    };
    let expect = &case["expect"];
    let wants_error = !expect["error"].is_null();
    // What always fails is an error of the check, whose code was there to be run.
    let Some(expression) = expression else {
        return if wants_error { Ok(()) } else { Err(format!("{faults:?}")) };
    };
    if let Some(wanted) = expect["type"].as_str() {
        let wanted = Type::parse(wanted).expect("a type");
        if *expression.result() != wanted {
            return Err(format!("type {}, not {wanted}", expression.result()));
        }
    }
    if case["check_only"] == true {
        return Ok(());
    }
    compiled_agrees(&expression, &mut host)?;
    match (expression.evaluate(&mut host, EvalLimits::default()), wants_error) {
        (Err(_), true) => Ok(()),
        (Ok(found), true) => Err(format!("{found}, not an error")),
        (Err(error), false) => Err(format!("error: {error}")),
        (Ok(_), false) if expect["value"].is_null() => Ok(()),
        (Ok(found), false) => {
            let wanted = value(&expect["value"]);
            let explained = expression.explain(&mut host, EvalLimits::default(), 10_000).0;
            match explained {
                Ok(explained) if same(&explained, &found) => {}
                other => return Err(format!("folded {found}, as written {other:?}")),
            }
            if same(&found, &wanted) { Ok(()) } else { Err(format!("{found}, not {wanted}")) }
        }
    }
}

#[test]
fn the_specification_cases_pass() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cel/conformance.json");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("skipped: there are no conformance cases at {}", path.display());
        return;
    };
    let cases: Json = serde_json::from_str(&text).expect("JSON");
    let (mut passed, mut failed) = (BTreeMap::<String, usize>::new(), Vec::new());
    for case in cases["tests"].as_array().expect("a list") {
        let file = case["file"].as_str().expect("a name");
        if LEFT_OUT.iter().any(|(left_out, _)| *left_out == file) {
            continue;
        }
        match outcome(case) {
            Ok(()) => *passed.entry(file.to_owned()).or_default() += 1,
            Err(why) => failed.push(format!("{}: {} gives {why}", case["id"], case["expr"])),
        }
    }
    println!("passed: {passed:?}");
    assert!(failed.is_empty(), "{} fail:\n{}", failed.len(), failed.join("\n"));
    assert!(passed.values().sum::<usize>() > 1_000, "{passed:?}");
}

/// Every expression with a value is read without a fault, and prints as a text that reads as the same tree.
#[test]
fn the_specification_cases_print_stably() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/cel/conformance.json");
    let Ok(text) = fs::read_to_string(&path) else { return };
    let cases: Json = serde_json::from_str(&text).expect("JSON");
    for case in cases["tests"].as_array().expect("a list") {
        if !case["expect"]["error"].is_null() {
            continue;
        }
        let text = case["expr"].as_str().expect("a text");
        let mut found = Diagnostics::default();
        let printed = print(&parse(text, &CelLimits::default(), &mut found));
        let again = print(&parse(&printed, &CelLimits::default(), &mut found));
        assert!(found.is_empty() && again == printed, "{text} -> {printed} -> {again}");
    }
}

/// The compiled form of an expression has its value, or its very error; what is neither true nor false is one.
fn compiled_agrees<H: Host>(expression: &Expression, host: &mut H) -> Result<(), String> {
    let evaluated = expression.evaluate(host, EvalLimits::default());
    let holds = Predicate::new(expression).holds(host, EvalLimits::default());
    match (&evaluated, &holds) {
        (Ok(Value::Bool(value)), Ok(holds)) if value == holds => Ok(()),
        (Ok(value), Err(_)) if !matches!(value, Value::Bool(_)) => Ok(()),
        (Err(error), Err(compiled)) if error == compiled => Ok(()),
        _ => Err(format!("{evaluated:?}, compiled {holds:?}")),
    }
}

/// One line of a `.cases` file.
struct Case<'a> {
    text: &'a str,
    unchecked: bool,
    expected: Expected<'a>,
}

enum Expected<'a> {
    Value(&'a str),
    Type(&'a str),
    Error,
}

fn read_case(line: &str) -> Case<'_> {
    let (unchecked, line) = line.strip_prefix("unchecked ").map_or((false, line), |rest| (true, rest));
    if let Some((text, ty)) = line.rsplit_once(" :: ") {
        return Case { text, unchecked, expected: Expected::Type(ty) };
    }
    let (text, expected) = line.rsplit_once(" => ").unwrap_or_else(|| panic!("no expectation: {line}"));
    let expected = if expected == "error" { Expected::Error } else { Expected::Value(expected) };
    Case { text, unchecked, expected }
}

/// A value as our cases write it: the entries of maps in the order of their keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            let mut entries: Vec<_> =
                map.iter().map(|(key, value)| (canonical(key), canonical(value))).collect();
            entries.sort();
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Optional(Some(value)) => format!("optional.of({})", canonical(value)),
        other => other.to_string(),
    }
}

fn run_case(env: &Env, case: &Case<'_>) -> Result<(), String> {
    let (expression, faults) = match case.unchecked {
        true => (env.unchecked(case.text), vec!["it does not parse".to_owned()]),
        false => {
            let (expression, found) = env.check(case.text);
            let faults = found.iter().map(|item| format!("{} {}", item.code.id, item.message)).collect();
            (expression, faults)
        }
    };
    match (&case.expected, expression) {
        (Expected::Error, None) => Ok(()),
        (_, None) => Err(format!("{faults:?}")),
        (Expected::Type(ty), Some(expression)) => match expression.result().to_string() == *ty {
            true => Ok(()),
            false => Err(format!("type {}", expression.result())),
        },
        (expected, Some(expression)) => {
            compiled_agrees(&expression, &mut NoHost)?;
            let found = expression.evaluate(&mut NoHost, EvalLimits::default());
            let explained = expression.explain(&mut NoHost, EvalLimits::default(), 10_000).0;
            let (found, explained) = (found.as_ref().map(canonical), explained.as_ref().map(canonical));
            match (expected, found.clone()) {
                _ if found.as_ref().ok() != explained.as_ref().ok() => {
                    Err(format!("folded {found:?}, as written {explained:?}"))
                }
                (Expected::Error, Err(_)) => Ok(()),
                (Expected::Value(wanted), Ok(found)) if found == *wanted => Ok(()),
                (_, found) => Err(format!("{found:?}")),
            }
        }
    }
}

fn run_folder(folder: &str, env: &Env, min: usize) {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cel").join(folder);
    let (mut count, mut failed) = (0, Vec::new());
    for entry in fs::read_dir(&root).expect("readable") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("readable");
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            count += 1;
            let case = read_case(line);
            if let Err(why) = run_case(env, &case) {
                let name = path.file_name().expect("a name").display().to_string();
                failed.push(format!("{name}:{number}: {line}   gives {why}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {count} fail:\n{}", failed.len(), failed.join("\n"));
    assert!(count >= min, "{count} cases");
}

#[test]
fn our_cases_of_the_standard_pass() {
    run_folder("standard", &Env::standard(), 3_000);
}

#[test]
fn our_cases_of_the_policy_language_pass() {
    run_folder("policy", policy_core::variables::env(policy_core::variables::Site::default()), 500);
}

/// Functions that ask a host stand in the tests of hosts.
#[test]
fn every_function_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cel");
    let mut texts = include_str!("expressions.rs").to_owned();
    for part in ["standard", "policy"] {
        for entry in fs::read_dir(folder.join(part)).expect("readable") {
            texts += &fs::read_to_string(entry.expect("an entry").path()).expect("readable");
        }
    }
    let without: Vec<_> = policy_core::dialect::functions()
        .map(|function| {
            let called = match function.signature.strip_prefix('(') {
                Some(member) => member.split_once(").").expect("a receiver").1,
                None => function.signature,
            };
            called.split_once('(').expect("a call").0.to_owned() + "("
        })
        .filter(|name| !texts.contains(name.as_str()))
        .collect();
    assert!(without.is_empty(), "no case calls {without:?}");
}
