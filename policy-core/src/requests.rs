//! Request files: a request, or a response of its upstream, as a dry run takes them.
//!
//! YAML or JSON, by declared fields like every other file: findings have a place and a fix.

use crate::cel::Timestamp;
use crate::diagnostic::Diagnostics;
use crate::language::language;
use crate::message::{Headers, Request, RequestUrl, Response, is_token};
use crate::options::CheckOptions;
use crate::parse::{self, NodeRef};
use crate::reader::{Fields, Reader, head};
use crate::schema::{Context, Declared, Field, FieldDoc, Integer, Kind, Literal, rows};
use crate::source::Source;

/// Bytes of a body that a file may give.
const MAX_BODY: usize = 1 << 20;

static METHOD: Field<Method> = Field::default("method", Method, "GET", "The method.");
static URL: Field<AbsoluteUrl> =
    Field::required("url", AbsoluteUrl, "url: https://app.example.com/", "The absolute URL, as it is sent.");
static VERSION: Field<Literal> =
    Field::default("version", Literal(16), "HTTP/1.1", "The version, such as `HTTP/2.0`.");
static HEADERS: Field<HeaderMap> = Field::optional(
    "headers",
    HeaderMap,
    "The headers; a list gives a header several values. `host` is that of the URL unless it is given.",
);
static RESPONSE_HEADERS: Field<HeaderMap> =
    Field::optional("headers", HeaderMap, "The headers; a list gives a header several values.");
static TRAILERS: Field<HeaderMap> = Field::optional("trailers", HeaderMap, "The trailers, after the body.");
static HEADER_RECEIVED: Field<Time> =
    Field::optional("header_received", Time, "When its headers had arrived.");
static BODY_RECEIVED: Field<Time> = Field::optional("body_received", Time, "When its body had arrived.");
static STATUS_CODE: Field<Integer> =
    Field::default("status_code", Integer(100, 599), "200", "The status code.");
static BODY: Field<Literal> = Field::optional("body", Literal(MAX_BODY), "The body.");

const REQUEST: Declared =
    &[&METHOD, &URL, &VERSION, &HEADERS, &BODY, &TRAILERS, &HEADER_RECEIVED, &BODY_RECEIVED];
const RESPONSE: Declared = &[&STATUS_CODE, &RESPONSE_HEADERS, &BODY];

/// The fields of a request file.
#[must_use]
pub fn request_fields() -> Vec<FieldDoc> {
    rows(REQUEST)
}

/// The fields of a response file.
#[must_use]
pub fn response_fields() -> Vec<FieldDoc> {
    rows(RESPONSE)
}

/// Reads a request file; the request is there if nothing found is an error.
///
/// ```
/// use policy_core::{cel::TextMap, requests::load_request, source::Source};
/// let text = "url: https://app.example.com/a\nheaders: {accept: text/html, cookie: [a=1, b=2]}\n";
/// let (request, found) = load_request(&Source::new("request.yml", text));
/// let request = request.unwrap_or_else(|| panic!("{found:?}"));
/// assert_eq!((&*request.method, request.headers.get("cookie", 1)), ("GET", Some("b=2")));
/// assert_eq!(request.headers.get("host", 0), Some("app.example.com"));
/// ```
#[must_use]
pub fn load_request(source: &Source) -> (Option<Request>, Diagnostics) {
    load(source, "the request", "write e.g. `url: https://app.example.com/`", REQUEST, request)
}

/// Reads a response file; the response is there if nothing found is an error.
///
/// ```
/// use policy_core::{requests::load_response, source::Source};
/// let (response, _) = load_response(&Source::new("response.yml", "{status_code: 404, headers: {server: s}}"));
/// assert_eq!(response.expect("right").status, 404);
/// ```
#[must_use]
pub fn load_response(source: &Source) -> (Option<Response>, Diagnostics) {
    load(source, "the response", "write e.g. `status_code: 200`", RESPONSE, response)
}

fn load<T>(
    source: &Source,
    what: &'static str,
    example: &str,
    declared: Declared,
    read: impl for<'d> FnOnce(&Fields<'d>, &Context<'_, 'd>) -> Option<T>,
) -> (Option<T>, Diagnostics) {
    let (options, mut found) = (CheckOptions::default(), Diagnostics::default());
    let document = parse::parse(source, &options.limits, &mut found);
    let reader = Reader::new(&document, &options, language());
    let loaded = document.root().and_then(|root| {
        if Fields::from_node(root).is_none() {
            reader.wrong_type(root, format_args!("{what}, a map"), example);
            return None;
        }
        let cx = Context { reader: &reader, place: None, owner: (what, head(root).at_start()) };
        let fields = cx.map(root, what, declared, &[])?;
        read(&fields, &cx)
    });
    found.append(reader.into_diagnostics());
    found.sort();
    (loaded.filter(|_| !found.has_errors()), found)
}

