//! A list of `ipnetwork` networks, walked from the front.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{Longest, Membership};

/// The linear list.
#[derive(Debug)]
pub struct Linear(Vec<IpNetwork>);

impl Membership for Linear {
    const NAME: &'static str = "ipnetwork-linear";

    fn build(networks: &[IpNetwork]) -> Self {
        Self(networks.to_vec())
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// The linear list with the longest networks first, so that the first match is the answer.
#[derive(Debug)]
pub struct LongestLinear {
    v4: Vec<(Ipv4Network, u32)>,
    v6: Vec<(Ipv6Network, u32)>,
}

impl Longest for LongestLinear {
    const NAME: &'static str = "ipnetwork-linear";

    fn build(entries: &[(IpNetwork, u32)]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for &(network, id) in entries.iter().rev() {
            match network {
                IpNetwork::V4(network) => v4.push((network, id)),
                IpNetwork::V6(network) => v6.push((network, id)),
            }
        }
        v4.sort_by_key(|(network, _)| Reverse(network.prefix()));
        v6.sort_by_key(|(network, _)| Reverse(network.prefix()));
        Self { v4, v6 }
    }

    fn v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.v4.iter().find(|(network, _)| network.contains(address)).map(|&(_, id)| id)
    }

    fn v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.v6.iter().find(|(network, _)| network.contains(address)).map(|&(_, id)| id)
    }
}
