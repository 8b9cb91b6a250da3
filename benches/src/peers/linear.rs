//! A list of `ipnetwork` networks, walked from the front.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::Membership;

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
