//! The library of addresses and networks as values, `ip()` and `cidr()`.
//!
//! Source: CEL extension library `network` (cel-spec conformance suite `network_ext`, 2026-06-10; the library
//! Kubernetes introduced). It keeps the text's own family: IPv4 written inside IPv6 is refused. An IPv4-mapped
//! address in hexadecimal equals the IPv4 address; otherwise families never match one another. Policies' own address
//! functions are in `addresses`.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::overload::{Call, Cost, Fails, Form, Overload, TextTest};
use crate::cel::values::fault::Fault;
use crate::cel::values::value::Value;
use crate::diagnostic::shorten;

/// The text at a position may be no address.
const fn no_address(at: usize) -> Fails {
    let (message, help) = ("this fails if the string is not an IP address", "check first: `isIP(text) && …`");
    Fails::Unread { at, test: TextTest::Ip, message, help }
}

/// The text at a position may be no network.
const fn no_network(at: usize) -> Fails {
    let (message, help) =
        ("this fails if the string is not a CIDR network", "check first: `isCIDR(text) && …`");
    Fails::Unread { at, test: TextTest::Cidr, message, help }
}

pub(super) static OVERLOADS: &[Overload] = &[
    Overload::new("ip(string) -> net.IP", "the address a string gives", Cost::Unit, ip)
        .failing(no_address(0)),
    Overload::new("ip(net.IP) -> net.IP", "the same address", Cost::Unit, same),
    Overload::new("isIP(string) -> bool", "true if the string is an address", Cost::Unit, is_ip)
        .known_as(Form::Passes(TextTest::Ip)),
    Overload::new(
        "ip.isCanonical(string) -> bool",
        "true if the address is spelt as `string` would",
        Cost::Unit,
        is_canonical,
    )
    .failing(no_address(0)),
    Overload::new("(net.IP).family() -> int", "4 or 6, the address family", Cost::Unit, family),
    Overload::new(
        "(net.IP).isUnspecified() -> bool",
        "true for `0.0.0.0` and `::`",
        Cost::Unit,
        is_unspecified,
    ),
    Overload::new(
        "(net.IP).isLoopback() -> bool",
        "true for `127.0.0.0/8` and `::1`",
        Cost::Unit,
        is_loopback,
    ),
    Overload::new(
        "(net.IP).isGlobalUnicast() -> bool",
        "true for one host beyond the link, private ones included",
        Cost::Unit,
        is_global_unicast,
    ),
    Overload::new(
        "(net.IP).isLinkLocalUnicast() -> bool",
        "true for `169.254.0.0/16` and `fe80::/10`",
        Cost::Unit,
        is_link_local_unicast,
    ),
    Overload::new(
        "(net.IP).isLinkLocalMulticast() -> bool",
        "true for `224.0.0.0/24` and `ff02::/16`",
        Cost::Unit,
        is_link_local_multicast,
    ),
    Overload::new("cidr(string) -> net.CIDR", "the network a string gives, host bits kept", Cost::Unit, cidr)
        .failing(no_network(0)),
    Overload::new("cidr(net.CIDR) -> net.CIDR", "the same network", Cost::Unit, same),
    Overload::new("isCIDR(string) -> bool", "true if the string is a network", Cost::Unit, is_cidr)
        .known_as(Form::Passes(TextTest::Cidr)),
    Overload::new(
        "(net.CIDR).containsIP(net.IP) -> bool",
        "true if the network contains the address",
        Cost::Unit,
        contains_ip,
    ),
    Overload::new(
        "(net.CIDR).containsIP(string) -> bool",
        "true if the network contains the address",
        Cost::Unit,
        contains_ip,
    )
    .failing(no_address(1)),
    Overload::new(
        "(net.CIDR).containsCIDR(net.CIDR) -> bool",
        "true if the network contains the other",
        Cost::Unit,
        contains_cidr,
    ),
    Overload::new(
        "(net.CIDR).containsCIDR(string) -> bool",
        "true if the network contains the other",
        Cost::Unit,
        contains_cidr,
    )
    .failing(no_network(1)),
    Overload::new("(net.CIDR).ip() -> net.IP", "the address part, host bits kept", Cost::Unit, address),
    Overload::new("(net.CIDR).masked() -> net.CIDR", "the network without host bits", Cost::Unit, masked),
    Overload::new(
        "(net.CIDR).prefixLength() -> int",
        "number of bits of the prefix",
        Cost::Unit,
        prefix_length,
    ),
];