fn request<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Request> {
    let (method, url, version) = (cx.read(fields, &METHOD), cx.read(fields, &URL), cx.read(fields, &VERSION));
    let (given, trailers) = (cx.optional(fields, &HEADERS), cx.optional(fields, &TRAILERS));
    let body = cx.optional(fields, &BODY)?;
    let times = (cx.optional(fields, &HEADER_RECEIVED), cx.optional(fields, &BODY_RECEIVED));
    let (url, given) = (url?, given?.unwrap_or_default());
    let mut request = Request::new(&method?, &url);
    request.version = version?.value.into();
    request.headers = given;
    request.add_host();
    request.body = body.map(|body| String::from(body.value).into_bytes()).unwrap_or_default();
    request.trailers = trailers?.unwrap_or_default();
    (request.header_received, request.body_received) = (times.0?, times.1?);
    Some(request)
}

fn response<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Response> {
    let (status, headers) = (cx.read(fields, &STATUS_CODE), cx.optional(fields, &RESPONSE_HEADERS));
    let body = cx.optional(fields, &BODY)?;
    let status = u16::try_from(status?).ok()?;
    let body = body.map(|body| String::from(body.value).into_bytes()).unwrap_or_default();
    Some(Response { status, headers: headers?.unwrap_or_default(), body })
}

/// A method of HTTP.
#[derive(Clone, Copy, Debug)]
struct Method;

impl Kind for Method {
    type Value = String;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<String> {
        let text = cx.reader.text(node, what)?;
        if !is_token(text.value) {
            cx.invalid(text.span, format!("{what} is not a method"), "write a word such as GET or POST");
            return None;
        }
        Some(text.value.to_owned())
    }

    fn parse_default(&self, text: &'static str) -> Option<String> {
        Some(text.to_owned())
    }

    fn describe(&self) -> String {
        "method".to_owned()
    }
}

/// The absolute URL of a request.
#[derive(Clone, Copy, Debug)]
struct AbsoluteUrl;

impl Kind for AbsoluteUrl {
    type Value = String;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<String> {
        let text = cx.reader.text(node, what)?;
        if let Err(error) = RequestUrl::parse(text.value) {
            cx.invalid(
                text.span,
                error.to_string(),
                "write the whole URL, e.g. `https://app.example.com/a?b=c`",
            );
            return None;
        }
        Some(text.value.to_owned())
    }

    fn describe(&self) -> String {
        "URL with `http://` or `https://`".to_owned()
    }
}

/// Headers: a text each, or a list of them.
#[derive(Clone, Copy, Debug)]
struct HeaderMap;

impl Kind for HeaderMap {
    type Value = Headers;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Headers> {
        let Some(fields) = Fields::from_node(node) else {
            cx.reader.wrong_type(node, format_args!("{what}, a map"), "write `name: value` lines below it");
            return None;
        };
        let (mut out, mut fine) = (Headers::default(), true);
        for field in &fields.entries {
            let values = match field.value.is_list() {
                true => cx.reader.list(field.value, "a header").unwrap_or_default(),
                false => vec![field.value],
            };
            for value in values {
                let Some(text) = cx.reader.text(value, "the value of a header") else {
                    fine = false;
                    continue;
                };
                if let Err(error) = out.append(field.key, text.value) {
                    cx.invalid(text.span, error.to_string(), "write it as it is sent, on one line");
                    fine = false;
                }
            }
        }
        fine.then_some(out)
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "map of headers, each a text or a list of texts".to_owned()
    }
}

/// A time in RFC 3339.
#[derive(Clone, Copy, Debug)]
struct Time;

impl Kind for Time {
    type Value = Timestamp;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Timestamp> {
        let text = cx.reader.text(node, what)?;
        let time = Timestamp::parse(text.value);
        if time.is_none() {
            cx.invalid(text.span, format!("{what} is not a time"), "write e.g. `2026-01-31T12:00:00Z`");
        }
        time
    }

    fn describe(&self) -> String {
        "time, e.g. `2026-01-31T12:00:00Z`".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let source = Source::new("request.yml", text);
        let (request, found) = load_request(&source);
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
        one(
            "url: https://a.example/\nheaders: {x-a: \"a\\r\\nb: c\"}",
            "2:16 TP308 the value of header `x-a`",
        );
        one("url: https://a.example/\nheaders: {'x a': b}", "2:18 TP308 `x a` is not the name of a header");
        one("url: https://a.example/\nheader_received: now", "2:18 TP308 `header_received` is not a time");
        one("url: https://a.example/\nheder: {a: b}", "2:1 TP302 ");
        one("- url: https://a.example/", "1:1 TP301 ");
        assert_eq!(
            found("{\"url\": \"https://a.example/\", \"version\": \"HTTP/2.0\"}"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_host_is_that_of_the_url_unless_it_is_given() {
        use crate::cel::TextMap as _;
        let host = |text: &str| {
            let (request, found) = load_request(&Source::new("r.yml", text));
            let request = request.unwrap_or_else(|| panic!("{found:?}"));
            (request.headers.count("host"), request.headers.get("host", 0).map(ToOwned::to_owned))
        };
        assert_eq!(host("url: https://me@a.example:8443/"), (Some(1), Some("a.example:8443".into())));
        assert_eq!(
            host("{url: 'https://a.example/', headers: {Host: b.example}}"),
            (Some(1), Some("b.example".into()))
        );
    }
}
