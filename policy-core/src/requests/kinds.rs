//! What the fields of request files can be.

use crate::cel::{TextMap as _, Timestamp};
use crate::message::{Headers, RequestUrl, is_token};
use crate::parse::NodeRef;
use crate::reader::{Fields, TextRef, head};
use crate::schema::{Context, Kind};

/// A method of HTTP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method;

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
pub(super) struct AbsoluteUrl;

impl AbsoluteUrl {
    /// True for a URL that a text gives; what is wrong with it is told at the text.
    pub(super) fn check(url: &str, text: TextRef<'_>, cx: &Context<'_, '_>) -> bool {
        let error = RequestUrl::parse(url).err();
        if let Some(error) = &error {
            let help = "write the whole URL, e.g. `https://app.example.com/a?b=c`";
            cx.invalid(text.span, error.to_string(), help);
        }
        error.is_none()
    }
}

impl Kind for AbsoluteUrl {
    type Value = String;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<String> {
        let text = cx.reader.text(node, what)?;
        Self::check(text.value, text, cx).then(|| text.value.to_owned())
    }

    fn describe(&self) -> String {
        "URL with `http://` or `https://`".to_owned()
    }
}

/// Headers: a text each, or a list of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderMap(pub(super) Of);

/// What headers are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Request,
    Response,
    /// What follows a body.
    Trailers,
}

impl Kind for HeaderMap {
    type Value = Headers;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Headers> {
        let Some(fields) = Fields::from_node(node) else {
            cx.reader.wrong_type(node, format_args!("{what}, a map"), "write `name: value` lines below it");
            return None;
        };
        let mut out = HeaderReader::new(self.0);
        for field in &fields.entries {
            let values = match field.value.is_list() {
                true => cx.reader.list(field.value, "a header").unwrap_or_default(),
                false => vec![field.value],
            };
            for value in values {
                match cx.reader.text(value, "the value of a header") {
                    Some(text) => out.add(field.key, text, cx),
                    None => out.fine = false,
                }
            }
        }
        out.finish(cx)
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "map of headers, each a text or a list of texts".to_owned()
    }
}

/// Headers as they are read, one by one.
#[derive(Debug)]
pub(super) struct HeaderReader<'d> {
    of: Of,
    out: Headers,
    /// `:authority`, the host of requests over HTTP/2.
    authority: Option<TextRef<'d>>,
    fine: bool,
}

/// Fields of HTTP/2 that browsers list among the headers of a request (RFC 9113, 8.3.1; RFC 8441): method and URL have
/// what they say.
const OF_REQUESTS: &[&str] = &[":method", ":path", ":protocol", ":scheme"];

impl<'d> HeaderReader<'d> {
    pub(super) fn new(of: Of) -> Self {
        Self { of, out: Headers::default(), authority: None, fine: true }
    }

    /// Adds a header, or says why it cannot be sent.
    pub(super) fn add(&mut self, name: &str, value: TextRef<'d>, cx: &Context<'_, 'd>) {
        match self.of {
            Of::Request if name == ":authority" => {
                self.authority = self.authority.or(Some(value));
                return;
            }
            Of::Request if OF_REQUESTS.contains(&name) => return,
            Of::Response if name == ":status" => return,
            Of::Request if name.eq_ignore_ascii_case("host") && self.out.count("host").is_some() => {
                let help = "keep one `host`: servers refuse a request with several";
                cx.invalid(value.span, "a request has one host", help);
                self.fine = false;
                return;
            }
            Of::Request | Of::Response | Of::Trailers => {}
        }
        if let Err(error) = self.out.append(name, value.value) {
            cx.invalid(value.span, error.to_string(), "write it as it is sent, on one line");
            self.fine = false;
        }
    }

    /// All of them; nothing if one was wrong.
    pub(super) fn finish(mut self, cx: &Context<'_, 'd>) -> Option<Headers> {
        if let (None, Some(host)) = (self.out.count("host"), self.authority) {
            self.add("host", host, cx);
        }
        self.fine.then_some(self.out)
    }
}

/// A version of HTTP, in the words of Go, which policies see; those of browsers are understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version;

/// The versions as policies see them, and other words for them.
const VERSIONS: &[(&str, &[&str])] =
    &[("HTTP/1.0", &[]), ("HTTP/1.1", &[]), ("HTTP/2.0", &["HTTP/2", "h2"]), ("HTTP/3.0", &["HTTP/3", "h3"])];

impl Kind for Version {
    type Value = &'static str;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<&'static str> {
        let text = cx.reader.text(node, what)?;
        let is = |name: &str| name.eq_ignore_ascii_case(text.value);
        let known = VERSIONS.iter().find(|(name, others)| is(name) || others.iter().any(|other| is(other)));
        if known.is_none() {
            let help = "write `HTTP/1.0`, `HTTP/1.1`, `HTTP/2.0` or `HTTP/3.0`";
            cx.invalid(text.span, format!("{what} is not a version of HTTP"), help);
        }
        known.map(|(name, _)| *name)
    }

    fn parse_default(&self, text: &'static str) -> Option<&'static str> {
        Some(text)
    }

    fn describe(&self) -> String {
        "`HTTP/1.0`, `HTTP/1.1`, `HTTP/2.0` or `HTTP/3.0`".to_owned()
    }
}

/// Bytes of a body that a file may give.
const MAX_BODY: usize = 1 << 20;

/// A body as it is written; an empty one is a body too.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyText;

impl Kind for BodyText {
    type Value = Vec<u8>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Vec<u8>> {
        let text = cx.reader.text(node, what)?;
        if text.value.len() > MAX_BODY {
            cx.invalid(head(node), format!("{what} has more than {MAX_BODY} bytes"), "shorten it");
            return None;
        }
        Some(text.value.as_bytes().to_vec())
    }

    fn describe(&self) -> String {
        format!("text, up to {MAX_BODY} bytes")
    }
}

/// A time in RFC 3339.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time;

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
