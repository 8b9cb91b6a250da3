//! Relay: carries bytes both ways until both halves have ended.
//!
//! Each half closes on its own: an end of stream is passed on as a shutdown of the other side's write half,
//! and the opposite direction goes on. A connection of which one half has ended is reaped when nothing
//! moves for the half-close timeout; any byte starts the time again. No byte is read ahead of a slow
//! reader, so memory per connection is two buffers. A connection that does not end in order is reset on
//! both sides: what was cut short must not look complete.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::mux;

/// Size of each direction's buffer.
const BUFFER_BYTES: usize = 16 << 10;

/// Why a relay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayEnd {
    /// Both halves ended in order.
    Finished,
    /// One half had ended and the other stayed silent.
    HalfCloseTimeout,
    /// The client failed: reading from it or writing to it.
    Client(io::ErrorKind),
    /// The upstream failed: reading from it or writing to it.
    Upstream(io::ErrorKind),
    /// The edge cut the connection.
    Cancelled,
}

impl fmt::Display for RelayEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("both sides closed"),
            Self::HalfCloseTimeout => f.write_str("one side closed and the other stayed silent"),
            Self::Client(kind) => write!(f, "the client failed: {kind}"),
            Self::Upstream(kind) => write!(f, "the upstream failed: {kind}"),
            Self::Cancelled => f.write_str("cut by the edge"),
        }
    }
}

/// Bytes carried and why it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Bytes from the client that the upstream took.
    pub bytes_in: u64,
    /// Bytes from the upstream that the client took.
    pub bytes_out: u64,
    /// Why it ended.
    pub end: RelayEnd,
}

/// A connection whose halves end on their own.
pub trait Carrier: Send {
    /// Its two halves.
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send);

    /// Lets its end be a reset.
    fn reset(&self);
}

impl Carrier for TcpStream {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        self.split()
    }

    fn reset(&self) {
        // A socket that takes no option is gone already.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

/// TLS in front of a socket. An end without the farewell of TLS is a failure.
impl Carrier for TlsStream<TcpStream> {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        tokio::io::split(self)
    }

    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl Carrier for mux::Stream {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        (&*self, &*self)
    }

    fn reset(&self) {
        mux::Stream::reset(self, mux::ErrorCode::Reset);
    }
}

/// Carries bytes until both halves have ended, a side fails, or `cut` is cancelled.
pub async fn relay(
    client: &mut impl Carrier,
    upstream: &mut impl Carrier,
    half_close_timeout: Duration,
    cut: &CancellationToken,
) -> Relayed {
    let (bytes_in, bytes_out) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = carry(client, upstream, half_close_timeout, cut, &bytes_in, &bytes_out).await;
    if end != RelayEnd::Finished {
        client.reset();
        upstream.reset();
    }
    Relayed { bytes_in: bytes_in.into_inner(), bytes_out: bytes_out.into_inner(), end }
}

async fn carry(
    client: &mut impl Carrier,
    upstream: &mut impl Carrier,
    half_close_timeout: Duration,
    cut: &CancellationToken,
    bytes_in: &AtomicU64,
    bytes_out: &AtomicU64,
) -> RelayEnd {
    let (client_read, client_write) = client.halves();
    let (upstream_read, upstream_write) = upstream.halves();
    let moved = Moved::new();
    let inward = pump(client_read, upstream_write, bytes_in, &moved);
    let outward = pump(upstream_read, client_write, bytes_out, &moved);
    tokio::pin!(inward, outward);
    let (mut in_open, mut out_open) = (true, true);
    // What a side that takes no more bytes will have ended with: its answer may still be on its way.
    let mut end = RelayEnd::Finished;
    while in_open || out_open {
        let half_closed = in_open != out_open;
        tokio::select! {
            biased;
            () = cut.cancelled() => return RelayEnd::Cancelled,
            ended = &mut inward, if in_open => match ended {
                Ended::Through => in_open = false,
                Ended::Unread(kind) => return RelayEnd::Client(kind),
                Ended::Unwritten(kind) => (in_open, end) = (false, RelayEnd::Upstream(kind)),
            },
            ended = &mut outward, if out_open => match ended {
                Ended::Through => out_open = false,
                Ended::Unread(kind) => return RelayEnd::Upstream(kind),
                Ended::Unwritten(kind) => (out_open, end) = (false, RelayEnd::Client(kind)),
            },
            () = sleep_until(moved.last() + half_close_timeout), if half_closed => {
                if moved.last().elapsed() >= half_close_timeout {
                    return if end == RelayEnd::Finished { RelayEnd::HalfCloseTimeout } else { end };
                }
            }
        }
    }
    end
}

/// How one direction ended.
enum Ended {
    /// At the end of the stream, which was passed on.
    Through,
    /// Reading failed.
    Unread(io::ErrorKind),
    /// Writing failed.
    Unwritten(io::ErrorKind),
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes: &AtomicU64,
    moved: &Moved,
) -> Ended {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(read) => read,
            Err(error) => return Ended::Unread(error.kind()),
        };
        moved.now();
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            // The other side may be gone already; there is nobody left to tell.
            let _ = to.shutdown().await;
            return Ended::Through;
        }
        while !rest.is_empty() {
            let written = match to.write(rest).await {
                Ok(0) => return Ended::Unwritten(io::ErrorKind::WriteZero),
                Ok(written) => written,
                Err(error) => return Ended::Unwritten(error.kind()),
            };
            moved.now();
            bytes.fetch_add(written as u64, Ordering::Relaxed);
            rest = rest.get(written..).unwrap_or_default();
        }
        // What TLS has taken may still lie there, and nothing may follow it for long.
        if let Err(error) = to.flush().await {
            return Ended::Unwritten(error.kind());
        }
    }
}

/// When a byte last moved in either direction.
struct Moved {
    start: Instant,
    /// Milliseconds since the start.
    last: AtomicU64,
}

impl Moved {
    fn new() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }

    fn now(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{BufWriter, DuplexStream, duplex, split};
    use tokio::time::timeout;

    use super::*;

    /// A connection that holds bytes back until it is flushed, as TLS may.
    struct Holding(DuplexStream);

    impl Carrier for Holding {
        fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
            let (read, write) = split(&mut self.0);
            (read, BufWriter::new(write))
        }

        fn reset(&self) {}
    }

    #[tokio::test]
    async fn what_was_written_is_not_held_back() {
        const LONG: Duration = Duration::from_secs(10);
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let relayed = tokio::spawn(async move {
            relay(&mut Holding(near), &mut Holding(far), LONG, &CancellationToken::new()).await
        });
        client.write_all(b"?").await.expect("taken");
        assert_eq!(timeout(LONG, upstream.read_u8()).await.expect("in time").expect("it comes"), b'?');
        upstream.write_all(b"!").await.expect("taken");
        assert_eq!(timeout(LONG, client.read_u8()).await.expect("in time").expect("it comes"), b'!');
        drop((client, upstream));
        assert_eq!(relayed.await.expect("no panic").end, RelayEnd::Finished);
    }
}
