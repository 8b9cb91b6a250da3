//! Blocks of addresses that have a name.

use ipnetwork::IpNetwork;

/// Blocks and what they are for (IANA, IPv4 and IPv6 special-purpose address registries; RFC 5771 and RFC 4291 for
/// multicast).
const BLOCKS: &[(&str, &str)] = &[
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("fc00::/7", "private"),
    ("127.0.0.0/8", "loopback"),
    ("::1/128", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("fe80::/10", "link-local"),
    ("100.64.0.0/10", "shared, carrier-grade NAT"),
    ("192.0.2.0/24", "documentation"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("2001:db8::/32", "documentation"),
    ("3fff::/20", "documentation"),
    ("198.18.0.0/15", "benchmarking"),
    ("224.0.0.0/4", "multicast"),
    ("ff00::/8", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("0.0.0.0/8", "this network"),
];

/// What the special-purpose block is for in which a network lies as a whole; `None` for all others. O(blocks).
///
/// ```
/// use policy_core::analyse::special_block;
/// assert_eq!(special_block("10.1.0.0/16".parse()?), Some("private"));
/// assert_eq!(special_block("8.0.0.0/5".parse()?), None);
/// # Ok::<(), ipnetwork::IpNetworkError>(())
/// ```
#[must_use]
pub fn special_block(network: IpNetwork) -> Option<&'static str> {
    let holds = |block: &str| {
        let block = block.parse::<IpNetwork>().ok()?;
        Some(block.prefix() <= network.prefix() && block.contains(network.network()))
    };
    BLOCKS.iter().find(|(block, _)| holds(block) == Some(true)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_its_name() {
        for (block, name) in BLOCKS {
            assert_eq!(special_block(block.parse().expect("a network")), Some(*name), "{block}");
        }
        assert_eq!(special_block("0.0.0.0/0".parse().expect("a network")), None);
    }
}
