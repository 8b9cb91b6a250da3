//! A session over a connection: who reads frames, and who writes them.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::frame::{HEADER_BYTES, Header, Kind};
use super::pace::{Pacer, Room};
use super::shared::Shared;
use super::state::{Body, State};
use super::transport::{Half, Halves};
use super::{End, ErrorCode, Limits, Side, Stream, Transport};

/// Bytes that are read at once.
const READ_BYTES: usize = 32 << 10;
/// How long a farewell may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Opens streams and ends the session. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Opener {
    shared: Arc<Shared>,
}

/// Accepts the streams that the other side opens.
#[derive(Debug)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

/// Moves the bytes of a session; it runs until the session ends.
#[derive(Debug)]
pub struct Driver<C> {
    shared: Arc<Shared>,
    connection: C,
    limits: Limits,
}

/// A session over a connection. Nothing moves until the driver runs.
pub fn session<C: Transport>(connection: C, side: Side, limits: Limits) -> (Opener, Acceptor, Driver<C>) {
    let state = Mutex::new(State::new(side, limits));
    let shared =
        Arc::new(Shared { state, closing: CancellationToken::new(), ended: CancellationToken::new() });
    let driver = Driver { shared: Arc::clone(&shared), connection, limits };
    (Opener { shared: Arc::clone(&shared) }, Acceptor { shared }, driver)
}

impl Opener {
    /// Opens a stream; the other side learns of it with its first bytes.
    ///
    /// # Errors
    /// Why there can be none: the session has ended, or the other side goes away.
    pub fn open(&self) -> Result<Stream, ErrorCode> {
        let id = self.shared.state().open()?;
        Ok(Stream::new(Arc::clone(&self.shared), id))
    }

    /// Ends the session at once, whether or not the other side listens.
    pub fn close(&self, code: ErrorCode, message: &str) {
        self.shared.state().close(code, message);
        self.shared.closing.cancel();
    }

    /// This side will hold so many bytes beyond all windows of the session. To be said before the other side is told.
    pub fn lend(&self, bytes: u32) {
        self.shared.state().lend(bytes);
    }

    /// The other side has said that it will hold so many.
    pub fn borrow(&self, bytes: u32) {
        self.shared.state().borrow(bytes);
    }

    /// True if a stream can be opened, as far as is known: the session goes on, and this side has not said that it
    /// goes away.
    #[must_use]
    pub fn takes_streams(&self) -> bool {
        self.shared.state().takes_streams()
    }

    /// Opens the session up once the other side is known: it may have so many streams open, and [`Limits::held`] holds
    /// no more.
    pub fn allow(&self, streams: usize) {
        self.shared.state().allow(streams);
    }

    /// Ends the session when everything that waits is sent.
    pub fn close_in_order(&self, message: &str) {
        self.shared.state().go_away(ErrorCode::None, message, true);
    }

    /// Waits for the end of the session.
    pub async fn closed(&self) {
        self.shared.ended.cancelled().await;
    }

    /// How the session has ended; `None` if it goes on.
    #[must_use]
    pub fn why_closed(&self) -> Option<End> {
        self.shared.state().ended().cloned()
    }

    /// When a byte of the other side last came.
    #[must_use]
    pub(crate) fn last_heard(&self) -> Instant {
        self.shared.state().heard()
    }

    /// The way to the other side and back took so long: windows may grow to what fits on it.
    pub(crate) fn told_round_trip(&self, time: Duration) {
        self.shared.state().on_round_trip(time);
    }
}

impl Acceptor {
    /// The next stream that the other side opens; `None` when the session has ended.
    pub async fn accept(&mut self) -> Option<Stream> {
        let id = poll_fn(|cx| self.shared.state().accept(cx)).await?;
        Some(Stream::new(Arc::clone(&self.shared), id))
    }
}

