//! Durations as policies and configurations write them: `30s`, `1m30s`, `1.5h`.
//!
//! Source: the notation of Go's `time.ParseDuration`, which ngrok's fields use; no sign.

use std::time::Duration;

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{digit0, digit1};
use nom::combinator::{all_consuming, opt, value};
use nom::multi::fold_many1;
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

/// Reads a duration; `None` for anything else, a number without a unit included.
///
/// ```
/// use policy_core::duration::parse_duration;
/// assert_eq!(parse_duration("1m30s").map(|d| d.as_secs()), Some(90));
/// assert_eq!(parse_duration("30"), None);
/// ```
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text.len() > 64 {
        return None;
    }
    let (_, nanos) = all_consuming(total).parse(text).ok()?;
    nanos.and_then(|nanos| u64::try_from(nanos).ok()).map(Duration::from_nanos)
}

/// Reads a duration with a sign, in nanoseconds: all of Go's notation, `.5s`, `1.s` and a bare `0` included.
pub(crate) fn signed_nanoseconds(text: &str) -> Option<i64> {
    if text.len() > 64 {
        return None;
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanos = if rest == "0" { 0 } else { all_consuming(loose_total).parse(rest).ok()?.1? };
    let nanos = i128::try_from(nanos).ok()?;
    i64::try_from(if negative { -nanos } else { nanos }).ok()
}

fn loose_total(text: &str) -> IResult<&str, Option<u128>> {
    let number = alt((
        pair(digit1, opt(preceded(tag("."), digit0))),
        pair(tag(""), preceded(tag("."), digit1).map(Some)),
    ));
    let part = pair(number, unit).map(|((whole, fraction), unit)| {
        nanos(if whole.is_empty() { "0" } else { whole }, fraction.filter(|digits| !digits.is_empty()), unit)
    });
    fold_many1(part, || Some(0_u128), |sum: Option<u128>, next| sum?.checked_add(next?)).parse(text)
}

/// The sum in nanoseconds; `None` inside if a number does not fit.
fn total(text: &str) -> IResult<&str, Option<u128>> {
    fold_many1(part, || Some(0_u128), |sum, next| sum?.checked_add(next?)).parse(text)
}

fn part(text: &str) -> IResult<&str, Option<u128>> {
    let number = pair(digit1, opt(preceded(tag("."), digit1)));
    pair(number, unit).map(|((whole, fraction), unit)| nanos(whole, fraction, unit)).parse(text)
}

fn unit(text: &str) -> IResult<&str, u128> {
    alt((
        value(1, tag("ns")),
        value(1_000, alt((tag("us"), tag("µs"), tag("μs")))),
        value(1_000_000, tag("ms")),
        value(1_000_000_000, tag("s")),
        value(60 * 1_000_000_000, tag("m")),
        value(3_600 * 1_000_000_000, tag("h")),
    ))
    .parse(text)
}

fn nanos(whole: &str, fraction: Option<&str>, unit: u128) -> Option<u128> {
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let Some(digits) = fraction else { return Some(whole) };
    // As Go computes it, to the last nanosecond: digits that a 63-bit number cannot hold are dropped.
    let (mut fraction, mut scale) = (0_u64, 1_f64);
    for digit in digits.bytes().map(|byte| u64::from(byte.wrapping_sub(b'0'))) {
        let Some(next) = fraction.checked_mul(10).and_then(|tens| tens.checked_add(digit)) else { break };
        if next > 1 << 63 {
            break;
        }
        (fraction, scale) = (next, scale * 10.0);
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what Go does, and less than one unit"
    )]
    let nanos = (fraction as f64 * (unit as f64 / scale)) as u128;
    Some(whole + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        let millis = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("1.5s"), Some(1_500));
        assert_eq!(millis("1h2m3s"), Some(3_723_000));
        let nanos = |text| parse_duration(text).map(|d| d.as_nanos());
        assert_eq!(nanos("0.0000000000009h"), Some(3));
        assert_eq!(nanos("0.3333333333333333333h"), Some(1_200_000_000_000));
        assert_eq!(nanos("0.9999999999999999999999s"), Some(1_000_000_000));
        for bad in ["", "s", "1", "-1s", "1s ", "1 s", "1.s", "1d", "99999999999999999999h"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }
}
