//! Gives the memory of closed connections back to the system.
//!
//! The allocator of glibc keeps what is freed between pieces that are still in use: after 3,000 connections an edge held
//! 110 MB that nobody needed. Delivery to trim, it returns whole pages wherever they lie (`malloc_trim`, glibc 2.8), which
//! takes some milliseconds: so it is asked only after many connections have ended, beside everything else. Other
//! allocators do so themselves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::base::platform::trim_memory;

/// How often it is looked whether many have ended.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Connections that have ended since the last time.
const MANY: usize = 200;
/// While they go on to end, it is done this often.
const MAX_INTERVAL: Duration = Duration::from_secs(30);

/// Connections of the process that have ended.
static ENDED: AtomicUsize = AtomicUsize::new(0);

/// A connection has ended.
pub(crate) fn note_end() {
    ENDED.fetch_add(1, Ordering::Relaxed);
}

/// Gives memory back whenever many connections have ended, for as long as somebody lives who has some.
pub(crate) async fn give_back(lives: impl Fn() -> bool) {
    let ended = || ENDED.load(Ordering::Relaxed);
    let (mut done, mut before, mut at) = (ended(), ended(), Instant::now());
    while lives() {
        sleep(CHECK_INTERVAL).await;
        let now = ended();
        // Once they have stopped to end: arenas are locked one by one meanwhile, and whoever allocates there waits.
        let is_time = now == before || at.elapsed() >= MAX_INTERVAL;
        if now.wrapping_sub(done) >= MANY && is_time {
            (done, at) = (now, Instant::now());
            let _ = tokio::task::spawn_blocking(trim_memory).await;
        }
        before = now;
    }
}
