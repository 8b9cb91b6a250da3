//! Addresses: CIDR texts, range sets and the address table.
//!
//! [`cidr`] reads one list entry, [`RangeSet`] is the canonical form of a list, [`AddressTable`] answers all
//! tests of many lists with one lookup, and [`LongestMatch`] finds the value of the most specific prefix.
//! `ipnetwork` types stand at the door. No I/O, no `unsafe`, no dependency but `ipnetwork`.
//!
//! One rule holds everywhere: an IPv4-mapped address (`::ffff:a.b.c.d`) *is* the IPv4 address, and the two
//! families never match one another. So `::ffff:a/n` with n ≥ 96 is the IPv4 prefix /(n−96), and a shorter
//! IPv6 prefix, `::/0` included, matches no IPv4 address.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::too_many_lines))]

mod batch;
mod cidr;
mod classes;
mod key;
mod layout;
mod limits;
mod longest;
mod ranges;
#[cfg(feature = "reference")]
pub mod reference;
mod restriction;
mod set;
mod steps;
mod table;
mod tables;

pub use cidr::{CidrError, Family, ParsedCidr, cidr, family, masked, unmapped};
pub use key::{Address, Key};
pub use limits::{TableLimits, TooLarge};
pub use longest::LongestMatch;
pub use ranges::{RangeSet, Ranges};
pub use restriction::Restriction;
pub use set::AddressSet;
pub use table::{AddressTable, ClassId, TestId};
pub use tables::AddressTables;

/// The page about the crate runs as it stands.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The smallest list of networks that covers an inclusive range; nothing if its ends are of two families.
///
/// ```
/// let address = |text: &str| text.parse().expect("an address");
/// let networks = policy_lpm::range_networks(address("10.0.0.1"), address("10.0.0.4"));
/// let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
/// assert_eq!(texts, ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"]);
/// ```
#[must_use]
pub fn range_networks(first: std::net::IpAddr, last: std::net::IpAddr) -> Vec<ipnetwork::IpNetwork> {
    use std::net::IpAddr::{V4, V6};
    let mut out = Vec::new();
    match (first, last) {
        (V4(first), V4(last)) => cidr::cover_v4(first.into(), last.into(), &mut out),
        (V6(first), V6(last)) => cidr::cover_v6(first.into(), last.into(), &mut out),
        _ => {}
    }
    out
}
