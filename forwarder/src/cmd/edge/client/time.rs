//! The time of `--expires`.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Reads a time, or a span from now on, such as `90d`.
pub(in crate::cmd::edge) fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = || format!("invalid time `{text}`: use 90d, 12h or 2027-01-31T00:00:00Z");
    let span: Span = text.parse().map_err(|_| wrong())?;
    let end = now.to_zoned(TimeZone::UTC).checked_add(span).map_err(|_| wrong())?.timestamp();
    if end > now { Ok(end) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let read = |text| parse(text, now).map(|time| time.to_string());
        assert_eq!(read("2027-01-31T00:00:00+01:00").as_deref(), Ok("2027-01-30T23:00:00Z"));
        assert_eq!(read("90d").as_deref(), Ok("2026-05-01T12:00:00Z"));
        assert_eq!(read("12h").as_deref(), Ok("2026-02-01T00:00:00Z"));
        assert_eq!(read("1y 2mo").as_deref(), Ok("2027-03-31T12:00:00Z"));
        for wrong in ["", "tomorrow", "90", "-1h", "1h ago", "0s", "2027-01-31", "99999999y"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
