//! The peers, one file each.

mod address_table;
mod linear;
mod trie;

use std::net::IpAddr;

use ipnetwork::IpNetwork;

pub use address_table::Table;
pub use linear::Linear;
pub use trie::Trie;

/// Answers whether an address is in a list.
pub trait Membership: Sized {
    /// The name in results.
    const NAME: &'static str;

    /// Builds the structure.
    fn build(networks: &[IpNetwork]) -> Self;

    /// True if the list holds the address.
    fn contains(&self, address: IpAddr) -> bool;
}
