//! What browsers and proxies record of HTTP: an entry of a HAR file as a request, or as a response.
//!
//! Fields that this needs are read like those of every other file; what else recorders write is ignored.
//! Source: HTTP Archive 1.2 (w3c.github.io/web-performance, 2012), and what browsers make of it.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::kinds::{AbsoluteUrl, BodyText, HeaderReader, Method, Of, Version};
use crate::cel::TextMap as _;
use crate::message::{Headers, Request, Response};
use crate::parse::{NodeKind, NodeRef};
use crate::reader::{Fields, Reader, TextRef, head};
use crate::schema::{Context, Field, Integer, Kind as _};

static METHOD: Field<Method> = Field::required("method", Method, "\"method\": \"GET\"", "The method.");
static STATUS: Field<Integer> =
    Field::required("status", Integer(100, 599), "\"status\": 200", "The status code; 0 is no response.");
static TEXT: Field<BodyText> = Field::optional("text", BodyText, "The body.");

/// True for a HAR file, or an entry of one.
pub(super) fn is_recorded(root: &Fields<'_>) -> bool {
    let is_map = |key: &str| root.get(key).is_some_and(|node| matches!(node.kind(), NodeKind::Mapping(_)));
    is_map("log") || is_map("request")
}

/// The entry that is meant.
pub(super) fn entry<'d>(
    root: NodeRef<'d>,
    fields: &Fields<'d>,
    wanted: Option<usize>,
    reader: &Reader<'d>,
) -> Option<NodeRef<'d>> {
    let Some(log) = fields.get("log").filter(|_| fields.get("request").is_none()) else {
        if wanted.is_some_and(|number| number != 1) {
            reader.invalid(head(root).at_start(), "the file is one entry", "leave out the number behind `#`");
            return None;
        }
        return Some(root);
    };
    let list =
        map(log, "`log`", reader)?.required(reader, "entries", ("`log`", head(log)), "\"entries\": […]")?;
    let entries = reader.list(list, "`entries`")?;
    let count = match entries.len() {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    match (entries.as_slice(), wanted) {
        ([], _) => reader.invalid(head(list), "the file has no entries", "record a request first"),
        ([only], None) => return Some(*only),
        (all, Some(number)) => match number.checked_sub(1).and_then(|at| all.get(at)) {
            Some(entry) => return Some(*entry),
            None => {
                let message = format!("the file has {count}, and no number {number}");
                reader.invalid(head(list), message, "count them from 1");
            }
        },
        (all, None) => {
            let help = format!("choose one by its number behind the file's name: `#1` to `#{}`", all.len());
            reader.invalid(head(list), format!("the file has {count}"), help);
        }
    }
    None
}

/// The request of an entry.
pub(super) fn request<'d>(entry: NodeRef<'d>, reader: &Reader<'d>) -> Option<Request> {
    let node = part(entry, "request", reader)?;
    let fields = map(node, "`request`", reader)?;
    let cx = Context { reader, place: None, owner: ("the request", head(node).at_start()) };
    let method = cx.read(&fields, &METHOD);
    let url = fields.required(reader, "url", cx.owner, "\"url\": \"https://app.example.com/\"");
    let url = url.and_then(|url| sent_url(url, &cx));
    let mut request = Request::new(&method?, &url?);
    request.version = version(&fields, &cx)?.into();
    request.headers = headers(&fields, Of::Request, &cx)?;
    if request.headers.count("cookie").is_none()
        && let Some(cookies) = cookies(&fields, &cx)?
    {
        append(&mut request.headers, "cookie", &cookies, node, &cx)?;
    }
    request.add_host();
    let Some(data) = fields.get("postData") else { return Some(request) };
    let data_fields = map(data, "`postData`", reader)?;
    match cx.optional(&data_fields, &TEXT)? {
        Some(body) => request.body = body,
        None if data_fields.get("params").is_some_and(has_items) => {
            let help = "add it as the client sends it: `\"text\": \"a=1&b=2\"`";
            reader.invalid(head(data), "the body is given as `params` only", help);
            return None;
        }
        None => {}
    }
    if request.headers.count("content-type").is_none()
        && let Some(kind) = data_fields.get("mimeType").and_then(|kind| reader.text(kind, "`mimeType`"))
        && !kind.value.is_empty()
    {
        append(&mut request.headers, "content-type", kind.value, data, &cx)?;
    }
    Some(request)
}

/// The response of an entry. Recorders decode bodies: the headers are made to say so.
pub(super) fn response<'d>(entry: NodeRef<'d>, reader: &Reader<'d>) -> Option<Response> {
    let node = part(entry, "response", reader)?;
    let fields = map(node, "`response`", reader)?;
    let cx = Context { reader, place: None, owner: ("the response", head(node).at_start()) };
    let status = u16::try_from(cx.read(&fields, &STATUS)?).ok()?;
    let mut response = Response { status, headers: headers(&fields, Of::Response, &cx)?, body: Vec::new() };
    let Some(content) = fields.get("content") else { return Some(response) };
    let content_fields = map(content, "`content`", reader)?;
    if let Some(body) = content_body(&content_fields, &cx)? {
        response.headers.remove("content-encoding");
        if response.headers.count("content-length").is_some() {
            append_length(&mut response, body.len());
        }
        response.body = body;
    }
    Some(response)
}

