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

    /// Looks up many IPv4 addresses, so many at once; gives the sum of the ids, as `bars::drive::throughput` does.
    #[must_use]
    pub fn v4_each(&self, addresses: &[Ipv4Addr], at_once: usize) -> u64 {
        let mut found = vec![None; at_once];
        let look_up = |addresses: &[Ipv4Addr]| {
            self.0.lookup_v4_each(addresses, &mut found);
            sum(found.get(..addresses.len()).unwrap_or(&found))
        };
        addresses.chunks(at_once).map(look_up).fold(0, u64::wrapping_add)
    }

    /// The same of IPv6.
    #[must_use]
    pub fn v6_each(&self, addresses: &[Ipv6Addr], at_once: usize) -> u64 {
        let mut found = vec![None; at_once];
        let look_up = |addresses: &[Ipv6Addr]| {
            self.0.lookup_v6_each(addresses, &mut found);
            sum(found.get(..addresses.len()).unwrap_or(&found))
        };
        addresses.chunks(at_once).map(look_up).fold(0, u64::wrapping_add)
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
