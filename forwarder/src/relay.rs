//! Relay: carries bytes both ways until both halves have ended.
//!
//! Each half closes on its own: an end of stream is passed on as a shutdown of the other side's write half,
//! and the opposite direction goes on. A connection of which one half has ended is reaped when nothing
//! moves for the half-close timeout; any byte starts the time again. No byte is read ahead of a slow
//! reader, so memory per connection is two buffers.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

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
    /// Reading from the client failed.
    Client(io::ErrorKind),
    /// Reading from the upstream failed.
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
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Why it ended.
    pub end: RelayEnd,
}

/// Carries bytes until both halves have ended, a side fails, or `cut` is cancelled.
pub async fn relay(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    half_close_timeout: Duration,
    cut: &CancellationToken,
) -> Relayed {
    let (client_read, client_write) = client.split();
    let (upstream_read, upstream_write) = upstream.split();
    let moved = Moved::new();
    let (bytes_in, bytes_out) = (AtomicU64::new(0), AtomicU64::new(0));
    let inward = pump(client_read, upstream_write, &bytes_in, &moved);
    let outward = pump(upstream_read, client_write, &bytes_out, &moved);
    let end = {
        tokio::pin!(inward, outward);
        let (mut in_open, mut out_open) = (true, true);
        loop {
            let half_closed = in_open != out_open;
            tokio::select! {
                biased;
                () = cut.cancelled() => break RelayEnd::Cancelled,
                ended = &mut inward, if in_open => match ended {
                    Ok(()) => in_open = false,
                    Err(error) => break RelayEnd::Client(error.kind()),
                },
                ended = &mut outward, if out_open => match ended {
                    Ok(()) => out_open = false,
                    Err(error) => break RelayEnd::Upstream(error.kind()),
                },
                () = sleep_until(moved.last() + half_close_timeout), if half_closed => {
                    if moved.last().elapsed() >= half_close_timeout {
                        break RelayEnd::HalfCloseTimeout;
                    }
                }
            }
            if !in_open && !out_open {
                break RelayEnd::Finished;
            }
        }
    };
    Relayed { bytes_in: bytes_in.into_inner(), bytes_out: bytes_out.into_inner(), end }
}

/// Carries one direction to its end. Only reading can fail: a side that takes no more bytes may still have
/// an answer on its way, so a failed write ends this direction alone.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes: &AtomicU64,
    moved: &Moved,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        moved.now();
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            // The other side may be gone already; there is nobody left to tell.
            let _ = to.shutdown().await;
            return Ok(());
        };
        if to.write_all(chunk).await.is_err() {
            return Ok(());
        }
        moved.now();
        bytes.fetch_add(read as u64, Ordering::Relaxed);
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
