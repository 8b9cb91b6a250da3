//! The state of a session, without input and output: what frames do to it, and which frames it wants to send.

mod entry;
mod incoming;
mod outgoing;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::frame::MASK;
use super::window::{Growth, Pool};
use super::{End, ErrorCode, Limits, MAX_RESETS, OUTBOX_BYTES, Side};
use entry::{Allowance, Entry, Fin};

/// Bytes of finished streams that are kept for their readers though they were reset later, for a session.
const MAX_KEPT: usize = 16 << 20;
/// Streams that are gone and have borrowed.
const MAX_OWED: usize = 16_384;
/// What is taken of a pool that the other side offers.
const MAX_POOL: u32 = 64 << 20;
/// Ids of the other side that may come late.
const MAX_SKIPPED: u32 = 256;

#[derive(Debug)]
pub(super) struct State {
    side: Side,
    limits: Limits,
    streams: HashMap<u32, Entry>,
    /// Streams that have something to send, each once, in the order of their turns.
    ready: VecDeque<u32>,
    /// Streams that have a small frame to send, each once; they go first.
    small: VecDeque<u32>,
    /// Bytes of small frames that were sent since a larger one.
    small_run: usize,
    resets: VecDeque<Giveup>,
    /// Streams that are answered with a reset which has not been sent yet.
    giving_up: HashSet<u32>,
    unaccepted: VecDeque<u32>,
    /// Streams of this side that the other side does not know yet, the oldest first.
    unbegun: VecDeque<u32>,
    /// The id of the next stream of this side.
    next: u32,
    last_remote: u32,
    /// Ids below it that may still come: some peers number their streams before they send the first frame.
    skipped: BTreeSet<u32>,
    remote_open: usize,
    opens: Allowance,
    farewell: Option<Farewell>,
    ended: Option<End>,
    /// How far windows may grow.
    growth: Growth,
    /// What the other side will hold beyond its windows, and this side.
    pool_out: Pool,
    pool_in: Pool,
    /// Whether the other side lends anything, and what this side does.
    borrows: bool,
    lent: u32,
    /// Bytes of finished streams that are kept though they were reset later.
    kept: usize,
    /// What streams that are gone here have borrowed: the other side still has readers.
    owed: HashMap<u32, u32>,
    /// Streams that are gone and had lent bytes unread: the other side is told that they are free.
    repaid: VecDeque<(u32, u32)>,
    /// Streams that wait for the pool, the oldest first.
    starving: VecDeque<u32>,
    /// When a byte last came.
    heard: Instant,
    pub(super) writer: Option<Waker>,
    pub(super) acceptor: Option<Waker>,
}

/// A stream that is given up.
#[derive(Debug)]
struct Giveup {
    stream: u32,
    code: ErrorCode,
    /// Its half ends first: some peers wake who reads only for that.
    fin: bool,
}

#[derive(Debug)]
struct Farewell {
    code: ErrorCode,
    message: String,
    /// It waits until everything else is sent.
    last: bool,
    sent: bool,
}

/// What the body of a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Bytes for a stream.
    Data(u32),
    /// Bytes that nobody needs.
    Discard,
    /// A few bytes that are looked at together.
    Small,
}

/// True if a stream that ends so did not carry all it was meant to, even if its half has ended as well.
const fn is_cut_short(code: ErrorCode) -> bool {
    use ErrorCode::{AcceptQueueFull, Exhausted, FlowControl, Refused, Reset, WriteTimeout};
    matches!(code, Reset | Refused | AcceptQueueFull | Exhausted | FlowControl | WriteTimeout)
}

fn gone(code: ErrorCode) -> io::Error {
    let kind = match code {
        ErrorCode::Refused => io::ErrorKind::ConnectionRefused,
        ErrorCode::WriteTimeout => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, code)
}