fn parse_ip(text: &str) -> Result<IpAddr, Fault> {
    let bad = |why: &str| Fault::Conversion(format!("`{}` is not an address: {why}", shorten(text)).into());
    if text.contains('%') {
        return Err(bad("a zone is not allowed"));
    }
    let address: IpAddr = text.parse().map_err(|_| bad("write e.g. `192.0.2.1` or `2001:db8::1`"))?;
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() && text.contains('.') => {
            Err(bad("IPv4 inside IPv6 is not allowed"))
        }
        _ => Ok(address),
    }
}

fn parse_cidr(text: &str) -> Result<IpNetwork, Fault> {
    let bad = |why: &str| Fault::Conversion(format!("`{}` is not a network: {why}", shorten(text)).into());
    let (address, length) = text.split_once('/').ok_or_else(|| bad("the prefix length is missing"))?;
    let plain =
        length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length = plain
        .then(|| length.parse().ok())
        .flatten()
        .ok_or_else(|| bad("the prefix length is not a number"))?;
    IpNetwork::new(parse_ip(address)?, length).map_err(|_| bad("the prefix is longer than the address"))
}

fn same(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    call.value(0).cloned()
}

fn ip(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    parse_ip(call.text(0)?).map(Value::Ip)
}

fn is_ip(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(parse_ip(call.text(0)?).is_ok()))
}

fn is_canonical(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let text = call.text(0)?;
    parse_ip(text).map(|address| Value::Bool(address.to_string() == text))
}

/// Asks the receiver, an address.
fn ask(call: &Call<'_, '_>, question: impl Fn(IpAddr) -> bool) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Ip(address) => Ok(Value::Bool(question(*address))),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn family(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    match call.value(0)? {
        Value::Ip(address) => Ok(Value::Int(if address.is_ipv4() { 4 } else { 6 })),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn is_unspecified(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ask(call, |address| address.is_unspecified())
}

fn is_loopback(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ask(call, |address| address.is_loopback())
}

fn link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_global_unicast(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ask(call, |address| {
        let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
        !(broadcast
            || address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || link_local_unicast(address))
    })
}

fn is_link_local_unicast(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ask(call, link_local_unicast)
}

fn is_link_local_multicast(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    ask(call, |address| match address {
        IpAddr::V4(v4) => v4.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
    })
}

fn cidr(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    parse_cidr(call.text(0)?).map(Value::Cidr)
}

fn is_cidr(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Bool(parse_cidr(call.text(0)?).is_ok()))
}

fn network(call: &Call<'_, '_>, at: usize) -> Result<IpNetwork, Fault> {
    match call.value(at)? {
        Value::Cidr(network) => Ok(*network),
        Value::String(text) => parse_cidr(text),
        other => Err(Fault::overload(other.type_name())),
    }
}

fn contains_ip(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let network = network(call, 0)?;
    let address = match call.value(1)? {
        Value::Ip(address) => *address,
        Value::String(text) => parse_ip(text)?,
        other => return Err(Fault::overload(other.type_name())),
    };
    // An address in the notation of the other family is the same address.
    Ok(Value::Bool(network.contains(address) || network.contains(address.to_canonical())))
}

fn contains_cidr(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let (outer, inner) = (network(call, 0)?, network(call, 1)?);
    Ok(Value::Bool(outer.prefix() <= inner.prefix() && outer.contains(inner.ip())))
}

fn address(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    network(call, 0).map(|network| Value::Ip(network.ip()))
}

fn masked(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    let network = network(call, 0)?;
    IpNetwork::new(network.network(), network.prefix()).map(Value::Cidr).map_err(|_| Fault::Overflow)
}

fn prefix_length(call: &mut Call<'_, '_>) -> Result<Value, Fault> {
    network(call, 0).map(|network| Value::Int(network.prefix().into()))
}
