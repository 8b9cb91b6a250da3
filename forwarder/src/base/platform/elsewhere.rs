//! What stands in for that of Linux on other systems.

use std::io;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

/// Whether sockets can be bound to an interface.
pub(crate) const CHOOSES_INTERFACE: bool = false;

/// Other allocators give memory back themselves.
pub(crate) const fn trim_memory() {}

/// The peer is known to be gone by probes alone.
pub(crate) fn give_up_unacknowledged(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}

/// What is unsent cannot be bounded.
pub(crate) fn hold_few_unsent(_: &TcpStream, _: u32) -> io::Result<()> {
    Ok(())
}

/// No socket can be bound to an interface.
pub(crate) fn use_interface(_: &TcpSocket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing is measured.
pub(crate) const fn tcp_info(_: &TcpStream) -> Option<&'static [u8]> {
    None
}

/// Nothing is counted.
pub(crate) const fn unacknowledged(_: &TcpStream) -> Option<u32> {
    None
}