impl<C: Transport> Driver<C> {
    /// Runs the session to its end, and says why it ended.
    pub async fn run(self) -> ErrorCode {
        let Self { shared, connection, limits } = self;
        // However this future ends, nobody waits for the session for ever.
        let ended = EndOnDrop(Arc::clone(&shared));
        let connection = Halves::new(connection);
        let (mut read, mut write) = (connection.half(), connection.half());
        let end = {
            let writing = write_frames(&shared, &mut write, limits.write_timeout);
            tokio::pin!(writing);
            let ended = tokio::select! {
                // What holds up nothing comes first. Writing ends by itself where nothing is read: it takes windows.
                biased;
                () = closing(&shared) => Stopped::Gone(ErrorCode::SessionClosed.into()),
                () = give_up_stalled(&shared, limits.stall_timeout) => Stopped::Fault(ErrorCode::Internal),
                code = &mut writing => Stopped::Gone(code.into()),
                stopped = read_frames(&shared, &mut read) => stopped,
            };
            match ended {
                Stopped::Gone(end) => end,
                Stopped::Fault(code) => {
                    shared.state().go_away(code, &code.to_string(), false);
                    // Who does not listen is not told.
                    let _ = timeout(GOODBYE, &mut writing).await;
                    code.into()
                }
            }
        };
        let code = end.code;
        shared.state().end(end);
        drop(ended);
        let _ = timeout(GOODBYE, write.shutdown()).await;
        code
    }
}

/// Why a driver stops.
enum Stopped {
    /// There is nobody to tell any more.
    Gone(End),
    /// The other side is told.
    Fault(ErrorCode),
}

impl From<ErrorCode> for Stopped {
    fn from(code: ErrorCode) -> Self {
        Self::Fault(code)
    }
}

/// Looks for streams that wait for too long, four times in that time.
async fn give_up_stalled(shared: &Shared, stall_timeout: Duration) {
    let often = (stall_timeout / 4).max(Duration::from_millis(100));
    loop {
        sleep(often).await;
        shared.state().give_up_stalled(Instant::now());
    }
}

/// Waits until the session is to end and its farewell had its time.
async fn closing(shared: &Shared) {
    shared.closing.cancelled().await;
    sleep(GOODBYE).await;
}

/// Ends the session when dropped.
struct EndOnDrop(Arc<Shared>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.state().end(ErrorCode::SessionClosed.into());
        self.0.ended.cancel();
    }
}

/// Reads until the session has to end; never waits for anything but bytes.
async fn read_frames(shared: &Shared, read: &mut (impl AsyncRead + Unpin)) -> Stopped {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    // The frame whose body is being read, and how much of it is missing.
    let mut open: Option<(Header, Body, usize)> = None;
    loop {
        if let Err(stopped) = take_frames(shared, &mut buffer, &mut open) {
            return stopped;
        }
        buffer.reserve(READ_BYTES);
        match read.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Stopped::Gone(ErrorCode::PeerEof.into()),
            Ok(_) => {}
        }
    }
}

/// Takes what is there of frames out of the buffer.
fn take_frames(
    shared: &Shared,
    buffer: &mut BytesMut,
    open: &mut Option<(Header, Body, usize)>,
) -> Result<(), Stopped> {
    let (mut state, now) = (shared.state(), Instant::now());
    if !buffer.is_empty() {
        state.on_life(now);
    }
    loop {
        let Some((header, body, missing)) = open.as_mut() else {
            let Some(bytes) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(()) };
            let header = Header::parse(*bytes).map_err(|error| error.code())?;
            buffer.advance(HEADER_BYTES);
            let body = state.on_header(header, now)?;
            let length = usize::try_from(header.length).unwrap_or(usize::MAX);
            *open = Some((header, body, length));
            continue;
        };
        let there = buffer.len().min(*missing);
        let bytes = buffer.get(..there).unwrap_or_default();
        match *body {
            Body::Data(stream) => state.on_data(stream, bytes),
            Body::Discard => {}
            Body::Small if there < *missing => return Ok(()),
            Body::Small => on_small(&mut state, *header, bytes)?,
        }
        *missing -= there;
        if *missing == 0
            && header.fin
            && let Body::Data(stream) = *body
        {
            state.on_fin(stream);
        }
        let finished = *missing == 0;
        buffer.advance(there);
        if !finished {
            return Ok(());
        }
        *open = None;
    }
}

fn on_small(state: &mut State, header: Header, bytes: &[u8]) -> Result<(), Stopped> {
    let number = bytes.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    match header.kind {
        Kind::Reset => state.on_reset(header.stream, ErrorCode::from_number(number)),
        Kind::Window => state.on_window(header.stream, number & super::frame::MASK)?,
        Kind::GoAway => return Err(Stopped::Gone(goodbye(bytes))),
        Kind::Data => {}
    }
    Ok(())
}

