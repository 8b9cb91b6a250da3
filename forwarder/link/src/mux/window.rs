//! Receive windows that grow with the path.
//!
//! A window bounds what a stream carries in one round trip: 256 KiB at 100 ms are 2.6 MB/s. A receiver whose reader keeps
//! up with the sender, and whose whole window is used within two round trips, doubles it. The round trip is that of the
//! heartbeats, the shortest so far; before the first one nothing grows. What windows have grown is bounded for a session
//! and for the process, since readers that stop leave them full.
//!
//! Where both ends are ours they lend each other more from the start: each says how many bytes beyond all windows of the
//! session it will hold ([`Pool`]), and the sender gives them to the streams that have use for them. What is read is paid
//! back first. At both ends a stream has borrowed what was sent beyond its window and the grants so far; since grants
//! that are under way are missing at the sender only, it never counts less than the receiver.
//!
//! Source: the automatic tuning of yamux in rust-libp2p (2023), and of TCP receive buffers (Linux, `tcp_rcv_space_adjust`).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::frame::MASK;
use super::{SHARED_WINDOW, WINDOW_BYTES};

/// What a window grows to at most.
const MAX_WINDOW: u32 = 8 << 20;
/// By how much the windows of a session may have grown, and those of all sessions of the process.
const MAX_GROWN_PER_SESSION: u32 = 32 << 20;
const MAX_GROWN: u32 = 128 << 20;
/// A window is opened again when this part of it has been read: on a line whose bytes under way fill it, all that is
/// read later than that is time in which the other side waits.
const GRANT_PART: u32 = 8;

/// By how much the windows of all sessions have grown.
static GROWN: AtomicU32 = AtomicU32::new(0);

/// What one stream may have of a pool.
const MAX_BORROWED: u32 = 8 << 20;

/// What all sessions of the process may lend, and what part of what is left one of them gets at most.
const MAX_LENT: u32 = 512 << 20;
const LENT_PART: u32 = 8;
/// Less is not worth it.
const MIN_LENT: u32 = 1 << 20;

/// What all sessions lend.
static LENT: AtomicU32 = AtomicU32::new(0);

/// What a session lends of what the process may lend in all; given back when dropped.
#[derive(Debug)]
pub struct Lent(u32);

impl Lent {
    /// As much as a session gets now: up to [`SHARED_WINDOW`], and an eighth of what is left.
    #[must_use]
    pub fn reserve() -> Self {
        let reserved =
            LENT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |lent| Some(lent + Self::part(lent)));
        Self(reserved.map_or(0, Self::part))
    }

    /// What a session gets where so much is lent.
    const fn part(lent: u32) -> u32 {
        let part = MAX_LENT.saturating_sub(lent) / LENT_PART;
        if part < MIN_LENT {
            0
        } else if part < SHARED_WINDOW {
            part
        } else {
            SHARED_WINDOW
        }
    }

    /// Bytes.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        LENT.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Bytes beyond all windows of a session that the receiver will hold.
#[derive(Debug, Default)]
pub(super) struct Pool {
    left: u32,
}

impl Pool {
    pub(super) const fn new(bytes: u32) -> Self {
        Self { left: bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.left == 0
    }

    #[cfg(test)]
    pub(super) const fn left(&self) -> u32 {
        self.left
    }

    pub(super) const fn pay_back(&mut self, bytes: u32) {
        self.left = self.left.saturating_add(bytes);
    }
}

/// What this side may send on a stream.
#[derive(Debug)]
pub(super) struct Send {
    window: u32,
    borrowed: u32,
}

impl Default for Send {
    fn default() -> Self {
        Self { window: WINDOW_BYTES, borrowed: 0 }
    }
}

impl Send {
    /// Bytes that may be sent now.
    pub(super) fn room(&self, pool: &Pool) -> u32 {
        self.window.saturating_add(pool.left.min(MAX_BORROWED.saturating_sub(self.borrowed)))
    }

