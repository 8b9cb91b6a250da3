//! Requests: what a host lends of one, and what policies read of it.

use std::fmt;

use super::cookies::SetCookie;
use super::derived::{
    NO_EDITS, borrow_essence, by_name, encodings, essence, length, trailers, type_parameters, values,
};
use super::headers::EditedHeaders;
use super::parts::Part;
use super::url::{RequestUrl, RequestUrlError};
use super::{Changes, Headers, ResponseHead, cookies, media_type};
use crate::cel::{Borrowed, TextMap, Timestamp, Value};

/// What a host has of a request. All of it is lent: what no rule reads is never looked at, what no rule changes never copied.
pub trait RequestHead: fmt::Debug + Sync {
    /// The method, such as `GET`.
    fn method(&self) -> &str;

    /// The version, such as `HTTP/1.1`.
    fn version(&self) -> &str;

    /// The headers, names in lower case.
    fn headers(&self) -> &dyn TextMap;

    /// The trailers, names in lower case; `None` before the body has arrived.
    fn trailers(&self) -> Option<&dyn TextMap> {
        None
    }

    /// When the headers had arrived.
    fn header_received(&self) -> Option<Timestamp> {
        None
    }

    /// When the body had arrived.
    fn body_received(&self) -> Option<Timestamp> {
        None
    }
}

/// A request that policies decide about: what a host lends, with its URL read once, and its response once there is one.
#[derive(Clone, Debug)]
pub struct RequestFacts<'h> {
    pub(super) head: &'h dyn RequestHead,
    pub(super) url: RequestUrl<'h>,
    response: Option<&'h dyn ResponseHead>,
}

impl<'h> RequestFacts<'h> {
    /// Of a request with its absolute URL, as it was sent. O(length of the URL).
    ///
    /// # Errors
    /// [`RequestUrlError`].
    pub fn new(head: &'h dyn RequestHead, url: &'h str) -> Result<Self, RequestUrlError> {
        Ok(Self { head, url: RequestUrl::parse(url)?, response: None })
    }

    /// Adds the response.
    #[must_use]
    pub fn with_response(mut self, response: &'h dyn ResponseHead) -> Self {
        self.response = Some(response);
        self
    }

    pub(crate) const fn response(&self) -> Option<&'h dyn ResponseHead> {
        self.response
    }

    pub(crate) fn headers(&self) -> &'h dyn TextMap {
        self.head.headers()
    }

    /// Its URL as it was sent by the client.
    #[must_use]
    pub const fn url(&self) -> &RequestUrl<'h> {
        &self.url
    }
}

/// A request as it is now: what the host lends, and what rules have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestView<'a> {
    pub(super) head: &'a dyn RequestHead,
    pub(super) url: &'a RequestUrl<'a>,
    pub(super) headers: EditedHeaders<'a>,
}

impl<'a> RequestView<'a> {
    pub(crate) fn with_changes(facts: &'a RequestFacts<'a>, changes: Option<&'a Changes>) -> Self {
        let edits = changes.map_or(&NO_EDITS, |changes| &changes.request);
        let url = changes.and_then(Changes::url).unwrap_or(&facts.url);
        Self { head: facts.head, url, headers: EditedHeaders { of: facts.head.headers(), edits } }
    }

    /// The URL as it is now.
    pub(crate) const fn url(&self) -> &'a RequestUrl<'a> {
        self.url
    }

    /// Every value of a header, its name in lower case.
    pub(crate) fn header_values<'v>(&'v self, name: &'v str) -> impl Iterator<Item = &'v str> {
        values(&self.headers, name)
    }

