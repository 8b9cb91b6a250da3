//! The sockets of the edge itself: where it listens, and where its own connections come from.
//!
//! A connection that the edge makes to one of its own listeners would come in as another client, be forwarded the same
//! way, and so on until no place is left. A name may lead there, which no configuration shows; so each address is looked
//! at when it is dialled. What comes in all the same is recognised by both of its ends: a client of the same machine may
//! have the address and port of a connection that the edge has made to another place. Where an address is translated on
//! the way, the share of its source bounds it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::net::relay::Carrier;

/// Dials beside another one of the same connection, in all: they are of the files that the edge keeps for itself.
const FURTHER_DIALS: usize = 32;

/// Sockets that are open now.
#[derive(Debug)]
pub struct OwnSockets {
    listeners: Mutex<SocketCounts>,
    connections: Mutex<SocketCounts>,
    further: Arc<Semaphore>,
}

impl Default for OwnSockets {
    fn default() -> Self {
        let further = Arc::new(Semaphore::new(FURTHER_DIALS));
        Self { listeners: Mutex::default(), connections: Mutex::default(), further }
    }
}

/// The addresses that are dialled for one connection. A connection has files for one at a time.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    running: Arc<AtomicUsize>,
}

/// One of them, until it is dropped.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The ends of a connection, the own one first; of a listener its address twice.
type Ends = (SocketAddr, SocketAddr);

/// How many sockets have each: a port may be taken again before the socket before it is forgotten.
type SocketCounts = HashMap<Ends, usize>;

/// An address in a table, taken out when dropped.
#[derive(Debug)]
struct Registered {
    own: Arc<OwnSockets>,
    table: fn(&OwnSockets) -> MutexGuard<'_, SocketCounts>,
    ends: Ends,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut table = (self.table)(&self.own);
        if let Some(number) = table.get_mut(&self.ends) {
            *number = number.saturating_sub(1);
            if *number == 0 {
                table.remove(&self.ends);
            }
        }
    }
}

/// A listener of the edge for as long as the value lives.
#[derive(Debug)]
pub struct OwnListener(#[expect(dead_code, reason = "dropped with the value")] Registered);

/// A connection that the edge has made itself.
#[derive(Debug)]
pub struct OwnConnection {
    // INVARIANT: closed before its address is forgotten.
    stream: TcpStream,
    _registered: Registered,
}

impl Deref for OwnConnection {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.stream
    }
}

impl Carrier for OwnConnection {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        self.stream.halves()
    }

    fn reset(&self) {
        Carrier::reset(&self.stream);
    }

    fn expect_reset(&self) {
        self.stream.expect_reset();
    }

    fn expect_order(&self) {
        self.stream.expect_order();
    }
}

impl OwnSockets {
    fn listeners(&self) -> MutexGuard<'_, SocketCounts> {
        // No code panics while it holds the lock.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, SocketCounts> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a listener.
    #[must_use]
    pub fn register_listener(self: &Arc<Self>, address: SocketAddr) -> OwnListener {
        let address = canonical(address);
        let ends = (address, address);
        *self.listeners().entry(ends).or_default() += 1;
        OwnListener(Registered { own: Arc::clone(self), table: Self::listeners, ends })
    }

    /// A listener that has this port, at whatever address.
    #[must_use]
    pub fn listener_on(&self, port: u16) -> Option<SocketAddr> {
        self.listeners().keys().map(|(it, _)| *it).find(|it| it.port() == port)
    }

    /// True if another dial may run beside one of the same connection.
    #[cfg(test)]
    pub(crate) fn has_further_place(&self) -> bool {
        self.further.available_permits() > 0
    }

    /// True if whoever connects to that address from this machine reaches a listener of the edge.
    #[must_use]
    pub fn has_listener_at(&self, address: SocketAddr) -> bool {
        let target = canonical(address).ip();
        let listeners: Vec<IpAddr> = {
            let table = self.listeners();
            table.keys().filter(|(it, _)| it.port() == address.port()).map(|(it, _)| it.ip()).collect()
        };
        listeners.iter().any(|listener| match listener {
            // Connecting to no address connects to this machine.
            listener if target.is_unspecified() => listener.is_unspecified() || listener.is_loopback(),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => target.is_ipv4() && is_of_this_machine(address),
            // It takes IPv4 clients as well.
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => is_of_this_machine(address),
            listener => *listener == target,
        })
    }

    /// True if a connection that came in is one that the edge has made.
    #[must_use]
    pub fn has_connection(&self, client: SocketAddr, server: SocketAddr) -> bool {
        self.connections().contains_key(&(canonical(client), canonical(server)))
    }

    /// Connects to an address that is no listener of the edge.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if it is one, and those of the system.
    pub async fn connect(self: &Arc<Self>, to: SocketAddr) -> io::Result<OwnConnection> {
        if self.has_listener_at(to) {
            let message = format!("{to} is a listener of this edge: connections would go in circles");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let connection = self.begin(to)?;
        connection.stream.writable().await?;
        match connection.stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(connection),
        }
    }