impl State {
    pub(super) fn new(side: Side, limits: Limits) -> Self {
        Self {
            side,
            limits,
            streams: HashMap::new(),
            ready: VecDeque::new(),
            small: VecDeque::new(),
            small_run: 0,
            resets: VecDeque::new(),
            giving_up: HashSet::new(),
            unaccepted: VecDeque::new(),
            unbegun: VecDeque::new(),
            next: if side == Side::Client { 1 } else { 2 },
            last_remote: 0,
            skipped: BTreeSet::new(),
            remote_open: 0,
            opens: Allowance::default(),
            farewell: None,
            ended: None,
            growth: Growth::default(),
            pool_out: Pool::default(),
            pool_in: Pool::default(),
            borrows: false,
            lent: 0,
            kept: 0,
            owed: HashMap::new(),
            repaid: VecDeque::new(),
            starving: VecDeque::new(),
            heard: Instant::now(),
            writer: None,
            acceptor: None,
        }
    }

    /// Opens the session up: the other side may have so many streams open, and fill their windows.
    pub(super) const fn allow(&mut self, streams: usize) {
        self.limits.streams = streams;
        self.limits.held = usize::MAX;
    }

    /// True if so many bytes more are held, whichever way they go.
    fn may_hold(&self, more: u32) -> bool {
        self.limits.held == usize::MAX || {
            let held = self.streams.values().map(|entry| entry.inbox.len() + entry.outbox.len());
            let more = usize::try_from(more).unwrap_or(usize::MAX);
            held.fold(more, usize::saturating_add) <= self.limits.held
        }
    }

    fn is_remote(&self, stream: u32) -> bool {
        (stream % 2 == 1) == (self.side == Side::Server)
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Puts a stream into the queue if it has something to send.
    fn queue(&mut self, stream: u32) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if !entry.has_turn(&self.pool_out) {
            if self.borrows && !entry.outbox.is_empty() && !entry.starves && self.pool_out.is_empty() {
                entry.starves = true;
                // Those that are gone since are forgotten before there are many of them.
                if self.starving.len() > 2 * self.streams.len() + 64 {
                    self.starving.retain(|id| self.streams.contains_key(id));
                }
                self.starving.push_back(stream);
            }
            return;
        }
        let (queue, queued) = if entry.has_small_turn() {
            (&mut self.small, &mut entry.queued_small)
        } else {
            (&mut self.ready, &mut entry.queued)
        };
        if !std::mem::replace(queued, true) {
            queue.push_back(stream);
            self.wake_writer();
        }
    }

    /// Lets those go on that waited for the pool.
    fn feed(&mut self) {
        if self.pool_out.is_empty() {
            return;
        }
        for stream in std::mem::take(&mut self.starving) {
            if let Some(entry) = self.streams.get_mut(&stream) {
                entry.starves = false;
                self.queue(stream);
            }
        }
    }

    /// This side will hold so many bytes beyond all windows; the other side has been told, or will be.
    pub(super) const fn lend(&mut self, bytes: u32) {
        self.pool_in = Pool::new(bytes);
        self.lent = bytes;
    }

    /// The other side will hold so many.
    pub(super) fn borrow(&mut self, bytes: u32) {
        self.pool_out = Pool::new(bytes.min(MAX_POOL));
        self.borrows = bytes > 0;
        // Who lends knows how to borrow; where nothing is lent to it, windows grow as for others.
        if bytes > 0 && self.lent > 0 {
            self.growth.end();
        }
        self.feed();
    }

    fn remove(&mut self, stream: u32) {
        let Some(entry) = self.streams.remove(&stream) else { return };
        entry.window_in.leave(&mut self.growth);
        self.kept -= entry.kept;
        // A peer that never pays back has less and less to lend, and takes no memory here.
        if entry.window_out.borrowed() > 0 && self.owed.len() < MAX_OWED {
            self.owed.insert(stream, entry.window_out.borrowed());
        }
        if self.is_remote(stream) {
            self.remote_open = self.remote_open.saturating_sub(1);
        }
    }

    fn give_up(&mut self, stream: u32, code: ErrorCode, fin: bool) -> Result<(), ErrorCode> {
        if self.resets.len() >= MAX_RESETS {
            return Err(ErrorCode::EnhanceYourCalm);
        }
        // Bytes that were under way need no more than one answer.
        if !self.giving_up.insert(stream) {
            return Ok(());
        }
        self.resets.push_back(Giveup { stream, code, fin });
        self.wake_writer();
        Ok(())
    }

