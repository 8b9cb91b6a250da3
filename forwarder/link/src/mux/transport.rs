//! What a session runs over.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A connection in order, both ways.
///
/// No socket of the system is one by itself: only its owner can ask the system how far its bytes have come. See
/// [`Measured`].
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// What the system knows of the bytes that were written; `None` where nobody knows.
    fn sent(&self) -> Option<Sent> {
        None
    }
}

/// How far the bytes have come that were written to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Bytes that have not been acknowledged, whether they were sent or not.
    pub waiting: u64,
    /// Bytes that have been acknowledged, since the connection began.
    pub acknowledged: u64,
    /// The shortest time in which one was, of the last minutes.
    pub round_trip: Duration,
    /// Bytes of a packet.
    pub packet: u64,
}

/// A connection, and how to ask the system how far its bytes have come.
///
/// Where it is encrypted, ask the socket below: its records are somewhat longer than what is in them, which changes
/// nothing.
#[derive(Debug)]
pub struct Measured<C> {
    connection: C,
    ask: fn(&C) -> Option<Sent>,
}

impl<C> Measured<C> {
    /// A connection that is asked so.
    pub const fn new(connection: C, ask: fn(&C) -> Option<Sent>) -> Self {
        Self { connection, ask }
    }

    /// A connection that nobody can ask: as many bytes are on the way as it takes, and small frames wait behind them.
    pub const fn unknown(connection: C) -> Self {
        Self::new(connection, |_| None)
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin> Transport for Measured<C> {
    fn sent(&self) -> Option<Sent> {
        (self.ask)(&self.connection)
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Measured<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(cx, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Measured<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn sent(&self) -> Option<Sent> {
        (**self).sent()
    }
}

impl Transport for DuplexStream {}

/// One connection for two that use it by turns: a reader, and a writer that also asks how far its bytes have come.
#[derive(Debug)]
pub(super) struct Halves<C>(Mutex<C>);

/// One of them.
#[derive(Debug)]
pub(super) struct Half<'c, C>(&'c Mutex<C>);

impl<C: Transport> Halves<C> {
    pub(super) const fn new(connection: C) -> Self {
        Self(Mutex::new(connection))
    }

    pub(super) const fn half(&self) -> Half<'_, C> {
        Half(&self.0)
    }
}

impl<C: Transport> Half<'_, C> {
    fn connection(&self) -> MutexGuard<'_, C> {
        // Both halves are polled by one task; whoever panicked took the session along.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sent(&self) -> Option<Sent> {
        self.connection().sent()
    }
}

impl<C: Transport> AsyncRead for Half<'_, C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.connection()).poll_read(cx, buffer)
    }
}

impl<C: Transport> AsyncWrite for Half<'_, C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.connection()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.connection()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.connection()).poll_shutdown(cx)
    }
}
