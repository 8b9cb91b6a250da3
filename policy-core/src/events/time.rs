//! When lines were written.

use crate::cel::Timestamp;

/// Seconds since 1970 began, of a time in RFC 3339. In UTC, as an edge writes it, without looking the calendar up.
pub(super) fn second(text: &str) -> Option<i64> {
    utc(text.as_bytes()).or_else(|| Timestamp::parse(text).map(Timestamp::seconds))
}

/// `2026-01-31T12:00:00.123Z`; what lies outside of a calendar is `None`.
fn utc(text: &[u8]) -> Option<i64> {
    let (front, rest) = text.split_first_chunk::<19>()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1] = *front
    else {
        return None;
    };
    let fraction = rest.strip_suffix(b"Z")?;
    let is_fraction = match fraction.split_first() {
        None => true,
        Some((b'.', digits)) => (1..=9).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    let number = |tens: u8, ones: u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (year, month, day) = (number(y0, y1)? * 100 + number(y2, y3)?, number(m0, m1)?, number(d0, d1)?);
    let (hour, minute, second) = (number(h0, h1)?, number(i0, i1)?, number(s0, s1)?);
    // Days beyond the 28th may not be there: the calendar knows.
    let fits = year >= 1 && (1..=12).contains(&month) && (1..=28).contains(&day);
    if !is_fraction || !fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Years begin in March, so that the day that is not always there is the last one (Hinnant, days_from_civil).
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn seconds_are_those_of_the_calendar(second in -62_135_596_800_i64..=253_402_300_799, nanos in 0..1_000_000_000_u32) {
            let text = Timestamp::new(second, nanos).expect("a time").to_string();
            prop_assert_eq!(super::second(&text), Some(second));
            let at_midday = format!("{}T12:34:56+02:00", text.get(..10).expect("a date"));
            prop_assert_eq!(super::second(&at_midday), Timestamp::parse(&at_midday).map(Timestamp::seconds));
        }

        #[test]
        fn what_is_no_time_is_none(text in "[0-9]{4}-[0-3][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z?") {
            prop_assert_eq!(super::second(&text), Timestamp::parse(&text).map(Timestamp::seconds));
        }
    }
}
