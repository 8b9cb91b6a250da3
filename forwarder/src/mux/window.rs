//! Receive windows that grow with the path.
//!
//! A window bounds what a stream carries in one round trip: 256 KiB at 100 ms are 2.6 MB/s. A receiver whose reader keeps
//! up with the sender, and whose whole window is used within two round trips, doubles it. The round trip is that of the
//! heartbeats, the shortest so far; before the first one nothing grows. What windows have grown is bounded for a session
//! and for the process, since readers that stop leave them full.
//!
//! Source: the automatic tuning of yamux in rust-libp2p (2023), and of TCP receive buffers (Linux, `tcp_rcv_space_adjust`).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::WINDOW_BYTES;

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

/// What the other side may send on a stream.
#[derive(Debug)]
pub(super) struct Receive {
    /// The window.
    size: u32,
    /// Bytes that may still come.
    allowance: u32,
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
}

impl Growth {
    pub(super) fn round_trip(&mut self, time: Duration) {
        self.round_trip = Some(self.round_trip.map_or(time, |shortest| shortest.min(time)));
    }
}

impl Default for Receive {
    fn default() -> Self {
        Self {
            size: WINDOW_BYTES,
            allowance: WINDOW_BYTES,
            read: 0,
            used: 0,
            since: None,
            grown: Grown::default(),
        }
    }
}

impl Receive {
    /// Bytes that may still come.
    pub(super) const fn allowance(&self) -> u32 {
        self.allowance
    }

    /// So many bytes come. The caller has looked at [`Self::allowance`].
    pub(super) const fn take(&mut self, bytes: u32) {
        self.allowance = self.allowance.saturating_sub(bytes);
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
    pub(super) fn grant(&mut self, growth: &mut Growth, now: Instant) -> u32 {
        let read = std::mem::take(&mut self.read);
        let grant = read.saturating_add(self.grow(read, growth, now));
        self.allowance = self.allowance.saturating_add(grant);
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
        let fits = is_fast && more > 0 && growth.grown.saturating_add(more) <= MAX_GROWN_PER_SESSION;
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
                receive.take(part);
                receive.read(part);
                assert!(receive.is_due());
                let allowed = receive.allowance;
                let granted = receive.grant(growth, now);
                assert_eq!(receive.allowance, allowed + granted);
                now += each / GRANT_PART;
            }
            assert_eq!(receive.allowance, receive.size, "all that was read may come again");
        }
        receive
    }

    #[test]
    fn a_window_grows_with_the_path_and_within_its_bounds() {
        let known = || Growth { round_trip: Some(TRIP), grown: 0 };
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