    /// The first value of a header, its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name, 0)
    }

    /// The method.
    pub(crate) fn method(&self) -> &str {
        self.head.method()
    }

    /// The media type of the body without its parameters, as it is written; empty without one.
    pub(crate) fn content_type(&self) -> &str {
        media_type::essence(self.header("content-type").unwrap_or_default())
    }

    /// The host that the request is for: the header, or else that of the URL.
    pub(super) fn host(&self) -> &str {
        self.headers.get("host", 0).unwrap_or_else(|| self.url.host())
    }

    /// A part that is at hand.
    #[inline]
    pub(crate) fn borrow(&self, part: Part) -> Option<Borrowed<'_>> {
        let header = |name| Some(Borrowed::Text(self.headers.get(name, 0).unwrap_or_default()));
        let (url, text) = (self.url, |text| Some(Borrowed::Text(text)));
        match part {
            Part::Method => text(self.head.method()),
            Part::Host => text(self.host()),
            Part::Version => text(self.head.version()),
            Part::RequestLocation => header("location"),
            Part::RequestTypeRaw => header("content-type"),
            Part::UserAgent => header("user-agent"),
            Part::RequestType => borrow_essence(&self.headers),
            Part::RequestHeaders if self.headers.edits.is_empty() => Some(Borrowed::Texts(self.headers.of)),
            Part::RequestHeaders => Some(Borrowed::Texts(&self.headers)),
            Part::Url => text(url.as_str()),
            Part::UrlAuthority => text(url.authority()),
            Part::UrlHost => text(url.host()),
            Part::UrlPath => text(url.path()),
            Part::UrlPort => url.port().map(|port| Borrowed::Int(port.into())),
            Part::UrlQuery => text(url.query()),
            Part::QueryParams => Some(Borrowed::Texts(url)),
            Part::UrlRaw => text(url.raw()),
            Part::UrlRawPath => text(url.raw_path()),
            Part::UrlScheme => text(url.scheme()),
            Part::UrlUri => text(url.path_and_query()),
            Part::UrlUserPassword => text(url.user_password()),
            Part::RequestLength => length(&self.headers).map(Borrowed::Int),
            _ => None,
        }
    }

    /// The value of a part; `None` if this request does not have it.
    pub(crate) fn value(&self, part: Part) -> Option<Value> {
        match part {
            Part::RequestType => Some(essence(&self.headers)),
            Part::RequestTypeParameters => Some(type_parameters(&self.headers)),
            Part::RequestEncoding => Some(encodings(&self.headers)),
            Part::RequestCookies => self.cookies(),
            // Not there yet: no trailers.
            Part::RequestTrailers => Some(trailers(self.head.trailers())),
            Part::HeaderReceived => self.head.header_received().map(Value::Timestamp),
            Part::BodyReceived => self.head.body_received().map(Value::Timestamp),
            part => self.borrow(part).map(Borrowed::to_value),
        }
    }

    /// Its cookies by name; none if there are too many.
    fn cookies(&self) -> Option<Value> {
        let headers = values(&self.headers, "cookie");
        let all = headers.flat_map(cookies::sent).map(|(name, value)| SetCookie::sent(name, value));
        by_name(all)
    }
}

/// A request of one's own, for dry runs and tests.
///
/// ```
/// use policy_core::message::Request;
/// let mut request = Request::new("GET", "https://app.example.com/a?b=c");
/// request.headers.append("accept", "text/html")?;
/// assert_eq!(request.facts()?.url().path(), "/a");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The absolute URL, as it is sent.
    pub url: String,
    /// The version.
    pub version: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Headers,
    /// When its headers had arrived.
    pub header_received: Option<Timestamp>,
    /// When its body had arrived.
    pub body_received: Option<Timestamp>,
}

impl Request {
    /// A request of HTTP/1.1 without headers.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            version: "HTTP/1.1".to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
            trailers: Headers::default(),
            header_received: None,
            body_received: None,
        }
    }

    /// Adds the header `host` of its URL, as clients send it, unless there is one.
    pub fn add_host(&mut self) {
        if self.headers.count("host").is_some() {
            return;
        }
        let Ok(url) = RequestUrl::parse(&*self.url) else { return };
        let authority = url.authority();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned();
        // INVARIANT: the host of a normalised URL is ASCII without spaces.
        let _ = self.headers.append("host", &host);
    }

    /// It as policies decide about it.
    ///
    /// # Errors
    /// [`RequestUrlError`].
    pub fn facts(&self) -> Result<RequestFacts<'_>, RequestUrlError> {
        RequestFacts::new(self, &self.url)
    }
}

impl RequestHead for Request {
    fn method(&self) -> &str {
        &self.method
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn headers(&self) -> &dyn TextMap {
        &self.headers
    }

    fn trailers(&self) -> Option<&dyn TextMap> {
        Some(&self.trailers)
    }

    fn header_received(&self) -> Option<Timestamp> {
        self.header_received
    }

    fn body_received(&self) -> Option<Timestamp> {
        self.body_received
    }
}
