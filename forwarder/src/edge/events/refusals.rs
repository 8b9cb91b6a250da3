//! Which refusals have an event of their own. Whoever connects at full speed would otherwise fill the disk: where
//! refusals come too fast they are counted alone, and the counts are told from time to time. What was admitted is
//! never counted alone.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use policy_core::outcome::OutcomeKind;
use serde::Serialize;

use super::shape::Closed;
use crate::control::audit::event;
use crate::net::sources::network;

/// Events of refusals in one second, of one source and in all; and how many more after a pause.
const OF_SOURCE: Rate = Rate { each_second: 10.0, burst: 100.0 };
const IN_ALL: Rate = Rate { each_second: 200.0, burst: 1_000.0 };
/// Sources whose rate is known; further ones share that of all.
const MAX_SOURCES: usize = 4_096;
/// How often sources that have been silent are forgotten, where there are too many.
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// Sources that are told apart between two summaries.
const MAX_COUNTED_SOURCES: usize = 4_096;
/// Endpoints that are told apart between two summaries; the rest is told together, without a name.
const MAX_ENDPOINTS: usize = 256;
/// Sources that a summary names.
const TOP_SOURCES: usize = 10;

#[derive(Clone, Copy, Debug)]
struct Rate {
    each_second: f64,
    burst: f64,
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
struct EventBucket {
    left: f64,
    at: Instant,
}

impl EventBucket {
    const fn full(rate: Rate, now: Instant) -> Self {
        Self { left: rate.burst, at: now }
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = passed.mul_add(rate.each_second, self.left).min(rate.burst);
        self.at = now;
    }

    fn take(&mut self) -> bool {
        let has = self.left >= 1.0;
        if has {
            self.left -= 1.0;
        }
        has
    }
}

/// Counts refusals, in bounded memory. Time is passed in.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<RefusalCounts>);

#[derive(Debug)]
struct RefusalCounts {
    all: EventBucket,
    sources: HashMap<IpAddr, EventBucket>,
    forgotten: Instant,
    /// By endpoint, empty for none, and decision.
    counts: HashMap<Box<str>, BTreeMap<OutcomeKind, Count>>,
    /// Sources in all counts.
    counted_sources: usize,
}

#[derive(Debug)]
struct Count {
    number: u64,
    first: Timestamp,
    last: Timestamp,
    sources: HashMap<IpAddr, u64>,
}

#[derive(Serialize)]
struct Summary<'a> {
    endpoint: Option<&'a str>,
    decision: OutcomeKind,
    count: u64,
    first_ts: Timestamp,
    last_ts: Timestamp,
    sources: usize,
    top_sources: Vec<TopSource>,
}

#[derive(Serialize)]
struct TopSource {
    network: String,
    count: u64,
}

impl Refusals {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(RefusalCounts {
            all: EventBucket::full(IN_ALL, now),
            sources: HashMap::new(),
            forgotten: now,
            counts: HashMap::new(),
            counted_sources: 0,
        }))
    }

    /// Records a refusal: true if it has an event of its own, which the caller writes; otherwise it is counted.
    pub(super) fn record(&self, closed: &Closed<'_>, now: Instant) -> bool {
        let source = network(closed.client.ip());
        let mut table = self.table();
        let allowed = table.allows(source, now);
        if !allowed {
            table.count(source, closed);
        }
        allowed
    }

    /// The events of what was counted since the last time.
    pub(super) fn summaries(&self) -> Vec<String> {
        let counts = {
            let mut table = self.table();
            table.counted_sources = 0;
            std::mem::take(&mut table.counts)
        };
        let by_endpoint: BTreeMap<_, _> = counts.iter().collect();
        let counts = by_endpoint.into_iter().flat_map(|(endpoint, by_decision)| {
            by_decision.iter().map(move |(decision, count)| (&**endpoint, *decision, count))
        });
        counts.filter_map(|(endpoint, decision, count)| count.summary(endpoint, decision)).collect()
    }

    fn table(&self) -> MutexGuard<'_, RefusalCounts> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefusalCounts {
    fn allows(&mut self, source: IpAddr, now: Instant) -> bool {
        self.all.fill(IN_ALL, now);
        if self.sources.len() >= MAX_SOURCES && now.saturating_duration_since(self.forgotten) >= FORGET_EVERY
        {
            self.forgotten = now;
            self.sources.retain(|_, bucket| {
                bucket.fill(OF_SOURCE, now);
                bucket.left < OF_SOURCE.burst
            });
        }
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            return self.all.take();
        }
        let bucket = self.sources.entry(source).or_insert_with(|| EventBucket::full(OF_SOURCE, now));
        bucket.fill(OF_SOURCE, now);
        // One source that is too fast takes nothing of the others' share.
        bucket.take() && self.all.take()
    }

    fn count(&mut self, source: IpAddr, closed: &Closed<'_>) {
        let named = closed.endpoint.unwrap_or_default();
        let name =
            if self.counts.contains_key(named) || self.counts.len() < MAX_ENDPOINTS { named } else { "" };
        if !self.counts.contains_key(name) {
            self.counts.insert(name.into(), BTreeMap::new());
        }
        let Some(by_decision) = self.counts.get_mut(name) else { return };
        let count = by_decision.entry(closed.route.verdict.decision).or_insert_with(|| Count {
            number: 0,
            first: closed.end,
            last: closed.end,
            sources: HashMap::new(),
        });
        count.number = count.number.saturating_add(1);
        count.last = closed.end;
        if let Some(number) = count.sources.get_mut(&source) {
            *number = number.saturating_add(1);
        } else if self.counted_sources < MAX_COUNTED_SOURCES {
            self.counted_sources += 1;
            count.sources.insert(source, 1);
        }
    }
}

