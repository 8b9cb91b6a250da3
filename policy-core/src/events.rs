//! Lines of event logs: connections and requests that are over, as an edge of ours or ngrok writes them.
//!
//! A line is lent, not copied: `read_event` looks at it once and allocates nothing for a line that is in order. What it
//! gives is what the line says; nothing is made up for what it leaves out.
//!
//! Source: ngrok documentation, events `tcp_connection_closed.v0` and `http_request_complete.v0` (2026-08-07), and
//! docs/edge.md.

mod facts;
mod http;
mod object;
mod scan;
mod time;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::cel::Timestamp;
use crate::exchange::ForwardFailure;
use crate::message::Request;
use crate::outcome::OutcomeKind;
use crate::url::EndpointUrl;

pub use facts::EventFacts;
pub use scan::Text;

use object::Fields;
use scan::{Broken, Scanner};

/// Bytes of one line: an event of an edge has 64 KiB of log entries at most, each byte six when it is escaped.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// Forwards that failed, or targets, that are read of one event.
const MAX_LISTED: usize = 64;

/// What a line is.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "most lines are events, and none is kept: a box would be an allocation a line"
)]
pub enum Line<'l> {
    /// A connection or a request that is over.
    Event(Event<'l>),
    /// An event of another type, which decides about no connection.
    Other(Cow<'l, str>),
    /// Nothing.
    Blank,
}

/// Which event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `tcp_connection_closed.v0`.
    TcpConnectionClosed,
    /// `http_request_complete.v0`.
    HttpRequestComplete,
}

/// The names of the events that are read, without their version.
const NAMES: &[(&str, EventKind)] = &[
    ("tcp_connection_closed", EventKind::TcpConnectionClosed),
    ("http_request_complete", EventKind::HttpRequestComplete),
];

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// It has bytes that are no UTF-8.
    NotUtf8,
    /// It has NUL bytes, as files have that were cut short by a crash.
    Nul,
    /// It breaks off: it was half written.
    BreaksOff,
    /// It is no JSON.
    NotJson,
    /// It is longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// It is JSON and no event.
    NoEvent,
    /// It is an event of a version that is not known.
    Version(String),
    /// A field of an event is missing, has a value that it cannot have, or stands there twice.
    Field(&'static str),
}

impl Unreadable {
    /// The name in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::Nul => "nul_bytes",
            Self::BreaksOff => "breaks_off",
            Self::NotJson => "not_json",
            Self::TooLong => "too_long",
            Self::NoEvent => "no_event",
            Self::Version(_) => "version",
            Self::Field(_) => "field",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Nul => f.write_str("NUL bytes, as after a crash"),
            Self::BreaksOff => f.write_str("the line breaks off"),
            Self::NotJson => f.write_str("not JSON"),
            Self::TooLong => write!(f, "longer than {MAX_LINE_BYTES} bytes"),
            Self::NoEvent => f.write_str("JSON, and no event: it has no `event_type`"),
            Self::Version(name) => write!(f, "an event of an unknown version, `{name}`"),
            Self::Field(name) => write!(f, "`{name}` is missing, given twice, or has a wrong value"),
        }
    }
}

impl From<Broken> for Unreadable {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::End => Self::BreaksOff,
            Broken::Syntax => Self::NotJson,
        }
    }
}

/// What an event says of its own decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// This, as an edge of ours says.
    As(OutcomeKind),
    /// An address test refused it; which rule did is not said.
    Refused,
    /// Bytes were carried: it was let through. Where to is not said.
    Admitted,
}

/// A connection or a request that is over.
#[derive(Clone, Debug)]
pub struct Event<'l> {
    kind: EventKind,
    client_ip: IpAddr,
    client_port: Option<u16>,
    server_ip: Option<IpAddr>,
    server_port: Option<u16>,
    decision: Option<OutcomeKind>,
    timestamp: Option<Text<'l>>,
    fields: Fields<'l>,
}

