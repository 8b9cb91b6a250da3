//! Pacing, by numbers drawn at random and by cases of its own.

use std::collections::VecDeque;

use super::*;

const PACKET: u64 = 1_448;
const STEP: Duration = Duration::from_micros(500);

/// A line with a queue of any length in front of it, and a sender that always has more.
struct Line {
    now: Instant,
    pacer: Pacer,
    /// When the sender looks again.
    next: Instant,
    rate: u64,
    way: Duration,
    /// The shortest way there was.
    shortest: Duration,
    /// By how much it varies, and the next time it does so.
    jitter: u64,
    varies: Instant,
    random: u64,
    more: Duration,
    /// When the queue is empty.
    free: Instant,
    /// When how many bytes are acknowledged.
    under_way: VecDeque<(Instant, u64)>,
    waiting: u64,
    acknowledged: u64,
    /// How long a byte takes that is sent now.
    takes: Vec<Duration>,
}

impl Line {
    fn new(rate: u64, way: Duration) -> Self {
        let now = Instant::now();
        Self {
            now,
            pacer: Pacer::new(),
            next: now,
            rate,
            way,
            shortest: way,
            jitter: 0,
            varies: now,
            random: 7,
            more: Duration::ZERO,
            free: now,
            under_way: VecDeque::new(),
            waiting: 0,
            acknowledged: 0,
            takes: Vec::new(),
        }
    }

    fn send(&mut self, bytes: u64) {
        self.free = self.free.max(self.now) + Duration::from_micros(bytes * 1_000_000 / self.rate);
        // Nothing overtakes anything.
        let last = self.under_way.back().map_or(self.now, |(at, _)| *at);
        self.under_way.push_back((last.max(self.free + self.way + self.more), bytes));
        self.waiting += bytes;
    }

    fn step(&mut self) {
        self.now += STEP;
        while let Some((_, bytes)) = self.under_way.pop_front_if(|(at, _)| *at <= self.now) {
            self.waiting -= bytes;
            self.acknowledged += bytes;
        }
        if self.jitter > 0 && self.now >= self.varies {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.more = Duration::from_millis((self.random >> 33) % self.jitter);
            self.varies = self.now + Duration::from_millis(10 + (self.random >> 40) % 90);
        }
        self.takes.push(self.free.saturating_duration_since(self.now) + self.way);
        if self.now < self.next {
            return;
        }
        self.shortest = self.shortest.min(self.way);
        let sent = Sent {
            waiting: self.waiting,
            acknowledged: self.acknowledged,
            round_trip: self.shortest,
            packet: PACKET,
        };
        let bulk = self.pacer.room(self.now, || Some(sent)).bulk;
        if bulk == 0 {
            self.next = self.now + self.pacer.wait();
            return;
        }
        self.pacer.wrote(bulk);
        // Packets, not batches: what is acknowledged comes in pieces.
        let mut left = bulk as u64;
        while left > 0 {
            let packet = left.min(PACKET);
            self.send(packet);
            left -= packet;
        }
    }

    /// Bytes a second, and the middle of the times that a keystroke takes.
    fn run(&mut self, time: Duration) -> (u64, Duration) {
        let (end, before) = (self.now + time, self.acknowledged);
        self.takes.clear();
        while self.now < end {
            self.step();
        }
        self.takes.sort_unstable();
        let carried = (self.acknowledged - before) * 1_000 / u64::try_from(time.as_millis()).expect("short");
        (carried, self.takes[self.takes.len() / 2])
    }
}

#[test]
fn a_line_is_full_and_a_keystroke_waits_for_little() {
    for rate in [16_000, 64_000, 250_000, 1_250_000, 12_500_000] {
        for way in [1, 20, 40, 100, 300].map(Duration::from_millis) {
            let mut line = Line::new(rate, way);
            line.run(Duration::from_secs(10));
            let (carried, takes) = line.run(Duration::from_secs(30));
            assert!(carried >= rate * 85 / 100, "{rate} B/s, {way:?}: {carried} B/s");
            let packets = Duration::from_micros(MIN_PACKETS * PACKET * 1_000_000 / rate);
            let allowed = (way * 2).max(packets + Duration::from_millis(16));
            assert!(takes <= allowed, "{rate} B/s, {way:?}: {takes:?} of {allowed:?}");
        }
    }
}

#[test]
fn a_line_that_changes_is_followed() {
    let seconds = Duration::from_secs;
    let mut line = Line::new(1_250_000, Duration::from_millis(20));
    line.run(seconds(5));
    // It becomes slower: what lies on it drains.
    line.rate = 125_000;
    line.run(seconds(5));
    let (carried, takes) = line.run(seconds(20));
    assert!(carried >= 106_000 && takes <= Duration::from_millis(80), "{carried} B/s, {takes:?}");
    line.rate = 2_500_000;
    line.run(seconds(5));
    assert!(line.run(seconds(10)).0 >= 2_100_000, "and faster");
    // It becomes longer, while the system remembers the shorter one.
    line.way = Duration::from_millis(200);
    line.run(seconds(25));
    let (carried, takes) = line.run(seconds(30));
    assert!(carried >= 2_000_000 && takes <= Duration::from_millis(400), "{carried} B/s, {takes:?}");
}

#[test]
fn a_way_that_varies_is_no_queue() {
    for (rate, way, jitter) in [
        (1_250_000, 25, 60),
        (1_250_000, 25, 30),
        (6_000_000, 25, 30),
        (6_000_000, 5, 40),
        (12_500_000, 2, 40),
    ] {
        let mut line = Line::new(rate, Duration::from_millis(way));
        line.jitter = jitter;
        line.run(Duration::from_secs(10));
        let (carried, takes) = line.run(Duration::from_secs(60));
        eprintln!(
            "{rate} B/s, {way} + {jitter} ms: {}%, {takes:?} limit {}",
            carried * 100 / rate,
            line.pacer.limit
        );
    }
}

#[test]
fn a_start_is_as_quick_as_that_of_tcp() {
    let mut line = Line::new(100_000_000, Duration::from_millis(100));
    // 14 KiB that double each round trip are 10 MB after ten, 16 KiB that do after their first the same.
    line.run(Duration::from_millis(1_500));
    let (carried, _) = line.run(Duration::from_secs(1));
    assert!(carried >= 90_000_000, "{carried} B/s");
}

#[test]
fn what_nobody_counts_is_not_limited() {
    let mut pacer = Pacer::new();
    assert_eq!(pacer.room(Instant::now(), || None), Room::FREE);
}

#[test]
fn a_rest_is_no_queue() {
    let (mut pacer, start) = (Pacer::new(), Instant::now());
    let sent = |waiting, acknowledged| {
        Some(Sent { waiting, acknowledged, round_trip: Duration::from_millis(20), packet: PACKET })
    };
    pacer.room(start, || sent(8_000, 0));
    pacer.rest();
    let room = pacer.room(start + Duration::from_secs(60), || sent(0, 8_000));
    assert_eq!(room.bulk as u64, FIRST_BYTES);
}
