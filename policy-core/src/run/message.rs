//! What an action may do to the message that it runs on.

use super::Run;
use crate::cel::Unrendered;
use crate::message::{HeaderEdits, HeaderError, RequestUrl, RequestView, Response, ResponseView};
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
        })
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
