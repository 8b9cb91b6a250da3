//! How many connections one address may have open, so that it leaves room for others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections by address.
#[derive(Debug)]
pub(crate) struct Sources {
    max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection, given back with the value.
#[derive(Debug)]
pub(crate) struct SourceSlot {
    sources: Arc<Sources>,
    source: IpAddr,
}

impl Sources {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default() })
    }

    /// A place for a connection from an address, if it has one left.
    pub(crate) fn try_acquire(self: &Arc<Self>, source: IpAddr) -> Option<SourceSlot> {
        let source = network(source);
        let mut open = self.open();
        let number = open.get(&source).copied().unwrap_or(0);
        if number >= self.max {
            return None;
        }
        open.insert(source, number + 1);
        drop(open);
        Some(SourceSlot { sources: Arc::clone(self), source })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // No code panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SourceSlot {
    fn drop(&mut self) {
        let mut open = self.sources.open();
        if let Some(number) = open.get_mut(&self.source) {
            *number = number.saturating_sub(1);
            if *number == 0 {
                open.remove(&self.source);
            }
        }
    }
}

/// Who has one IPv6 address mostly has its /64, so that counts as one source.
pub(crate) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_gets_its_own_back() {
        let sources = Sources::new(2);
        let acquire = |text: &str| sources.try_acquire(text.parse().expect("an address"));
        let one = acquire("192.0.2.1").expect("free");
        let two = acquire("::ffff:192.0.2.1").expect("free");
        assert!(acquire("192.0.2.1").is_none());
        let other = acquire("2001:db8::1").expect("another");
        let _neighbour = acquire("2001:db8::2").expect("free");
        assert!(acquire("2001:db8::3").is_none(), "one network");
        drop(one);
        let again = acquire("192.0.2.1").expect("free again");
        drop((again, two, other));
        assert_eq!(sources.open().len(), 1, "what is over takes no memory");
    }
}
