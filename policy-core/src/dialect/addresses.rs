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
        "true if the network holds the address; false for an invalid one",
        Cost::Unit,
        in_range,
    )
    .compiled(Form::Within),
    Overload::new(
        "inCidrRanges(string, list(string)) -> bool",
        "true if one of the networks holds the address; invalid ones are skipped",
        Cost::Scan,
        in_ranges,
    )
    .compiled(Form::Within),
    Overload::new(
        "(string).isPrivateIp() -> bool",
        "true for an address of RFC 1918",
        Cost::Unit,
        is_private,
    )
    .compiled(Form::WithinFixed(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])),
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
