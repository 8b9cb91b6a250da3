//! Request and response files: what is read, and what is said of faults.

use super::*;
use crate::cel::TextMap as _;

fn found(text: &str) -> Vec<String> {
    let source = Source::new("request.yml", text);
    let (request, found) = load_request(&source, None);
    assert_eq!(request.is_none(), found.has_errors(), "{text}");
    let line = |item: &crate::diagnostic::Diagnostic| {
        format!("{} {} {}", source.position(item.span.start), item.code.id, item.message)
    };
    found.iter().map(line).collect()
}

#[test]
fn what_is_wrong_is_named_at_its_place() {
    let one = |text: &str, begin: &str| {
        let found = found(text);
        assert!(found.len() == 1 && found[0].starts_with(begin), "{text}: {found:?}");
    };
    one("method: GET", "1:1 TP303 ");
    one("url: /a", "1:6 TP308 `/a` does not start with");
    one("url: https://a.example/\nmethod: 'G T'", "2:9 TP308 `method` is not a method");
    one("url: https://a.example/\nheaders: {x-a: \"a\\r\\nb: c\"}", "2:16 TP308 the value of header `x-a`");
    one("url: https://a.example/\nheaders: {'x a': b}", "2:18 TP308 `x a` is not the name of a header");
    one("url: https://a.example/\nheader_received: now", "2:18 TP308 `header_received` is not a time");
    one("url: https://a.example/\nheder: {a: b}", "2:1 TP302 ");
    one("- url: https://a.example/", "1:1 TP301 ");
    one("{url: 'https://a.example/', version: HTTP/9}", "1:38 TP308 `version` is not a version of HTTP");
    one("{url: 'https://a.example/', headers: {host: [a, b]}}", "1:49 TP308 a request has one host");
    one("{url: 'https://a.example/', headers: {Host: a, host: b}}", "1:54 TP308 a request has one host");
    assert_eq!(found("{\"url\": \"https://a.example/\", \"version\": \"HTTP/2.0\"}"), Vec::<String>::new());
}

#[test]
fn the_host_is_that_of_the_url_unless_it_is_given() {
    let host = |text: &str| {
        let (request, found) = load_request(&Source::new("r.yml", text), None);
        let request = request.unwrap_or_else(|| panic!("{found:?}"));
        (request.headers.count("host"), request.headers.get("host", 0).map(ToOwned::to_owned))
    };
    assert_eq!(host("url: https://me@a.example:8443/"), (Some(1), Some("a.example:8443".into())));
    assert_eq!(
        host("{url: 'https://a.example/', headers: {Host: b.example}}"),
        (Some(1), Some("b.example".into()))
    );
}

#[test]
fn bodies_may_be_empty_and_hold_anything() {
    let body = |text: &str| load_request(&Source::new("r.yml", text), None).0.map(|request| request.body);
    assert_eq!(body("{url: 'https://a.example/', body: ''}"), Some(Vec::new()));
    assert_eq!(
        body("{url: 'https://a.example/', body: '${a} <YOUR_NAME>'}"),
        Some(b"${a} <YOUR_NAME>".to_vec())
    );
    assert!(found("{url: 'https://a.example/', body: '${a} <YOUR_NAME>'}").is_empty());
}

/// A recorded request by its fields.
fn recorded(fields: &str) -> String {
    format!("{{\"request\": {{\"method\": \"GET\", \"url\": \"https://a.example/?q=1\"{fields}}}}}")
}

fn request_of(text: &str) -> Request {
    let (request, found) = load_request(&Source::new("r.har", text), None);
    request.unwrap_or_else(|| panic!("{text}: {found:?}"))
}

#[test]
fn what_browsers_record_is_a_request() {
    let request = request_of(&recorded(
        r#", "httpVersion": "h2", "_more": {}, "queryString": [{"name": "q", "value": "1"}],
        "headers": [{"name": ":authority", "value": "b.example"}, {"name": ":path", "value": "/"},
                    {"name": "Accept", "value": "a"}, {"name": "accept", "value": ""}],
        "cookies": [{"name": "id", "value": "1"}, {"name": "t", "value": "2"}],
        "postData": {"mimeType": "text/plain", "text": "hello", "params": []}"#,
    ));
    let header = |name: &str, at| request.headers.get(name, at);
    assert_eq!((&*request.version, &*request.url), ("HTTP/2.0", "https://a.example/?q=1"));
    assert_eq!((header("host", 0), header("accept", 1)), (Some("b.example"), Some("")));
    assert_eq!((header("cookie", 0), header("content-type", 0)), (Some("id=1; t=2"), Some("text/plain")));
    assert_eq!(request.body, b"hello");
    // A header says more than a list of cookies; a host more than `:authority`.
    let request = request_of(&recorded(
        r#", "headers": [{"name": ":authority", "value": "b"}, {"name": "host", "value": "c"},
        {"name": "cookie", "value": "z=9"}], "cookies": [{"name": "id", "value": "1"}]"#,
    ));
    assert_eq!((request.headers.get("host", 0), request.headers.get("cookie", 0)), (Some("c"), Some("z=9")));
    assert_eq!(request.headers.count("cookie"), Some(1));
    let socket = request_of(
        r#"{"request": {"method": "GET", "url": "wss://a.example/s#x", "httpVersion": "unknown"}}"#,
    );
    assert_eq!((&*socket.url, &*socket.version), ("https://a.example/s", "HTTP/1.1"));
}

