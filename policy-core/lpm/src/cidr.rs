//! One CIDR entry: its text, what is odd about it, and the network it means.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

/// A readable entry, with what a careful author would have written otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedCidr {
    /// The network: host bits masked, a mapped one as IPv4.
    pub network: IpNetwork,
    /// True if no `/length` was given.
    pub bare: bool,
    /// True if host bits were set.
    pub host_bits: bool,
    /// True if the address is a mapped IPv4 one and the prefix too short to be of IPv4: no IPv4 client is matched.
    pub mapped: bool,
}

/// Why a text is not a CIDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CidrError {
    /// There is no text.
    Empty,
    /// The part before the slash is not an address.
    Address,
    /// The address names a network interface (`%eth0`), which means nothing to another machine.
    Zone,
    /// The part after the slash is not a number.
    Length,
    /// The prefix length has zeros in front: some read such numbers as octal ones.
    LeadingZero,
    /// A number of the address has zeros in front.
    AddressZero,
    /// There is a dotted mask in the place of the prefix length.
    Mask {
        /// The length that it stands for; `None` if its bits are not in a row.
        length: Option<u8>,
    },
    /// The prefix is longer than the address.
    TooLong {
        /// Bits an address of this family has.
        max: u8,
    },
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Address => f.write_str("the part before the slash is not an IPv4 or IPv6 address"),
            Self::Zone => f.write_str("it has a zone id"),
            Self::Length => f.write_str("the prefix length is not a whole number"),
            Self::LeadingZero => f.write_str("the prefix length begins with a zero"),
            Self::AddressZero => f.write_str("a number of the address begins with a zero"),
            Self::Mask { .. } => f.write_str("it has a dotted mask in place of the prefix length"),
            Self::TooLong { max } => write!(f, "the prefix length is over {max}"),
        }
    }
}

impl std::error::Error for CidrError {}

/// Reads a list entry such as `203.0.113.0/24`; a bare address is a /32 or /128.
///
/// # Errors
/// A [`CidrError`] that says which part is wrong.
///
/// ```
/// use policy_lpm::cidr;
/// let entry = cidr("10.1.2.3/8")?;
/// assert_eq!((entry.network.to_string().as_str(), entry.host_bits), ("10.0.0.0/8", true));
/// assert_eq!(cidr("::ffff:192.0.2.0/120")?.network.to_string(), "192.0.2.0/24");
/// assert!(cidr("fe80::1%eth0/64").is_err());
/// # Ok::<(), policy_lpm::CidrError>(())
/// ```
pub fn cidr(text: &str) -> Result<ParsedCidr, CidrError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    if text.is_empty() {
        return Err(CidrError::Empty);
    }
    if address.contains('%') {
        return Err(CidrError::Zone);
    }
    let address: IpAddr = address.parse().map_err(|_| address_fault(address))?;
    let max = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => max,
        Some(digits) => {
            let shaped =
                !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
            if shaped && digits.len() > 1 && digits.starts_with('0') {
                return Err(CidrError::LeadingZero);
            }
            let length = shaped.then(|| digits.parse().ok()).flatten();
            let length: u16 = length.ok_or_else(|| length_fault(address, digits))?;
            u8::try_from(length).ok().filter(|&length| length <= max).ok_or(CidrError::TooLong { max })?
        }
    };
    let network = IpNetwork::new(address, length).map_err(|_| CidrError::TooLong { max })?;
    let host_bits = network.network() != address;
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) && length < 96;
    Ok(ParsedCidr { network: unmapped(masked(network)), bare: !text.contains('/'), host_bits, mapped })
}

/// What is wrong with a text that is no address.
fn address_fault(text: &str) -> CidrError {
    let padded = |part: &str| part.len() > 1 && part.starts_with('0');
    let number =
        |part: &str| part.len() <= 4 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let dotted = text.split('.').count() == 4 && text.split('.').all(number);
    if dotted && text.split('.').any(padded) { CidrError::AddressZero } else { CidrError::Address }
}

/// What is wrong with a text that is no prefix length.
fn length_fault(address: IpAddr, text: &str) -> CidrError {
    match text.parse::<Ipv4Addr>() {
        Ok(mask) if address.is_ipv4() => {
            let bits = u32::from(mask);
            let length = bits.leading_ones();
            let in_a_row = bits.checked_shl(length).unwrap_or(0) == 0;
            CidrError::Mask { length: u8::try_from(length).ok().filter(|_| in_a_row) }
        }
        _ => CidrError::Length,
    }
}

/// The network with its host bits cleared.
#[must_use]
pub fn masked(network: IpNetwork) -> IpNetwork {
    // The prefix is valid because it comes from a network.
    IpNetwork::new(network.network(), network.prefix()).unwrap_or(network)
}

/// A mapped IPv6 network of at least 96 bits as IPv4; any other network as it is.
#[must_use]
pub fn unmapped(network: IpNetwork) -> IpNetwork {
    let IpNetwork::V6(v6) = network else { return network };
    let mapped = v6.ip().to_ipv4_mapped().filter(|_| v6.prefix() >= 96);
    mapped.and_then(|ip| Ipv4Network::new(ip, v6.prefix() - 96).ok()).map_or(network, IpNetwork::V4)
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4, mapped addresses included.
    V4,
    /// IPv6.
    V6,
}

