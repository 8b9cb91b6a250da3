//! Message: requests and responses, as hosts lend them and as rules change them.
//!
//! A host lends what it has; of what rules change the run keeps the changed parts only, so that a later rule reads the new
//! value and the host is told at the end what to send. Nothing that no rule touches is copied.

mod body;
mod cookies;
mod derived;
mod event_stream;
mod headers;
mod media_type;
mod parts;
mod request;
mod response;
mod url;

use std::sync::Arc;

pub use body::{Body, ContentCoding, Side};
pub(crate) use body::{BySide, MAX_BODY};
pub use event_stream::EventStream;
pub(crate) use headers::HeaderEdits;
pub(crate) use headers::MAX_NAME as MAX_HEADER_NAME;
pub use headers::{HeaderError, Headers, is_token};
pub(crate) use parts::Part;
pub(crate) use request::RequestView;
pub use request::{Request, RequestFacts, RequestHead};
pub(crate) use response::ResponseView;
pub use response::{Response, ResponseHead};
pub(crate) use url::MAX_URL;
pub use url::{RequestUrl, RequestUrlError};

/// What rules have changed of a request and of its response, and what a policy answers.
///
/// ```
/// use policy_core::{compile::{CompileOptions, Program}, exchange::Reply, facts::Facts, message::Request};
/// use policy_core::phase::{Phase, PhaseSet};
/// let mut options = CompileOptions::default();
/// options.phases = PhaseSet::new(&Phase::ALL);
/// let text = "on_http_request: [{actions: [{type: add-headers, config: {headers: {x-site: berlin}}}]}]";
/// let program = Program::from_policy_with("p.yml", text, &options)?;
/// let request = Request::new("GET", "https://app.example.com/");
/// let request = request.facts()?;
/// let facts = Facts::new("203.0.113.42".parse()?).with_request(&request);
/// let mut run = program.run(Phase::OnHttpRequest, &facts);
/// run.run(|_, _| Reply::Logged);
/// let changed: Vec<_> = run.changes().expect("changed").request_headers().collect();
/// assert_eq!(changed[0].0, "x-site");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub(crate) url: Option<Box<RequestUrl<'static>>>,
    pub(crate) request: HeaderEdits,
    pub(crate) response: HeaderEdits,
    pub(crate) answer: Option<Box<Response>>,
    /// Bodies that take the place of those that were read.
    pub(crate) bodies: BySide<Arc<[u8]>>,
    pub(crate) compression: Option<ContentCoding>,
}

impl Changes {
    /// The URL that the upstream is to get, if it was rewritten.
    #[must_use]
    pub fn url(&self) -> Option<&RequestUrl<'static>> {
        self.url.as_deref()
    }

    /// The headers of the request that differ from what the client sent, each with all of its values; without values it was
    /// removed.
    pub fn request_headers(&self) -> impl ExactSizeIterator<Item = (&str, &[Box<str>])> {
        self.request.iter()
    }

    /// The same for the response.
    pub fn response_headers(&self) -> impl ExactSizeIterator<Item = (&str, &[Box<str>])> {
        self.response.iter()
    }

    /// The bytes that take the place of a body, if it was changed.
    #[must_use]
    pub fn body(&self, side: Side) -> Option<&[u8]> {
        self.bodies.get(side).map(|bytes| &**bytes)
    }

    /// How the host is to compress the body of the response; its headers say so already.
    #[must_use]
    pub const fn compression(&self) -> Option<ContentCoding> {
        self.compression
    }

    /// A response with the changed headers and body, not yet compressed, as the client is to get it. Those that were not touched keep their order.
    #[must_use]
    pub fn to_response(&self, response: &Response) -> Response {
        Response {
            status: response.status,
            headers: self.response.applied(&response.headers),
            body: self.body(Side::Response).unwrap_or(&response.body).to_vec(),
        }
    }

    /// True if there is nothing that a host has to send differently.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.url.is_none()
            && self.request.is_empty()
            && self.response.is_empty()
            && self.answer.is_none()
            && self.bodies.is_empty()
            && self.compression.is_none()
    }
}
