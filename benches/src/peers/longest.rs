//! Ours: the longest-prefix table of `policy-core`.

#![allow(clippy::expect_used, reason = "bench data fits the budget")]

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use policy_core::lpm::LongestMatch;

use super::Longest;

/// The table.
#[derive(Debug)]
pub struct Ours(LongestMatch);

impl Ours {
    /// Builds the table without a copy of the list.
    #[must_use]
    pub fn from_entries(entries: impl IntoIterator<Item = (IpNetwork, u32)>) -> Self {
        Self(LongestMatch::build(entries).expect("within the budget"))
    }

    /// Looks up many IPv4 addresses at once; gives the sum of the ids, as `bars::drive::throughput` does.
    pub fn v4_each(&self, addresses: &[Ipv4Addr], found: &mut [Option<u32>]) -> u64 {
        self.0.lookup_v4_each(addresses, found);
        sum(found)
    }

    /// The same of IPv6.
    pub fn v6_each(&self, addresses: &[Ipv6Addr], found: &mut [Option<u32>]) -> u64 {
        self.0.lookup_v6_each(addresses, found);
        sum(found)
    }

    /// How much memory the table says that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

fn sum(found: &[Option<u32>]) -> u64 {
    found.iter().map(|id| u64::from(id.unwrap_or(u32::MAX))).fold(0, u64::wrapping_add)
}

impl Longest for Ours {
    const NAME: &'static str = "policy-core";

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        Self::from_entries(entries.iter().copied())
    }

    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.0.lookup_v4(address)
    }

    fn v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.0.lookup_v6(address)
    }
}