fn append_length(response: &mut Response, length: usize) {
    // INVARIANT: a number is the value of a header.
    let _ = response.headers.replace("content-length", &length.to_string());
}

/// A map of which other fields may be there.
fn map<'d>(node: NodeRef<'d>, what: &str, reader: &Reader<'d>) -> Option<Fields<'d>> {
    let fields = Fields::from_node(node);
    if fields.is_none() {
        reader.wrong_type(node, format_args!("{what}, a map"), "leave it as it was recorded");
    }
    fields
}

fn has_items(node: NodeRef<'_>) -> bool {
    matches!(node.kind(), NodeKind::Sequence(items) if items.iter().next().is_some())
}

/// A part of an entry.
fn part<'d>(entry: NodeRef<'d>, name: &'static str, reader: &Reader<'d>) -> Option<NodeRef<'d>> {
    let fields = map(entry, "an entry", reader)?;
    fields.required(reader, name, ("the entry", head(entry).at_start()), &format!("\"{name}\": {{…}}"))
}

/// The URL as it is sent: without its fragment, and a WebSocket's as the request that opens it.
fn sent_url<'d>(node: NodeRef<'d>, cx: &Context<'_, 'd>) -> Option<String> {
    let text = cx.reader.text(node, "`url`")?;
    let sent = text.value.split('#').next().unwrap_or_default();
    let web = |scheme: &str, of: &str| Some(format!("{scheme}{}", sent.strip_prefix(of)?));
    match web("https:", "wss:").or_else(|| web("http:", "ws:")) {
        Some(url) => AbsoluteUrl::check(&url, text, cx).then_some(url),
        None => AbsoluteUrl::check(sent, text, cx).then(|| sent.to_owned()),
    }
}

/// The version; what recorders do not know is HTTP/1.1.
fn version<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<&'static str> {
    let node = fields.get("httpVersion").filter(|node| match node.kind() {
        NodeKind::Scalar(scalar) => !matches!(scalar.text, "" | "unknown"),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => true,
    });
    match node {
        Some(node) => Version.read(node, "`httpVersion`", cx),
        None => Some("HTTP/1.1"),
    }
}

/// Names and values of a list of `{name, value}`.
fn pairs<'d>(
    fields: &Fields<'d>,
    key: &str,
    cx: &Context<'_, 'd>,
) -> Option<Vec<(TextRef<'d>, TextRef<'d>)>> {
    let Some(list) = fields.get(key) else { return Some(Vec::new()) };
    let what = format!("an item of `{key}`");
    let mut out = Vec::new();
    for item in cx.reader.list(list, &format!("`{key}`"))? {
        let fields = map(item, &what, cx.reader)?;
        let text = |part: &str| {
            let node =
                fields.required(cx.reader, part, (&what, head(item)), &format!("\"{part}\": \"…\""))?;
            cx.reader.text(node, &format!("`{part}`"))
        };
        out.push((text("name")?, text("value")?));
    }
    Some(out)
}

fn headers<'d>(fields: &Fields<'d>, of: Of, cx: &Context<'_, 'd>) -> Option<Headers> {
    let mut out = HeaderReader::new(of);
    for (name, value) in pairs(fields, "headers", cx)? {
        out.add(name.value, value, cx);
    }
    out.finish(cx)
}

/// The header of cookies that are listed by themselves alone.
fn cookies<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Option<String>> {
    let all = pairs(fields, "cookies", cx)?;
    let all: Vec<_> = all.iter().map(|(name, value)| format!("{}={}", name.value, value.value)).collect();
    Some((!all.is_empty()).then(|| all.join("; ")))
}

/// Adds a header that is made of a part of the entry.
fn append(
    headers: &mut Headers,
    name: &str,
    value: &str,
    of: NodeRef<'_>,
    cx: &Context<'_, '_>,
) -> Option<()> {
    let added = headers.append(name, value);
    added.map_err(|error| cx.invalid(head(of), error.to_string(), "write it as it is sent, on one line")).ok()
}

/// The body of a response, if it was recorded.
fn content_body<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Option<Vec<u8>>> {
    let Some(body) = cx.optional(fields, &TEXT)? else { return Some(None) };
    let Some(encoding) = fields.get("encoding") else { return Some(Some(body)) };
    let encoding = cx.reader.text(encoding, "`encoding`")?;
    match encoding.value {
        "" => Some(Some(body)),
        "base64" => match BASE64_STANDARD.decode(&body) {
            Ok(body) => Some(Some(body)),
            Err(_) => {
                let at = fields.get("text").map_or(encoding.span, head);
                cx.invalid(at, "`text` is not base64", "remove `encoding` if it is the body as it is");
                None
            }
        },
        _ => {
            cx.invalid(encoding.span, "an unknown encoding of the body", "write `base64`, or leave it out");
            None
        }
    }
}
