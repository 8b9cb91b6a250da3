//! Addresses and networks as tests draw them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use proptest::prelude::*;

/// Addresses from a few crowded corners, so that prefixes nest, touch, repeat and overlap.
pub(super) fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = prop_oneof![
        (0..8_u32).prop_map(|low| 0x0a00_0000 + low),
        (0..1_024_u32).prop_map(|low| 0x0aff_fe00 + low),
        (0..4_u32),
        (0..4_u32).prop_map(|low| u32::MAX - low),
        any::<u32>(),
    ];
    let v6 = prop_oneof![
        (0..8_u128).prop_map(|low| 0x2001_0db8 << 96 | low),
        (0..4_u128),
        (0..4_u128).prop_map(|low| u128::MAX - low),
        // The mapped block and its neighbours.
        (0..8_u128).prop_map(|low| (0xffff_u128 << 32) + low),
        (0..8_u128).prop_map(|low| (0xfffe_ffff_ffff_u128) - low),
        (0..8_u128).prop_map(|low| (0x1_0000_0000_0000_u128) + low),
        any::<u128>(),
    ];
    prop_oneof![
        3 => v4.prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
        2 => v6.prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits))),
    ]
}

/// A prefix with host bits as they come.
pub(super) fn network() -> impl Strategy<Value = IpNetwork> {
    (address(), 0..=128_u8, any::<bool>()).prop_map(|(address, length, long)| {
        let max = if address.is_ipv4() { 32 } else { 128 };
        // Half of them long: short ones swallow everything.
        let length = if long { max - length % 12 } else { length % (max + 1) };
        IpNetwork::new(address, length).expect("a length of its family")
    })
}

/// First and last address of a network and their neighbours, in every spelling.
pub(super) fn boundaries(networks: &[IpNetwork]) -> Vec<IpAddr> {
    let mut out = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    for network in networks {
        match network {
            IpNetwork::V4(v4) => {
                let (first, last) = (u32::from(v4.network()), u32::from(v4.broadcast()));
                for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                    let address = Ipv4Addr::from(bits);
                    out.extend([IpAddr::V4(address), IpAddr::V6(address.to_ipv6_mapped())]);
                }
            }
            IpNetwork::V6(v6) => {
                let (first, last) = (u128::from(v6.network()), u128::from(v6.broadcast()));
                for bits in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                    out.push(Ipv6Addr::from(bits).into());
                }
            }
        }
    }
    out
}
