//! What a session knows of one stream, and how many streams there may be.

use std::task::Waker;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::super::window::{Pool, Receive, Send};
use super::super::{ErrorCode, SMALL_BYTES};

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) inbox: BytesMut,
    /// What the other side may send.
    pub(super) window_in: Receive,
    pub(super) fin_in: bool,
    pub(super) reset: Option<ErrorCode>,
    pub(super) reader: Option<Waker>,
    pub(super) outbox: BytesMut,
    /// What this side may send.
    pub(super) window_out: Send,
    /// It waits for the pool.
    pub(super) starves: bool,
    /// Bytes that it keeps of the session's allowance for finished streams.
    pub(super) kept: usize,
    pub(super) needs_syn: bool,
    pub(super) fin_out: Fin,
    /// Since when bytes have waited for the window.
    pub(super) stalled: Option<Instant>,
    pub(super) writer: Option<Waker>,
    /// It stands in the queue of those that are ready.
    pub(super) queued: bool,
    /// It stands in the queue of small frames.
    pub(super) queued_small: bool,
    /// Somebody holds the stream.
    pub(super) held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    Open,
    Wanted,
    Sent,
}

impl Entry {
    pub(super) fn new(needs_syn: bool) -> Self {
        Self {
            inbox: BytesMut::new(),
            window_in: Receive::default(),
            fin_in: false,
            reset: None,
            reader: None,
            outbox: BytesMut::new(),
            window_out: Send::default(),
            starves: false,
            kept: 0,
            needs_syn,
            fin_out: Fin::Open,
            stalled: None,
            writer: None,
            queued: false,
            queued_small: false,
            held: true,
        }
    }

    pub(super) fn wake_both(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    pub(super) fn may_grant(&self) -> bool {
        self.window_in.is_due() && (!self.fin_in || self.window_in.lent() > 0) && self.reset.is_none()
    }

    /// True if a frame could be sent for it now.
    pub(super) fn has_turn(&self, pool: &Pool) -> bool {
        let data = !self.outbox.is_empty() && self.window_out.room(pool) > 0;
        let fin = self.outbox.is_empty() && self.fin_out == Fin::Wanted;
        self.reset.is_none() && (data || fin) || self.may_grant()
    }

    /// True if its turn is a short one: all it has is little, or it lets the other side go on.
    pub(super) fn has_small_turn(&self) -> bool {
        self.outbox.len() <= SMALL_BYTES || self.may_grant()
    }
}

/// A bucket of streams that may be opened.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    thousandths: u64,
    at: Option<Instant>,
}

impl Allowance {
    /// Takes one; false if there is none left. The bucket holds ten seconds' worth.
    pub(super) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let full = u64::from(per_second) * 10_000;
        let since = self.at.map_or(u64::MAX, |at| u64::try_from((now - at).as_millis()).unwrap_or(u64::MAX));
        // What is less than a millisecond counts the next time.
        self.at = Some(self.at.map_or(now, |at| at + Duration::from_millis(since)));
        self.thousandths = self.thousandths.saturating_add(since.saturating_mul(per_second.into())).min(full);
        match self.thousandths.checked_sub(1_000) {
            Some(left) => {
                self.thousandths = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stays_below_the_rate_is_never_out_of_streams() {
        let (mut opens, start) = (Allowance::default(), Instant::now());
        let mut at = |number: u64| opens.take(10_000, start + Duration::from_micros(200 * number));
        assert!((0..500_000).all(&mut at), "5,000 a second are fewer than 10,000");
    }
}
