//! Request files: a request, or a response of its upstream, as a dry run takes them.
//!
//! YAML or JSON, by declared fields like every other file: findings have a place and a fix. What a browser has recorded (HAR)
//! is one too.

mod har;
mod kinds;

use crate::diagnostic::Diagnostics;
use crate::language::language;
use crate::message::{Request, Response};
use crate::options::CheckOptions;
use crate::parse::{self, NodeRef};
use crate::reader::{Fields, Reader, head};
use crate::schema::{Context, Declared, Field, FieldDoc, Integer, Record, rows};
use crate::source::Source;

pub(crate) use kinds::Time;
use kinds::{AbsoluteUrl, BodyText, HeaderMap, Method, Of, Version};

static METHOD: Field<Method> = Field::default("method", Method, "GET", "The method.");
static URL: Field<AbsoluteUrl> =
    Field::required("url", AbsoluteUrl, "url: https://app.example.com/", "The absolute URL, as it is sent.");
static VERSION: Field<Version> = Field::default(
    "version",
    Version,
    "HTTP/1.1",
    "The version; `HTTP/2`, `h2`, `HTTP/3` and `h3` are understood.",
);
static HEADERS: Field<HeaderMap> = Field::optional(
    "headers",
    HeaderMap(Of::Request),
    "The headers; a list gives a header several values. `host` is that of the URL unless it is given, once.",
);
static RESPONSE_HEADERS: Field<HeaderMap> =
    Field::optional("headers", HeaderMap(Of::Response), "The headers; a list gives a header several values.");
static TRAILERS: Field<HeaderMap> =
    Field::optional("trailers", HeaderMap(Of::Trailers), "The trailers, after the body.");
static HEADER_RECEIVED: Field<Time> =
    Field::optional("header_received", Time, "When its headers had arrived.");
static BODY_RECEIVED: Field<Time> = Field::optional("body_received", Time, "When its body had arrived.");
static STATUS_CODE: Field<Integer> =
    Field::default("status_code", Integer(100, 599), "200", "The status code.");
static BODY: Field<BodyText> = Field::optional("body", BodyText, "The body.");

/// A request where another file wants one.
pub(crate) const REQUEST_MAP: Record<Request> = Record { fields: REQUEST, ignored: &[], read: request };
/// A response where another file wants one.
pub(crate) const RESPONSE_MAP: Record<Response> = Record { fields: RESPONSE, ignored: &[], read: response };

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

/// Reads a request file; the request is there if nothing found is an error. Of a HAR file with several entries, `entry`
/// says which one is meant, from 1.
///
/// ```
/// use policy_core::{cel::TextMap, requests::load_request, source::Source};
/// let text = "url: https://app.example.com/a\nheaders: {accept: text/html, cookie: [a=1, b=2]}\n";
/// let (request, found) = load_request(&Source::new("request.yml", text), None);
/// let request = request.unwrap_or_else(|| panic!("{found:?}"));
/// assert_eq!((&*request.method, request.headers.get("cookie", 1)), ("GET", Some("b=2")));
/// assert_eq!(request.headers.get("host", 0), Some("app.example.com"));
/// ```
#[must_use]
pub fn load_request(source: &Source, entry: Option<usize>) -> (Option<Request>, Diagnostics) {
    let form = Form {
        what: "the request",
        example: "write e.g. `url: https://app.example.com/`",
        declared: REQUEST,
        read: request,
        recorded: har::request,
    };
    load(source, entry, &form)
}

/// Reads a response file, or the response of an entry of a HAR file; the response is there if nothing found is an error.
///
/// ```
/// use policy_core::{requests::load_response, source::Source};
/// let source = Source::new("response.yml", "{status_code: 404, headers: {server: s}}");
/// let (response, _) = load_response(&source, None);
/// assert_eq!(response.expect("right").status, 404);
/// ```
#[must_use]
pub fn load_response(source: &Source, entry: Option<usize>) -> (Option<Response>, Diagnostics) {
    let form = Form {
        what: "the response",
        example: "write e.g. `status_code: 200`",
        declared: RESPONSE,
        read: response,
        recorded: har::response,
    };
    load(source, entry, &form)
}

/// What a file is read into.
struct Form<T> {
    what: &'static str,
    /// How one begins.
    example: &'static str,
    declared: Declared,
    read: for<'d> fn(&Fields<'d>, &Context<'_, 'd>) -> Option<T>,
    /// The same from an entry of a HAR file.
    recorded: for<'d> fn(NodeRef<'d>, &Reader<'d>) -> Option<T>,
}

fn load<T>(source: &Source, entry: Option<usize>, form: &Form<T>) -> (Option<T>, Diagnostics) {
    let (options, mut found) = (CheckOptions::default(), Diagnostics::default());
    let document = parse::parse(source, &options.limits, &mut found);
    let reader = Reader::new(&document, &options, language());
    let loaded = document.root().and_then(|root| root_of(root, entry, form, &reader));
    found.append(reader.into_diagnostics());
    found.sort();
    (loaded.filter(|_| !found.has_errors()), found)
}

fn root_of<'d, T>(root: NodeRef<'d>, entry: Option<usize>, form: &Form<T>, reader: &Reader<'d>) -> Option<T> {
    let Some(fields) = Fields::from_node(root) else {
        reader.wrong_type(root, format_args!("{}, a map", form.what), form.example);
        return None;
    };
    if har::is_recorded(&fields) {
        return (form.recorded)(har::entry(root, &fields, entry, reader)?, reader);
    }
    if entry.is_some() {
        let help = "leave out the number behind `#`: the file is one message by itself";
        reader.invalid(head(root).at_start(), "only HAR files have entries", help);
        return None;
    }
    let cx = Context { reader, place: None, owner: (form.what, head(root).at_start()) };
    let fields = cx.map(root, form.what, form.declared, &[])?;
    (form.read)(&fields, &cx)
}

fn request<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Request> {
    let (method, url, version) = (cx.read(fields, &METHOD), cx.read(fields, &URL), cx.read(fields, &VERSION));
    let (given, trailers) = (cx.optional(fields, &HEADERS), cx.optional(fields, &TRAILERS));
    let body = cx.optional(fields, &BODY)?;
    let times = (cx.optional(fields, &HEADER_RECEIVED), cx.optional(fields, &BODY_RECEIVED));
    let (url, given) = (url?, given?.unwrap_or_default());
    let mut request = Request::new(&method?, &url);
    request.version = version?.into();
    request.headers = given;
    request.add_host();
    request.body = body.unwrap_or_default();
    request.trailers = trailers?.unwrap_or_default();
    (request.header_received, request.body_received) = (times.0?, times.1?);
    Some(request)
}

fn response<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Response> {
    let (status, headers) = (cx.read(fields, &STATUS_CODE), cx.optional(fields, &RESPONSE_HEADERS));
    let body = cx.optional(fields, &BODY)?;
    let status = u16::try_from(status?).ok()?;
    Some(Response { status, headers: headers?.unwrap_or_default(), body: body.unwrap_or_default() })
}

#[cfg(test)]
mod tests;
