//! Connections whose agent is not known yet.
//!
//! There are few places, and nobody can hold them against others: who comes to a full house takes the place of one who
//! has said the least for the longest, of the source that holds the most. A source with fewer connections than another
//! is always let in.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::net::sources::network;

/// How long a connection keeps its place against others of its own source: while it is silent, and from its first byte
/// on. An agent that is served takes less.
const SILENT: Duration = Duration::from_millis(500);
const SPEAKING: Duration = Duration::from_secs(3);
/// Connections that have lost their place and are not closed yet.
const MAX_LEAVING: usize = 32;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// No byte has come.
    Silent,
    /// Bytes have come.
    Speaking,
    /// TLS is agreed on.
    Secured,
    /// It has opened the stream on which it says who it is.
    Authenticating,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Unknowns {
    max: usize,
    max_of_source: usize,
    table: Mutex<UnknownTable>,
    /// One that had lost its place is closed.
    left: Notify,
}

#[derive(Debug, Default)]
struct UnknownTable {
    next: u64,
    /// In the order in which they came.
    entries: BTreeMap<u64, UnknownAgent>,
    by_source: HashMap<IpAddr, usize>,
    leaving: usize,
}

#[derive(Debug)]
struct UnknownAgent {
    source: IpAddr,
    since: Instant,
    stage: Stage,
    gives_way: CancellationToken,
}

/// The place of one, given back with the value.
#[derive(Debug)]
pub(super) struct Unknown {
    unknowns: Arc<Unknowns>,
    id: u64,
    /// When it came.
    pub(super) since: Instant,
    /// Cancelled when another has its place.
    pub(super) gives_way: CancellationToken,
}

impl Unknown {
    /// It has come so far.
    pub(super) fn reach(&self, stage: Stage) {
        if let Some(entry) = self.unknowns.table().entries.get_mut(&self.id) {
            entry.stage = entry.stage.max(stage);
        }
    }
}

impl Drop for Unknown {
    fn drop(&mut self) {
        let mut table = self.unknowns.table();
        if table.remove(self.id).is_none() {
            // It had lost its place before.
            table.leaving = table.leaving.saturating_sub(1);
            drop(table);
            self.unknowns.left.notify_one();
        }
    }
}

impl UnknownTable {
    fn remove(&mut self, id: u64) -> Option<UnknownAgent> {
        let entry = self.entries.remove(&id)?;
        if let Some(held) = self.by_source.get_mut(&entry.source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_source.remove(&entry.source);
            }
        }
        Some(entry)
    }

    fn held(&self, source: IpAddr) -> usize {
        self.by_source.get(&source).copied().unwrap_or(0)
    }

    /// Who has said the least, of them who came first.
    fn weakest(&self, of: impl Fn(IpAddr) -> bool) -> Option<(u64, &UnknownAgent)> {
        let theirs = self.entries.iter().filter(|(_, entry)| of(entry.source));
        theirs.min_by_key(|(id, entry)| (entry.stage, **id)).map(|(id, entry)| (*id, entry))
    }

    /// Takes a place from one of the same source, if that had time enough.
    fn displace_own(&mut self, source: IpAddr, now: Instant) -> bool {
        let weakest = self.weakest(|other| other == source);
        let late = weakest.filter(|(_, entry)| {
            let time = if entry.stage == Stage::Silent { SILENT } else { SPEAKING };
            now.saturating_duration_since(entry.since) >= time
        });
        late.map(|(id, _)| id).is_some_and(|id| self.displace(id))
    }

    /// Takes a place from a source that holds the most.
    fn displace_other(&mut self, source: IpAddr, now: Instant) -> bool {
        let max = self.by_source.values().copied().max().unwrap_or(0);
        if self.held(source) >= max {
            return self.displace_own(source, now);
        }
        let weakest = self.weakest(|other| self.held(other) == max).map(|(id, _)| id);
        weakest.is_some_and(|id| self.displace(id))
    }

    fn displace(&mut self, id: u64) -> bool {
        let Some(entry) = self.remove(id) else { return false };
        entry.gives_way.cancel();
        self.leaving += 1;
        true
    }
}

impl Unknowns {
    /// Places for `max` connections, and no more than `max_of_source` from one source.
    pub(super) fn new(max: usize, max_of_source: usize) -> Arc<Self> {
        Arc::new(Self { max, max_of_source, table: Mutex::default(), left: Notify::new() })
    }

    fn table(&self) -> MutexGuard<'_, UnknownTable> {
        // No code panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, another's perhaps; `None` if its own source needs all it has.
    pub(super) fn try_acquire(self: &Arc<Self>, source: IpAddr, now: Instant) -> Option<Unknown> {
        let source = network(source);
        let mut table = self.table();
        let has_room = if table.held(source) >= self.max_of_source {
            table.displace_own(source, now)
        } else {
            table.entries.len() < self.max || table.displace_other(source, now)
        };
        if !has_room {
            return None;
        }
        let (id, gives_way) = (table.next, CancellationToken::new());
        table.next += 1;
        *table.by_source.entry(source).or_default() += 1;
        let entry = UnknownAgent { source, since: now, stage: Stage::Silent, gives_way: gives_way.clone() };
        table.entries.insert(id, entry);
        drop(table);
        Some(Unknown { unknowns: Arc::clone(self), id, since: now, gives_way })
    }

