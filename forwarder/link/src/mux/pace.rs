//! Keeps the queue on the way short, so that a keystroke does not wait behind an upload.
//!
//! TCP fills whatever queue lies on the way: 128 KiB in the system of a slow line, megabytes in its router, seconds in
//! front of every keystroke. So bytes that fill whole frames are written only while few enough are on the way: as many
//! as arrive in the shortest round trip, and half as many more ([`SLACK`] at least). Small frames go before them
//! (`state::outgoing`) and may exceed that by [`URGENT_BYTES`].
//!
//! How many arrive is measured on marks: a byte that is written now has arrived when the system says that as many are
//! acknowledged as were written by then. If that took no longer than an empty way takes, nothing queues, and more may be
//! on the way; if it took longer, the way was full all along, and what was acknowledged meanwhile is what it carries.
//! The shortest round trip is what the system knows; a way that has become longer would look like a queue for ever, so
//! every [`DRAIN_EVERY`] of a full way it is emptied and measured again.
//!
//! Source: the idea is that of BBR (Cardwell et al., ACM Queue 14/5, 2016): one bandwidth-delay product under way. It is
//! done here since a process cannot choose the congestion control of every system, and since no congestion control knows
//! what lies in TCP's own queue.

use std::time::Duration;

use tokio::time::Instant;

use super::Sent;

/// Bytes that may be on the way at first. It grows as slow start does, which begins with less.
const FIRST_BYTES: u64 = 16 << 10;
/// As many always may, in packets: fewer are acknowledged late, since their receiver waits for more.
const MIN_PACKETS: u64 = 2;
const MAX_BYTES: u64 = 256 << 20;
/// By so much small frames may exceed all that.
pub(super) const URGENT_BYTES: u64 = 8 << 10;
/// A queue this long is none: so much a system that is busy takes to answer.
const SLACK: Duration = Duration::from_millis(12);
/// How often the system is asked at most, if there is room.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);
/// How long room is waited for before it is looked again. Times are known as exactly as that.
const MAX_WAIT: Duration = Duration::from_millis(5);
/// How often a way that stays full is emptied, and how long that may take.
const DRAIN_EVERY: Duration = Duration::from_secs(10);
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// Marks whose rates are remembered.
const RATES: usize = 8;
/// After so long without an acknowledgement it is looked at long intervals only.
const STUCK: Duration = Duration::from_millis(500);
const WAIT_WHILE_STUCK: Duration = Duration::from_millis(50);

/// What may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes of whole frames.
    pub(super) bulk: usize,
    /// Bytes in all, if the others are small frames.
    pub(super) all: usize,
}

impl Room {
    pub(super) const FREE: Self = Self { bulk: usize::MAX, all: usize::MAX };
}

/// Decides how many bytes may be on the way.
#[derive(Debug)]
pub(super) struct Pacer {
    /// So many.
    limit: u64,
    /// Bytes of a packet.
    packet: u64,
    /// It was found by a queue, and no longer by the beginning.
    found: bool,
    /// What is left since the last look, for whole frames and for small ones.
    left: i64,
    left_for_small: i64,
    looked: Option<Instant>,
    mark: Option<Mark>,
    /// How long the last one took.
    took: Duration,
    /// How much was acknowledged at the last look, and when that last rose.
    acknowledged: u64,
    moved: Option<Instant>,
    /// What arrived in a second, by the last marks; 0 before that is known.
    rates: [u64; RATES],
    next_rate: usize,
    /// The most that arrived in a second lately.
    peak: u64,
    /// How long an empty way takes, where that is longer than the system remembers.
    longer: Option<Duration>,
    phase: Phase,
}

/// A byte on its way.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    acknowledged: u64,
    /// Bytes in front of it, and itself.
    waiting: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Bytes flow; since when there were always more.
    Flowing(Option<Instant>),
    /// Nothing is written until the way is empty.
    Draining(Instant),
    /// A few bytes find out how long the empty way takes.
    Measuring,
}

impl Pacer {
    pub(super) const fn new() -> Self {
        Self {
            limit: FIRST_BYTES,
            packet: 0,
            found: false,
            left: 0,
            left_for_small: 0,
            looked: None,
            mark: None,
            took: Duration::ZERO,
            acknowledged: 0,
            moved: None,
            rates: [0; RATES],
            next_rate: 0,
            peak: 0,
            longer: None,
            phase: Phase::Flowing(None),
        }
    }

    /// What may be written now. The system is asked only where that has to be known.
    pub(super) fn room(&mut self, now: Instant, sent: impl FnOnce() -> Option<Sent>) -> Room {
        let recent = self.looked.is_some_and(|at| now.saturating_duration_since(at) < CHECK_INTERVAL);
        if !recent || self.left < self.worth() {
            let Some(sent) = sent() else { return Room::FREE };
            self.look(now, sent);
            self.looked = Some(now);
        }
        let left = if self.left < self.worth() { 0 } else { self.left };
        let all = self.left_for_small.max(0);
        Room { bulk: usize::try_from(left).unwrap_or(0), all: usize::try_from(all).unwrap_or(0) }
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub_unsigned(bytes);
        self.left_for_small = self.left_for_small.saturating_sub_unsigned(bytes);
    }

    /// There is nothing to write: time goes by that says nothing.
    pub(super) fn rest(&mut self) {
        self.mark = None;
        self.phase = Phase::Flowing(None);
    }

