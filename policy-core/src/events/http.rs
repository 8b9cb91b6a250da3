//! The request of an event: what of it the event keeps.

use serde_json::{Map, Value};

use crate::cel::TextMap;
use crate::message::{Request, is_token};

/// Reads `object.http`. URLs stand there whole, or in parts; methods are in lower case.
pub(super) fn request(raw: &str) -> Option<Request> {
    let http: Value = serde_json::from_str(raw).ok()?;
    let of = http.get("request")?.as_object()?;
    let method = of.get("method")?.as_str().filter(|method| is_token(method))?.to_ascii_uppercase();
    let mut request = Request::new(&method, &url(of.get("url")?.as_object()?)?);
    // Without them nothing is known of any header, not that there was none.
    for (name, value) in of.get("headers")?.as_object()? {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            // What is no header was none of the request.
            let _ = request.headers.append(name, value.as_str()?);
        }
    }
    let agent = of.get("user_agent").and_then(Value::as_str).filter(|agent| !agent.is_empty());
    if let Some(agent) = agent.filter(|_| request.headers.count("user-agent").is_none()) {
        let _ = request.headers.append("user-agent", agent);
    }
    request.add_host();
    // A URL that is none is told here, once.
    request.facts().is_ok().then_some(request)
}

/// The absolute URL.
fn url(parts: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| parts.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(raw) = text("raw").filter(|raw| raw.contains("://")) {
        return Some(raw.to_owned());
    }
    let (scheme, host) = (text("scheme")?, text("host")?);
    if let Some(raw) = text("raw").filter(|raw| raw.starts_with('/')) {
        return Some(format!("{scheme}://{host}{raw}"));
    }
    let query = text("query").map(|query| format!("?{}", query.trim_start_matches('?'))).unwrap_or_default();
    Some(format!("{scheme}://{host}{}{query}", text("path")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_put_together_of_what_is_there() {
        let of = |method: &str, url: &str, more: &str| {
            let raw = format!("{{\"request\": {{\"method\": {method}, \"url\": {{{url}}}{more}}}}}");
            request(&raw).map(|it| format!("{} {}", it.method, it.url)).unwrap_or_default()
        };
        let headers = ", \"headers\": {}";
        let shown = |method: &str, url: &str| of(method, url, headers);
        let host = r#""scheme": "http", "host": "a.example""#;
        let with = |more: &str| format!("{host}, {more}");
        assert_eq!(shown("\"get\"", &with(r#""path": "/b", "query": "c=d""#)), "GET http://a.example/b?c=d");
        let raw = r#""raw": "https://a.example/%62", "path": "/b""#;
        assert_eq!(shown("\"POST\"", raw), "POST https://a.example/%62");
        assert_eq!(shown("\"put\"", &with(r#""raw": "/x?y", "path": "/x""#)), "PUT http://a.example/x?y");
        // Nothing is made up for what is left out.
        for (method, url, more) in [
            ("null", with(r#""path": "/""#), headers),
            ("\"a b\"", with(r#""path": "/""#), headers),
            ("\"get\"", host.to_owned(), headers),
            ("\"get\"", r#""host": "a.example", "path": "/""#.to_owned(), headers),
            ("\"get\"", r#""scheme": "http", "host": "a b", "path": "/""#.to_owned(), headers),
            ("\"get\"", with(r#""path": "/""#), ""),
            ("\"get\"", with(r#""path": "/""#), ", \"headers\": {\"x\": 1}"),
        ] {
            assert_eq!(of(method, &url, more), "", "{method} {url} {more}");
        }
        assert!(request("null").is_none() && request("[]").is_none());
    }

    #[test]
    fn headers_come_with_the_request() {
        let raw = r#"{"request": {"method": "get", "url": {"scheme": "https", "host": "a.example", "path": "/"}, "user_agent": "curl",
            "headers": {"X-A": ["1", "2"], "cookie": "a=b", "bad name": "c", "x-line": "a\nb"}}}"#;
        let request = request(raw).expect("a request");
        let count = |name: &str| request.headers.count(name);
        assert_eq!((count("x-a"), count("cookie"), count("user-agent")), (Some(2), Some(1), Some(1)));
        assert_eq!((request.headers.get("host", 0), count("x-line")), (Some("a.example"), None));
    }
}
