//! Where requests carry tokens.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use url::form_urlencoded;

use super::fault::Fault;
use crate::message::RequestView;

/// The token in a header, without its prefix.
///
/// # Errors
/// If there is not exactly one.
pub(super) fn in_header<'r>(
    request: &'r RequestView<'_>,
    name: &str,
    prefix: &str,
) -> Result<Cow<'r, str>, Fault> {
    let lower = name.to_ascii_lowercase();
    let count = request.header_values(&lower).take(2).count();
    let value = request.header(&lower).unwrap_or_default();
    match (count, value) {
        (0, _) | (_, "") => Err(Fault::Missing(name.into())),
        (1, value) => without_prefix(value.trim_matches([' ', '\t']), prefix)
            .map(Cow::Borrowed)
            .ok_or_else(|| Fault::Prefix(name.into())),
        _ => Err(Fault::Repeated(name.into())),
    }
}

/// How the fields of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    Json,
    Form,
}

impl BodyKind {
    /// Of a request that may have tokens in its body.
    ///
    /// # Errors
    /// If it may have none.
    pub(super) fn of(request: &RequestView<'_>) -> Result<Self, Fault> {
        if !matches!(request.method(), "POST" | "PUT" | "PATCH") {
            return Err(Fault::Method);
        }
        let is = |essence| request.content_type().eq_ignore_ascii_case(essence);
        match (is("application/json"), is("application/x-www-form-urlencoded")) {
            (true, _) => Ok(Self::Json),
            (_, true) => Ok(Self::Form),
            _ => Err(Fault::ContentType),
        }
    }
}

/// The token in a field of a body, without its prefix. O(body).
///
/// # Errors
/// If there is not exactly one, or the body cannot be read.
pub(super) fn in_body<'b>(
    kind: BodyKind,
    body: &'b [u8],
    name: &str,
    prefix: &str,
) -> Result<Cow<'b, str>, Fault> {
    let mut found = match kind {
        BodyKind::Json => json_fields(body, name)?,
        BodyKind::Form => form_fields(body, name)?,
    };
    match (found.pop(), found.is_empty()) {
        (Some(_), false) => Err(Fault::Repeated(name.into())),
        (None, _) => Err(Fault::Missing(name.into())),
        (Some(value), true) if value.is_empty() => Err(Fault::Missing(name.into())),
        (Some(value), true) => match without_prefix(&value, prefix) {
            Some(rest) => Ok(rest.to_owned().into()),
            None => Err(Fault::Prefix(name.into())),
        },
    }
}

/// The prefix may be in any case, as the schemes of `Authorization` are (RFC 9110, 11.1).
fn without_prefix<'v>(value: &'v str, prefix: &str) -> Option<&'v str> {
    let (before, after) = value.split_at_checked(prefix.len())?;
    before.eq_ignore_ascii_case(prefix).then_some(after)
}

fn form_fields<'b>(body: &'b [u8], name: &str) -> Result<Vec<Cow<'b, str>>, Fault> {
    // What is not ASCII is escaped in a form.
    if !body.is_ascii() {
        return Err(Fault::Form);
    }
    let fields = form_urlencoded::parse(body).filter(|(known, _)| known.eq_ignore_ascii_case(name));
    Ok(fields.map(|(_, value)| value).collect())
}

/// Every value of a field of a JSON object, in whatever case and however often it is there.
fn json_fields<'b>(body: &'b [u8], name: &str) -> Result<Vec<Cow<'b, str>>, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let fields = reader.deserialize_map(Named(name)).map_err(|_| Fault::Body)?;
    reader.end().map_err(|_| Fault::Body)?;
    // A value that is no text is no token.
    fields.into_iter().map(|field| field.map(Cow::Owned).ok_or(Fault::Malformed)).collect()
}

/// Reads the fields of a name.
struct Named<'n>(&'n str);

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Vec<Option<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.eq_ignore_ascii_case(self.0) {
                match entries.next_value::<serde_json::Value>()? {
                    serde_json::Value::String(text) => out.push(Some(text)),
                    _ => out.push(None),
                }
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json<'b>(body: &'b str, name: &str, prefix: &str) -> Result<Cow<'b, str>, Fault> {
        in_body(BodyKind::Json, body.as_bytes(), name, prefix)
    }

    #[test]
    fn a_field_is_found_once_in_any_case() {
        assert_eq!(json(r#"{"a": [1], "Token": "jwt:x"}"#, "tOKEN", "JWT:").as_deref(), Ok("x"));
        assert_eq!(json(r#"{"token": "\u0078"}"#, "token", "").as_deref(), Ok("x"));
        let repeated = Err(Fault::Repeated("token".into()));
        assert_eq!(json(r#"{"token": "x", "token": "y"}"#, "token", ""), repeated);
        assert_eq!(json(r#"{"token": "x", "TOKEN": "x"}"#, "token", ""), repeated);
        assert_eq!(json(r#"{"a": {"token": "x"}}"#, "token", ""), Err(Fault::Missing("token".into())));
        assert_eq!(json(r#"{"token": ""}"#, "token", ""), Err(Fault::Missing("token".into())));
        assert_eq!(json(r#"{"token": "x"}"#, "token", "Bearer "), Err(Fault::Prefix("token".into())));
        assert_eq!(json(r#"{"token": ["x"]}"#, "token", ""), Err(Fault::Malformed));
        for wrong in ["", "[]", "{", "{\"token\": \"x\"} {}", "\"x\"", "{\"a\": \u{1}}"] {
            assert_eq!(json(wrong, "token", ""), Err(Fault::Body), "{wrong}");
        }
        let deep = format!("{{\"token\": {}", "[".repeat(100_000));
        assert_eq!(json(&deep, "token", ""), Err(Fault::Body));
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        assert_eq!(json(&deep, "token", ""), Err(Fault::Body));
    }

    #[test]
    fn a_form_is_read_by_its_rules() {
        let form = |body: &'static str| in_body(BodyKind::Form, body.as_bytes(), "token", "Bearer ");
        assert_eq!(form("a=b&Token=bearer+a.b%2Dc").as_deref(), Ok("a.b-c"));
        assert_eq!(form("token=Bearer%20a&token=Bearer%20a"), Err(Fault::Repeated("token".into())));
        assert_eq!(form("tok=en"), Err(Fault::Missing("token".into())));
        assert_eq!(form("token=Bearer ä"), Err(Fault::Form));
    }

    #[test]
    fn a_prefix_ends_at_a_character() {
        assert_eq!(without_prefix("Bearer x", "bearer "), Some("x"));
        assert_eq!(without_prefix("Bearer", "Bearer "), None);
        assert_eq!(without_prefix("äx", "a"), None);
        assert_eq!(without_prefix("x", ""), Some("x"));
    }
}
