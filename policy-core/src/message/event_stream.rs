//! Server-sent events: the stream as its events (WHATWG HTML, 9.2.5).

use super::Response;
use crate::cel::TextMap;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The events of a response, taken one by one, with what has passed so far.
///
/// ```
/// use policy_core::message::{EventStream, Response};
/// let mut response = Response::new(200);
/// response.headers.append("content-type", "text/event-stream")?;
/// response.body = b"data: a\n\ndata: b\n\n".to_vec();
/// let mut stream = EventStream::of(response).expect("an event stream");
/// while let Some(event) = stream.next_event() {
///     let passes = event != b"data: a\n\n";
///     stream.pass(if passes { &event } else { b"" });
/// }
/// assert_eq!(stream.into_response().body, b"data: b\n\n");
/// # Ok::<(), policy_core::message::HeaderError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventStream {
    /// With the part of the body that has passed.
    response: Response,
    body: Vec<u8>,
    /// Where the next event begins.
    at: usize,
    taken: usize,
}

impl EventStream {
    /// The stream of a response; the response itself if its content type says that it is none.
    ///
    /// # Errors
    /// The response.
    pub fn of(mut response: Response) -> Result<Self, Response> {
        if !is_event_stream(&response) {
            return Err(response);
        }
        let body = std::mem::take(&mut response.body);
        // Clients leave a byte order mark at its begin out.
        let at = if body.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        response.body.extend(body.iter().take(at));
        Ok(Self { response, body, at, taken: 0 })
    }

    /// The next event, with the empty line at its end; `None` at the end of the stream.
    pub fn next_event(&mut self) -> Option<Vec<u8>> {
        let rest = self.body.get(self.at..)?;
        let event = rest.get(..event_length(rest)).filter(|event| !event.is_empty())?;
        self.at += event.len();
        self.taken += 1;
        Some(event.to_vec())
    }

    /// How many events were taken.
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.taken
    }

    /// Lets bytes pass.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.response.body.extend_from_slice(bytes);
    }

    /// The response with what has passed as its body.
    #[must_use]
    pub fn into_response(mut self) -> Response {
        if self.response.headers.count("content-length").is_some() {
            let length = self.response.body.len().to_string();
            // INVARIANT: a number is the value of a header.
            let _ = self.response.headers.replace("content-length", &length);
        }
        self.response
    }
}

/// True for a stream of server-sent events.
fn is_event_stream(response: &Response) -> bool {
    let kind = response.headers.get("content-type", 0);
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The length of the first event of a stream, with the empty line at its end.
fn event_length(stream: &[u8]) -> usize {
    let (mut at, mut line) = (0, 0);
    while let Some(byte) = stream.get(at) {
        let is_end = matches!(byte, b'\n' | b'\r');
        let width = if stream.get(at..at + 2) == Some(b"\r\n") { 2 } else { 1 };
        if is_end && line == at {
            return at + width;
        }
        at += if is_end { width } else { 1 };
        if is_end {
            line = at;
        }
    }
    stream.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(kind: &str, body: &str) -> Option<EventStream> {
        let mut response = Response::new(200);
        response.headers.append("content-type", kind).expect("a header");
        response.headers.append("content-length", "1").expect("a header");
        response.body = body.into();
        EventStream::of(response).ok()
    }

    #[test]
    fn events_end_at_empty_lines() {
        let lengths = |body| {
            let mut stream = stream("text/event-stream", body).expect("a stream");
            std::iter::from_fn(|| stream.next_event()).map(|event| event.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths("data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n"), [9, 11, 9, 8]);
        assert_eq!(lengths(""), Vec::<usize>::new());
        assert_eq!(lengths("\n\n"), [1, 1]);
        assert_eq!(lengths("\u{feff}data: a\n\n"), [9]);
    }

    #[test]
    fn what_has_passed_is_the_body() {
        let mut taken =
            stream(" Text/Event-Stream ; charset=utf-8", "\u{feff}data: a\n\n").expect("a stream");
        let event = taken.next_event().expect("an event");
        taken.pass(&event);
        assert_eq!((taken.next_event(), taken.taken()), (None, 1));
        let response = taken.into_response();
        assert_eq!(response.body, "\u{feff}data: a\n\n".as_bytes());
        assert_eq!(response.headers.get("content-length", 0), Some("12"));
        assert!(stream("text/event-streams", "").is_none());
    }
}
