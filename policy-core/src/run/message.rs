//! What an action may do to the message that it runs on.

use std::sync::Arc;

use super::Run;
use crate::cel::Unrendered;
use crate::exchange::{Asked, Effect};
use crate::message::{
    ContentCoding, HeaderEdits, HeaderError, MAX_BODY, RequestUrl, RequestView, Response, ResponseView, Side,
};
use crate::outcome::Ending;
use crate::phase::Phase;
use crate::run::{MAX_KEPT, Next};

impl Run<'_> {
    /// The request as it is now; `None` on a connection of which no request is known.
    pub(crate) fn request(&self) -> Option<RequestView<'_>> {
        self.facts.request_view(self.state.changes())
    }

    /// The response as it is now; `None` before there is one.
    pub(crate) fn response(&self) -> Option<ResponseView<'_>> {
        self.facts.response_view(self.state.changes())
    }

    /// Takes room for so many bytes that are kept.
    fn keep_bytes(&mut self, bytes: usize) -> Result<(), Unrendered> {
        let kept = self.state.kept();
        match kept.bytes.checked_add(bytes).filter(|bytes| *bytes <= MAX_KEPT) {
            Some(bytes) => {
                kept.bytes = bytes;
                Ok(())
            }
            None => {
                Err(Unrendered::unusable(format!("the values of this run are larger than {MAX_KEPT} bytes")))
            }
        }
    }

    /// Changes the headers of the message that the phase is about.
    fn edit(
        &mut self,
        edit: impl FnOnce(&mut HeaderEdits, Option<&dyn crate::cel::TextMap>) -> Result<(), HeaderError>,
    ) -> Result<(), Unrendered> {
        let of_request = self.phase == Phase::OnHttpRequest;
        let of = if of_request { self.facts.request_headers() } else { self.facts.response_headers() };
        let changes = &mut self.state.kept().state.changes;
        let edits = if of_request { &mut changes.request } else { &mut changes.response };
        edit(edits, of).map_err(|error| Unrendered::unusable(error.to_string()))
    }

    /// True if the message that the phase is about has a header, its name in lower case.
    pub(crate) fn has_header(&self, name: &str) -> bool {
        match self.phase {
            Phase::OnHttpRequest => self.request().is_some_and(|request| request.header(name).is_some()),
            _ => self.response().is_some_and(|response| response.header(name).is_some()),
        }
    }

    /// Adds a value to those that a header of the message has.
    ///
    /// # Errors
    /// If it is no header, or the run keeps too much.
    pub(crate) fn append_header(&mut self, name: &str, value: &str) -> Result<(), Unrendered> {
        self.keep_bytes(name.len() + value.len())?;
        self.trace.header(self.by, name, Some(value));
        self.edit(|edits, of| edits.append(name, value, of))
    }

    /// Gives a header of the message one value alone.
    ///
    /// # Errors
    /// If it is no header, or the run keeps too much.
    pub(crate) fn replace_header(&mut self, name: &str, value: &str) -> Result<(), Unrendered> {
        self.keep_bytes(name.len() + value.len())?;
        self.trace.header(self.by, name, Some(value));
        self.edit(|edits, _| edits.replace(name, value))
    }

    /// Removes a header of the message.
    pub(crate) fn remove_header(&mut self, name: &str) -> Result<(), Unrendered> {
        self.keep_bytes(name.len())?;
        self.trace.header(self.by, name, None);
        self.edit(|edits, _| {
            edits.remove(name);
            Ok(())
        })?;
        if name == "content-encoding" && self.phase != Phase::OnHttpRequest {
            // A body goes compressed only where its headers say so.
            self.state.kept().state.changes.compression = None;
        }
        Ok(())
    }

    /// Gives the request another URL.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn set_url(&mut self, url: RequestUrl<'static>) -> Result<(), Unrendered> {
        self.keep_bytes(url.raw().len())?;
        self.trace.url(self.by, url.as_str());
        self.state.kept().state.changes.url = Some(url.into());
        Ok(())
    }

    /// Asks the host for something that [`crate::run::Execute::resumed`] goes on with.
    pub(crate) fn ask(&mut self, effect: Effect, asked: Asked) -> Next {
        self.state.kept().asked = Some(asked);
        Next::Ask(effect)
    }

    /// A body as it is now, or what asks for it: then the step runs again once it has been read.
    ///
    /// # Errors
    /// If it is too long, or encoded, so that nothing in it can be found.
    pub(crate) fn body(&mut self, side: Side) -> Result<Result<Arc<[u8]>, Next>, Unrendered> {
        let kept = self.state.kept();
        if let Some(changed) = kept.state.changes.bodies.get(side) {
            return Ok(Ok(Arc::clone(changed)));
        }
        let read = kept.bodies.get(side).map(|body| (body.complete, Arc::clone(&body.bytes)));
        // Whoever has read it before may have had no need to search it.
        if self.is_encoded(side) {
            return Err(Unrendered::unusable("the body is compressed (`content-encoding`)".to_owned()));
        }
        match read {
            None => Ok(Err(Next::Ask(Effect::ReadBody { side, max: MAX_BODY }))),
            Some((true, bytes)) => Ok(Ok(bytes)),
            Some((false, _)) => {
                Err(Unrendered::unusable(format!("the body is longer than {MAX_BODY} bytes")))
            }
        }
    }

    /// The first bytes of a body as it is now, whatever it is, or what asks for it.
    pub(crate) fn body_start(&mut self, side: Side) -> Result<Arc<[u8]>, Next> {
        let kept = self.state.kept();
        let read = || kept.bodies.get(side).map(|body| &body.bytes);
        match kept.state.changes.bodies.get(side).or_else(read) {
            Some(bytes) => Ok(Arc::clone(bytes)),
            None => Err(Next::Ask(Effect::ReadBody { side, max: MAX_BODY })),
        }
    }

    /// True if a body is compressed, or encoded otherwise, as it is now; what the host is still to compress is not.
    pub(crate) fn is_encoded(&self, side: Side) -> bool {
        // Every item of every line counts.
        let is_coding =
            |item: &str| !matches!(item.trim(), "") && !item.trim().eq_ignore_ascii_case("identity");
        let encoded = |line: &str| line.split(',').any(is_coding);
        match side {
            Side::Request => {
                self.request().is_some_and(|it| it.header_values("content-encoding").any(encoded))
            }
            Side::Response if self.is_to_be_compressed() => false,
            Side::Response => {
                self.response().is_some_and(|it| it.header_values("content-encoding").any(encoded))
            }
            // As the upstream has sent it: what compresses it comes after the events.
            Side::Event => self
                .facts
                .response_view(None)
                .is_some_and(|it| it.header_values("content-encoding").any(encoded)),
        }
    }

    /// True if a message can have no body: an answer to `HEAD`, or one of a status without (RFC 9110, 6.4.1).
    pub(crate) fn has_no_body(&self, side: Side) -> bool {
        let to_head = || self.request().is_some_and(|request| request.method() == "HEAD");
        let without = |response: ResponseView<'_>| matches!(response.status(), 100..=199 | 204 | 304);
        side == Side::Response && (to_head() || self.response().is_some_and(without))
    }

    /// Takes the length from a response without a body: nobody knows that of the body it would have had (RFC 9110, 8.6).
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn forget_length(&mut self) -> Result<(), Unrendered> {
        match self.has_header("content-length") {
            true => self.remove_header("content-length"),
            false => Ok(()),
        }
    }

    /// True if the response may be compressed: it has a body and the whole of it (RFC 9110, 15.3.7), and who sends it lets it
    /// be changed (RFC 9111, 5.2.2.6).
    pub(crate) fn may_be_compressed(&self) -> bool {
        let is_kept = |line: &str| line.split(',').any(|it| it.trim().eq_ignore_ascii_case("no-transform"));
        !self.has_no_body(Side::Response)
            && self.response().is_some_and(|response| {
                response.status() != 206 && !response.header_values("cache-control").any(is_kept)
            })
    }

    /// True if the host is to compress the response at the end.
    pub(crate) fn is_to_be_compressed(&self) -> bool {
        self.state.changes().is_some_and(|changes| changes.compression.is_some())
    }

    /// The one of some codings that the client prefers.
    pub(crate) fn negotiate(&self, of: &[ContentCoding]) -> Option<ContentCoding> {
        let request = self.request()?;
        ContentCoding::negotiate(of, request.header_values("accept-encoding"))
    }

    /// Gives a message another body, with its length.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn replace_body(&mut self, side: Side, bytes: Vec<u8>) -> Result<(), Unrendered> {
        self.keep_bytes(bytes.len())?;
        self.trace.body(self.by, side, &bytes);
        let length = bytes.len().to_string();
        // A message has one of both (RFC 9112, 6.2), and the length is known now.
        let chunked = match side {
            Side::Request => self.request().is_some_and(|it| it.header("transfer-encoding").is_some()),
            Side::Response => self.response().is_some_and(|it| it.header("transfer-encoding").is_some()),
            Side::Event => false,
        };
        let changes = &mut self.state.kept().state.changes;
        changes.bodies.set(side, Some(bytes.into()));
        let edited = match side {
            // Known once it has been compressed.
            Side::Response if changes.compression.is_some() => Ok(()),
            Side::Request | Side::Response => {
                let edits = if side == Side::Request { &mut changes.request } else { &mut changes.response };
                if chunked {
                    edits.remove("transfer-encoding");
                }
                edits.replace("content-length", &length)
            }
            Side::Event => Ok(()),
        };
        edited.map_err(|error| Unrendered::unusable(error.to_string()))
    }

    /// Has the host compress the body of the response, and says so in its headers.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn compress(&mut self, coding: ContentCoding) -> Result<(), Unrendered> {
        self.replace_header("content-encoding", coding.name())?;
        if self.has_header("content-length") {
            self.remove_header("content-length")?;
        }
        let varies = |vary: &str| {
            vary.split(',').any(|it| it.trim() == "*" || it.trim().eq_ignore_ascii_case("accept-encoding"))
        };
        let varies = self.response().is_some_and(|response| response.header_values("vary").any(varies));
        if !varies {
            self.append_header("vary", "Accept-Encoding")?;
        }
        self.state.kept().state.changes.compression = Some(coding);
        Ok(())
    }

    /// Refuses the message, which is then answered so.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn refuse(&mut self, response: Response) -> Result<Next, Unrendered> {
        self.respond(response)?;
        Ok(Next::End(Ending::Denied))
    }

    /// Answers in place of the upstream.
    ///
    /// # Errors
    /// If the run keeps too much.
    pub(crate) fn respond(&mut self, response: Response) -> Result<Next, Unrendered> {
        let headers: usize = response.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.keep_bytes(response.body.len() + headers)?;
        self.state.kept().state.changes.answer = Some(response.into());
        Ok(Next::End(Ending::Responded))
    }
}
