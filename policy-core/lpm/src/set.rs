//! A set of addresses, laid out for lookups.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::layout::{Family, Layout};
use super::ranges::{RangeSet, Ranges};
use super::steps::Steps;

/// Whether an address is in a set; as fast as a table with one test.
///
/// ```
/// use policy_lpm::{AddressSet, RangeSet, cidr};
/// let office = RangeSet::from_networks([cidr("203.0.113.0/24")?.network]);
/// let office = AddressSet::new(&office);
/// assert!(office.contains_v4([203, 0, 113, 9].into()));
/// assert!(!office.contains_v6("2001:db8::1".parse().expect("an address")));
/// # Ok::<(), policy_lpm::CidrError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSet {
    v4: Layout<u32>,
    v6: Layout<u128>,
}

impl AddressSet {
    /// Lays a set out. O(ranges).
    #[must_use]
    pub fn new(set: &RangeSet) -> Self {
        Self { v4: layout(set.v4()), v6: layout(set.v6()) }
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }

    /// True if the set holds the address.
    #[inline]
    #[must_use]
    pub fn contains_v4(&self, address: Ipv4Addr) -> bool {
        self.v4.get(address.into()) != 0
    }

    /// True if the set holds the address, which is not an IPv4-mapped one.
    #[inline]
    #[must_use]
    pub fn contains_v6(&self, address: Ipv6Addr) -> bool {
        self.v6.get(address.into()) != 0
    }
}

fn layout<K: Family>(ranges: &Ranges<K>) -> Layout<K> {
    let mut steps = Steps::constant(0);
    for &(first, last) in ranges.as_slice() {
        steps.push(first, 1);
        last.next().into_iter().for_each(|next| steps.push(next, 0));
    }
    Layout::new(&steps)
}
