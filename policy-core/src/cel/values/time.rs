//! Points and lengths of time: reading, writing, arithmetic, calendar fields.
//!
//! Source: CEL specification, language definition, timestamps and durations. A timestamp lies in the years
//! 1 to 9999; a duration is a signed 64-bit number of nanoseconds (about 292 years), as in the reference
//! implementation.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while_m_n, take_while1};
use nom::combinator::{all_consuming, map_opt, opt};
use nom::sequence::{pair, preceded, separated_pair};
use nom::{IResult, Parser};

use super::fault::Fault;
use crate::duration::signed_nanoseconds;

const NANOS: i64 = 1_000_000_000;
/// 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

const DAY: i64 = 86_400;
const DAYS_OF_400_YEARS: i64 = 146_097;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A length of time, in nanoseconds.
///
/// ```
/// use policy_core::cel::Duration;
/// assert_eq!(Duration::parse("1h30m").expect("a duration").to_string(), "5400s");
/// assert_eq!(Duration::parse("-1.5ms").expect("a duration").to_string(), "-0.0015s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

impl Duration {
    /// A number of nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The number of nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads Go's notation, `1h30m`, `-1.5s`; `None` for anything else and for what does not fit.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        signed_nanoseconds(text).map(Self)
    }

    pub(crate) fn plus(self, other: Self) -> Result<Self, Fault> {
        self.0.checked_add(other.0).map(Self).ok_or(Fault::Overflow)
    }

    pub(crate) fn minus(self, other: Self) -> Result<Self, Fault> {
        self.0.checked_sub(other.0).map(Self).ok_or(Fault::Overflow)
    }
}

/// Seconds, with a fraction only if there is one.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let billion = NANOS.unsigned_abs();
        write!(f, "{sign}{}{}s", nanos / billion, Fraction(nanos % billion))
    }
}

/// Nanoseconds as a decimal fraction without trailing zeros; nothing for none.
struct Fraction(u64);

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return Ok(());
        }
        let digits = format!("{:09}", self.0);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

