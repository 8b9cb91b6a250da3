//! Ours: the longest-prefix table of `policy-core`.

#![allow(clippy::expect_used, reason = "bench data fits the budget")]

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use self::stand_in::LongestMatch;
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

    /// How much memory the table says that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
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

/// Sorted ranges with the interface of the table.
mod stand_in {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use ipnetwork::IpNetwork;

    use super::super::{Longest as _, Ranges};

    #[derive(Debug)]
    pub(super) struct LongestMatch(Ranges);

    #[derive(Debug)]
    pub(super) struct TooLarge;

    impl LongestMatch {
        #[allow(clippy::unnecessary_wraps, reason = "the interface of the table")]
        pub(super) fn build(entries: impl IntoIterator<Item = (IpNetwork, u32)>) -> Result<Self, TooLarge> {
            Ok(Self(Ranges::build(&entries.into_iter().collect::<Vec<_>>())))
        }

        pub(super) fn lookup_v4(&self, address: Ipv4Addr) -> Option<u32> {
            self.0.v4(address)
        }

        pub(super) fn lookup_v6(&self, address: Ipv6Addr) -> Option<u32> {
            self.0.v6(address)
        }

        pub(super) fn bytes(&self) -> usize {
            self.0.bytes()
        }
    }
}
