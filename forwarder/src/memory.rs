//! Gives the memory of closed connections back to the system.
//!
//! The allocator of glibc keeps what is freed between pieces that are still in use: after 3,000 connections an edge held
//! 110 MB that nobody needed. Asked to trim, it returns whole pages wherever they lie (`malloc_trim`, glibc 2.8), which
//! takes some milliseconds: so it is asked only after many connections have ended, beside everything else. Other
//! allocators do so themselves.

use std::time::Duration;

use tokio::time::sleep;

/// How often it is looked whether many have ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Connections fewer than at the highest since the last time.
const MANY: usize = 200;

/// Gives memory back whenever many connections have ended, for as long as there is a number of open ones.
pub(crate) async fn give_back(open: impl Fn() -> Option<usize>) {
    let mut highest = 0;
    loop {
        sleep(LOOK_EVERY).await;
        let Some(now) = open() else { return };
        highest = now.max(highest);
        if highest - now >= MANY {
            highest = now;
            // It takes locks of the allocator; a worker must not wait for it. Without a thread it is done next time.
            let _ = tokio::task::spawn_blocking(trim).await;
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the reviewed exception: a call without arguments that could be wrong")]
fn trim() {
    // SAFETY: `malloc_trim` takes a number by value, may be called at any time by any thread (malloc_trim(3): MT-Safe),
    // and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}