/// A point in time between the years 1 and 9999, UTC.
///
/// ```
/// use policy_core::cel::Timestamp;
/// let read = Timestamp::parse("2009-02-13T23:31:30+02:00").expect("a timestamp");
/// assert_eq!(read.to_string(), "2009-02-13T21:31:30Z");
/// assert!(Timestamp::parse("2009-02-30T00:00:00Z").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// Seconds and nanoseconds since 1970 began; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let fits = (FIRST_SECOND..=LAST_SECOND).contains(&seconds) && i64::from(nanos) < NANOS;
        fits.then_some(Self { seconds, nanos })
    }

    /// Whole seconds since 1970 began.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// So much later; the last moment that there is, if that is later.
    #[must_use]
    pub fn after(self, time: std::time::Duration) -> Self {
        let nanos = i64::from(self.nanos) + i64::from(time.subsec_nanos());
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let seconds = self.seconds.saturating_add(seconds).saturating_add(nanos / NANOS);
        let nanos = u32::try_from(nanos % NANOS).unwrap_or(0);
        Self::new(seconds, nanos).unwrap_or(Self { seconds: LAST_SECOND, nanos: 0 })
    }

    /// Reads RFC 3339.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let (_, (date, (clock, offset))) = all_consuming(rfc3339).parse(text).ok()?;
        let (hour, minute, second, nanos) = clock;
        let fits = hour < 24 && minute < 60 && second < 60;
        let civil = fits.then(|| Date::new(date.0, date.1, date.2).ok())??;
        let midnight = i64::from(EPOCH.until(civil).ok()?.get_days()) * DAY;
        let of_day = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
        Self::new(midnight + of_day - offset, nanos)
    }

    fn total(self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOS) + i128::from(self.nanos)
    }

    fn from_nanos(total: i128) -> Result<Self, Fault> {
        let nanos = i128::from(NANOS);
        let seconds = i64::try_from(total.div_euclid(nanos)).map_err(|_| Fault::Overflow)?;
        let rest = u32::try_from(total.rem_euclid(nanos)).map_err(|_| Fault::Overflow)?;
        Self::new(seconds, rest).ok_or(Fault::Overflow)
    }

    pub(crate) fn plus(self, length: Duration) -> Result<Self, Fault> {
        Self::from_nanos(self.total() + i128::from(length.0))
    }

    pub(crate) fn minus(self, length: Duration) -> Result<Self, Fault> {
        Self::from_nanos(self.total() - i128::from(length.0))
    }

    pub(crate) fn since(self, other: Self) -> Result<Duration, Fault> {
        i64::try_from(self.total() - other.total()).map(Duration).map_err(|_| Fault::Overflow)
    }

    /// The calendar at a place: a name of the IANA database, `+hh:mm`, or UTC.
    pub(crate) fn at(self, zone: Option<&str>) -> Result<LocalTime, Fault> {
        let offset = match zone {
            None => 0,
            Some(zone) => {
                // The database ends some hours before the year 10000 does.
                let (min, max) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
                let seconds = self.seconds.clamp(min.as_second(), max.as_second());
                let instant = jiff::Timestamp::from_second(seconds).map_err(|_| Fault::Overflow)?;
                i64::from(time_zone(zone)?.to_offset(instant).seconds())
            }
        };
        let local = self.seconds + offset;
        // East of Greenwich the last hours of 9999 are in the year 10000, which the library does not have;
        // every 400 years the calendar is the same.
        let (days, years) = match local > LAST_SECOND {
            true => (local.div_euclid(DAY) - DAYS_OF_400_YEARS, 400),
            false => (local.div_euclid(DAY), 0),
        };
        let date = EPOCH.checked_add(days.days()).map_err(|_| Fault::Overflow)?;
        let of_day = local.rem_euclid(DAY);
        let part = |value: i64| i8::try_from(value).unwrap_or(0);
        let (hour, minute, second) = (part(of_day / 3_600), part(of_day / 60 % 60), part(of_day % 60));
        let at = date.at(hour, minute, second, i32::try_from(self.nanos).unwrap_or(0));
        Ok(LocalTime { year: i64::from(at.year()) + years, at })
    }
}

/// A point in time as the clocks and calendars of a place show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalTime {
    /// The year, which may be 0 or 10000.
    pub(crate) year: i64,
    /// Everything but the year.
    pub(crate) at: DateTime,
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(LocalTime { at, .. }) = self.at(None) else { return f.write_str("?") };
        let (year, month, day) = (at.year(), at.month(), at.day());
        let (hour, minute, second) = (at.hour(), at.minute(), at.second());
        let fraction = Fraction(self.nanos.into());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }
}

/// Why there is no time zone of this name, and the one that may be meant.
pub(in crate::cel) fn unknown_zone(name: &str) -> Option<(Fault, Option<String>)> {
    let fault = time_zone(name).err()?;
    let known: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    let near = crate::diagnostic::did_you_mean(name, known.iter().map(String::as_str));
    Some((fault, near.map(ToOwned::to_owned)))
}

fn time_zone(name: &str) -> Result<TimeZone, Fault> {
    let unknown = || Fault::argument(format!("unknown time zone `{}`", crate::diagnostic::shorten(name)));
    if name.contains(':') {
        let (_, minutes) = all_consuming(offset).parse(name).map_err(|_| unknown())?;
        let seconds = minutes.checked_mul(60).ok_or_else(unknown)?;
        return Offset::from_seconds(seconds).map(TimeZone::fixed).map_err(|_| unknown());
    }
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        _ if name.len() > 64 => Err(unknown()),
        _ => {
            let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
            // Names are files elsewhere: their case counts.
            zone.iana_name().is_none_or(|known| known == name).then_some(zone).ok_or_else(unknown)
        }
    }
}

