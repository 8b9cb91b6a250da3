//! Ours: `policy_core::lpm::AddressTable`.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use policy_core::lpm::{AddressTable, RangeSet, TableLimits, TestId};

use super::Membership;

/// The address table with one test.
#[derive(Debug)]
pub struct Table(AddressTable);

impl Membership for Table {
    const NAME: &'static str = "policy-core";

    #[allow(clippy::expect_used, reason = "bench data fits the budget")]
    fn build(networks: &[IpNetwork]) -> Self {
        let set = RangeSet::from_networks(networks.iter().copied());
        Self(AddressTable::build(&[set], TableLimits::default()).expect("within the budget"))
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(self.0.class(address), TestId(0))
    }
}
