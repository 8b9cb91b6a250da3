//! Compiled conditions against the interpreter: the same values, the same errors at the same places, the same draws.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::ops::ControlFlow;

use policy_core::cel::{Borrowed, EvalLimits, Expression, Fact, Fault, Host, Map, Predicate, TextMap, Value};
use policy_core::phase::Phase;
use policy_core::variables;
use proptest::prelude::*;

/// Conditions without connectives, of every shape that has a form of its own and of some that have none.
const ATOMS: &[&str] = &[
    "true",
    "false",
    "req.method == 'GET'",
    "'POST' == req.method",
    "req.method != 'GET'",
    "req.method in ['GET', 'HEAD']",
    "req.method == req.host",
    "req.url.path.startsWith('/a')",
    "req.url.path.endsWith('b')",
    "req.url.path.contains('a')",
    "req.url.path.matches('^/a+$')",
    "req.headers['x-one'][0] == 'a'",
    "req.headers['x-one'][5] == 'a'",
    "req.headers['x-none'].size() > 0",
    "size(req.headers['x-one']) >= 2",
    "'a' in req.headers['x-one']",
    "'a' in getReqHeader('X-One')",
    "getReqHeader('x-none').size() == 0",
    "hasReqHeader('X-ONE')",
    "hasReqHeader('x-none')",
    "hasQueryParam('q')",
    "getQueryParam('q').exists(v, v == '1')",
    "getReqHeader('x-one').exists(v, v.contains('b'))",
    "getReqHeader('x-one').all(v, v.startsWith('a') || v == 'b')",
    "req.headers['x-one'].exists(v, v == req.method)",
    "req.headers['x-none'].exists(v, v == 'a')",
    "req.headers['x-one'].exists(v, v.size() == 1)",
    "req.headers.exists(k, k == 'x-one')",
    "req.headers.all(k, 'x-one' != k)",
    "req.headers.exists_one(k, k == 'x-one')",
    "req.headers.exists(k, k.startsWith('x-') && k != req.method)",
    "req.headers.all(k, k.size() > 1)",
    "'x-one' in req.headers",
    "!('x-none' in req.headers)",
    "['x-none', 'x-one'].exists(k, k in req.headers)",
    "['x-None', 'X-One'].all(k, hasReqHeader(k))",
    "['a', 'b'].all(v, v in req.headers['x-one'])",
    "['b', 'z'].exists(v, req.headers['x-one'].exists(w, w.endsWith(v)))",
    "getReqHeader('x-one').all(w, ['a', 'b'].exists(v, w.contains(v)))",
    "['aa', 'b'].exists(v, req.url.path.endsWith(v))",
    "['/a', '/b'].exists(v, req.url.path.startsWith(v) && req.method == 'GET')",
    "['10.0.0.0/8', '2001:db8::/32'].exists(v, inCidrRange(conn.client_ip, v))",
    "['10.0.0.1', '::1'].exists(v, v == conn.client_ip)",
    "[7, 8].exists(n, conn.client_port == n || conn.server_port == n)",
    "['a', 'b'].exists(v, rand.double() < 0.5)",
    "['a', 'b'].exists(v, v.lowerAscii() == req.method)",
    "[].exists(v, v == req.method)",
    "req.method.contains(req.host)",
    "req.url.path.startsWith(req.method) || req.url.path.endsWith(req.host)",
    "req.headers['x-one'].exists(v, req.url.path.contains(v))",
    "conn.client_port > 1024",
    "conn.client_port <= 1024",
    "conn.client_port == conn.server_port",
    "conn.client_port < req.content_length",
    "has(req.content_length)",
    "req.content_length == 3",
    "conn.client_ip == '10.0.0.1'",
    "conn.client_ip != '::1'",
    "conn.client_ip in ['10.0.0.1', '2001:db8::1', '2001:DB8::2']",
    "inCidrRange(conn.client_ip, '10.0.0.0/8')",
    "inCidrRange(conn.client_ip, 'nonsense')",
    "inCidrRange(conn.client_ip, '10.0.0.1')",
    "inCidrRanges(conn.client_ip, ['192.168.0.0/16', '2001:db8::/32'])",
    "inCidrRange(req.host, '10.0.0.0/8')",
    "conn.client_ip.isPrivateIp()",
    "conn.client_ip.startsWith('10.')",
    "conn.server_ip.contains(':')",
    "conn.client_ip.is_tor_node",
    "'com.github' in conn.client_ip.categories",
    "conn.geo.country_code in ['DE', 'FR']",
    "req.method.lowerAscii() == 'get'",
    "req.headers['x-one'][0] + 'b' == 'ab'",
    "1 / (conn.client_port - 7) > 0",
    "rand.double() < 0.5",
    "rand.int(0, 3) == 1",
    "(conn.client_port == 7 ? req.method == 'GET' : hasReqHeader('x-one'))",
    "[1, 2, 3].exists(x, x == conn.client_port)",
    "req.host == 10 || true",
    "time.now == 'x'",
];