    /// So many bytes are sent. The caller has looked at [`Self::room`].
    pub(super) const fn take(&mut self, bytes: u32, pool: &mut Pool) {
        let beyond = bytes.saturating_sub(self.window);
        self.window = self.window.saturating_sub(bytes);
        self.borrowed = self.borrowed.saturating_add(beyond);
        pool.left = pool.left.saturating_sub(beyond);
    }

    /// The other side takes so many more; false if that are more than it can.
    pub(super) fn on_grant(&mut self, by: u32, pool: &mut Pool) -> bool {
        let paid = by.min(self.borrowed);
        let window = self.window.checked_add(by - paid).filter(|window| *window <= MASK);
        if let Some(window) = window {
            self.window = window;
            self.borrowed -= paid;
            pool.pay_back(paid);
        }
        window.is_some()
    }

    /// The other side holds nothing of it any more.
    pub(super) const fn forget(&mut self, pool: &mut Pool) {
        pool.pay_back(self.borrowed);
        self.borrowed = 0;
    }

    pub(super) const fn borrowed(&self) -> u32 {
        self.borrowed
    }
}

/// What the other side may send on a stream.
#[derive(Debug)]
pub(super) struct Receive {
    /// The window.
    size: u32,
    /// Bytes that may still come.
    allowance: u32,
    /// Bytes of the pool that it has.
    lent: u32,
    /// Bytes read for which the window has not been opened again.
    read: u32,
    /// Bytes for which it was opened since a moment.
    used: u32,
    since: Option<Instant>,
    grown: Grown,
}

/// By how much a window has grown; taken back when dropped.
#[derive(Debug, Default)]
struct Grown(u32);

impl Drop for Grown {
    fn drop(&mut self) {
        GROWN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Grown {
    /// Grows by so many bytes, unless all together would be too many.
    fn by(&mut self, more: u32) -> bool {
        let fits = |grown: u32| grown.checked_add(more).filter(|grown| *grown <= MAX_GROWN);
        let fitted = GROWN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if fitted {
            self.0 += more;
        }
        fitted
    }
}

/// How far the windows of a session may grow.
#[derive(Debug, Default)]
pub(super) struct Growth {
    /// The shortest way to the other side and back so far.
    round_trip: Option<Duration>,
    /// By how much they have grown.
    grown: u32,
    /// The other side has a pool, and needs no growth.
    has_pool: bool,
}

impl Growth {
    /// The other side has a pool.
    pub(super) const fn end(&mut self) {
        self.has_pool = true;
    }

    pub(super) fn round_trip(&mut self, time: Duration) {
        self.round_trip = Some(self.round_trip.map_or(time, |shortest| shortest.min(time)));
    }
}

impl Default for Receive {
    fn default() -> Self {
        Self {
            size: WINDOW_BYTES,
            allowance: WINDOW_BYTES,
            lent: 0,
            read: 0,
            used: 0,
            since: None,
            grown: Grown::default(),
        }
    }
}

impl Receive {
    /// So many bytes come; false if they are more than may come.
    pub(super) const fn take(&mut self, bytes: u32, pool: &mut Pool) -> bool {
        let beyond = bytes.saturating_sub(self.allowance);
        if beyond > pool.left || beyond > MAX_BORROWED.saturating_sub(self.lent) {
            return false;
        }
        self.allowance = self.allowance.saturating_sub(bytes);
        self.lent = self.lent.saturating_add(beyond);
        pool.left -= beyond;
        true
    }

    /// Bytes of the pool that it has.
    pub(super) const fn lent(&self) -> u32 {
        self.lent
    }

    /// Nothing of it is held any more; what it had of the pool.
    pub(super) const fn forget(&mut self, pool: &mut Pool) -> u32 {
        let lent = self.lent;
        pool.pay_back(lent);
        self.lent = 0;
        lent
    }

    /// So many bytes were read.
    pub(super) const fn read(&mut self, bytes: u32) {
        self.read = self.read.saturating_add(bytes);
    }

    /// True if the other side should be told that it may go on.
    pub(super) const fn is_due(&self) -> bool {
        self.read >= self.size / GRANT_PART
    }

    /// By how much the window is opened now.
    pub(super) fn grant(&mut self, growth: &mut Growth, pool: &mut Pool, now: Instant) -> u32 {
        let read = std::mem::take(&mut self.read);
        let grant = read.saturating_add(self.grow(read, growth, now));
        let paid = grant.min(self.lent);
        self.lent -= paid;
        pool.pay_back(paid);
        self.allowance = self.allowance.saturating_add(grant - paid);
        grant
    }

    /// Doubles the window if the whole of it was used within two round trips; by how much it has grown.
    fn grow(&mut self, read: u32, growth: &mut Growth, now: Instant) -> u32 {
        self.used = self.used.saturating_add(read);
        let since = *self.since.get_or_insert(now);
        if self.used < self.size {
            return 0;
        }
        (self.used, self.since) = (0, Some(now));
        let is_fast = growth.round_trip.is_some_and(|round_trip| now - since <= round_trip * 2);
        let more = self.size.min(MAX_WINDOW - self.size);
        let fits = is_fast
            && more > 0
            && !growth.has_pool
            && growth.grown.saturating_add(more) <= MAX_GROWN_PER_SESSION;
        if !fits || !self.grown.by(more) {
            return 0;
        }
        self.size += more;
        growth.grown += more;
        more
    }

    /// The stream is gone: others of the session may grow instead.
    pub(super) fn leave(&self, growth: &mut Growth) {
        growth.grown = growth.grown.saturating_sub(self.grown.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_millis(100);

    /// Reads whole windows, each in so much time; the size in the end.
    fn after(windows: u32, each: Duration, growth: &mut Growth) -> Receive {
        let (mut receive, mut now) = (Receive::default(), Instant::now());
        for _ in 0..windows {
            for _ in 0..GRANT_PART {
                let part = receive.size / GRANT_PART;
                let mut pool = Pool::default();
                assert!(receive.take(part, &mut pool));
                receive.read(part);
                assert!(receive.is_due());
                let allowed = receive.allowance;
                let granted = receive.grant(growth, &mut pool, now);
                assert_eq!(receive.allowance, allowed + granted);
                now += each / GRANT_PART;
            }
            assert_eq!(receive.allowance, receive.size, "all that was read may come again");
        }
        receive
    }

    #[test]
    fn sessions_lend_less_the_more_there_are() {
        let mut lent = 0;
        let parts: Vec<u32> = std::iter::repeat_with(|| {
            let part = Lent::part(lent);
            lent += part;
            part
        })
        .take(200)
        .collect();
        assert!(lent <= MAX_LENT && parts.is_sorted_by(|one, next| one >= next), "{parts:?}");
        assert_eq!((parts[0], parts[199]), (SHARED_WINDOW, 0), "what is left in the end is not worth it");
        let (before, reserved) = (LENT.load(Ordering::Relaxed), Lent::reserve());
        assert!(reserved.bytes() <= SHARED_WINDOW && before <= MAX_LENT);
    }

    #[test]
    fn a_window_grows_with_the_path_and_within_its_bounds() {
        let known = || Growth { round_trip: Some(TRIP), ..Growth::default() };
        assert_eq!(after(20, TRIP, &mut Growth::default()).size, WINDOW_BYTES, "the way is not known");
        assert_eq!(after(20, TRIP * 3, &mut known()).size, WINDOW_BYTES, "the reader is slower than the way");
        let mut growth = known();
        let grown: Vec<Receive> = (0..6).map(|_| after(20, TRIP, &mut growth)).collect();
        assert_eq!(grown[0].size, MAX_WINDOW);
        assert!(growth.grown <= MAX_GROWN_PER_SESSION, "{}", growth.grown);
        assert!(grown[5].size < MAX_WINDOW, "the session has used up what it may");
        for receive in grown {
            receive.leave(&mut growth);
        }
        assert_eq!(growth.grown, 0);
        growth.round_trip(TRIP * 2);
        assert_eq!(growth.round_trip, Some(TRIP), "queues only make it longer");
    }
}
