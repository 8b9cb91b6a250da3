//! The phases of a policy and sets of them.
//!
//! Source: ngrok documentation, Traffic Policy phases (2026-08-07); `on_event_stream_message` stands only
//! on the page of `sse-find-replace`.

use std::fmt;

/// A phase: the moment at which a list of rules runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// A TCP connection was accepted, no byte was read.
    OnTcpConnect,
    /// An HTTP request arrived.
    OnHttpRequest,
    /// An upstream answered.
    OnHttpResponse,
    /// A server-sent event passes.
    OnEventStreamMessage,
}

impl Phase {
    /// Every phase, in the order in which they run.
    pub const ALL: [Self; 4] =
        [Self::OnTcpConnect, Self::OnHttpRequest, Self::OnHttpResponse, Self::OnEventStreamMessage];

    /// The key in a policy document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OnTcpConnect => "on_tcp_connect",
            Self::OnHttpRequest => "on_http_request",
            Self::OnHttpResponse => "on_http_response",
            Self::OnEventStreamMessage => "on_event_stream_message",
        }
    }

    /// The phase of a key.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSet(u8);

impl PhaseSet {
    /// No phase.
    pub const NONE: Self = Self(0);

    /// True if no phase is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set of the given phases.
    #[must_use]
    pub const fn new(phases: &[Phase]) -> Self {
        let mut bits = 0;
        let mut rest = phases;
        while let [first, tail @ ..] = rest {
            bits |= 1 << *first as u8;
            rest = tail;
        }
        Self(bits)
    }

    /// True if the phase is in the set.
    #[must_use]
    pub const fn contains(self, phase: Phase) -> bool {
        self.0 & (1 << phase as u8) != 0
    }

    /// The phases of the set, in the order in which they run.
    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL.into_iter().filter(move |&phase| self.contains(phase))
    }
}