    /// Waits until those who have lost their places are closed, but for a few: each still has a file open.
    pub(super) async fn settled(&self) {
        // One task waits here, and a notice that comes early is kept for it.
        while self.table().leaving >= MAX_LEAVING {
            self.left.notified().await;
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let table = self.table();
        assert_eq!(table.by_source.values().sum::<usize>(), table.entries.len());
        table.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_is_alone_is_let_in_however_others_hold_on() {
        for stage in [Stage::Silent, Stage::Speaking, Stage::Secured, Stage::Authenticating] {
            let (unknowns, now) = (Unknowns::new(512, 256), Instant::now());
            let mut held: Vec<_> = (0..512_u16)
                .map(|at| unknowns.try_acquire(source(1 + u8::from(at >= 256)), now).expect("free"))
                .collect();
            held.iter().for_each(|it| it.reach(stage));
            let mut good = Vec::new();
            for number in 10..30 {
                let agent = unknowns.try_acquire(source(number), now).expect("let in");
                agent.reach(Stage::Speaking);
                good.push(agent);
                // The others come again at once, and take places from one another.
                let again: Vec<_> = (0..300_u16)
                    .filter_map(|at| unknowns.try_acquire(source(1 + u8::from(at % 2 == 0)), now))
                    .collect();
                again.iter().for_each(|it| it.reach(stage));
                held.extend(again);
            }
            assert_eq!(unknowns.len(), 512);
            assert!(good.iter().all(|it| !it.gives_way.is_cancelled()));
            assert_eq!(held.iter().filter(|it| !it.gives_way.is_cancelled()).count(), 512 - 20);
            drop((held, good));
            assert_eq!((unknowns.len(), unknowns.table().leaving), (0, 0), "all are given back");
        }
    }

    #[test]
    fn who_has_said_more_stays_longer() {
        let (unknowns, now) = (Unknowns::new(4, 4), Instant::now());
        let held: Vec<_> = (0..4).map(|_| unknowns.try_acquire(source(1), now).expect("free")).collect();
        held[0].reach(Stage::Secured);
        held[1].reach(Stage::Speaking);
        let gone = || held.iter().map(|it| it.gives_way.is_cancelled()).collect::<Vec<_>>();
        let _first = unknowns.try_acquire(source(2), now).expect("let in");
        assert_eq!(gone(), [false, false, true, false], "of two that are silent the older one");
        let _second = unknowns.try_acquire(source(3), now).expect("let in");
        assert_eq!(gone(), [false, false, true, true]);
        let _third = unknowns.try_acquire(source(4), now).expect("let in");
        assert_eq!(gone(), [false, true, true, true]);
    }

    #[test]
    fn a_source_that_has_all_it_may_gives_up_what_is_silent() {
        let (unknowns, now) = (Unknowns::new(100, 3), Instant::now());
        let acquire = |after| unknowns.try_acquire(source(1), now + after);
        let held: Vec<_> = (0..3).map(|_| acquire(Duration::ZERO).expect("free")).collect();
        held[0].reach(Stage::Speaking);
        assert!(acquire(SILENT / 2).is_none(), "an agent has a moment to begin");
        let _newer = acquire(SILENT).expect("let in");
        assert!(held[1].gives_way.is_cancelled() && !held[2].gives_way.is_cancelled());
        assert!(acquire(SECOND).is_some_and(|_| held[2].gives_way.is_cancelled()));
    }

    #[test]
    fn many_sources_with_one_connection_each_keep_nobody_out() {
        let (unknowns, now) = (Unknowns::new(100, 10), Instant::now());
        let held: Vec<_> = (0..100).map(|at| unknowns.try_acquire(source(at), now).expect("free")).collect();
        let _one = unknowns.try_acquire(source(200), now).expect("let in");
        assert!(held[0].gives_way.is_cancelled());
        assert!(unknowns.try_acquire(source(200), now).is_none(), "it has as many as anybody");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_lost_its_place_is_waited_for() {
        let (unknowns, now) = (Unknowns::new(2 * MAX_LEAVING, 2 * MAX_LEAVING), Instant::now());
        let mut held: Vec<_> =
            (0..2 * MAX_LEAVING).map(|_| unknowns.try_acquire(source(1), now).expect("free")).collect();
        let new: Vec<_> = (0..u8::try_from(MAX_LEAVING).expect("few"))
            .map(|at| unknowns.try_acquire(source(10 + at), now).expect("let in"))
            .collect();
        assert!(tokio::time::timeout(SECOND, unknowns.settled()).await.is_err());
        held.truncate(2 * MAX_LEAVING - 1);
        held.remove(0);
        tokio::time::timeout(SECOND, unknowns.settled()).await.expect("one is closed");
        drop(new);
    }
}
