//! URLs and query strings.
//!
//! Source: ngrok documentation, URL and query string macros (2026-08-07); RFC 3986 for the parts; the
//! escapes are those of HTML forms, `+` for a space.

use std::sync::Arc;

use crate::cel::library::overload::{Call, Cost, Fails, Form, Gives, Overload, TextTest};
use crate::cel::library::plain_text;
use crate::cel::{Fault, Map, Value};
use crate::diagnostic::shorten;

/// An escape may be broken.
const NO_ESCAPES: Fails = Fails::Unread {
    at: 0,
    test: TextTest::Matched,
    message: "this fails if an escape is broken",
    help: "check the string first, e.g. with `matches`",
};

/// The text may be no URL.
const NO_URL: Fails = Fails::Unread {
    at: 0,
    test: TextTest::Url,
    message: "this fails if the string is not a URL",
    help: "check first: `text.isURL() && …`",
};

/// The text may be no query string.
const NO_QUERY: Fails = Fails::Unread {
    at: 0,
    test: TextTest::Query,
    message: "this fails if the string is not a query string",
    help: "check first: `text.isQueryString() && …`",
};

/// The parts of every URL.
const PARTS: Gives = Gives::Keys(&[
    "scheme",
    "authority",
    "user_password",
    "host",
    "port",
    "path",
    "raw_path",
    "query",
    "fragment",
    "raw",
]);

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "url.escape(string) -> string",
        "the string with what is special in URLs escaped",
        Cost::Copy,
        escape,
    ),
    Overload::new(
        "url.unescape(string) -> string",
        "the string with its escapes undone",
        Cost::Copy,
        unescape,
    )
    .failing(NO_ESCAPES),
    Overload::new("url.parse(string) -> map(string, dyn)", "the parts of a URL", Cost::Copy, parse)
        .failing(NO_URL)
        .giving(PARTS),
    Overload::new(
        "(string).escapeUrl() -> string",
        "the string with what is special in URLs escaped",
        Cost::Copy,
        escape,
    ),
    Overload::new(
        "(string).unescapeUrl() -> string",
        "the string with its escapes undone",
        Cost::Copy,
        unescape,
    )
    .failing(NO_ESCAPES),
    Overload::new("(string).parseUrl() -> map(string, dyn)", "the parts of a URL", Cost::Copy, parse)
        .failing(NO_URL)
        .giving(PARTS),
    Overload::new(
        "(string).isURL() -> bool",
        "true if the string is a URL with a scheme and a host",
        Cost::Scan,
        is_url,
    )
    .known_as(Form::Passes(TextTest::Url)),
    Overload::new(
        "queryString.decode(string) -> map(string, string)",
        "the names and values of a query string",
        Cost::Copy,
        decode_query,
    )
    .failing(NO_QUERY),
    Overload::new(
        "queryString.encode(map(string, dyn)) -> string",
        "the map as a query string",
        Cost::Copy,
        encode_query,
    ),
    Overload::new(
        "(string).decodeQueryString() -> map(string, string)",
        "the names and values of a query string",
        Cost::Copy,
        decode_query,
    )
    .failing(NO_QUERY),
    Overload::new(
        "(map(string, A)).encodeQueryString() -> string",
        "the map as a query string",
        Cost::Copy,
        encode_query,
    ),
    Overload::new(
        "(string).isQueryString() -> bool",
        "true if the string is a query string",
        Cost::Scan,
        is_query,
    )
    .known_as(Form::Passes(TextTest::Query)),
];

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Undoes escapes; `None` for a `%` without two hexadecimal digits, or bytes that are no UTF-8.
fn unescaped(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
                out.push(u8::try_from(value).ok()?);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

fn escape(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.text(0)?.len() * 3)?;
    Ok(Value::text(escaped(call.text(0)?)))
}

fn unescape(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.text(0)?.len())?;
    let text = call.text(0)?;
    unescaped(text)
        .map(Value::text)
        .ok_or_else(|| Fault::Conversion(format!("`{}` has a broken escape", shorten(text)).into()))
}

/// The parts of a URL: RFC 3986, appendix B.
struct Parts<'t> {
    scheme: &'t str,
    authority: &'t str,
    path: &'t str,
    query: &'t str,
    fragment: &'t str,
}