/// The family in which a network matches clients.
#[must_use]
pub fn family(network: &IpNetwork) -> Family {
    match network {
        IpNetwork::V4(_) => Family::V4,
        IpNetwork::V6(_) => Family::V6,
    }
}

/// First and last address of an IPv4 network, as numbers.
pub(super) fn bounds_v4(network: Ipv4Network) -> (u32, u32) {
    let first = u32::from(network.ip()) & mask_v4(network.prefix());
    (first, first | !mask_v4(network.prefix()))
}

/// First and last address of an IPv6 network, as numbers.
pub(super) fn bounds_v6(network: Ipv6Network) -> (u128, u128) {
    let first = u128::from(network.ip()) & mask_v6(network.prefix());
    (first, first | !mask_v6(network.prefix()))
}

const fn mask_v4(length: u8) -> u32 {
    match length {
        0 => 0,
        _ => u32::MAX << (32 - length),
    }
}

const fn mask_v6(length: u8) -> u128 {
    match length {
        0 => 0,
        _ => u128::MAX << (128 - length),
    }
}

/// The smallest list of networks that covers an inclusive range.
pub(super) fn cover_v4(first: u32, last: u32, out: &mut Vec<IpNetwork>) {
    let wide = |bits| u128::from(bits);
    cover(wide(first), wide(last), 32, &mut |start, length| {
        let ip = u32::try_from(start).ok().map(Ipv4Addr::from);
        out.extend(ip.and_then(|ip| Ipv4Network::new(ip, length).ok()).map(IpNetwork::V4));
    });
}

/// The smallest list of networks that covers an inclusive range.
pub(super) fn cover_v6(first: u128, last: u128, out: &mut Vec<IpNetwork>) {
    cover(first, last, 128, &mut |start, length| {
        out.extend(Ipv6Network::new(Ipv6Addr::from(start), length).ok().map(IpNetwork::V6));
    });
}

/// Takes the largest aligned block at the front until nothing is left; at most 2·bits blocks.
fn cover(mut first: u128, last: u128, bits: u8, emit: &mut dyn FnMut(u128, u8)) {
    while first <= last {
        let aligned = first.trailing_zeros().min(u32::from(bits));
        // Size − 1 of the largest block that ends within the range; 2^128 does not fit, so sizes are kept −1.
        let room = last - first;
        let fitting = if room == u128::MAX { 128 } else { (room + 1).ilog2() };
        let level = aligned.min(fitting);
        let span = if level == 128 { u128::MAX } else { (1 << level) - 1 };
        emit(first, bits - u8::try_from(level).unwrap_or(bits));
        let Some(next) = first.checked_add(span).and_then(|end| end.checked_add(1)) else { return };
        first = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart() {
        for (text, error) in [
            ("", CidrError::Empty),
            ("10.0.0/8", CidrError::Address),
            ("10.0.0.01/8", CidrError::AddressZero),
            ("010.0.0.1", CidrError::AddressZero),
            ("10.0.0.0/255.0.0.0", CidrError::Mask { length: Some(8) }),
            ("10.0.0.0/0.0.0.0", CidrError::Mask { length: Some(0) }),
            ("10.0.0.0/255.255.255.255", CidrError::Mask { length: Some(32) }),
            ("10.0.0.0/0.0.0.255", CidrError::Mask { length: None }),
            ("::/255.0.0.0", CidrError::Length),
            (" 10.0.0.1/8", CidrError::Address),
            ("10.0.0.0/", CidrError::Length),
            ("10.0.0.0/+8", CidrError::Length),
            ("10.0.0.0/8/9", CidrError::Length),
            ("10.0.0.0/1000", CidrError::Length),
            ("10.0.0.0/08", CidrError::LeadingZero),
            ("10.0.0.0/00", CidrError::LeadingZero),
            ("2001:db8::/032", CidrError::LeadingZero),
            ("10.0.0.0/8 ", CidrError::Length),
            ("10.0.0.0/33", CidrError::TooLong { max: 32 }),
            ("::/129", CidrError::TooLong { max: 128 }),
            ("fe80::1%1/64", CidrError::Zone),
        ] {
            assert_eq!(cidr(text), Err(error), "{text}");
        }
        assert_eq!(cidr("0.0.0.0/0").map(|entry| entry.network.prefix()), Ok(0));
    }

    #[test]
    fn mapped_networks_become_ipv4_from_96_bits_on() {
        let text = |entry: &str| cidr(entry).expect("valid").network.to_string();
        assert_eq!(text("::ffff:203.0.113.42"), "203.0.113.42/32");
        assert_eq!(text("::ffff:0:0/96"), "0.0.0.0/0");
        assert_eq!(text("::ffff:0:0/95"), "::fffe:0:0/95");
        assert_eq!(text("::203.0.113.42/128"), "::cb00:712a/128");
    }

    #[test]
    fn covers_are_minimal_and_exact() {
        let mut out = Vec::new();
        cover_v4(0, u32::MAX, &mut out);
        cover_v4(1, 6, &mut out);
        cover_v6(0, u128::MAX, &mut out);
        cover_v6(u128::MAX, u128::MAX, &mut out);
        let text: Vec<_> = out.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "0.0.0.0/0",
                "0.0.0.1/32",
                "0.0.0.2/31",
                "0.0.0.4/31",
                "0.0.0.6/32",
                "::/0",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"
            ]
        );
    }
}
