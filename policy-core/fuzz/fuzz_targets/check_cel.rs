//! Any text as an expression of any phase: an answer with places inside the text; what is well typed runs
//! within its budget, and gives the same as written and folded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::cel::{Env, EvalLimits, Fact, Fault, Host, Type, Value};
use policy_core::phase::Phase;
use policy_core::variables;

/// Knows each fact that the input says it knows.
struct Known(u64);

impl Host for Known {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        match (self.0 >> (fact.index() % 61)) & 3 {
            0 => Err(Fault::NoSource(fact)),
            1 => Err(Fault::Absent(fact)),
            _ => Ok(match variables::type_of(fact) {
                Type::String => Value::text("203.0.113.42"),
                Type::Int => Value::Int(i64::from(self.0 as u16)),
                Type::Bool => Value::Bool(self.0 & 1 == 0),
                Type::List(_) => Value::list(vec![Value::text("a"), Value::text("b")]),
                Type::Map(_) => Value::from_json(r#"{"a": ["b", "c"], "x-id": ["1"]}"#).expect("a map"),
                _ => Value::Null,
            }),
        }
    }

    fn random(&mut self) -> Result<u64, Fault> {
        Ok(self.0)
    }
}

fuzz_target!(|input: (u8, u64, &str)| {
    let (place, seed, text) = input;
    let standard = Env::standard();
    let env = match place % 5 {
        4 => &standard,
        at => variables::env(variables::Site {
            phase: Phase::ALL.get(usize::from(at)).copied(),
            ..variables::Site::default()
        }),
    };
    let (expression, found) = env.check(text);
    for item in found.iter() {
        assert!(text.get(item.span.to_range()).is_some() && item.help.is_some(), "{item:?}");
    }
    let Some(expression) = expression else {
        assert!(found.has_errors());
        return;
    };
    let folded = expression.evaluate(&mut Known(seed), EvalLimits::default());
    let (written, _) = expression.explain(&mut Known(seed), EvalLimits::default(), 100);
    let show = |value: &Value| value.to_string();
    match (&folded, &written) {
        (Ok(folded), Ok(written)) => assert_eq!(show(folded), show(written), "{text}"),
        (_, Err(error)) | (Err(error), _) if error.fault.is_final() => {}
        (Err(_), Err(_)) => {}
        _ => panic!("{text}: {folded:?} {written:?}"),
    }
});
