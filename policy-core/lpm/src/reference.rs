//! What the tables are compared with, behind the feature `reference`: deliberately stupid.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// True if a network holds an address, by the rule of the families: an IPv4-mapped address is IPv4, a
/// mapped network of at least 96 bits is IPv4, and families never match one another. Bit by bit.
#[must_use]
pub fn network_contains(network: IpNetwork, address: IpAddr) -> bool {
    let (network_bits, length) = match network {
        IpNetwork::V4(v4) => (bits(v4.ip().into()), v4.prefix()),
        IpNetwork::V6(v6) => match v6.ip().to_ipv4_mapped().filter(|_| v6.prefix() >= 96) {
            Some(mapped) => (bits(mapped.into()), v6.prefix() - 96),
            None => (raw_bits(v6.ip().into()), v6.prefix()),
        },
    };
    let address_bits = bits(address);
    network_bits.len() == address_bits.len()
        && network_bits.iter().zip(&address_bits).take(length.into()).all(|(a, b)| a == b)
}

fn bits(address: IpAddr) -> Vec<bool> {
    raw_bits(match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

fn raw_bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect()
}
