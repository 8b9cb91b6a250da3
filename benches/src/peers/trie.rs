//! `prefix-trie`, the fastest published crate of its kind that was measured.

use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network};
use prefix_trie::PrefixSet;

use super::Membership;

/// The trie; IPv4 only, as the data of these benches.
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