#[test]
fn of_several_entries_one_is_chosen() {
    let one = recorded("");
    let two = format!(
        "{{\"log\": {{\"version\": \"1.2\", \"entries\": [{one}, {}]}}}}",
        one.replace("?q=1", "two")
    );
    let url = |text: &str, entry| {
        let source = Source::new("r.har", text);
        let (request, found) = load_request(&source, entry);
        request.map(|request| request.url.to_string()).ok_or_else(|| {
            found
                .iter()
                .map(|item| format!("{} {}", source.position(item.span.start), item.message))
                .collect::<String>()
        })
    };
    assert_eq!(url(&two, Some(2)).as_deref(), Ok("https://a.example/two"));
    assert_eq!(url(&two, None), Err("1:39 the file has 2 entries".to_owned()));
    assert_eq!(url(&two, Some(3)), Err("1:39 the file has 2 entries, and no number 3".to_owned()));
    assert_eq!(url(&two, Some(0)), Err("1:39 the file has 2 entries, and no number 0".to_owned()));
    assert_eq!(url(&one, Some(1)).as_deref(), Ok("https://a.example/?q=1"));
    assert_eq!(url(&one, Some(2)), Err("1:1 the file is one entry".to_owned()));
    assert_eq!(url("url: https://a.example/", Some(1)), Err("1:1 only HAR files have entries".to_owned()));
    assert_eq!(url(r#"{"log": {"entries": []}}"#, None), Err("1:21 the file has no entries".to_owned()));
}

#[test]
fn what_is_wrong_with_a_recorded_request_is_named_at_its_place() {
    let one = |text: &str, begin: &str| {
        let found = found(text);
        assert!(found.len() == 1 && found[0].starts_with(begin), "{text}: {found:?}");
    };
    one(r#"{"log": {}}"#, "1:9 TP303 `log` needs `entries`");
    one(r#"{"log": {"entries": [{}]}}"#, "1:22 TP303 the entry needs `request`");
    one(r#"{"request": {"method": "GET"}}"#, "1:13 TP303 the request needs `url`");
    one(r#"{"request": {"method": "GET", "url": "blob:x"}}"#, "1:38 TP308 `blob:x` does not start");
    one(&recorded(r#", "httpVersion": "HTTP/9""#), "1:79 TP308 `httpVersion` is not a version");
    one(&recorded(r#", "headers": [{"name": "a"}]"#), "1:76 TP303 an item of `headers` needs `value`");
    one(&recorded(r#", "headers": {"a": "b"}"#), "1:75 TP301 ");
    one(
        &recorded(r#", "postData": {"params": [{"name": "a", "value": "b"}]}"#),
        "1:76 TP308 the body is given",
    );
}

#[test]
fn a_recorded_response_has_its_body_decoded() {
    let response = |content: &str| {
        let text = format!(
            r#"{{"request": {{}}, "response": {{"status": 200, "headers": [{{"name": ":status", "value": "200"}},
            {{"name": "content-encoding", "value": "br"}}, {{"name": "Content-Length", "value": "3"}}]{content}}}}}"#
        );
        load_response(&Source::new("r.har", &*text), None)
    };
    let read = |content: &str| {
        let (response, found) = response(content);
        let response = response.unwrap_or_else(|| panic!("{content}: {found:?}"));
        let header = |name: &str| response.headers.get(name, 0).map(ToOwned::to_owned);
        (header("content-encoding"), header("content-length"), response.body)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(read(""), (text("br"), text("3"), Vec::new()));
    assert_eq!(read(r#", "content": {"size": 9}"#), (text("br"), text("3"), Vec::new()));
    assert_eq!(read(r#", "content": {"text": "hello"}"#), (None, text("5"), b"hello".to_vec()));
    let packed = r#", "content": {"text": "aGk=", "encoding": "base64"}"#;
    assert_eq!(read(packed), (None, text("2"), b"hi".to_vec()));
    assert!(response(r#", "content": {"text": "%", "encoding": "base64"}"#).0.is_none());
    assert!(response(r#", "content": {"text": "%", "encoding": "gzip"}"#).0.is_none());
    let blocked = r#"{"request": {}, "response": {"status": 0}}"#;
    assert!(load_response(&Source::new("r.har", blocked), None).0.is_none());
}

#[test]
fn findings_in_recorded_requests_show_no_secrets() {
    let text = recorded(
        r#", "headers": [{"name": "authorization", "value": "sk_one"}, {"name": "a b", "value": "sk_two"}],
        "cookies": [{"name": "a", "value": "sk_three"}], "postData": {"text": "sk_four", "params": 1}"#,
    )
    .replace("https://", "https://sk_five:x@");
    let source = Source::new("r.har", &*text);
    let (_, found) = load_request(&source, None);
    let shown = crate::diagnostic::Plain { source: &source, diagnostics: &found }.to_string();
    assert!(found.has_errors() && !shown.contains("sk_"), "{shown}");
}
