//! Many streams over one connection: the muxado protocol.
//!
//! An 8-byte header, big endian – 24 bits of length, 4 of type, 4 of flags, 32 of stream id – then the body. Streams
//! that the client opens are odd, those of the server even. Each direction of a stream has a window of 256 KiB that the
//! reader opens again as it reads, and that grows with the path; two ends of ours lend each other more (`window`).
//!
//! What is bounded, and by what:
//!
//! | | bound |
//! |---|---|
//! | bytes that wait for a reader | the stream's window; a frame that exceeds it is refused at its header |
//! | the same beyond all windows | what [`Opener::lend`] says |
//! | the same in all, before the other side is known | [`Limits::held`] |
//! | bytes that wait to be sent | 64 KiB a stream; streams take turns, 8 KiB each, small frames first |
//! | bytes on the way | what arrives in a round trip, and half as many more; somewhat more on short and slow ways, and for small frames (`pace`) |
//! | how long they wait for a reader | [`Limits::stall_timeout`], also for a stream that was dropped meanwhile |
//! | streams of the other side | [`Limits::streams`], of them [`Limits::unaccepted`] not yet accepted |
//! | how often the other side opens one | [`Limits::opens_per_second`] |
//! | answers to frames for streams that are gone | 4,096 that wait to be sent; then the session ends |
//!
//! Reading never waits for writing, so two ends that both write as fast as they can do not wait for each other.
//!
//! Source: the openly licensed SDKs that speak it (MIT/Apache-2.0), as they behave on 2026-11-22.

mod frame;
mod pace;
mod session;
mod shared;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod transport;
mod window;

use std::fmt;
use std::time::Duration;

pub use frame::{FrameError, Header, Kind};
pub use session::{Acceptor, Driver, Opener, session};
pub use stream::Stream;
pub use transport::{Measured, Sent, Transport};
pub use window::Lent;

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The code.
    pub code: ErrorCode,
    /// What whoever ended it said of it; may be empty. The other side may say anything, in at most 4 KiB.
    pub message: Box<str>,
    /// True if that was the other side.
    pub by_peer: bool,
}

impl End {
    /// This side ends it.
    pub(crate) fn here(code: ErrorCode, message: &str) -> Self {
        Self { code, message: message.into(), by_peer: false }
    }

    /// True if nothing went wrong.
    #[must_use]
    pub const fn is_in_order(&self) -> bool {
        matches!(self.code, ErrorCode::None | ErrorCode::SessionClosed)
    }
}

/// This side ends it and has no more to say.
impl From<ErrorCode> for End {
    fn from(code: ErrorCode) -> Self {
        Self::here(code, "")
    }
}

/// The message; the code where there is none.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() { self.code.fmt(f) } else { f.write_str(&self.message) }
    }
}

/// What either side may send on a new stream before it is told to go on.
pub const WINDOW_BYTES: u32 = 256 << 10;
/// Bytes beyond all windows that an end of ours holds for a session.
pub const SHARED_WINDOW: u32 = 16 << 20;
/// Bytes of one stream that wait to be sent.
const OUTBOX_BYTES: usize = 64 << 10;
/// Bytes of one stream that are sent before another has its turn.
const QUANTUM_BYTES: usize = 8 << 10;
/// A stream that has no more to send goes before those that have: a keystroke, its echo, a heartbeat.
const SMALL_BYTES: usize = 1 << 10;
/// So many bytes of small frames go before a larger one that waits.
const SMALL_RUN_BYTES: usize = 4 << 10;
/// Resets that wait to be sent; a peer that makes more necessary is dropped.
const MAX_RESETS: usize = 4_096;

/// Which ids a side gives its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has connected: odd ids.
    Client,
    /// Who was connected to: even ids.
    Server,
}

/// What the other side may do. Name what differs, and write `..Limits::default()`: fields may be added.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Streams it may have open.
    pub streams: usize,
    /// Streams that this side may have open, those included that are dropped and still have bytes to send.
    pub own_streams: usize,
    /// Streams it has opened and nobody has accepted yet.
    pub unaccepted: usize,
    /// Bytes of all its streams that are held until the session is opened up with [`Opener::allow`]; more end it. What
    /// it sends before that has no use.
    pub held: usize,
    /// Streams it may open each second, ten times as many at once; more end the session.
    pub opens_per_second: u32,
    /// How long it may take none of the bytes that wait for it.
    pub write_timeout: Duration,
    /// How long it may keep the window of a stream shut while bytes wait; then the stream is given up.
    pub stall_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 512,
            own_streams: 4_096,
            unaccepted: 64,
            held: usize::MAX,
            opens_per_second: 10_000,
            write_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(300),
        }
    }
}

/// Why a stream or a session ends, as the other side is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum ErrorCode {
    /// In order.
    None = 0x0,
    /// Something that the protocol does not have.
    Protocol = 0x1,
    /// A fault of this side.
    Internal = 0x2,
    /// More bytes than were allowed.
    FlowControl = 0x3,
    /// Something for a stream that has ended.
    StreamClosed = 0x4,
    /// A stream that is not wanted.
    Refused = 0x5,
    /// Nobody needs it any more.
    Cancelled = 0x6,
    /// Given up.
    Reset = 0x7,
    /// A frame of the wrong size.
    FrameSize = 0x8,
    /// Streams are opened faster than they are accepted.
    AcceptQueueFull = 0x9,
    /// Too much of everything.
    EnhanceYourCalm = 0xa,
    /// The other side has said that it goes.
    RemoteGone = 0xb,
    /// No more streams.
    Exhausted = 0xc,
    /// The other side takes no bytes.
    WriteTimeout = 0xd,
    /// The session has ended.
    SessionClosed = 0xe,
    /// The connection has ended.
    PeerEof = 0xf,
}

impl ErrorCode {
    /// The code of a number; unknown ones are internal faults.
    pub(crate) const fn from_number(number: u32) -> Self {
        match number {
            0x0 => Self::None,
            0x1 => Self::Protocol,
            0x3 => Self::FlowControl,
            0x4 => Self::StreamClosed,
            0x5 => Self::Refused,
            0x6 => Self::Cancelled,
            0x7 => Self::Reset,
            0x8 => Self::FrameSize,
            0x9 => Self::AcceptQueueFull,
            0xa => Self::EnhanceYourCalm,
            0xb => Self::RemoteGone,
            0xc => Self::Exhausted,
            0xd => Self::WriteTimeout,
            0xe => Self::SessionClosed,
            0xf => Self::PeerEof,
            _ => Self::Internal,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "ended in order",
            Self::Protocol => "the protocol was violated",
            Self::Internal => "an internal fault",
            Self::FlowControl => "more bytes than the window allows",
            Self::StreamClosed => "the stream has ended",
            Self::Refused => "the stream was refused",
            Self::Cancelled => "the stream was cancelled",
            Self::Reset => "the stream was reset",
            Self::FrameSize => "a frame has the wrong size",
            Self::AcceptQueueFull => "streams are opened faster than they are accepted",
            Self::EnhanceYourCalm => "too many streams or resets in a short time",
            Self::RemoteGone => "the peer goes away",
            Self::Exhausted => "no more streams",
            Self::WriteTimeout => "the peer takes no bytes",
            Self::SessionClosed => "the session has ended",
            Self::PeerEof => "the connection was closed",
        })
    }
}

impl std::error::Error for ErrorCode {}
