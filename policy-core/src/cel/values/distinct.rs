//! Values as texts that are equal if the values are.

use std::fmt::Write as _;

use super::value::Value;

/// Lists and maps inside one another.
const MAX_LEVELS: usize = 64;

impl Value {
    /// A text that equal values share and no others: numbers by their value, maps whatever their order. `None` if it is
    /// longer than that many bytes, or the value deeper than 64 levels.
    pub(crate) fn distinct(&self, max: usize) -> Option<String> {
        let mut out = String::new();
        write(&mut out, self, max, MAX_LEVELS)?;
        Some(out)
    }
}

fn push(out: &mut String, text: &str, max: usize) -> Option<()> {
    (text.len() <= max.saturating_sub(out.len())).then(|| out.push_str(text))
}

fn write(out: &mut String, value: &Value, max: usize, levels: usize) -> Option<()> {
    match value {
        Value::List(items) => {
            push(out, "[", max)?;
            for (at, item) in items.iter().enumerate() {
                push(out, if at > 0 { ", " } else { "" }, max)?;
                write(out, item, max, levels.checked_sub(1)?)?;
            }
            push(out, "]", max)
        }
        Value::Map(map) if map.len() > max => None,
        Value::Map(map) => {
            let entries = map.iter().map(|(key, value)| Some((key.distinct(max)?, value)));
            let mut entries = entries.collect::<Option<Vec<_>>>()?;
            // Keys are scalars and none is there twice.
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            push(out, "{", max)?;
            for (at, (key, value)) in entries.iter().enumerate() {
                push(out, if at > 0 { ", " } else { "" }, max)?;
                push(out, key, max)?;
                push(out, ": ", max)?;
                write(out, value, max, levels.checked_sub(1)?)?;
            }
            push(out, "}", max)
        }
        Value::Optional(Some(inner)) => {
            push(out, "optional.of(", max)?;
            write(out, inner, max, levels.checked_sub(1)?)?;
            push(out, ")", max)
        }
        Value::Uint(number) => push(out, &number.to_string(), max),
        Value::Double(number) if number.fract() == 0.0 => {
            let mut text = String::new();
            // Without a sign for zero, as it is equal.
            let _ = write!(text, "{}", if *number == 0.0 { 0.0 } else { *number });
            push(out, &text, max)
        }
        Value::Ip(address) => push(out, &format!("ip(\"{}\")", address.to_canonical()), max),
        scalar => push(out, &scalar.written_within(max)?, max),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cel::Map;

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-2_i64..3).prop_map(Value::Int),
            (0_u64..3).prop_map(Value::Uint),
            prop::sample::select(vec![-2.0, -0.0, 0.0, 1.0, 0.5, 1e300]).prop_map(Value::Double),
            "[\"\\\\, \\[\\]1a]{0,3}".prop_map(Value::text),
            prop::sample::select(vec!["::ffff:10.0.0.1", "10.0.0.1", "::1"])
                .prop_map(|it| Value::Ip(it.parse().expect("an address"))),
        ];
        scalar.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::list),
                prop::collection::vec((0_i64..3, any::<bool>(), inner), 0..3).prop_map(|entries| {
                    let mut map = Map::default();
                    for (key, whole, value) in entries {
                        let key = if whole { Value::Int(key) } else { Value::Uint(key.unsigned_abs()) };
                        let _ = map.insert(key, value);
                    }
                    Value::from(map)
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_values_and_no_others_share_a_text(one in value(), other in value()) {
            let equal = one.equals(&other, &mut |_| Ok(())).expect("no limit");
            let texts = [&one, &other].map(|it| it.distinct(1 << 20).expect("short"));
            prop_assert_eq!(equal, texts[0] == texts[1], "{:?}", texts);
        }

        #[test]
        fn a_text_that_would_be_too_long_is_none(of in value(), max in 0_usize..40) {
            let whole = of.distinct(1 << 20).expect("short");
            prop_assert_eq!(of.distinct(max), (whole.len() <= max).then_some(whole));
        }
    }

    #[test]
    fn what_is_too_deep_or_shared_too_often_is_none() {
        let mut value = Value::list(vec![]);
        for _ in 0..65 {
            value = Value::list(vec![value.clone(), value]);
        }
        assert_eq!(value.distinct(4_096), None);
        let deep = (0..65).fold(Value::Null, |inner, _| Value::list(vec![inner]));
        assert_eq!(deep.distinct(4_096), None);
        let long = Value::text("x".repeat(4_094));
        assert_eq!(long.distinct(4_096).map(|text| text.len()), Some(4_096));
    }
}
