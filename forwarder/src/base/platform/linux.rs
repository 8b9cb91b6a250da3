//! Linux: options of sockets, and what Rust's libraries do not ask; the one module with `unsafe` code.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

/// Whether sockets can be bound to an interface.
pub(crate) const CHOOSES_INTERFACE: bool = true;

/// Bytes of `tcp_info` that are asked for; older systems give fewer.
const TCP_INFO_BYTES: usize = 232;

/// Gives up a peer that acknowledges nothing for a time, or takes no bytes that wait for it.
pub(crate) fn give_up_unacknowledged(stream: &TcpStream, after: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(after))
}

/// Has the system hold few bytes unsent.
pub(crate) fn hold_few_unsent(stream: &TcpStream, bytes: u32) -> io::Result<()> {
    SockRef::from(stream).set_tcp_notsent_lowat(bytes)
}

/// Lets a socket use this interface alone.
pub(crate) fn use_interface(socket: &TcpSocket, interface: &str) -> io::Result<()> {
    SockRef::from(socket).bind_device(Some(interface.as_bytes()))
}

/// Other C libraries give memory back themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) const fn trim_memory() {}

/// Gives free pages back (`malloc_trim`, glibc 2.8).
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the reviewed exception: a call without arguments that could be wrong")]
pub(crate) fn trim_memory() {
    // SAFETY: `malloc_trim` takes a number by value, may be called at any time by any thread (malloc_trim(3): MT-Safe),
    // and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The `tcp_info` of a connection as the system writes it; what it does not know is zero.
#[expect(unsafe_code, reason = "the reviewed exception: a buffer and its length, both alive for the call")]
pub(crate) fn tcp_info(stream: &TcpStream) -> Option<[u8; TCP_INFO_BYTES]> {
    let mut info = [0_u8; TCP_INFO_BYTES];
    let mut length = libc::socklen_t::try_from(TCP_INFO_BYTES).ok()?;
    // SAFETY: the descriptor is open while `stream` is borrowed; the buffer has `length` bytes and both pointers come from
    // exclusive borrows that live until the call returns. The system writes at most `length` bytes (getsockopt(2)), any
    // of which are valid `u8`s.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (failed == 0).then_some(info)
}

/// Bytes that were written to a connection and have not been acknowledged, whether they were sent or not
/// (`SIOCOUTQ`, tcp(7)).
#[expect(unsafe_code, reason = "the reviewed exception: a number that is alive for the call")]
pub(crate) fn unacknowledged(stream: &TcpStream) -> Option<u32> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open while `stream` is borrowed; the request writes one `int`, to which the pointer comes
    // from an exclusive borrow that lives until the call returns.
    let failed = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if failed == 0 { u32::try_from(bytes).ok() } else { None }
}
