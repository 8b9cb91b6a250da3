//! Numbers as text.
//!
//! Source: Go's `strconv.FormatFloat` for the shortest form.

/// Numbers from ten to this power on are written with an exponent.
const LARGE_EXPONENT: i32 = 6;

/// The shortest text that reads as the number: an exponent from 1e+06 on, and below 0.0001.
pub(in crate::cel) fn shortest(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return (if number > 0.0 { "+Inf" } else { "-Inf" }).to_owned();
    }
    let scientific = even(number, format!("{number:e}"));
    let exponent: i32 = scientific.split_once('e').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(0);
    if (-4..LARGE_EXPONENT).contains(&exponent) { decimal(number) } else { two_digit_exponent(&scientific) }
}

/// Of two shortest texts that are equally near, Go writes the even one and Rust the greater one.
fn even(number: f64, greater: String) -> String {
    let Some((digits, exponent)) = greater.split_once('e') else { return greater };
    let last = digits.as_bytes().last().filter(|last| last.is_ascii_digit() && *last % 2 == 1);
    let (Some(last), Some((_, fraction))) = (last, digits.split_once('.')) else { return greater };
    let front = digits.get(..digits.len() - 1).unwrap_or_default();
    let lower = format!("{front}{}", char::from(last - 1));
    // Half way, the number itself goes on with a five and nothing after it.
    let exact = format!("{number:.0$e}", fraction.len() + 40);
    let half = exact.strip_prefix(&*lower).and_then(|rest| rest.strip_prefix('5'));
    let half =
        half.is_some_and(|rest| rest.split('e').next().is_some_and(|rest| rest.bytes().all(|c| c == b'0')));
    let lower = format!("{lower}e{exponent}");
    if half && lower.parse() == Ok(number) { lower } else { greater }
}

/// The number without an exponent.
pub(in crate::cel) fn decimal(number: f64) -> String {
    special(number).map_or_else(|| format!("{number}"), str::to_owned)
}

pub(in crate::cel) const fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number.is_infinite() {
        Some(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

/// `1.5e7` as `1.5e+07`.
pub(in crate::cel) fn two_digit_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_print_their_shortest_form() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (123.456, "123.456"),
            (6.02214e23, "6.02214e+23"),
            (1.38e-23, "1.38e-23"),
            (123456.0, "123456"),
            (1e6, "1e+06"),
            (1234567.5, "1.2345675e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
        ] {
            assert_eq!(shortest(number), text);
        }
        assert_eq!(decimal(1e21), "1000000000000000000000");
        assert_eq!(decimal(f64::NEG_INFINITY), "-Infinity");
    }

    proptest! {
        /// The text reads as the number, and no text with a digit less does.
        #[test]
        fn the_shortest_form_is_the_shortest(bits: u64) {
            let number = f64::from_bits(bits);
            let text = shortest(number);
            if number.is_finite() {
                prop_assert_eq!(text.parse::<f64>().expect("a number").to_bits(), bits, "{}", text);
                let (mantissa, _) = text.split_once('e').unwrap_or((&text, ""));
                let digits = mantissa.trim_start_matches(['-', '0', '.']).replace('.', "");
                let digits = digits.trim_end_matches('0').len();
                if digits > 1 {
                    let fewer = format!("{number:.0$e}", digits - 2);
                    prop_assert_ne!(fewer.parse::<f64>().expect("a number").to_bits(), bits, "{}", text);
                }
            }
        }
    }
}
