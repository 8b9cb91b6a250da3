//! What frames of the other side do to the state.

use std::task::Waker;

use bytes::BytesMut;
use tokio::time::Instant;

use super::super::ErrorCode;
use super::super::frame::{Header, Kind};
use super::entry::Entry;
use super::{Body, MAX_KEPT, MAX_SKIPPED, State};

impl State {
    /// Takes the header of a frame.
    ///
    /// # Errors
    /// Why the session has to end.
    pub(in crate::mux) fn on_header(&mut self, header: Header, now: Instant) -> Result<Body, ErrorCode> {
        if header.kind != Kind::Data {
            return Ok(Body::Small);
        }
        if !self.may_hold(header.length) {
            return Err(ErrorCode::FlowControl);
        }
        let id = header.stream;
        let Some(entry) = self.streams.get_mut(&id) else { return self.on_unknown(header, now) };
        if header.syn {
            return Err(ErrorCode::Protocol);
        }
        let code = if entry.reset.is_some() {
            return Ok(Body::Discard);
        } else if entry.fin_in || !entry.held {
            ErrorCode::StreamClosed
        } else if entry.window_in.take(header.length, &mut self.pool_in) {
            return Ok(Body::Data(id));
        } else {
            ErrorCode::FlowControl
        };
        // Whoever drains a stream wants no answer to it; an end without bytes needs none.
        if code == ErrorCode::StreamClosed && header.length == 0 {
            return Ok(Body::Discard);
        }
        self.reset_with(id, code)?;
        Ok(Body::Discard)
    }

    fn on_unknown(&mut self, header: Header, now: Instant) -> Result<Body, ErrorCode> {
        let id = header.stream;
        if !header.syn {
            if !self.is_remote(id) && id >= self.next {
                return Err(ErrorCode::Protocol);
            }
            if header.length > 0 {
                self.give_up(id, ErrorCode::StreamClosed, false)?;
            }
            return Ok(Body::Discard);
        }
        if !self.is_remote(id) || id <= self.last_remote && !self.skipped.remove(&id) {
            return Err(ErrorCode::Protocol);
        }
        if !self.opens.take(self.limits.opens_per_second, now) {
            return Err(ErrorCode::EnhanceYourCalm);
        }
        self.skip_to(id);
        let refused = if self.farewell.is_some() {
            Some(ErrorCode::Refused)
        } else if self.remote_open >= self.limits.streams {
            Some(ErrorCode::Exhausted)
        } else if self.unaccepted.len() >= self.limits.unaccepted {
            Some(ErrorCode::AcceptQueueFull)
        } else {
            None
        };
        if let Some(code) = refused {
            self.give_up(id, code, false)?;
            return Ok(Body::Discard);
        }
        let mut entry = Entry::new(false);
        // INVARIANT: no header has more than a window.
        entry.window_in.take(header.length, &mut self.pool_in);
        self.streams.insert(id, entry);
        self.remote_open += 1;
        self.unaccepted.push_back(id);
        self.acceptor.take().into_iter().for_each(Waker::wake);
        Ok(Body::Data(id))
    }

    /// Notes the newest id of the other side, and a bounded number of those between.
    fn skip_to(&mut self, id: u32) {
        if id > self.last_remote {
            let from = (self.last_remote + 1).max(id.saturating_sub(2 * MAX_SKIPPED));
            self.skipped.extend((from..id).filter(|skipped| *skipped > 0 && skipped % 2 == id % 2));
            while self.skipped.len() > MAX_SKIPPED as usize {
                self.skipped.pop_first();
            }
            self.last_remote = id;
        }
    }

    /// Takes bytes of a frame whose header said that they are for a stream.
    pub(in crate::mux) fn on_data(&mut self, stream: u32, bytes: &[u8]) {
        if let Some(entry) = self.streams.get_mut(&stream)
            && entry.reset.is_none()
            && entry.held
        {
            entry.inbox.extend_from_slice(bytes);
            entry.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    /// The other half of a stream has ended.
    pub(in crate::mux) fn on_fin(&mut self, stream: u32) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.fin_in = true;
            entry.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    pub(in crate::mux) fn on_reset(&mut self, stream: u32, code: ErrorCode) {
        if let Some(owed) = self.owed.remove(&stream) {
            self.pool_out.pay_back(owed);
        }
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.outbox = BytesMut::new();
            // The other side counts on the pool again: what it filled of it is not kept, and the rest is not all.
            let lent = entry.window_in.forget(&mut self.pool_in);
            let bytes = entry.inbox.len();
            let code = if lent == 0 || bytes == 0 {
                code
            } else if entry.fin_in && self.kept + bytes <= MAX_KEPT {
                // All of it has come: it can still be read.
                (entry.kept, self.kept) = (bytes, self.kept + bytes);
                code
            } else {
                entry.inbox = BytesMut::new();
                ErrorCode::Reset
            };
            entry.window_out.forget(&mut self.pool_out);
            entry.reset.get_or_insert(code);
            entry.wake_both();
            if !entry.held {
                self.remove(stream);
            }
        }
        self.feed();
    }

    /// More bytes are welcome.
    ///
    /// # Errors
    /// Why the session has to end.
    pub(in crate::mux) fn on_window(&mut self, stream: u32, by: u32) -> Result<(), ErrorCode> {
        let Some(entry) = self.streams.get_mut(&stream) else {
            self.on_debt_paid(stream, by);
            return Ok(());
        };
        if !entry.window_out.on_grant(by, &mut self.pool_out) {
            return self.reset_with(stream, ErrorCode::FlowControl);
        }
        entry.stalled = entry.stalled.filter(|_| by == 0);
        self.queue(stream);
        self.feed();
        Ok(())
    }

    /// A reader of the other side goes on with a stream that is gone here.
    fn on_debt_paid(&mut self, stream: u32, by: u32) {
        let Some(owed) = self.owed.get_mut(&stream) else { return };
        let paid = by.min(*owed);
        *owed -= paid;
        if *owed == 0 {
            self.owed.remove(&stream);
        }
        self.pool_out.pay_back(paid);
        self.feed();
    }
}
