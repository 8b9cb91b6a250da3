//! `iptrie`, a level-compressed trie.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use iptrie::map::{LCTrieMap, RTrieMap};
use iptrie::{Ipv4Prefix, Ipv6Prefix};

use super::Longest;

/// The trie, one for each family; its root always matches and says nothing.
pub struct LcTrie {
    v4: LCTrieMap<Ipv4Prefix, Option<u32>>,
    v6: LCTrieMap<Ipv6Prefix, Option<u32>>,
}

impl fmt::Debug for LcTrie {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("LcTrie").field(&self.v4.len()).field(&self.v6.len()).finish()
    }
}

impl Longest for LcTrie {
    const NAME: &'static str = "iptrie-lc";

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        let (mut v4, mut v6) = (RTrieMap::new(), RTrieMap::new());
        for &(network, id) in entries {
            match network {
                IpNetwork::V4(network) => {
                    if let Ok(prefix) = Ipv4Prefix::new(network.network(), network.prefix()) {
                        v4.insert(prefix, Some(id));
                    }
                }
                IpNetwork::V6(network) => {
                    if let Ok(prefix) = Ipv6Prefix::new(network.network(), network.prefix()) {
                        v6.insert(prefix, Some(id));
                    }
                }
            }
        }
        Self { v4: v4.compress(), v6: v6.compress() }
    }

    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        *self.v4.lookup(&address).1
    }

    fn v6(&self, address: Ipv6Addr) -> Option<u32> {
        *self.v6.lookup(&address).1
    }
}