    /// Gives up streams whose bytes have waited for the other side's window for too long.
    pub(super) fn give_up_stalled(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (id, entry) in &mut self.streams {
            let waits = entry.reset.is_none()
                && !entry.outbox.is_empty()
                && entry.window_out.room(&self.pool_out) == 0;
            entry.stalled = waits.then(|| entry.stalled.unwrap_or(now));
            if entry.stalled.is_some_and(|since| now - since >= self.limits.stall_timeout) {
                late.push(*id);
            }
        }
        late.sort_unstable();
        late.into_iter().for_each(|id| self.reset(id, ErrorCode::WriteTimeout));
    }

    /// True if this side may open streams.
    pub(super) const fn takes_streams(&self) -> bool {
        self.ended.is_none() && self.farewell.is_none()
    }

    /// A byte has come.
    pub(super) fn on_life(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(super) const fn heard(&self) -> Instant {
        self.heard
    }

    /// The way to the other side and back takes so long.
    pub(super) fn on_round_trip(&mut self, time: Duration) {
        self.growth.round_trip(time);
    }

    /// The session has ended: nothing moves any more. What has arrived whole can still be read.
    pub(super) fn end(&mut self, end: End) {
        let code = self.ended.get_or_insert(end).code;
        // Woken in their order: what follows is the same every time.
        let mut entries: Vec<_> = self.streams.iter_mut().collect();
        entries.sort_unstable_by_key(|(id, _)| **id);
        for (_, entry) in entries {
            if !entry.fin_in {
                entry.reset.get_or_insert(code);
            }
            entry.outbox = BytesMut::new();
            entry.wake_both();
        }
        self.streams.retain(|_, entry| entry.held);
        self.ready.clear();
        self.small.clear();
        self.resets.clear();
        self.giving_up.clear();
        self.owed.clear();
        self.repaid.clear();
        self.starving.clear();
        self.unbegun.clear();
        self.acceptor.take().into_iter().for_each(Waker::wake);
        self.wake_writer();
    }

    // ---- What this side wants.

    /// Opens a stream.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn open(&mut self) -> Result<u32, ErrorCode> {
        if let Some(code) = self.end_code() {
            return Err(code);
        }
        if !self.takes_streams() {
            return Err(ErrorCode::RemoteGone);
        }
        let id = self.next;
        let own = self.streams.len().saturating_sub(self.remote_open);
        if id > MASK - 2 || own >= self.limits.own_streams {
            return Err(ErrorCode::Exhausted);
        }
        self.next += 2;
        self.streams.insert(id, Entry::new(true));
        self.unbegun.push_back(id);
        Ok(id)
    }

