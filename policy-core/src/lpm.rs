//! Addresses: CIDR texts, range sets and the address table.
//!
//! The structures are those of the crate `policy-lpm`, which knows nothing of policies; what an author meant by a
//! text that is no network is said here.

mod slips;

pub(crate) use policy_lpm::{Address, AddressSet};
pub use policy_lpm::{
    AddressTable, AddressTables, CidrError, ClassId, Family, LongestMatch, ParsedCidr, RangeSet, Ranges,
    Restriction, TableLimits, TestId, TooLarge, cidr, family, masked, range_networks, unmapped,
};
pub(crate) use slips::{Slip, alone, slip};
