//! The policy language's own tests of addresses, on texts.
//!
//! Source: ngrok documentation, CIDR and string macros (2026-08-07). Host bits are allowed; a network that
//! cannot be read holds nothing. IPv4-mapped addresses are IPv4, as everywhere in policies.

use std::net::IpAddr;

use crate::cel::library::overload::{Call, Cost, Form, Overload};
use crate::cel::{Fault, Value};
use crate::lpm;

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new(
        "inCidrRange(string, string) -> bool",
        "true if the network contains the address; false for an invalid one",
        Cost::Unit,
        in_range,
    )
    .known_as(Form::Within),
    Overload::new(
        "inCidrRanges(string, list(string)) -> bool",
        "true if one of the networks contains the address; invalid ones are skipped",
        Cost::Scan,
        in_ranges,
    )
    .known_as(Form::Within),
    Overload::new(
        "(string).isPrivateIp() -> bool",
        "true for an address of RFC 1918",
        Cost::Unit,
        is_private,
    )
    .known_as(Form::WithinFixed(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])),
];

/// True if a network in text form holds an address in text form.
fn holds(network: &str, address: Option<IpAddr>) -> bool {
    let network = lpm::cidr(network).ok().filter(|network| !network.bare);
    let (Some(network), Some(address)) = (network, address) else { return false };
    network.network.contains(address)
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn in_range(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(holds(call.text(1)?, address(call.text(0)?))))
}

fn in_ranges(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let address = address(call.text(0)?);
    let mut found = false;
    for network in call.items(1)? {
        let Value::String(network) = network else { return Err(Fault::overload(network.type_name())) };
        found |= holds(network, address);
    }
    Ok(Value::Bool(found))
}

fn is_private(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(matches!(address(call.text(0)?), Some(IpAddr::V4(v4)) if v4.is_private())))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// The first bits of both are the same, compared one by one.
    fn share(a: &[u8], b: &[u8], bits: usize) -> bool {
        (0..bits).all(|bit| (a[bit / 8] ^ b[bit / 8]) & (0x80 >> (bit % 8)) == 0)
    }

    proptest! {
        #[test]
        fn a_network_holds_what_begins_like_it(a: [u8; 4], b: [u8; 4], same in 0_usize..=32, bits in 0_usize..=32) {
            // Addresses that share a beginning more often than chance would have it.
            let mut b = b;
            (0..same).for_each(|bit| {
                let mask = 0x80 >> (bit % 8);
                b[bit / 8] = b[bit / 8] & !mask | a[bit / 8] & mask;
            });
            let (network, text) = (Ipv4Addr::from(a), Ipv4Addr::from(b).to_string());
            let held = holds(&format!("{network}/{bits}"), address(&text));
            prop_assert_eq!(held, share(&a, &b, bits));
            // Mapped into IPv6 it is the same address; in IPv6 it is in no network of IPv4.
            prop_assert_eq!(holds(&format!("{network}/{bits}"), address(&format!("::ffff:{text}"))), held);
            let other = address(&format!("2001:db8::{text}"));
            let in_six = holds(&format!("{network}/{bits}"), other);
            prop_assert!(!in_six);
            prop_assert!(!holds(&network.to_string(), address(&network.to_string())), "no length");
        }

        #[test]
        fn the_same_of_six(a: [u8; 16], same in 0_usize..=128, bits in 0_usize..=128) {
            // Neither is mapped or an address of IPv4.
            let mut a = a;
            a[0] = 0x20;
            let mut b = a;
            if let Some(byte) = b.get_mut(same / 8) {
                *byte ^= 0x80 >> (same % 8);
            }
            prop_assume!(b[0] != 0);
            let (network, text) = (Ipv6Addr::from(a), Ipv6Addr::from(b).to_string());
            prop_assert_eq!(holds(&format!("{network}/{bits}"), address(&text)), share(&a, &b, bits));
        }
    }
}
