//! Cookies: those that a client sends, and those that a response sets (RFC 6265).

use crate::cel::{Duration, Map, Timestamp, Value};

/// Cookies of a message; each becomes a value of ten fields.
pub(super) const MAX_COOKIES: usize = 1_000;

/// The cookies of `Cookie` headers: name and value, in the order in which they were sent. O(length).
pub(super) fn sent(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = name.trim_matches([' ', '\t']);
        (!name.is_empty()).then(|| (name, unquoted(value.trim_matches([' ', '\t']))))
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A cookie that a response sets.
#[derive(Debug, Default)]
pub(super) struct SetCookie<'h> {
    pub(super) name: &'h str,
    value: &'h str,
    domain: &'h str,
    path: &'h str,
    expires: Option<Timestamp>,
    max_age: Option<Duration>,
    secure: bool,
    http_only: bool,
    same_site: &'h str,
    unparsed: Vec<&'h str>,
}

impl<'h> SetCookie<'h> {
    /// A cookie of a request, which has a name and a value only.
    pub(super) fn sent(name: &'h str, value: &'h str) -> Self {
        Self { name, value, ..Self::default() }
    }

    /// Reads a `Set-Cookie` header; `None` without a name. O(length).
    pub(super) fn read(header: &'h str) -> Option<Self> {
        let mut parts = header.split(';');
        let (name, value) = sent(parts.next()?).next()?;
        let mut out = Self::sent(name, value);
        for part in parts {
            let part = part.trim_matches([' ', '\t']);
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim_matches([' ', '\t']);
            match &*attribute.trim_end_matches([' ', '\t']).to_ascii_lowercase() {
                "" => {}
                "domain" => out.domain = value.trim_start_matches('.'),
                "path" => out.path = value,
                "expires" => match http_date(value) {
                    Some(at) => out.expires = Some(at),
                    None => out.unparsed.push(part),
                },
                "max-age" => {
                    match value.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000_000)) {
                        Some(nanos) => out.max_age = Some(Duration::from_nanos(nanos)),
                        None => out.unparsed.push(part),
                    }
                }
                "secure" => out.secure = true,
                "httponly" => out.http_only = true,
                "samesite" => out.same_site = value,
                _ => out.unparsed.push(part),
            }
        }
        Some(out)
    }

    /// How long its path is: the longest comes first.
    pub(super) fn path_length(&self) -> usize {
        self.path.len()
    }

    /// The value of its type; what it does not have is zero.
    pub(super) fn to_value(&self) -> Value {
        let text = |text: &str| Value::text(text);
        // The zero time of Go, which ngrok's edge has for none.
        let never = Timestamp::parse("0001-01-01T00:00:00Z");
        let expires = self.expires.or(never).map_or(Value::Null, Value::Timestamp);
        Value::from(Map::from_texts([
            ("name", text(self.name)),
            ("value", text(self.value)),
            ("domain", text(self.domain)),
            ("path", text(self.path)),
            ("expires", expires),
            ("max_age", Value::Duration(self.max_age.unwrap_or(Duration::from_nanos(0)))),
            ("secure", Value::Bool(self.secure)),
            ("http_only", Value::Bool(self.http_only)),
            ("same_site", text(self.same_site)),
            ("unparsed_attributes", Value::list(self.unparsed.iter().map(|part| text(part)).collect())),
        ]))
    }
}

/// A date in a header: `Wed, 21 Oct 2026 07:28:00 GMT`, the hyphens of older cookies too (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once(", ")?;
    let rest = rest.strip_suffix(" GMT").or_else(|| rest.strip_suffix(" UTC"))?;
    let mut parts = rest.split([' ', '-']);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|known| known.eq_ignore_ascii_case(month))? + 1;
    let year: u32 = year.parse().ok()?;
    let year = match year {
        0..=69 => year + 2_000,
        70..=99 => year + 1_900,
        year => year,
    };
    Timestamp::parse(&format!("{year:04}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_a_request_keep_their_order() {
        let all: Vec<_> = sent("a=1; b=\"2\"; a=3;c ; =d;e=f=g").collect();
        assert_eq!(all, [("a", "1"), ("b", "2"), ("a", "3"), ("e", "f=g")]);
    }

    #[test]
    fn attributes_are_read_in_any_case() {
        let text = "id=a3; Expires=Wed, 21 Oct 2026 07:28:00 GMT; max-age=60; DOMAIN=.x.example; Path=/a; secure; \
                    HttpOnly; SameSite=Lax; Partitioned";
        let cookie = SetCookie::read(text).expect("a cookie");
        assert_eq!((cookie.name, cookie.value, cookie.domain, cookie.path), ("id", "a3", "x.example", "/a"));
        assert_eq!(cookie.expires, Timestamp::parse("2026-10-21T07:28:00Z"));
        assert_eq!(cookie.max_age.map(Duration::nanos), Some(60_000_000_000));
        assert!(cookie.secure && cookie.http_only && cookie.same_site == "Lax");
        assert_eq!(cookie.unparsed, ["Partitioned"]);
        assert!(SetCookie::read("; Path=/").is_none());
        let odd = SetCookie::read("a=b; Expires=tomorrow; Max-Age=9999999999999999999").expect("a cookie");
        assert_eq!(odd.unparsed, ["Expires=tomorrow", "Max-Age=9999999999999999999"]);
    }

    #[test]
    fn dates_of_older_cookies_are_read() {
        let at = Timestamp::parse("1994-11-06T08:49:37Z");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 6-Nov-1994 08:49:37 UTC",
        ] {
            assert_eq!(http_date(text), at, "{text}");
        }
        assert_eq!(http_date("Sun, 31 Feb 2026 08:49:37 GMT"), None);
    }
}
