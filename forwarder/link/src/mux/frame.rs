//! The header of a frame.

use std::fmt;

use super::{ErrorCode, WINDOW_BYTES};

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 8;
/// The longest message of a farewell that is taken.
const MAX_GOAWAY: u32 = 4 << 10;
/// Ids and increments have 31 bits.
pub(super) const MASK: u32 = 0x7fff_ffff;

const FIN: u8 = 1;
const SYN: u8 = 2;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream is given up; the body is a code.
    Reset,
    /// Bytes of a stream.
    Data,
    /// More bytes are welcome; the body says how many.
    Window,
    /// The side goes away; the body is the last stream it has seen, a code and a message.
    GoAway,
}

/// A header, which fits its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Bytes of the body.
    pub length: u32,
    /// The sender's half ends with it.
    pub fin: bool,
    /// The stream begins with it.
    pub syn: bool,
    /// The stream; 0 for a farewell.
    pub stream: u32,
}

/// Why eight bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// There is no such type.
    Kind(u8),
    /// A body of this kind has another length.
    Length(u32),
    /// A stream where none may be, or none where one must be.
    Stream(u32),
}

impl FrameError {
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Self::Length(_) => ErrorCode::FrameSize,
            _ => ErrorCode::Protocol,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "unknown frame type {kind}"),
            Self::Length(length) => write!(f, "a frame of this type cannot have {length} bytes"),
            Self::Stream(stream) => write!(f, "a frame of this type cannot be for stream {stream}"),
        }
    }
}

impl std::error::Error for FrameError {}

impl Header {
    /// Reads a header. No body is longer than a whole window, so nobody has to keep more.
    ///
    /// ```
    /// use agent_link::mux::{Header, Kind};
    /// let header = Header::parse([0, 0, 5, 0x12, 0, 0, 0, 3]).expect("fine");
    /// assert_eq!((header.kind, header.length, header.syn, header.stream), (Kind::Data, 5, true, 3));
    /// assert!(Header::parse([0xff, 0xff, 0xff, 0x10, 0, 0, 0, 3]).is_err());
    /// ```
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(bytes: [u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [a, b, c, what, rest @ ..] = bytes;
        let length = u32::from_be_bytes([0, a, b, c]);
        let stream = u32::from_be_bytes(rest) & MASK;
        let (kind, fits) = match what >> 4 {
            0 => (Kind::Reset, length == 4),
            1 => (Kind::Data, length <= WINDOW_BYTES),
            2 => (Kind::Window, length == 4),
            3 => (Kind::GoAway, (8..=8 + MAX_GOAWAY).contains(&length)),
            other => return Err(FrameError::Kind(other)),
        };
        if !fits {
            return Err(FrameError::Length(length));
        }
        if (kind == Kind::GoAway) != (stream == 0) {
            return Err(FrameError::Stream(stream));
        }
        Ok(Self { kind, length, fin: what & FIN != 0, syn: what & SYN != 0, stream })
    }

    /// The bytes of a header.
    #[must_use]
    pub fn bytes(self) -> [u8; HEADER_BYTES] {
        let kind = match self.kind {
            Kind::Reset => 0,
            Kind::Data => 1,
            Kind::Window => 2,
            Kind::GoAway => 3,
        };
        let what = kind << 4 | if self.fin { FIN } else { 0 } | if self.syn { SYN } else { 0 };
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, what, d, e, f, g]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_were() {
        for kind in [Kind::Reset, Kind::Data, Kind::Window, Kind::GoAway] {
            for (fin, syn) in [(false, false), (true, false), (false, true), (true, true)] {
                let length = if kind == Kind::GoAway { 8 } else { 4 };
                let stream = if kind == Kind::GoAway { 0 } else { MASK };
                let header = Header { kind, length, fin, syn, stream };
                assert_eq!(Header::parse(header.bytes()), Ok(header));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_header() {
        let header = |length: u32, what: u8, stream: u32| {
            let [_, a, b, c] = length.to_be_bytes();
            let [d, e, f, g] = stream.to_be_bytes();
            Header::parse([a, b, c, what, d, e, f, g])
        };
        assert_eq!(header(0, 0x40, 1), Err(FrameError::Kind(4)));
        assert_eq!(header(3, 0x00, 1), Err(FrameError::Length(3)));
        assert_eq!(header(5, 0x20, 1), Err(FrameError::Length(5)));
        assert_eq!(header(7, 0x30, 0), Err(FrameError::Length(7)));
        assert_eq!(header(WINDOW_BYTES + 1, 0x10, 1), Err(FrameError::Length(WINDOW_BYTES + 1)));
        assert_eq!(header(8, 0x30, 1), Err(FrameError::Stream(1)));
        assert_eq!(header(4, 0x20, 0), Err(FrameError::Stream(0)));
        assert!(header(WINDOW_BYTES, 0x10, u32::MAX).is_ok(), "the top bit of an id does not count");
    }
}
