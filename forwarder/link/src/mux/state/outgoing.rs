//! Which frames a session wants to send, in which order.

use std::task::Waker;

use bytes::{Buf, BufMut, BytesMut};
use tokio::time::Instant;

use super::super::frame::{HEADER_BYTES, Header, Kind};
use super::super::pace::Room;
use super::super::{QUANTUM_BYTES, SMALL_BYTES, SMALL_RUN_BYTES};
use super::entry::Fin;
use super::{Giveup, State};

/// Bytes that are made ready for one write.
const BATCH_BYTES: usize = 16 << 10;
/// An end and a reset.
const GIVEUP_BYTES: usize = 2 * HEADER_BYTES + 4;

/// What a stream may send.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// All it has, if that is little, and what lets the other side go on.
    Small,
    /// So many bytes.
    UpTo(usize),
}

impl State {
    /// Adds frames to send, as many as make a batch and have room on the way; false if there is nothing to send now.
    pub(in crate::mux) fn fill(&mut self, out: &mut BytesMut, now: Instant, room: Room) -> bool {
        if self.farewell.as_ref().is_some_and(|said| !said.last) {
            return self.fill_farewell(out);
        }
        // INVARIANT: both frames of one are in the same record of TLS, so that nobody reads the end alone.
        while out.len() + GIVEUP_BYTES <= BATCH_BYTES {
            let Some(Giveup { stream, code, fin }) = self.resets.pop_front() else { break };
            self.giving_up.remove(&stream);
            if fin {
                let fin = Header { kind: Kind::Data, length: 0, fin: true, syn: false, stream };
                out.put_slice(&fin.bytes());
            }
            small(out, Kind::Reset, stream, code as u32);
        }
        while out.len() < BATCH_BYTES {
            let Some((stream, lent)) = self.repaid.pop_front() else { break };
            small(out, Kind::Window, stream, lent);
        }
        // What a reset frees of the pool is used only behind it.
        while self.resets.is_empty() && self.take_turns(out, now, room) {}
        if out.is_empty() && self.farewell.is_some() && self.ready.is_empty() && self.small.is_empty() {
            return self.fill_farewell(out);
        }
        !out.is_empty()
    }

    /// One turn: of a stream with a small frame, unless many of them went before a larger one.
    fn take_turns(&mut self, out: &mut BytesMut, now: Instant, room: Room) -> bool {
        if self.ready.is_empty() {
            self.small_run = 0;
        }
        let used = out.len();
        if self.small_run < SMALL_RUN_BYTES
            && used < BATCH_BYTES.min(room.all)
            && let Some(stream) = self.small.pop_front()
        {
            self.take_turn(stream, out, now, Turn::Small);
            self.small_run += out.len() - used;
            return true;
        }
        let Some(bulk) = BATCH_BYTES.min(room.bulk).checked_sub(used).filter(|bulk| *bulk > 0) else {
            return false;
        };
        let Some(stream) = self.ready.pop_front() else { return false };
        self.small_run = 0;
        self.take_turn(stream, out, now, Turn::UpTo(bulk.min(QUANTUM_BYTES)));
        true
    }

    fn fill_farewell(&mut self, out: &mut BytesMut) -> bool {
        let last_remote = self.last_remote;
        let Some(said) = self.farewell.as_mut().filter(|said| !said.sent) else { return false };
        said.sent = true;
        let length = u32::try_from(8 + said.message.len()).unwrap_or(8);
        out.put_slice(&Header { kind: Kind::GoAway, length, fin: false, syn: false, stream: 0 }.bytes());
        out.put_u32(last_remote);
        out.put_u32(said.code as u32);
        out.put_slice(said.message.as_bytes());
        true
    }

    /// Begins the streams that are older than one that is about to begin: the other side takes ids in order only.
    fn begin_until(&mut self, stream: u32, out: &mut BytesMut) {
        while let Some(id) = self.unbegun.pop_front_if(|id| *id <= stream) {
            let older = self.streams.get_mut(&id).filter(|entry| id != stream && entry.reset.is_none());
            if let Some(entry) = older {
                entry.needs_syn = false;
                out.put_slice(
                    &Header { kind: Kind::Data, length: 0, fin: false, syn: true, stream: id }.bytes(),
                );
            }
        }
    }

    fn take_turn(&mut self, stream: u32, out: &mut BytesMut, now: Instant, turn: Turn) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        let max = match turn {
            Turn::Small => {
                entry.queued_small = false;
                // By now it may have more, which is no small frame any more.
                if entry.outbox.len() > SMALL_BYTES { None } else { Some(SMALL_BYTES) }
            }
            Turn::UpTo(max) => {
                entry.queued = false;
                Some(max)
            }
        };
        // One that is not its turn begins later, with what it has then.
        if entry.needs_syn && max.is_some() {
            self.begin_until(stream, out);
        }
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if entry.may_grant() {
            let grant = entry.window_in.grant(&mut self.growth, &mut self.pool_in, now);
            small(out, Kind::Window, stream, grant);
        }
        if let Some(max) = max.filter(|_| entry.reset.is_none()) {
            let window = usize::try_from(entry.window_out.room(&self.pool_out)).unwrap_or(usize::MAX);
            let take = entry.outbox.len().min(window).min(max);
            let fin = entry.fin_out == Fin::Wanted && take == entry.outbox.len();
            if take > 0 || fin {
                let length = u32::try_from(take).unwrap_or(0);
                let syn = std::mem::take(&mut entry.needs_syn);
                out.put_slice(&Header { kind: Kind::Data, length, fin, syn, stream }.bytes());
                out.put_slice(entry.outbox.get(..take).unwrap_or_default());
                entry.outbox.advance(take);
                entry.window_out.take(length, &mut self.pool_out);
                if entry.outbox.is_empty() {
                    entry.outbox = BytesMut::new();
                }
                entry.writer.take().into_iter().for_each(Waker::wake);
            }
            if fin {
                entry.fin_out = Fin::Sent;
            }
        }
        if !entry.held && entry.fin_out == Fin::Sent {
            return self.remove(stream);
        }
        self.queue(stream);
    }
}

fn small(out: &mut BytesMut, kind: Kind, stream: u32, number: u32) {
    out.put_slice(&Header { kind, length: 4, fin: false, syn: false, stream }.bytes());
    out.put_u32(number);
}