/// `+hh:mm`, `-hh:mm` or `hh:mm`, in minutes: hours and minutes of a clock.
fn offset(text: &str) -> IResult<&str, i32> {
    let sign = opt(alt((tag("-"), tag("+"))));
    let parts = separated_pair(number::<u8>(1, 2), tag(":"), number::<u8>(1, 2));
    map_opt(pair(sign, parts), |(sign, (hours, minutes))| {
        let all = i32::from(hours) * 60 + i32::from(minutes);
        let all = if sign == Some("-") { -all } else { all };
        (hours < 24 && minutes < 60).then_some(all)
    })
    .parse(text)
}

/// Digits as a number.
fn number<'a, N: std::str::FromStr>(
    min: usize,
    max: usize,
) -> impl Parser<&'a str, Output = N, Error = nom::error::Error<&'a str>> {
    map_opt(take_while_m_n(min, max, |c: char| c.is_ascii_digit()), |digits: &str| digits.parse().ok())
}

type DateParts = ((i16, i8, i8), ((u8, u8, u8, u32), i64));

fn rfc3339(text: &str) -> IResult<&str, DateParts> {
    let date =
        (number::<i16>(4, 4), preceded(tag("-"), number::<i8>(2, 2)), preceded(tag("-"), number::<i8>(2, 2)));
    let fraction = preceded(tag("."), take_while1(|c: char| c.is_ascii_digit()));
    let clock = (
        number::<u8>(2, 2),
        preceded(tag(":"), number::<u8>(2, 2)),
        preceded(tag(":"), number::<u8>(2, 2)),
        opt(fraction).map(|digits: Option<&str>| digits.map_or(0, nanos_of)),
    );
    let zone = alt((
        tag("Z").map(|_| 0),
        map_opt(
            (alt((tag("+"), tag("-"))), number::<i64>(2, 2), preceded(tag(":"), number::<i64>(2, 2))),
            |(sign, hours, minutes): (&str, i64, i64)| {
                let seconds = (hours * 60 + minutes) * 60;
                (hours < 24 && minutes < 60).then_some(if sign == "-" { -seconds } else { seconds })
            },
        ),
    ));
    separated_pair(date, tag("T"), pair(clock, zone)).parse(text)
}

