//! Sorted disjoint ranges with a binary search, as wirefilter has them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{Longest, flat};

/// The ranges of both families.
#[derive(Debug)]
pub struct Ranges {
    v4: Family<u32>,
    v6: Family<u128>,
}

#[derive(Debug)]
struct Family<A> {
    starts: Box<[A]>,
    ids: Box<[Option<u32>]>,
}

impl<A: Copy + Ord> Family<A> {
    fn new(starts: Vec<flat::Start<A>>) -> Self {
        let (starts, ids): (Vec<A>, Vec<_>) = starts.into_iter().unzip();
        Self { starts: starts.into(), ids: ids.into() }
    }

    fn find(&self, address: A) -> Option<u32> {
        let after = self.starts.partition_point(|&start| start <= address);
        self.ids.get(after.wrapping_sub(1)).copied().flatten()
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.ids)
    }
}

impl Ranges {
    /// How much memory the ranges take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }
}

impl Longest for Ranges {
    const NAME: &'static str = "sorted-ranges";

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        Self {
            v4: Family::new(flat::flatten(flat::v4(entries), 0, |at| at.checked_add(1))),
            v6: Family::new(flat::flatten(flat::v6(entries), 0, |at| at.checked_add(1))),
        }
    }

    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.v4.find(address.into())
    }

    fn v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.v6.find(address.into())
    }
}
