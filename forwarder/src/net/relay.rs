//! Relay: carries bytes both ways until both halves have ended.
//!
//! Each half closes on its own: an end of stream is passed on as a shutdown of the other side's write half,
//! and the opposite direction goes on. A connection of which one half has ended is reaped when nothing
//! moves for the half-close timeout; any byte starts the time again. No byte is read ahead of a slow
//! reader, so memory per connection is two buffers.
//!
//! A connection that does not end in order is reset on both sides: what was cut short must not look complete. Both
//! sockets are set up for that from the start, so a task that is dropped, a panic and `kill -9` reset as well. An end
//! of stream counts only while nothing has failed at the same peer: a failed write takes the error of the socket, and
//! the read that follows finds an end that nobody has sent.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use agent_link::mux;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::socket;
use crate::base::memory;

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

    /// Lets its end be a reset, whatever else happens to it.
    fn reset(&self);

    /// Lets its end be a reset if nobody is left who could ask for it: the task was dropped, or the process killed.
    /// A carrier that ends so anyway has nothing to do.
    fn expect_reset(&self) {}

    /// Takes [`Self::expect_reset`] back: both halves have ended in order.
    fn expect_order(&self) {}
}

impl Carrier for TcpStream {
    fn halves(&mut self) -> (impl AsyncRead + Unpin + Send, impl AsyncWrite + Unpin + Send) {
        self.split()
    }

    fn reset(&self) {
        socket::close_with_reset(self);
    }

    fn expect_reset(&self) {
        self.reset();
    }

    fn expect_order(&self) {
        socket::close_in_order(self);
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

    fn expect_reset(&self) {
        self.get_ref().0.expect_reset();
    }

    fn expect_order(&self) {
        self.get_ref().0.expect_order();
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

/// Both sides of a connection; reset when dropped, unless everything has ended in order.
struct Sides<'s, C: Carrier, U: Carrier> {
    client: &'s mut C,
    upstream: &'s mut U,
    in_order: bool,
}

impl<'s, C: Carrier, U: Carrier> Sides<'s, C, U> {
    fn new(client: &'s mut C, upstream: &'s mut U) -> Self {
        client.expect_reset();
        upstream.expect_reset();
        Self { client, upstream, in_order: false }
    }
}

impl<C: Carrier, U: Carrier> Drop for Sides<'_, C, U> {
    fn drop(&mut self) {
        if self.in_order {
            self.client.expect_order();
            self.upstream.expect_order();
        } else {
            self.client.reset();
            self.upstream.reset();
        }
    }
}

/// Carries bytes until both halves have ended, a side fails, or `cut` is cancelled. Dropped before, it resets both.
pub async fn relay(
    client: &mut impl Carrier,
    upstream: &mut impl Carrier,
    half_close_timeout: Duration,
    cut: &CancellationToken,
) -> Relayed {
    let (bytes_in, bytes_out) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut sides = Sides::new(client, upstream);
    let end = carry(&mut sides, half_close_timeout, cut, &bytes_in, &bytes_out).await;
    sides.in_order = end == RelayEnd::Finished;
    drop(sides);
    memory::note_end();
    Relayed { bytes_in: bytes_in.into_inner(), bytes_out: bytes_out.into_inner(), end }
}

async fn carry(
    sides: &mut Sides<'_, impl Carrier, impl Carrier>,
    half_close_timeout: Duration,
    cut: &CancellationToken,
    bytes_in: &AtomicU64,
    bytes_out: &AtomicU64,
) -> RelayEnd {
    let (client_read, client_write) = sides.client.halves();
    let (upstream_read, upstream_write) = sides.upstream.halves();
    let moved = Moved::new();
    let (client_failed, upstream_failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let inward =
        Pump { bytes: bytes_in, moved: &moved, from_failed: &client_failed, to_failed: &upstream_failed };
    let outward =
        Pump { bytes: bytes_out, moved: &moved, from_failed: &upstream_failed, to_failed: &client_failed };
    let inward = inward.run(client_read, upstream_write);
    let outward = outward.run(upstream_read, client_write);
    tokio::pin!(inward, outward);
    let (mut in_open, mut out_open) = (true, true);
    // What a side that takes no more bytes will have ended with: its answer may still be on its way.
    let mut failed: Option<RelayEnd> = None;
    while in_open || out_open {
        let half_closed = in_open != out_open;
        tokio::select! {
            biased;
            () = cut.cancelled() => return RelayEnd::Cancelled,
            ended = &mut inward, if in_open => {
                in_open = false;
                match ended {
                    HalfEnd::Through | HalfEnd::AfterFailure => {}
                    HalfEnd::Unread(kind) => return RelayEnd::Client(kind),
                    HalfEnd::Unwritten(kind) => drop(failed.get_or_insert(RelayEnd::Upstream(kind))),
                }
            }
            ended = &mut outward, if out_open => {
                out_open = false;
                match ended {
                    HalfEnd::Through | HalfEnd::AfterFailure => {}
                    HalfEnd::Unread(kind) => return RelayEnd::Upstream(kind),
                    HalfEnd::Unwritten(kind) => drop(failed.get_or_insert(RelayEnd::Client(kind))),
                }
            }
            () = sleep_until(moved.last() + half_close_timeout), if half_closed => {
                if moved.last().elapsed() >= half_close_timeout {
                    return failed.unwrap_or(RelayEnd::HalfCloseTimeout);
                }
            }
        }
    }
    failed.unwrap_or(RelayEnd::Finished)
}

/// How one direction ended.
enum HalfEnd {
    /// At the end of the stream, which was passed on.
    Through,
    /// At an end of stream of a peer that had failed before: it says nothing and was not passed on.
    AfterFailure,
    /// Reading failed.
    Unread(io::ErrorKind),
    /// Writing failed.
    Unwritten(io::ErrorKind),
}

/// One direction.
struct Pump<'p> {
    bytes: &'p AtomicU64,
    moved: &'p Moved,
    /// Writing to the peer that this direction reads from has failed.
    from_failed: &'p AtomicBool,
    /// The same for the peer that it writes to.
    to_failed: &'p AtomicBool,
}

impl Pump<'_> {
    async fn run(self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> HalfEnd {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = match from.read(&mut buffer).await {
                Ok(read) => read,
                Err(error) => return HalfEnd::Unread(error.kind()),
            };
            self.moved.now();
            let bytes = buffer.get(..read).unwrap_or_default();
            if bytes.is_empty() && self.from_failed.load(Ordering::Relaxed) {
                return HalfEnd::AfterFailure;
            }
            let written = match bytes {
                // A socket that cannot be shut down is no longer connected.
                [] => to.shutdown().await,
                bytes => self.write(bytes, &mut to).await,
            };
            match written {
                Ok(()) if bytes.is_empty() => return HalfEnd::Through,
                Ok(()) => {}
                Err(error) => {
                    self.to_failed.store(true, Ordering::Relaxed);
                    return HalfEnd::Unwritten(error.kind());
                }
            }
        }
    }

    async fn write(&self, mut bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = to.write(bytes).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.moved.now();
            self.bytes.fetch_add(written as u64, Ordering::Relaxed);
            bytes = bytes.get(written..).unwrap_or_default();
        }
        // What TLS has taken may still lie there, and nothing may follow it for long.
        to.flush().await
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
mod tests;
