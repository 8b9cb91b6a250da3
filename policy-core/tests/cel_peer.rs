//! Expressions against another implementation: the crate `cel` 0.15, over generated, well-typed expressions.
//!
//! Kept inside what that crate does as the specification says; what it does otherwise is listed where the
//! generator leaves it out.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use policy_core::cel::{Env, EvalError, EvalLimits, Fact, Fault, Host, Map, Type, Value};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// The variables of generated expressions.
#[derive(Clone, Debug)]
struct Variables {
    i: i64,
    j: i64,
    u: u64,
    s: String,
    t: String,
    l: Vec<i64>,
    m: HashMap<String, i64>,
}

impl Host for Variables {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        Err(Fault::NoSource(fact))
    }

    fn variable(&self, name: &str) -> Result<Value, Fault> {
        Ok(match name {
            "i" => Value::Int(self.i),
            "j" => Value::Int(self.j),
            "u" => Value::Uint(self.u),
            "s" => Value::text(&*self.s),
            "t" => Value::text(&*self.t),
            "l" => Value::list(self.l.iter().copied().map(Value::Int).collect()),
            "m" => {
                let mut entries: Vec<_> = self.m.iter().collect();
                entries.sort();
                let entries =
                    entries.into_iter().map(|(key, value)| (Value::text(&**key), Value::Int(*value)));
                Value::Map(Map::new(entries).expect("unique").into())
            }
            _ => return Err(Fault::UnknownName(name.into())),
        })
    }
}

fn env() -> Env {
    let mut env = Env::standard();
    env.declare("i", Type::Int);
    env.declare("j", Type::Int);
    env.declare("u", Type::Uint);
    env.declare("s", Type::String);
    env.declare("t", Type::String);
    env.declare("l", Type::parse("list(int)").expect("a type"));
    env.declare("m", Type::parse("map(string, int)").expect("a type"));
    env
}

