//! `Retry-After`: when to come again.
//!
//! Source: RFC 9110, 10.2.3: seconds, or a date in one of the three forms of 5.6.7.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use super::connection::refused;

/// A refusal for some time.
#[derive(Debug)]
struct Later {
    message: String,
    after: Duration,
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Later {}

/// How long the proxy that refused asks to wait, if it does. It may ask for any time.
#[must_use]
pub fn retry_after(error: &io::Error) -> Option<Duration> {
    Some(error.get_ref()?.downcast_ref::<Later>()?.after)
}

/// A refusal that may say when to come again.
pub(super) fn refused_until(message: String, after: Option<Duration>) -> io::Error {
    match after {
        Some(after) => io::Error::new(io::ErrorKind::ConnectionRefused, Later { message, after }),
        None => refused(message),
    }
}

/// The same error in other words.
pub(super) fn reworded(error: &io::Error, message: String) -> io::Error {
    match retry_after(error) {
        Some(after) => io::Error::new(error.kind(), Later { message, after }),
        None => io::Error::new(error.kind(), message),
    }
}

/// The time that the header of an answer asks to wait. What cannot be read asks for none, a date that is over neither.
pub(super) fn asked(header: &[u8], now: SystemTime) -> Option<Duration> {
    fields(header, "retry-after").filter_map(|value| time(value, now)).next()
}

/// The values of a field in the header of an answer.
pub(super) fn fields<'h>(header: &'h [u8], field: &'h str) -> impl Iterator<Item = &'h str> {
    let lines = header.split(|&byte| byte == b'\n').skip(1);
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(move |line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(field).then_some(value.trim())
    })
}

fn time(value: &str, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time as well.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_dates() {
        // 1994-11-06 08:49:37, the date of the RFC, a minute before.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 60);
        let read = |lines: &str| {
            asked(format!("HTTP/1.1 503 no\r\n{lines}\r\n\r\n").as_bytes(), now).map(|it| it.as_secs())
        };
        assert_eq!(read("Via: x\r\nretry-AFTER:  7 "), Some(7));
        assert_eq!(read("Retry-After: 0"), Some(0));
        assert_eq!(read("Retry-After: 99999999999999999999999"), Some(u64::MAX));
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(read(&format!("Retry-After: {date}")), Some(60), "{date}");
        }
        for none in ["", "Retry-After:", "Retry-After: -1", "Retry-After: 1.5", "Retry-After: soon", "X: 1"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(read("Retry-After: Sun, 06 Nov 1994 08:48:36 GMT"), None, "it is over");
        assert_eq!(read("Retry-After: soon\r\nRetry-After: 3"), Some(3));
    }
}