fn split(text: &str) -> Option<Parts<'_>> {
    if text.contains(|c: char| c.is_control() || c == ' ') {
        return None;
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let named = rest.split_once(':').filter(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    let (scheme, rest) = named.unwrap_or(("", rest));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "")),
        None => ("", rest),
    };
    Some(Parts { scheme, authority, path, query, fragment })
}

impl<'t> Parts<'t> {
    /// User and password, host, port.
    fn authority_parts(&self) -> (&'t str, &'t str, &'t str) {
        let (user, rest) = self.authority.rsplit_once('@').unwrap_or(("", self.authority));
        let colon = rest.rfind(':').filter(|&at| rest.rfind(']').is_none_or(|bracket| bracket < at));
        let (host, port) = colon.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        (user, host, port.trim_start_matches(':'))
    }
}

fn parse(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.text(0)?.len() * 4)?;
    let text = call.text(0)?;
    let bad = || Fault::Conversion(format!("`{}` is not a URL", shorten(text)).into());
    let parts = split(text).ok_or_else(bad)?;
    let (user, host, port) = parts.authority_parts();
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let path = match parts.path.contains('%') {
        true => unescaped(&parts.path.replace('+', "%2B")).ok_or_else(bad)?,
        false => parts.path.to_owned(),
    };
    let entries = [
        ("scheme", parts.scheme.to_ascii_lowercase()),
        ("authority", parts.authority.to_owned()),
        ("user_password", user.to_owned()),
        ("host", host.to_owned()),
        ("port", port.to_owned()),
        ("path", path),
        ("raw_path", parts.path.to_owned()),
        ("query", parts.query.to_owned()),
        ("fragment", parts.fragment.to_owned()),
        ("raw", text.to_owned()),
    ];
    let map = Map::from_texts(entries.map(|(name, part)| (name, Value::text(part))));
    Ok(Value::Map(map.into()))
}

fn is_url(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let parts = split(call.text(0)?);
    Ok(Value::Bool(parts.is_some_and(|parts| {
        let (_, host, port) = parts.authority_parts();
        !parts.scheme.is_empty() && !host.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    })))
}

/// The pairs of a query string; `None` if an escape is broken.
fn query_pairs(text: &str) -> Option<Vec<(Arc<str>, Value)>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescaped(name)?.into(), Value::text(unescaped(value)?)))
    });
    pairs.collect()
}

fn decode_query(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.room(call.text(0)?.len() * 2)?;
    let text = call.text(0)?;
    let bad = || Fault::Conversion(format!("`{}` is not a query string", shorten(text)).into());
    let mut pairs = query_pairs(text).ok_or_else(bad)?;
    // Of a repeated name the first counts, as `getQueryParam(…)[0]` gives it.
    pairs.reverse();
    Ok(Value::Map(Map::from_texts(pairs).into()))
}

fn encode_query(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let [Value::Map(map)] = call.arguments else { return Err(Fault::overload("queryString.encode")) };
    let plain = |value: &Value| {
        plain_text(value).unwrap_or(Err(Fault::argument(format!(
            "a query string contains no value of type {}",
            value.type_name()
        ))))
    };
    let mut pairs: Vec<(Arc<str>, String)> = Vec::new();
    for (name, value) in map.iter() {
        let name: Arc<str> = escaped(&plain(name)?).into();
        let values = match value {
            Value::List(items) => items,
            single => std::slice::from_ref(single),
        };
        for value in values {
            let value = escaped(&plain(value)?);
            call.budget.output(name.len() + value.len() + 2)?;
            pairs.push((Arc::clone(&name), value));
        }
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let texts: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(Value::text(texts.join("&")))
}

fn is_query(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    let shaped =
        !text.is_empty() && text.contains('=') && !text.contains(|c: char| c.is_control() || c == ' ');
    Ok(Value::Bool(shaped && query_pairs(text).is_some()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Escaped texts hold what a query may, and read back; so do pairs, whose names may repeat.
        #[test]
        fn what_is_escaped_reads_back(text: String, pairs: Vec<(String, String)>) {
            let written = escaped(&text);
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+%".contains(&byte)));
            prop_assert_eq!(unescaped(&written), Some(text));
            let query: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
            let read = query_pairs(&query.join("&")).expect("a query");
            let read: Vec<(String, String)> = read
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(value) => (name.to_string(), value.to_string()),
                    other => panic!("{other:?}"),
                })
                .collect();
            prop_assert_eq!(read, pairs);
        }
    }
}