    /// The same for one of several addresses: it waits for a place where another one is being dialled.
    pub(crate) async fn connect_beside(
        self: Arc<Self>,
        dials: Arc<Dials>,
        to: SocketAddr,
    ) -> io::Result<OwnConnection> {
        let is_further = dials.running.fetch_add(1, Ordering::Relaxed) > 0;
        let _running = Running(Arc::clone(&dials.running));
        let _place = match is_further {
            // The semaphore is never closed.
            true => Some(Arc::clone(&self.further).acquire_owned().await.map_err(io::Error::other)?),
            false => None,
        };
        self.connect(to).await
    }

    /// Begins to connect.
    fn begin(self: &Arc<Self>, to: SocketAddr) -> io::Result<OwnConnection> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Until bytes have been carried to their end, the end of this is none: who gives a dial up did not finish.
        socket.set_linger(Some(Duration::ZERO))?;
        // INVARIANT: held until its address is in the table. Whoever accepts the connection looks there later than the
        // system was asked to connect, so it waits here and finds the address.
        let mut connections = self.connections();
        match socket.connect(&to.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            Ok(()) | Err(_) => {}
        }
        let address = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let ends = (canonical(address), canonical(to));
        *connections.entry(ends).or_default() += 1;
        drop(connections);
        let registered = Registered { own: Arc::clone(self), table: Self::connections, ends };
        Ok(OwnConnection { stream: TcpStream::from_std(socket.into())?, _registered: registered })
    }
}

/// Without the scope and flow of IPv6, which two sides of a connection see differently.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// True if the address belongs to this machine: the system then speaks from that address to it.
fn is_of_this_machine(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    if ip.is_loopback() {
        return true;
    }
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let to = if ip.is_ipv4() { SocketAddr::new(ip, address.port()) } else { address };
    // Nothing is sent: UDP connects by choosing a route.
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip().to_canonical() == ip)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    #[test]
    fn own_listeners_are_known_under_each_of_their_addresses() {
        for (listener, own, others) in [
            (
                "127.0.0.1:22",
                &["127.0.0.1:22", "[::ffff:127.0.0.1]:22", "0.0.0.0:22"][..],
                &["127.0.0.1:23", "127.0.0.2:22", "[::1]:22"][..],
            ),
            (
                "0.0.0.0:22",
                &["127.0.0.1:22", "127.9.9.9:22", "0.0.0.0:22"],
                &["[::1]:22", "192.0.2.1:22", "127.0.0.1:2222"],
            ),
            (
                "[::]:22",
                &["127.0.0.1:22", "[::1]:22", "127.0.1.1:22", "[::]:22"],
                &["192.0.2.1:22", "[2001:db8::1]:22"],
            ),
            ("[::1]:22", &["[::1]:22", "[::]:22"], &["127.0.0.1:22"]),
        ] {
            let sockets = Arc::<OwnSockets>::default();
            let registered = sockets.register_listener(at(listener));
            own.iter().for_each(|it| assert!(sockets.has_listener_at(at(it)), "{it} is {listener}"));
            others.iter().for_each(|it| assert!(!sockets.has_listener_at(at(it)), "{it} is not {listener}"));
            drop(registered);
            own.iter().for_each(|it| assert!(!sockets.has_listener_at(at(it)), "{it} is closed"));
        }
    }

    /// An address of this machine beside loopback, where it has one.
    #[test]
    fn an_address_of_an_interface_is_of_this_machine() {
        let route = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        });
        let Ok(own) = route else { return };
        assert!(is_of_this_machine(SocketAddr::new(own.ip(), 22)), "{own}");
        assert!(!is_of_this_machine(at("192.0.2.1:22")));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn own_connections_are_known_as_soon_as_they_are_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("bound");
        let own = Arc::<OwnSockets>::default();
        let dialling = Arc::clone(&own);
        let dials = tokio::spawn(async move {
            let mut open = Vec::new();
            for _ in 0..200 {
                open.push(dialling.connect(to).await.expect("accepted"));
            }
            open
        });
        for _ in 0..200 {
            let (_, peer) = listener.accept().await.expect("there");
            assert!(own.has_connection(peer, to), "{peer}");
            assert!(
                !own.has_connection(peer, at("127.0.0.1:1")),
                "a client with the same port, of another listener"
            );
        }
        drop(dials.await.expect("no panic"));
        assert!(own.connections().is_empty(), "who is gone takes no memory");
        // Others are not.
        let other = TcpStream::connect(to).await.expect("accepted");
        assert!(!own.has_connection(other.local_addr().expect("connected"), to));

        let _registered = own.register_listener(to);
        assert_eq!(own.connect(to).await.expect_err("itself").kind(), io::ErrorKind::InvalidInput);
        drop(listener);
    }

    #[tokio::test]
    async fn who_does_not_listen_is_not_reached() {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        held.bind(&at("127.0.0.1:0").into()).expect("a port");
        let to = held.local_addr().expect("bound").as_socket().expect("an address");
        let own = Arc::<OwnSockets>::default();
        assert_eq!(own.connect(to).await.expect_err("closed").kind(), io::ErrorKind::ConnectionRefused);
        assert!(own.connections().is_empty());
    }
}
