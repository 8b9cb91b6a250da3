//! The peers, one file each.

mod address_table;
mod cel;
mod dir24;
mod flat;
mod ip_network_table;
mod lc_trie;
mod linear;
mod longest;
mod ranges;
mod trie;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

pub use self::cel::{Cel, CelInterpreter, Expressions};
pub use address_table::Table;
pub use dir24::Dir24;
pub use ip_network_table::TreeBitmap;
pub use lc_trie::LcTrie;
pub use linear::{Linear, LongestLinear};
pub use longest::Ours;
pub use ranges::Ranges;
pub use trie::{Trie, TrieMap};

/// Answers whether an address is in a list.
pub trait Membership: Sized {
    /// The name in results.
    const NAME: &'static str;

    /// Builds the structure.
    fn build(networks: &[IpNetwork]) -> Self;

    /// True if the list holds the address.
    fn contains(&self, address: IpAddr) -> bool;
}

/// Answers which id the longest network around an address has; of equal networks the later one counts.
pub trait Longest: Sized {
    /// The name in results.
    const NAME: &'static str;

    /// Whether the table knows IPv6.
    const V6: bool = true;

    /// Builds the structure from networks without host bits.
    fn build(entries: &[(IpNetwork, u32)]) -> Self;

    /// The id of the longest IPv4 network around the address.
    fn v4(&self, address: Ipv4Addr) -> Option<u32>;

    /// The id of the longest IPv6 network around the address.
    fn v6(&self, address: Ipv6Addr) -> Option<u32>;

    /// The same for either family.
    fn find(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(address) => self.v4(address),
            IpAddr::V6(address) => self.v6(address),
        }
    }
}