#[derive(Clone, Debug)]
struct Given {
    values: HashMap<Fact, Value>,
    /// Maps of lists of texts, lent as views of what the host has.
    views: HashMap<Fact, View>,
    borrows: bool,
    draws: u64,
}

/// Names and texts in the order in which they came, as a request has its headers.
#[derive(Clone, Debug)]
struct View(Vec<(String, Vec<String>)>);

impl View {
    /// The view of a value, if it is a map of lists of texts.
    fn from_value(value: &Value) -> Option<Self> {
        let text =
            |value: &Value| if let Value::String(text) = value { Some(text.to_string()) } else { None };
        let Value::Map(map) = value else { return None };
        let entries = map.iter().map(|(key, value)| {
            let Value::List(items) = value else { return None };
            Some((text(key)?, items.iter().map(text).collect::<Option<Vec<_>>>()?))
        });
        entries.collect::<Option<Vec<_>>>().map(Self)
    }

    fn texts(&self, name: &str) -> Option<&[String]> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, texts)| &**texts)
    }
}

impl TextMap for View {
    fn count(&self, name: &str) -> Option<usize> {
        self.texts(name).map(<[String]>::len)
    }

    fn get(&self, name: &str, at: usize) -> Option<&str> {
        self.texts(name)?.get(at).map(|text| &**text)
    }

    fn each_name<'m>(&'m self, each: &mut dyn FnMut(&'m str) -> ControlFlow<()>) -> ControlFlow<()> {
        self.0.iter().try_for_each(|(name, _)| each(name))
    }
}