/// Reads one line, without its line break.
///
/// ```
/// use policy_core::events::{Line, read_event};
/// let line = br#"{"event_type":"tcp_connection_closed.v0","object":{"conn":{"client_ip":"203.0.113.42"}}}"#;
/// let Ok(Line::Event(event)) = read_event(line) else { panic!("an event") };
/// assert_eq!(event.client_ip().to_string(), "203.0.113.42");
/// ```
///
/// # Errors
/// Why it is no event that can be used.
pub fn read_event(line: &[u8]) -> Result<Line<'_>, Unreadable> {
    if line.len() > MAX_LINE_BYTES {
        return Err(Unreadable::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|error| match (line.contains(&0), error.error_len()) {
        (true, _) => Unreadable::Nul,
        // A character is cut in two.
        (_, None) => Unreadable::BreaksOff,
        _ => Unreadable::NotUtf8,
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match read_text(text) {
        Err(Unreadable::NotJson | Unreadable::BreaksOff) if text.contains('\0') => Err(Unreadable::Nul),
        read => read,
    }
}

fn read_text(text: &str) -> Result<Line<'_>, Unreadable> {
    let mut scanner = Scanner::new(text);
    match scanner.peek() {
        None => return Ok(Line::Blank),
        Some(b'{') => {}
        Some(_) => {
            scanner.skip()?;
            scanner.end()?;
            return Err(Unreadable::NoEvent);
        }
    }
    let (mut name, mut timestamp, mut fields) = (None, None, None);
    let mut twice = None;
    scanner.object(|scanner, key| {
        let wanted = match key.get().as_deref() {
            Some("event_type") => (Slot::Text(&mut name), "event_type"),
            Some("event_timestamp") => (Slot::Text(&mut timestamp), "event_timestamp"),
            Some("object") => (Slot::Object(&mut fields), "object"),
            _ => return scanner.skip(),
        };
        if !fill(scanner, wanted.0)? {
            twice = twice.or(Some(wanted.1));
        }
        Ok(())
    })?;
    scanner.end()?;
    let name = name.and_then(|name: Text<'_>| name.get()).ok_or(Unreadable::NoEvent)?;
    let (base, version) = name.split_once('.').unwrap_or((&name, ""));
    let Some((_, kind)) = NAMES.iter().find(|(known, _)| *known == base) else {
        return Ok(Line::Other(name));
    };
    if version != "v0" {
        return Err(Unreadable::Version(crate::diagnostic::shorten(&name).to_string()));
    }
    if let Some(field) = twice {
        return Err(Unreadable::Field(field));
    }
    let fields = fields.ok_or(Unreadable::Field("object"))?;
    Event::new(*kind, timestamp, fields).map(Line::Event)
}

/// Where a value goes.
enum Slot<'s, 'l> {
    Text(&'s mut Option<Text<'l>>),
    Object(&'s mut Option<Fields<'l>>),
}

/// Reads a value; false if there was one, or it is of another type.
fn fill<'l>(scanner: &mut Scanner<'l>, slot: Slot<'_, 'l>) -> Result<bool, Broken> {
    match (slot, scanner.peek()) {
        (Slot::Text(slot), Some(b'"')) => {
            let text = scanner.string()?;
            Ok(slot.replace(text).is_none())
        }
        (Slot::Object(slot), Some(b'{')) => {
            let fields = Fields::read(scanner)?;
            Ok(slot.replace(fields).is_none())
        }
        _ => scanner.skip().map(|()| false),
    }
}

impl<'l> Event<'l> {
    fn new(kind: EventKind, timestamp: Option<Text<'l>>, fields: Fields<'l>) -> Result<Self, Unreadable> {
        if let Some(wrong) = fields.wrong {
            return Err(Unreadable::Field(wrong));
        }
        let address = |text: Option<Text<'l>>, name| match text {
            None => Ok(None),
            Some(text) => match text.get().and_then(|text| text.parse::<IpAddr>().ok()) {
                Some(address) => Ok(Some(address.to_canonical())),
                None => Err(Unreadable::Field(name)),
            },
        };
        let client = "object.conn.client_ip";
        let client_ip = address(fields.client_ip, client)?.ok_or(Unreadable::Field(client))?;
        let server_ip = address(fields.server_ip, "object.conn.server_ip")?;
        let decision = match fields.decision.map(|text| text.get()) {
            None => None,
            Some(name) => {
                let known = name.as_deref().and_then(OutcomeKind::from_name);
                Some(known.ok_or(Unreadable::Field("object.decision"))?)
            }
        };
        Ok(Self {
            kind,
            client_ip,
            client_port: fields.client_port,
            server_ip,
            server_port: fields.server_port,
            decision,
            timestamp,
            fields,
        })
    }

    /// Which event it is.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.kind
    }

    /// The client's address, an IPv4-mapped one as IPv4.
    #[must_use]
    pub const fn client_ip(&self) -> IpAddr {
        self.client_ip
    }

    /// The client's address as it is written.
    #[must_use]
    pub fn client_text(&self) -> &'l str {
        self.fields.client_ip.map_or("", |text| text.raw())
    }

    /// The request that the event is about, as far as it says: method, URL and headers. `None` if it lacks one of them, or one
    /// cannot be that of a request. What events never have of a request says [`EventFacts::never_has`]. Cold: O(bytes of the request).
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        http::request(self.fields.http?)
    }

    /// The name of the endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> Option<Text<'l>> {
        self.fields.endpoint
    }

    /// What the event says of its own decision; `None` if it says nothing.
    #[must_use]
    pub fn decided(&self) -> Option<Decided> {
        let by_ip_policy = self.fields.ip_policy.and_then(Text::get);
        match self.decision {
            Some(kind) => Some(Decided::As(kind)),
            None if by_ip_policy.as_deref() == Some("block") => Some(Decided::Refused),
            None if self.kind == EventKind::TcpConnectionClosed && self.fields.carried => {
                Some(Decided::Admitted)
            }
            None => None,
        }
    }

    /// The name of the rule that decided.
    #[must_use]
    pub const fn rule(&self) -> Option<Text<'l>> {
        self.fields.rule
    }

    /// Why it decided.
    #[must_use]
    pub const fn reason(&self) -> Option<Text<'l>> {
        self.fields.reason
    }

    /// The digest of the policy that decided; `None` if none was asked, or the event does not say.
    #[must_use]
    pub const fn policy_sha256(&self) -> Option<Text<'l>> {
        self.fields.policy_sha256
    }

    /// True if the event has the place of the action that decided.
    #[must_use]
    pub const fn has_place(&self) -> bool {
        self.fields.at.is_some()
    }

    /// The targets that the connection passed, in order; at most 64.
    ///
    /// # Errors
    /// If one is no endpoint URL.
    pub fn hops(&self) -> Result<Vec<EndpointUrl>, Unreadable> {
        let Some(raw) = self.fields.hops else { return Ok(Vec::new()) };
        object::urls(raw).ok_or(Unreadable::Field("object.hops"))
    }

    /// The forwards that failed on the way, in order; `None` if the event does not say.
    ///
    /// # Errors
    /// If one is no endpoint URL or has an unknown code.
    pub fn failed_forwards(&self) -> Result<Option<Vec<(EndpointUrl, ForwardFailure)>>, Unreadable> {
        let Some(raw) = self.fields.failed else { return Ok(None) };
        object::failures(raw).map(Some).ok_or(Unreadable::Field("object.failed_forwards"))
    }

    /// When the connection was accepted.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        Timestamp::parse(&self.fields.start.and_then(Text::get)?)
    }

    /// When the event was written, in seconds since 1970 began.
    #[must_use]
    pub fn written_second(&self) -> Option<i64> {
        time::second(&self.timestamp.and_then(Text::get)?)
    }

    /// Everything that a decision about the event may depend on beside the client's address, as it is written, where the
    /// policies read nothing else of the connection: two events of which this is equal are decided alike.
    pub fn each_decisive(&self, mut each: impl FnMut(&'l str)) {
        let fields = &self.fields;
        let texts = [
            fields.endpoint,
            fields.decision,
            fields.ip_policy,
            fields.rule,
            fields.policy_sha256,
            fields.target,
        ];
        each(if fields.carried { "1" } else { "0" });
        texts.into_iter().for_each(|text| each(text.map_or("\0", Text::raw)));
        [fields.hops, fields.failed, fields.at].into_iter().for_each(|raw| each(raw.unwrap_or("\0")));
    }
}

#[cfg(test)]
mod tests;