impl Count {
    fn summary(&self, endpoint: &str, decision: OutcomeKind) -> Option<String> {
        let mut sources: Vec<_> = self.sources.iter().collect();
        sources.sort_unstable_by(|(one, many), (other, more)| more.cmp(many).then(one.cmp(other)));
        let top = sources.iter().take(TOP_SOURCES).map(|(source, number)| TopSource {
            network: format!("{source}/{}", if source.is_ipv4() { 32 } else { 64 }),
            count: **number,
        });
        let summary = Summary {
            endpoint: (!endpoint.is_empty()).then_some(endpoint),
            decision,
            count: self.number,
            first_ts: self.first,
            last_ts: self.last,
            sources: sources.len(),
            top_sources: top.collect(),
        };
        let line = event("tcp_connections_refused.v0", self.last, None, &summary);
        line.inspect_err(|error| tracing::error!(%error, "an event could not be written")).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::edge::route::Route;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn refused(refusals: &Refusals, client: &str, endpoint: Option<&str>, second: i64, now: Instant) -> bool {
        let route = Route::undecided("refused");
        let closed = Closed {
            endpoint,
            server_name: None,
            client: client.parse().expect("an address"),
            server: None,
            start: at(0),
            end: at(second),
            route: &route,
            relayed: None,
            cut: None,
        };
        refusals.record(&closed, now)
    }

    fn summaries(refusals: &Refusals) -> Vec<Value> {
        let lines = refusals.summaries();
        let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(events.iter().all(|event| event["event_type"] == "tcp_connections_refused.v0"));
        events.iter().map(|event| event["object"].clone()).collect()
    }

    #[test]
    fn a_source_that_is_too_fast_is_counted_and_no_other() {
        let start = Instant::now();
        let refusals = Refusals::new(start);
        let of = |client, second, now| refused(&refusals, client, Some("ssh"), second, now);
        let own = (0..300).filter(|second| of("192.0.2.1:1", *second, start)).count();
        assert_eq!(own, 100, "as many as a burst has");
        assert!(of("[2001:db8::1]:1", 1, start) && !of("[::ffff:192.0.2.1]:2", 300, start));
        assert!(of("192.0.2.1:1", 301, start + Duration::from_millis(100)), "ten each second");
        assert!(!of("192.0.2.1:1", 302, start + Duration::from_millis(100)));
        assert_eq!(
            summaries(&refusals),
            [json!({
                "endpoint": "ssh", "decision": "error", "count": 202, "sources": 1,
                "first_ts": "1970-01-01T00:01:40Z", "last_ts": "1970-01-01T00:05:02Z",
                "top_sources": [{"network": "192.0.2.1/32", "count": 202}],
            })]
        );
        assert!(refusals.summaries().is_empty(), "told once");
    }

    #[test]
    fn many_sources_share_what_all_have() {
        let start = Instant::now();
        let refusals = Refusals::new(start);
        let of = |number: u32, now| {
            let client = format!("{}:1", std::net::Ipv4Addr::from_bits(number));
            refused(&refusals, &client, None, 0, now)
        };
        assert_eq!((0..3_000).filter(|number| of(*number, start)).count(), 1_000);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..3_000).filter(|number| of(*number + 9_000, later)).count(), 200);
        let [summary] = &*summaries(&refusals) else { panic!("one") };
        assert_eq!((&summary["endpoint"], &summary["count"]), (&Value::Null, &json!(4_800)));
        assert_eq!(summary["top_sources"].as_array().map(Vec::len), Some(TOP_SOURCES));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let start = Instant::now();
        let refusals = Refusals::new(start);
        for number in 0..50_000_u32 {
            let now = start + Duration::from_micros(u64::from(number));
            // Twice of each, so that there is something to count.
            for _ in 0..2 {
                let client = format!("[2001:db8:{:x}:{:x}::1]:1", number >> 16, number & 0xffff);
                refused(&refusals, &client, Some(&format!("ep_{number}")), 0, now);
            }
        }
        {
            let table = refusals.table();
            let sources: usize =
                table.counts.values().flat_map(BTreeMap::values).map(|count| count.sources.len()).sum();
            assert!(table.sources.len() <= MAX_SOURCES && sources <= MAX_COUNTED_SOURCES);
            assert!(table.counts.len() <= MAX_ENDPOINTS + 1);
        }
        let summaries = summaries(&refusals);
        let counted: u64 = summaries.iter().map(|it| it["count"].as_u64().expect("a number")).sum();
        assert!((100_000 - 1_000 - 20..100_000 - 1_000).contains(&counted), "none is left out: {counted}");
        // Whoever was silent for long is forgotten, and is known again.
        let later = start + Duration::from_secs(60);
        assert!(refused(&refusals, "192.0.2.1:1", None, 0, later));
        assert_eq!(refusals.table().sources.len(), 1);
    }
}
