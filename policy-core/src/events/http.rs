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
    for (name, value) in of.get("headers").and_then(Value::as_object).into_iter().flatten() {
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
    let (scheme, host) = (text("scheme").unwrap_or("https"), text("host")?);
    let path = text("path").or_else(|| text("raw").and_then(|raw| raw.split('?').next())).unwrap_or("/");
    let query = text("query").map(|query| format!("?{}", query.trim_start_matches('?'))).unwrap_or_default();
    Some(format!("{scheme}://{host}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_put_together_of_what_is_there() {
        let shown =
            |raw: &str| request(raw).map(|it| format!("{} {}", it.method, it.url)).unwrap_or_default();
        let parts = r#"{"request": {"method": "get", "url": {"scheme": "http", "host": "a.example", "path": "/b", "query": "c=d"}}}"#;
        assert_eq!(shown(parts), "GET http://a.example/b?c=d");
        let raw = r#"{"request": {"method": "POST", "url": {"raw": "https://a.example/%62", "path": "/b"}}}"#;
        assert_eq!(shown(raw), "POST https://a.example/%62");
        let relative = r#"{"request": {"method": "put", "url": {"host": "a.example", "raw": "/x?y"}}}"#;
        assert_eq!(shown(relative), "PUT https://a.example/x");
        for wrong in [
            "null",
            "[]",
            r#"{"request": {"url": {"host": "a"}}}"#,
            r#"{"request": {"method": "a b", "url": {"host": "a"}}}"#,
            r#"{"request": {"method": "get", "url": {"host": ""}}}"#,
            r#"{"request": {"method": "get", "url": {"host": "a b"}}}"#,
            r#"{"request": {"method": "get", "url": {"host": "a"}, "headers": {"x": 1}}}"#,
        ] {
            assert_eq!(shown(wrong), "", "{wrong}");
        }
    }

    #[test]
    fn headers_come_with_the_request() {
        let raw = r#"{"request": {"method": "get", "url": {"host": "a.example"}, "user_agent": "curl",
            "headers": {"X-A": ["1", "2"], "cookie": "a=b", "bad name": "c", "x-line": "a\nb"}}}"#;
        let request = request(raw).expect("a request");
        let count = |name: &str| request.headers.count(name);
        assert_eq!((count("x-a"), count("cookie"), count("user-agent")), (Some(2), Some(1), Some(1)));
        assert_eq!((request.headers.get("host", 0), count("x-line")), (Some("a.example"), None));
    }
}