/// The peer's value in our words; `None` for one that is not compared.
fn theirs(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => Value::Bool(*value),
        cel::Value::Int(number) => Value::Int(*number),
        cel::Value::UInt(number) => Value::Uint(*number),
        cel::Value::Float(number) => Value::Double(*number),
        cel::Value::String(text) => Value::text(&***text),
        cel::Value::List(items) => Value::list(items.iter().map(theirs).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn evaluate_theirs(text: &str, variables: &Variables) -> Result<Option<Value>, String> {
    let program = cel::Program::compile(text).map_err(|error| format!("{error:?}"))?;
    let mut context = cel::Context::default();
    let add = "a value";
    context.add_variable("i", variables.i).expect(add);
    context.add_variable("j", variables.j).expect(add);
    context.add_variable("u", variables.u).expect(add);
    context.add_variable("s", variables.s.clone()).expect(add);
    context.add_variable("t", variables.t.clone()).expect(add);
    context.add_variable("l", variables.l.clone()).expect(add);
    context.add_variable("m", variables.m.clone()).expect(add);
    program.execute(&context).map(|value| theirs(&value)).map_err(|error| error.to_string())
}

fn variables() -> impl Strategy<Value = Variables> {
    let number = prop_oneof![-3..4_i64, Just(i64::MAX), Just(i64::MIN), any::<i64>()];
    let text = "[abé ]{0,3}";
    (
        number.clone(),
        number.clone(),
        prop_oneof![0..4_u64, Just(u64::MAX)],
        text,
        text,
        prop::collection::vec(number.clone(), 0..4),
        prop::collection::hash_map("[ab]", number, 0..3),
    )
        .prop_map(|(i, j, u, s, t, l, m)| Variables { i, j, u, s, t, l, m })
}

/// Expressions of the four types the generator knows, each using the others.
#[derive(Clone, Debug)]
struct Texts {
    int: String,
    text: String,
    condition: String,
    list: String,
}

fn texts() -> impl Strategy<Value = Texts> {
    let leaf = (
        prop::sample::select(vec!["i", "j", "0", "1", "-1", "7", "9223372036854775807"]),
        prop::sample::select(vec!["s", "t", "''", "'a'", "\"aé\"", "r'b\\d'"]),
        prop::sample::select(vec!["true", "false", "i == j", "s == t", "u > 1u", "'a' in m", "i in l"]),
        prop::sample::select(vec!["l.filter(z, false)", "l", "[1, 2]", "[i, j, 0]"]),
    )
        .prop_map(|(int, text, condition, list)| Texts {
            int: int.into(),
            text: text.into(),
            condition: condition.into(),
            list: list.into(),
        });
    leaf.prop_recursive(4, 48, 3, |inner| {
        (inner.clone(), inner.clone(), inner, 0..17_u8, 0..7_u8, 0..24_u8, 0..9_u8).prop_map(
            |(a, b, c, int, text, condition, list)| Texts {
                int: match int {
                    0 => format!("({}) + ({})", a.int, b.int),
                    1 => format!("({}) - ({})", a.int, b.int),
                    2 => format!("({}) * ({})", a.int, b.int),
                    3 => format!("({}) / ({})", a.int, b.int),
                    4 => format!("({}) % ({})", a.int, b.int),
                    5 => format!("-({})", a.int),
                    6 => format!("size({})", a.list),
                    7 => format!("size({})", a.text),
                    8 => format!("({})[{}]", a.list, b.int),
                    9 => format!("m[{}]", a.text),
                    10 => format!("({}) ? ({}) : ({})", a.condition, b.int, c.int),
                    11 => "m.a".to_owned(),
                    12 => format!("int(string({}))", a.int),
                    13 => format!("({}).size()", a.list),
                    14 => format!("int({})", a.text),
                    _ => a.int.clone(),
                },
                text: match text {
                    0 => format!("({}) + ({})", a.text, b.text),
                    1 => format!("string({})", a.int),
                    2 => format!("({}) ? ({}) : ({})", a.condition, b.text, c.text),
                    _ => a.text.clone(),
                },
                condition: match condition {
                    0 | 1 => format!("({}) && ({})", a.condition, b.condition),
                    2 | 3 => format!("({}) || ({})", a.condition, b.condition),
                    4 => format!("!({})", a.condition),
                    5 => format!("({}) < ({})", a.int, b.int),
                    6 => format!("({}) >= ({})", a.int, b.int),
                    7 => format!("({}) == ({})", a.text, b.text),
                    8 => format!("({}) != ({})", a.list, b.list),
                    9 => format!("({}) in ({})", a.int, b.list),
                    10 => format!("({}) in m", a.text),
                    11 => format!("({}).startsWith({})", a.text, b.text),
                    12 => format!("({}).endsWith({})", a.text, b.text),
                    13 => format!("({}).contains({})", a.text, b.text),
                    14 => format!("({}).all(x, x > ({}))", a.list, b.int),
                    15 => format!("({}).exists(x, x / ({}) == 1)", a.list, b.int),
                    16 => format!("({}).exists_one(x, x == ({}))", a.list, b.int),
                    17 => "has(m.a)".to_owned(),
                    18 => format!("({}) == ({})", a.list, b.list),
                    19 => format!("({}) < ({})", a.text, b.text),
                    20 => format!("({}).matches('[ab]+')", a.text),
                    _ => a.condition.clone(),
                },
                list: match list {
                    0 => format!("({}) + ({})", a.list, b.list),
                    1 => format!("({}).filter(x, x > ({}))", a.list, b.int),
                    2 => format!("({}).map(x, x + ({}))", a.list, b.int),
                    3 => format!("[{}, {}]", a.int, b.int),
                    4 => format!("({}).map(x, x > 0, x - 1)", a.list),
                    _ => a.list.clone(),
                },
            },
        )
    })
}

#[test]
fn both_agree() {
    let env = env();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    let compared = runner.run(&(texts(), variables()), |(texts, variables)| {
        for text in [&texts.int, &texts.text, &texts.condition, &texts.list] {
            let (expression, found) = env.check(text);
            let Some(expression) = expression else { panic!("{text}: {found:?}") };
            let ours = expression.evaluate(&mut variables.clone(), EvalLimits::default());
            let written = expression.explain(&mut variables.clone(), EvalLimits::default(), 0).0;
            let shown = |value: &Result<Value, EvalError>| value.as_ref().map(ToString::to_string).ok();
            prop_assert_eq!(shown(&ours), shown(&written), "{} folded and written", text);
            let theirs = evaluate_theirs(text, &variables);
            match (&ours, &theirs) {
                (Ok(ours), Ok(Some(theirs))) => {
                    prop_assert_eq!(ours.to_string(), theirs.to_string(), "{} with {:?}", text, variables);
                    VALUES.fetch_add(1, Ordering::Relaxed);
                }
                (Err(_), Err(_)) => drop(FAULTS.fetch_add(1, Ordering::Relaxed)),
                _ => {
                    prop_assert!(false, "{} with {:?}: ours {:?}, theirs {:?}", text, variables, ours, theirs)
                }
            }
        }
        Ok(())
    });
    compared.expect("both agree");
    let (values, faults) = (VALUES.load(Ordering::Relaxed), FAULTS.load(Ordering::Relaxed));
    assert!(values > 4_000 && faults > 400, "{values} values and {faults} faults: the generator is broken");
}

/// How many of each were compared.
static VALUES: AtomicUsize = AtomicUsize::new(0);
static FAULTS: AtomicUsize = AtomicUsize::new(0);