/// What the other side says with its farewell: nothing of it comes any more, whether or not its connection ends.
fn goodbye(bytes: &[u8]) -> End {
    let code = bytes.get(4..8).and_then(|bytes| bytes.first_chunk::<4>());
    let message = String::from_utf8_lossy(bytes.get(8..).unwrap_or_default());
    End {
        by_peer: true,
        code: code.map_or(ErrorCode::Protocol, |code| ErrorCode::from_number(u32::from_be_bytes(*code))),
        message: message.into(),
    }
}

/// Writes until a farewell is sent, the connection fails or the other side takes nothing for too long.
async fn write_frames<C: Transport>(
    shared: &Shared,
    write: &mut Half<'_, C>,
    write_timeout: Duration,
) -> ErrorCode {
    let (mut buffer, mut pacer) = (BytesMut::new(), Pacer::new());
    loop {
        if !fill(shared, &mut pacer, write, &mut buffer, write_timeout).await {
            return ErrorCode::WriteTimeout;
        }
        if buffer.is_empty() {
            return ErrorCode::SessionClosed;
        }
        pacer.wrote(buffer.len());
        while !buffer.is_empty() {
            match timeout(write_timeout, noting_life(shared, write.write_buf(&mut buffer))).await {
                Ok(Ok(1..)) => {}
                Ok(_) => return ErrorCode::PeerEof,
                Err(_) => return ErrorCode::WriteTimeout,
            }
        }
        match timeout(write_timeout, noting_life(shared, write.flush())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return ErrorCode::PeerEof,
            Err(_) => return ErrorCode::WriteTimeout,
        }
        buffer.clear();
        if let Some(code) = shared.state().said_goodbye() {
            return if code == ErrorCode::None { ErrorCode::SessionClosed } else { code };
        }
    }
}

/// Waits for frames that may be sent now; none are there once the session has ended. False if the other side takes
/// nothing for too long.
async fn fill<C: Transport>(
    shared: &Shared,
    pacer: &mut Pacer,
    write: &Half<'_, C>,
    buffer: &mut BytesMut,
    write_timeout: Duration,
) -> bool {
    loop {
        let room = pacer.room(Instant::now(), || write.sent());
        let filled = poll_fn(|cx| poll_fill(shared, cx, buffer, room));
        if room.bulk > 0 {
            tokio::pin!(filled);
            let at_once = poll_fn(|cx| Poll::Ready(filled.as_mut().poll(cx).is_ready())).await;
            if !at_once {
                pacer.rest();
                filled.await;
            }
            return true;
        }
        // As with room in the system: what is acknowledged is a sign of life.
        match pacer.stuck_for() {
            Duration::ZERO => shared.state().on_life(Instant::now()),
            stuck if stuck >= write_timeout => return false,
            _ => {}
        }
        if timeout(pacer.wait(), filled).await.is_ok() {
            return true;
        }
    }
}

/// Waits for room. Room that had to be waited for is room that the other side has made by taking bytes: on a slow line its
/// answers come late, and it lives.
async fn noting_life<T>(shared: &Shared, writing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::pin!(writing);
    let mut waited = false;
    let written = poll_fn(|cx| {
        let written = writing.as_mut().poll(cx);
        waited |= written.is_pending();
        written
    })
    .await;
    if waited && written.is_ok() {
        shared.state().on_life(Instant::now());
    }
    written
}

fn poll_fill(shared: &Shared, cx: &Context<'_>, buffer: &mut BytesMut, room: Room) -> Poll<()> {
    let mut state = shared.state();
    if state.fill(buffer, Instant::now(), room) || state.ended().is_some() {
        return Poll::Ready(());
    }
    // The memory of a busy moment is not kept.
    *buffer = BytesMut::new();
    state.writer = Some(cx.waker().clone());
    Poll::Pending
}

#[cfg(test)]
impl Opener {
    /// What is left of the other side's pool and of this side's.
    pub(super) fn pools(&self) -> [u32; 2] {
        self.shared.state().pools()
    }

    pub(super) fn shared_streams(&self) -> usize {
        self.shared.state().streams()
    }
}
