//! Listening: at an address, or at every address of the machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections the system keeps until they are accepted.
const BACKLOG: i32 = 1_024;

/// Binds an address; an IPv6 wildcard takes IPv4 clients as well.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Listens on a port at each of these addresses; without one, at every address of the machine.
pub(crate) fn listen_at(addresses: &[IpAddr], port: u16) -> io::Result<Vec<TcpListener>> {
    let open = |address: IpAddr| bind((address, port).into()).and_then(listen);
    match addresses {
        [] => everywhere(open).map(|listener| vec![listener]),
        // All or none: those that are open close with the error.
        addresses => addresses.iter().copied().map(open).collect(),
    }
}

/// The IPv6 wildcard takes IPv4 as well; a machine without IPv6 has IPv4 alone.
fn everywhere<T>(open: impl Fn(IpAddr) -> io::Result<T>) -> io::Result<T> {
    let no_ipv6 = |error: &io::Error| {
        let code = error.raw_os_error();
        [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|it| code == Some(it.raw_os_error()))
    };
    match open(Ipv6Addr::UNSPECIFIED.into()) {
        Err(error) if no_ipv6(&error) => open(Ipv4Addr::UNSPECIFIED.into()),
        opened => opened,
    }
}

/// Lets clients in.
pub(crate) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A listener like those of endpoints: an IPv6 wildcard takes IPv4 clients as well. Within a runtime.
pub(crate) fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address).and_then(listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_ipv6_listens_on_ipv4() {
        let without = |code: Errno| {
            move |address: IpAddr| match address {
                IpAddr::V6(_) => Err(io::Error::from_raw_os_error(code.raw_os_error())),
                IpAddr::V4(address) => Ok(address),
            }
        };
        for code in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            assert_eq!(everywhere(without(code)).expect("IPv4 is there"), Ipv4Addr::UNSPECIFIED);
        }
        let taken = everywhere(without(Errno::ADDRINUSE)).expect_err("not free");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(everywhere(Ok).expect("IPv6 is there"), IpAddr::from(Ipv6Addr::UNSPECIFIED));
    }
}
