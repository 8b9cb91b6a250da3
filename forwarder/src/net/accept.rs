//! Accepting connections, whoever listens: a failure ends nothing, and is told once a second at most.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Pause after a failed accept: the cause, mostly a lack of files or memory, does not pass at once.
const PAUSE: Duration = Duration::from_millis(100);
/// At most one line in this time about failed accepts.
const QUIET: Duration = Duration::from_secs(1);

/// A listener of either kind.
pub(crate) trait Listener: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// Who has made it.
    type Peer: Send + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Send;

    /// The address that connections are counted for, where there is one.
    fn source(peer: &Self::Peer) -> Option<IpAddr>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }

    fn source(peer: &SocketAddr) -> Option<IpAddr> {
        Some(peer.ip())
    }
}

/// The accept loop of a listener.
#[derive(Debug)]
pub(crate) struct Accepting<L> {
    listener: L,
    /// Who connects, as the log calls them.
    who: &'static str,
    last_line: Option<Instant>,
}

impl<L: Listener> Accepting<L> {
    /// Of a listener at which `who` connect, such as `clients`.
    pub(crate) const fn new(listener: L, who: &'static str) -> Self {
        Self { listener, who, last_line: None }
    }

    /// The next connection. Nothing is lost where this is dropped while it waits.
    pub(crate) async fn next(&mut self) -> (L::Stream, L::Peer) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    if self.last_line.is_none_or(|at| at.elapsed() >= QUIET) {
                        tracing::error!(%error, "cannot accept {}", self.who);
                        self.last_line = Some(Instant::now());
                    }
                    // Nothing tells when there are files and memory again.
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// True for a client that went away before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::DuplexStream;

    use super::*;

    /// Fails in these ways, then lets one in.
    struct Failing(Mutex<Vec<io::ErrorKind>>);

    impl Listener for Failing {
        type Stream = DuplexStream;
        type Peer = ();

        async fn accept(&self) -> io::Result<(DuplexStream, ())> {
            match self.0.lock().expect("whole").pop() {
                Some(kind) => Err(kind.into()),
                None => Ok((tokio::io::duplex(1).0, ())),
            }
        }

        fn source((): &()) -> Option<IpAddr> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_lack_of_files_or_memory_makes_a_pause() {
        for (kinds, pauses) in [
            (vec![], 0),
            (vec![io::ErrorKind::ConnectionAborted, io::ErrorKind::Interrupted], 0),
            (vec![io::ErrorKind::OutOfMemory, io::ErrorKind::ConnectionReset, io::ErrorKind::Other], 2),
        ] {
            let mut accepting = Accepting::new(Failing(Mutex::new(kinds)), "clients");
            let begun = tokio::time::Instant::now();
            accepting.next().await;
            let waited = begun.elapsed();
            // The clock of the runtime counts whole milliseconds.
            assert!(waited >= PAUSE * pauses && waited < PAUSE * pauses + PAUSE / 2, "{waited:?}");
        }
    }
}
