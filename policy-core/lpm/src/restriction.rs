//! Permitted sources outside of a policy.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::limits::{TableLimits, TooLarge};
use super::ranges::RangeSet;
use super::table::{AddressTable, TestId};

/// The sources that two lists permit, as `restrict-ips` does: in an allowed network and in no denied one.
///
/// ```
/// use policy_lpm::{cidr, Restriction};
/// let network = |text: &str| cidr(text).expect("a CIDR").network;
/// let office = Restriction::build([network("203.0.113.0/24")], [network("203.0.113.9/32")])?;
/// assert!(office.permits("::ffff:203.0.113.8".parse().expect("an address")));
/// assert!(!office.permits("203.0.113.9".parse().expect("an address")));
/// # Ok::<(), policy_lpm::TooLarge>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction(AddressTable);

/// The only test of its table.
const PERMITTED: TestId = TestId(0);

impl Restriction {
    /// The restriction of two lists; without an allowed network nothing is permitted. O(n log n).
    ///
    /// # Errors
    /// [`TooLarge`] if the lists need over 64 MiB.
    pub fn build(
        allow: impl IntoIterator<Item = IpNetwork>,
        deny: impl IntoIterator<Item = IpNetwork>,
    ) -> Result<Self, TooLarge> {
        let permitted = RangeSet::from_networks(allow).without(&RangeSet::from_networks(deny));
        AddressTable::build(&[permitted], TableLimits::default()).map(Self)
    }

    /// True if connections may come from there; a mapped address is its IPv4 address. One lookup.
    #[must_use]
    pub fn permits(&self, source: IpAddr) -> bool {
        self.0.contains(self.0.class(source), PERMITTED)
    }
}
