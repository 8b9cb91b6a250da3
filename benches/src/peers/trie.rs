//! `prefix-trie`, the fastest published crate of its kind that was measured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use prefix_trie::{PrefixMap, PrefixSet};

use super::{Longest, Membership};

/// The trie as a set; IPv4 only, as the data of its benches.
#[derive(Debug)]
pub struct Trie(PrefixSet<Ipv4Network>);

impl Membership for Trie {
    const NAME: &'static str = "prefix-trie";

    fn build(networks: &[IpNetwork]) -> Self {
        let v4 = networks.iter().filter_map(|network| match network {
            IpNetwork::V4(network) => Some(*network),
            IpNetwork::V6(_) => None,
        });
        Self(v4.collect())
    }

    fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.0.get_lpm(&address.into()).is_some(),
            IpAddr::V6(_) => false,
        }
    }
}

/// The trie as a map, one for each family.
#[derive(Debug)]
pub struct TrieMap {
    v4: PrefixMap<Ipv4Network, u32>,
    v6: PrefixMap<Ipv6Network, u32>,
}

impl Longest for TrieMap {
    const NAME: &'static str = "prefix-trie";

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        let mut trie = Self { v4: PrefixMap::new(), v6: PrefixMap::new() };
        for &(network, id) in entries {
            match network {
                IpNetwork::V4(network) => trie.v4.insert(network, id),
                IpNetwork::V6(network) => trie.v6.insert(network, id),
            };
        }
        trie
    }

    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.v4.get_lpm(&address.into()).map(|(_, &id)| id)
    }

    fn v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.v6.get_lpm(&address.into()).map(|(_, &id)| id)
    }
}
