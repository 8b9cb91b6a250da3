//! An open connection, and what may be wrong with the answers in it.

use std::io;

use agent_link::mux::Transport;

/// An open connection.
pub type Connection = Box<dyn Transport>;

/// What came does not follow the protocol.
pub(super) fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// The proxy says no.
pub(super) fn refused(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, what.into())
}

/// Says of an end that came too early whose it was.
pub(super) fn cut_short(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "the proxy closed the connection before its answer was complete")
        }
        _ => error,
    }
}