/// The first nine digits of a fraction; what is below a nanosecond is dropped.
fn nanos_of(digits: &str) -> u32 {
    let nine = digits.chars().chain(std::iter::repeat('0')).take(9);
    nine.filter_map(|c| c.to_digit(10)).fold(0, |sum, digit| sum * 10 + digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_rfc_3339_is_read() {
        for bad in [
            "2009-02-13",
            "2009-02-13T23:31:30",
            "2009-02-13 23:31:30Z",
            "2009-02-13T24:00:00Z",
            "2009-02-13T23:60:00Z",
            "2009-13-13T23:00:00Z",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
            "2009-02-13T23:31:30.Z",
            "2009-02-13T23:31:30+2:00",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        let text = "9999-12-31T23:59:59.999999999Z";
        assert_eq!(Timestamp::parse(text).expect("the last").to_string(), text);
        let text = "0001-01-01T00:00:00Z";
        assert_eq!(Timestamp::parse(text).expect("the first").to_string(), text);
    }

    #[test]
    fn calendars_know_zones() {
        let noon = Timestamp::parse("2009-02-13T02:00:00Z").expect("a timestamp");
        let day = |zone| noon.at(Some(zone)).map(|local| local.at.day());
        assert_eq!(day("America/St_Johns"), Ok(12));
        assert_eq!(day("-02:30"), Ok(12));
        assert_eq!(day("11:00"), Ok(13));
        assert!(day("europe/prague").is_err() && day("utc").is_err() && day("UTC").is_ok());
        let last = Timestamp::new(LAST_SECOND, 0).expect("the last");
        let local = last.at(Some("Europe/Prague")).expect("beyond");
        assert_eq!((local.year, local.at.month(), local.at.day(), local.at.hour()), (10_000, 1, 1, 0));
        assert_eq!(local.at.weekday(), jiff::civil::Weekday::Saturday);
        let first = Timestamp::new(FIRST_SECOND, 0).expect("the first").at(Some("-01:00")).expect("before");
        assert_eq!((first.year, first.at.month(), first.at.hour()), (0, 12, 23));
        assert!(day("Mars/Olympus").is_err() && day("+99:99").is_err() && day("1:2:3").is_err());
        for beyond in ["+25:00", "+24:00", "-24:00", "+02:75", "23:60"] {
            assert!(day(beyond).is_err(), "{beyond}");
        }
        assert!(day("+23:59").is_ok() && day("-23:59").is_ok());
    }

    const fn is_leap(year: i64) -> bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    /// Year, month and day of a day since 0001-01-01, counted year by year.
    fn counted(mut days: i64) -> (i64, i64, i64) {
        let mut year = 1;
        while days >= 365 + i64::from(is_leap(year)) {
            days -= 365 + i64::from(is_leap(year));
            year += 1;
        }
        let february = 28 + i64::from(is_leap(year));
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        (year, month, days + 1)
    }

    proptest! {
        #[test]
        fn times_are_those_of_a_calendar_counted_by_hand(
            seconds in FIRST_SECOND..=LAST_SECOND,
            nanos in 0_u32..1_000_000_000,
            offset in -1_439_i64..=1_439,
        ) {
            let at = Timestamp::new(seconds, nanos).expect("within the years");
            let written = |seconds: i64, zone: &str| {
                let since = seconds - FIRST_SECOND;
                let (year, month, day) = counted(since.div_euclid(DAY));
                let of_day = since.rem_euclid(DAY);
                let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}{zone}")
            };
            prop_assert_eq!(Timestamp::parse(&written(seconds, "Z")), Some(at));
            let shown = at.to_string();
            let (whole, _) = shown.split_at("0001-01-01T00:00:00".len());
            let plain = written(seconds, "");
            prop_assert_eq!(plain.split_once('.').map(|(whole, _)| whole), Some(whole));
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
            // The same moment, as clocks elsewhere show it.
            let local = seconds + offset * 60;
            if (FIRST_SECOND..=LAST_SECOND).contains(&local) {
                let sign = if offset < 0 { '-' } else { '+' };
                let zone = format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60);
                prop_assert_eq!(Timestamp::parse(&written(local, &zone)), Some(at));
                let shown = at.at(Some(&zone)).expect("a zone");
                let (year, month, day) = counted((local - FIRST_SECOND).div_euclid(DAY));
                prop_assert_eq!(
                    (shown.year, i64::from(shown.at.month()), i64::from(shown.at.day())),
                    (year, month, day)
                );
            }
        }

        #[test]
        fn lengths_read_as_the_sum_of_their_parts(
            hours in 0_i64..1_000_000, minutes in 0_i64..1_000, nanos in 0_i64..=i64::from(u32::MAX), minus: bool,
        ) {
            let sum = (hours * 3_600 + minutes * 60) * NANOS + nanos;
            let (sign, sum) = if minus { ("-", -sum) } else { ("", sum) };
            let text = format!("{sign}{hours}h{minutes}m{nanos}ns");
            prop_assert_eq!(Duration::parse(&text), Some(Duration::from_nanos(sum)));
            let shown = Duration::from_nanos(sum).to_string();
            prop_assert_eq!(Duration::parse(&shown), Some(Duration::from_nanos(sum)), "{}", shown);
        }

        #[test]
        fn sums_of_times_are_those_of_wide_numbers(seconds in FIRST_SECOND..=LAST_SECOND, length: i64) {
            let at = Timestamp::new(seconds, 1).expect("within the years");
            let length = Duration::from_nanos(length);
            let billion = i128::from(NANOS);
            let sum = i128::from(seconds) * billion + 1 + i128::from(length.nanos());
            let range = i128::from(FIRST_SECOND) * billion..i128::from(LAST_SECOND + 1) * billion;
            match at.plus(length) {
                Ok(later) => {
                    prop_assert_eq!(later.total(), sum);
                    prop_assert_eq!(later.minus(length), Ok(at));
                    prop_assert_eq!(later.since(at), Ok(length));
                }
                Err(fault) => {
                    prop_assert_eq!(fault, Fault::Overflow);
                    prop_assert!(!range.contains(&sum));
                }
            }
        }
    }
}