    pub(super) fn accept(&mut self, cx: &Context<'_>) -> Poll<Option<u32>> {
        if let Some(id) = self.unaccepted.pop_front() {
            return Poll::Ready(Some(id));
        }
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        self.acceptor = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn read(
        &mut self,
        stream: u32,
        cx: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(entry) = self.streams.get_mut(&stream) else {
            return Poll::Ready(Err(gone(self.end_code().unwrap_or(ErrorCode::StreamClosed))));
        };
        if entry.inbox.is_empty() {
            return match entry.reset {
                // It was given up: what has arrived is not all.
                Some(code) if is_cut_short(code) => Poll::Ready(Err(gone(code))),
                _ if entry.fin_in => Poll::Ready(Ok(())),
                Some(code) => Poll::Ready(Err(gone(code))),
                None => {
                    entry.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let take = entry.inbox.len().min(buffer.remaining());
        buffer.put_slice(entry.inbox.get(..take).unwrap_or_default());
        entry.inbox.advance(take);
        if entry.inbox.is_empty() {
            // A stream that is quiet holds no memory.
            entry.inbox = BytesMut::new();
        }
        entry.window_in.read(u32::try_from(take).unwrap_or(u32::MAX));
        self.queue(stream);
        Poll::Ready(Ok(()))
    }

    pub(super) fn write(&mut self, stream: u32, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let ended = self.end_code();
        let entry = match (self.streams.get_mut(&stream), ended) {
            (Some(entry), None) => entry,
            (_, ended) => return Poll::Ready(Err(gone(ended.unwrap_or(ErrorCode::StreamClosed)))),
        };
        if let Some(code) = entry.reset {
            return Poll::Ready(Err(gone(code)));
        }
        if entry.fin_out != Fin::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = OUTBOX_BYTES.saturating_sub(entry.outbox.len());
        if room == 0 {
            entry.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let take = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        entry.outbox.extend_from_slice(take);
        self.queue(stream);
        Poll::Ready(Ok(take.len()))
    }

    /// Ends this side's half once everything is sent.
    ///
    /// # Errors
    /// If the half is open and the other side will not learn of its end: what was sent may not be all that came.
    pub(super) fn shutdown(&mut self, stream: u32) -> io::Result<()> {
        let ended = self.end_code();
        let Some(entry) = self.streams.get_mut(&stream) else { return Ok(()) };
        if entry.fin_out != Fin::Open {
            return Ok(());
        }
        if let Some(code) = ended.or(entry.reset.filter(|code| is_cut_short(*code))) {
            return Err(gone(code));
        }
        entry.fin_out = Fin::Wanted;
        self.queue(stream);
        Ok(())
    }

    /// Gives a stream up: what waits is lost on both sides, and both learn it. There are no more of these than
    /// streams.
    pub(super) fn reset(&mut self, stream: u32, code: ErrorCode) {
        if let Some(fin) = self.cut(stream, code) {
            self.resets.push_back(Giveup { stream, code, fin });
            self.wake_writer();
        }
    }

    /// The same for a frame of the other side that makes it necessary.
    fn reset_with(&mut self, stream: u32, code: ErrorCode) -> Result<(), ErrorCode> {
        match self.cut(stream, code) {
            Some(fin) => self.give_up(stream, code, fin),
            None => Ok(()),
        }
    }

    /// Ends a stream on this side; whether its half has to end on the other, if that knows the stream.
    fn cut(&mut self, stream: u32, code: ErrorCode) -> Option<bool> {
        let entry = self.streams.get_mut(&stream)?;
        if entry.reset.is_some() {
            return None;
        }
        let (begun, fin) = (!entry.needs_syn, entry.fin_out != Fin::Sent);
        entry.outbox = BytesMut::new();
        if entry.window_in.forget(&mut self.pool_in) > 0 {
            entry.inbox = BytesMut::new();
        }
        // What the other side holds it gives up when it learns of this, before it sees anything that is sent later.
        entry.window_out.forget(&mut self.pool_out);
        entry.reset = Some(code);
        entry.wake_both();
        let held = entry.held;
        if !held {
            self.remove(stream);
        }
        self.feed();
        begun.then_some(fin)
    }

    /// Nobody holds the stream any more. What was to be sent is sent if its half was ended in order; otherwise it is
    /// given up.
    pub(super) fn release(&mut self, stream: u32) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        entry.held = false;
        entry.inbox = BytesMut::new();
        let lent = entry.window_in.forget(&mut self.pool_in);
        if lent > 0 && entry.reset.is_none() {
            self.repaid.push_back((stream, lent));
            self.writer.take().into_iter().for_each(Waker::wake);
        }
        match (entry.reset, entry.fin_out) {
            (None, Fin::Open) => self.reset(stream, ErrorCode::Reset),
            (None, Fin::Wanted) if self.ended.is_none() => self.queue(stream),
            _ => self.remove(stream),
        }
    }

    /// Says goodbye, at once or when everything else is sent.
    pub(super) fn go_away(&mut self, code: ErrorCode, message: &str, last: bool) {
        let message = message.chars().take(1_000).collect();
        match &mut self.farewell {
            // At once is sooner than later.
            Some(said) => said.last &= last,
            None => self.farewell = Some(Farewell { code, message, last, sent: false }),
        }
        self.wake_writer();
    }

    /// Ends the session at once: only the farewell is still sent.
    pub(super) fn close(&mut self, code: ErrorCode, message: &str) {
        self.go_away(code, message, false);
        self.unaccepted.clear();
        self.end(End::here(code, message));
    }

    /// The code of a farewell that has been sent.
    pub(super) fn said_goodbye(&self) -> Option<ErrorCode> {
        self.farewell.as_ref().filter(|said| said.sent).map(|said| said.code)
    }

    pub(super) const fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    fn end_code(&self) -> Option<ErrorCode> {
        self.ended.as_ref().map(|end| end.code)
    }

    #[cfg(test)]
    pub(super) const fn pools(&self) -> [u32; 2] {
        [self.pool_out.left(), self.pool_in.left()]
    }

    #[cfg(test)]
    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }
}
