//! `ip_network_table`, a tree bitmap.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ip_network::IpNetwork as Network;
use ip_network_table::IpNetworkTable;
use ipnetwork::IpNetwork;

use super::Longest;

/// The table.
pub struct TreeBitmap(IpNetworkTable<u32>);

impl fmt::Debug for TreeBitmap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("TreeBitmap").field(&self.0.len()).finish()
    }
}

impl Longest for TreeBitmap {
    const NAME: &'static str = "ip_network_table";

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        let v4 = entries.iter().filter(|(network, _)| network.is_ipv4()).count();
        let mut table = IpNetworkTable::with_capacity(v4, entries.len() - v4);
        for &(network, id) in entries {
            if let Ok(network) = Network::new(network.network(), network.prefix()) {
                table.insert(network, id);
            }
        }
        Self(table)
    }

    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.0.longest_match_ipv4(address).map(|(_, &id)| id)
    }

    fn v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.0.longest_match_ipv6(address).map(|(_, &id)| id)
    }
}