    /// When there may be room again.
    pub(super) fn wait(&self) -> Duration {
        if self.stuck_for() >= STUCK {
            return WAIT_WHILE_STUCK;
        }
        let missing = u64::try_from(self.worth().saturating_sub(self.left)).unwrap_or(0);
        let micros = missing.saturating_mul(1_000_000).checked_div(self.rate()).unwrap_or(0);
        Duration::from_micros(micros).clamp(CHECK_INTERVAL, MAX_WAIT)
    }

    /// How long nothing was acknowledged, by the last look.
    pub(super) fn stuck_for(&self) -> Duration {
        let times = self.looked.zip(self.moved);
        times.map_or(Duration::ZERO, |(looked, moved)| looked.saturating_duration_since(moved))
    }

    /// What arrives in a second.
    fn rate(&self) -> u64 {
        self.rates.iter().copied().max().unwrap_or(0)
    }

    /// Fewer bytes are not worth a write where more may be on the way.
    fn worth(&self) -> i64 {
        i64::try_from(self.packet.min(self.limit / 3)).unwrap_or(i64::MAX)
    }

    fn min(&self) -> u64 {
        MAX_BYTES.min(MIN_PACKETS * self.packet)
    }

    fn look(&mut self, now: Instant, sent: Sent) {
        self.packet = sent.packet;
        if sent.acknowledged != self.acknowledged || sent.waiting == 0 {
            (self.acknowledged, self.moved) = (sent.acknowledged, Some(now));
        }
        self.limit = self.limit.max(self.min());
        if let Some(mark) = self.mark
            && sent.acknowledged.saturating_sub(mark.acknowledged) >= mark.waiting
        {
            self.mark = None;
            self.arrived(mark, now, sent);
        }
        let limit = self.on_phase(now, sent);
        if self.mark.is_none() && sent.waiting > self.packet {
            self.mark = Some(Mark { at: now, acknowledged: sent.acknowledged, waiting: sent.waiting });
        }
        let left = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.left = left(limit).saturating_sub(left(sent.waiting));
        self.left_for_small =
            left(self.limit.saturating_add(URGENT_BYTES)).saturating_sub(left(sent.waiting));
    }

    /// A byte has arrived since the last look: how long the way is, and what it carries.
    fn arrived(&mut self, mark: Mark, now: Instant, sent: Sent) {
        self.took = now.saturating_duration_since(mark.at);
        let took = self.looked.unwrap_or(now).saturating_duration_since(mark.at);
        if self.phase == Phase::Measuring {
            // What the bytes themselves take is not the way. Where the way has become longer, the last rates are what few
            // bytes carry on it, and not what it could.
            let own = Duration::from_micros(mark.waiting.saturating_mul(1_000_000) / self.peak.max(1));
            let way = took.saturating_sub(own);
            self.peak = self.rate().max(self.peak / 2);
            self.longer = (way > sent.round_trip + slack(sent.round_trip)).then_some(way);
            self.phase = Phase::Flowing(None);
            return;
        }
        let empty = self.longer.map_or(sent.round_trip, |longer| longer.max(sent.round_trip));
        let (is_late, fills) = (took > empty + slack(empty), mark.waiting >= self.limit / 2);
        if is_late || fills {
            self.note_rate(sent.acknowledged.saturating_sub(mark.acknowledged), self.took);
        }
        if is_late {
            self.limit = self.limit_at_rate(empty);
            self.found = true;
        } else if fills {
            // It can be more only if this was what limited it.
            let more = if self.found { self.limit / 4 } else { self.limit };
            self.limit = self.limit.saturating_add(more).min(MAX_BYTES);
        }
    }

    fn note_rate(&mut self, bytes: u64, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let rate = bytes.saturating_mul(1_000_000) / micros;
        if let Some(place) = self.rates.get_mut(self.next_rate) {
            *place = rate;
        }
        self.next_rate = (self.next_rate + 1) % RATES;
        self.peak = self.peak.max(rate);
    }

    /// What may be on the way at the rate of now.
    fn limit_at_rate(&self, empty: Duration) -> u64 {
        let in_time = |time: Duration| {
            self.rate().saturating_mul(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)) / 1_000_000
        };
        let limit = in_time(empty).saturating_add(in_time(slack(empty)).max(self.packet / 2 * 3));
        limit.clamp(self.min(), MAX_BYTES)
    }

    /// The limit of the moment.
    fn on_phase(&mut self, now: Instant, sent: Sent) -> u64 {
        match self.phase {
            Phase::Flowing(_) if !self.found => self.limit,
            Phase::Flowing(None) => {
                self.phase = Phase::Flowing(Some(now));
                self.limit
            }
            Phase::Flowing(Some(since)) if now.saturating_duration_since(since) >= DRAIN_EVERY => {
                self.phase = Phase::Draining(now);
                0
            }
            Phase::Flowing(Some(_)) => self.limit,
            Phase::Draining(_) if sent.waiting <= self.packet => {
                self.phase = Phase::Measuring;
                self.mark = None;
                self.min()
            }
            // What is on the way has come by then, unless small frames follow it.
            Phase::Draining(since)
                if now.saturating_duration_since(since) >= 2 * self.took.min(DRAIN_TIME) =>
            {
                self.phase = Phase::Flowing(None);
                self.limit
            }
            Phase::Draining(_) => 0,
            Phase::Measuring => self.min(),
        }
    }
}

/// How long a queue may be.
fn slack(empty: Duration) -> Duration {
    (empty / 2).max(SLACK)
}

#[cfg(test)]
mod tests;