impl Host for Given {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        let missing = if fact.is_optional() { Fault::Absent(fact) } else { Fault::NoSource(fact) };
        self.values.get(&fact).cloned().ok_or(missing)
    }

    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        let value = self.values.get(&fact).filter(|_| self.borrows)?;
        if let Some(view) = self.views.get(&fact) {
            assert_eq!(
                Borrowed::Texts(view).to_value().to_string(),
                value.to_string(),
                "a view is its value"
            );
            return Some(Borrowed::Texts(view));
        }
        Some(match value {
            Value::Bool(value) => Borrowed::Bool(*value),
            Value::Int(value) => Borrowed::Int(*value),
            Value::String(text) if fact.path() == "conn.client_ip" => {
                text.parse().map_or(Borrowed::Text(text), Borrowed::address)
            }
            Value::String(text) if fact.path() != "req.host" => Borrowed::Text(text),
            other => Borrowed::Value(other),
        })
    }

    fn random(&mut self) -> Result<u64, Fault> {
        self.draws += 1;
        Ok(self.draws.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

fn texts(items: &[&str]) -> Value {
    Value::list(items.iter().map(|item| Value::text(*item)).collect())
}

/// Facts of which any may be missing, or be of a type that no host should give.
fn given() -> impl Strategy<Value = Given> {
    let map = |entries: &[(&str, &[&str])]| {
        Value::Map(Map::from_texts(entries.iter().map(|(key, items)| (*key, texts(items)))).into())
    };
    let many: Vec<String> = (0..20).map(|n| format!("h-{n}")).collect();
    let mut large: Vec<(&str, &[&str])> = many.iter().map(|key| (&**key, &["x"][..])).collect();
    large.push(("x-one", &["a", "b"]));
    let choices: Vec<(&str, Vec<Value>)> = vec![
        ("req.method", vec![Value::text("GET"), Value::text("POST"), Value::Int(3)]),
        ("req.host", vec![Value::text("GET"), Value::text("10.1.1.1"), Value::text("::ffff:10.1.1.1")]),
        ("req.url.path", vec![Value::text("/aa"), Value::text("/ab"), Value::text("")]),
        (
            "req.headers",
            vec![
                map(&[("x-one", &["a", "b"])]),
                map(&[("x-one", &[])]),
                map(&large),
                Value::Null,
                Value::Map(
                    Map::from_texts([("x-one", Value::list(vec![Value::Int(1), Value::text("a")]))]).into(),
                ),
            ],
        ),
        ("req.url.query_params", vec![map(&[("q", &["1"])]), map(&[])]),
        ("req.content_length", vec![Value::Int(3), Value::Int(-1)]),
        ("conn.client_port", vec![Value::Int(7), Value::Int(5_000)]),
        ("conn.server_port", vec![Value::Int(7), Value::Double(7.0)]),
        ("conn.client_ip", ["10.0.0.1", "192.168.1.1", "2001:db8::1", "8.8.8.8"].map(Value::text).into()),
        ("conn.server_ip", vec![Value::text("::1"), Value::text("10.0.0.2")]),
        ("conn.client_ip.is_tor_node", vec![Value::Bool(true), Value::Bool(false)]),
        ("conn.client_ip.categories", vec![texts(&["com", "com.github"]), texts(&[])]),
        ("conn.geo.country_code", vec![Value::text("DE"), Value::text("")]),
    ];
    let one = |(path, values): (&'static str, Vec<Value>)| {
        let fact = variables::fact(path).expect(path);
        let some = prop::sample::select(values).prop_map(Some);
        prop_oneof![4 => some, 1 => Just(None)].prop_map(move |value| value.map(|value| (fact, value)))
    };
    let facts: Vec<_> = choices.into_iter().map(one).collect();
    (facts, any::<bool>(), any::<bool>()).prop_map(|(values, borrows, views)| {
        let values: HashMap<Fact, Value> = values.into_iter().flatten().collect();
        let of = |(fact, value): (&Fact, &Value)| Some((*fact, View::from_value(value)?));
        let views = if views { values.iter().filter_map(of).collect() } else { HashMap::new() };
        Given { values, views, borrows, draws: 0 }
    })
}

fn condition() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(ATOMS).prop_map(ToOwned::to_owned);
    atom.prop_recursive(4, 24, 5, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..5);
        prop_oneof![
            3 => several.clone().prop_map(|parts| format!("({})", parts.join(" && "))),
            3 => several.prop_map(|parts| format!("({})", parts.join(" || "))),
            1 => inner.clone().prop_map(|part| format!("!({part})")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

fn checked(text: &str) -> Option<Expression> {
    variables::env(variables::Site { phase: Some(Phase::OnHttpRequest), ..variables::Site::default() })
        .check(text)
        .0
}

fn compare(text: &str, given: &Given) -> Result<(), TestCaseError> {
    let Some(expression) = checked(text) else { return Ok(()) };
    let (mut reference, mut host) = (given.clone(), given.clone());
    let expected = expression.evaluate(&mut reference, EvalLimits::default());
    let found = Predicate::new(&expression).holds(&mut host, EvalLimits::default());
    match (&expected, &found) {
        (Ok(Value::Bool(expected)), Ok(found)) => prop_assert_eq!(expected, found, "{}", text),
        (Err(expected), Err(found)) => prop_assert_eq!(expected, found, "{}", text),
        _ => prop_assert!(false, "{}: {:?} and compiled {:?}", text, expected, found),
    }
    prop_assert_eq!(reference.draws, host.draws, "draws of {}", text);
    Ok(())
}

#[test]
fn every_shape_has_a_form_of_its_own_or_is_interpreted() {
    let count = |wanted| {
        let forms = ATOMS.iter().filter_map(|text| checked(text)).map(|it| Predicate::new(&it));
        forms.filter(|form| form.is_specialised() == wanted).count()
    };
    assert!(count(true) >= 66, "{}", count(true));
    assert!(count(false) >= 8, "{}", count(false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn compiled_conditions_are_the_interpreter(text in condition(), given in given()) {
        compare(&text, &given)?;
    }

    #[test]
    fn atoms_are_the_interpreter(text in prop::sample::select(ATOMS), given in given()) {
        compare(text, &given)?;
    }
}

/// A chain as long as expressions may be, and brackets as deep, on a small stack.
#[test]
fn long_and_deep_conditions_take_no_stack() {
    let chain = vec!["req.method == 'a'"; 200].join(" || ");
    let deep = format!("{}req.method == 'a'{}", "!(".repeat(60), ")".repeat(60));
    let choices = format!("{}true", "req.method == 'a' ? false : ".repeat(60));
    let run = move || {
        let given = Given { values: HashMap::new(), views: HashMap::new(), borrows: true, draws: 0 };
        for text in [&chain, &deep, &choices] {
            assert!(checked(text).is_some(), "{text}");
            compare(text, &given).expect("equal");
        }
    };
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(run).expect("a thread");
    thread.join().expect("no overflow");
}

/// Loops over literals are unrolled up to a bound, and have a form of their own beyond it.
#[test]
fn long_lists_of_literals_are_loops() {
    for number in [64, 65, 150] {
        let words: Vec<String> = (0..number).map(|at| format!("'w{at}w'")).collect();
        let text = format!("[{}].exists(w, req.url.path.contains(w))", words.join(", "));
        let expression = checked(&text).expect("checked");
        assert!(Predicate::new(&expression).is_specialised(), "{number}");
        let path = variables::fact("req.url.path").expect("declared");
        for (value, found) in [(format!("/a/w{}w", number - 1), true), ("/w1".into(), false)] {
            let values = HashMap::from([(path, Value::text(value))]);
            let mut host = Given { values, views: HashMap::new(), borrows: true, draws: 0 };
            assert_eq!(Predicate::new(&expression).holds(&mut host, EvalLimits::default()), Ok(found));
        }
    }
}

/// What takes steps in a loop is charged, and the fault is the interpreter's.
#[test]
fn loops_are_charged() {
    let fact = variables::fact("conn.client_ip.categories").expect("declared");
    let items = Value::list(vec![Value::text("a"); 5_000]);
    let mut host =
        Given { values: HashMap::from([(fact, items)]), views: HashMap::new(), borrows: true, draws: 0 };
    let expression = checked("conn.client_ip.categories.exists(c, c == 'b')").expect("checked");
    let predicate = Predicate::new(&expression);
    let mut limits = EvalLimits::default();
    assert_eq!(predicate.holds(&mut host, limits), Ok(false));
    limits.steps = 1_000;
    assert_eq!(predicate.holds(&mut host, limits).expect_err("too few").fault, Fault::Steps);
}
