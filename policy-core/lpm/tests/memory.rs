//! What tables and sets say of their memory is what the allocator gave them.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use allocation_counter::measure;
use ipnetwork::IpNetwork;
use policy_lpm::{AddressSet, AddressTable, RangeSet, TableLimits, TestId};

/// Scattered networks of both families, hosts among them.
fn set(from: u32, count: u32) -> RangeSet {
    let networks = (from..from + count).flat_map(|n| {
        let bits = n.wrapping_mul(0x9e37_79b1);
        let length = if n.is_multiple_of(4) { 32 } else { 24 };
        let v4: IpAddr = Ipv4Addr::from(bits).into();
        let v6: IpAddr = Ipv6Addr::from(u128::from(bits) << 64 | 1 << 125 | u128::from(n)).into();
        [(v4, length), (v6, length * 4)]
    });
    let network = |(address, length)| IpNetwork::new(address, length).expect("a length of its family");
    RangeSet::from_networks(networks.map(network))
}

#[test]
fn tables_of_every_layout_tell_what_they_take() {
    let mut layouts = Vec::new();
    for count in [0, 1, 3, 6, 12, 100, 5_000, 40_000] {
        let sets = [set(0, count), set(count / 2, count), set(7, count / 3)];
        let mut built = None;
        let counted = measure(|| built = AddressTable::build(&sets, TableLimits::default()).ok());
        let table = built.expect("within the budget");
        let heap = i64::try_from(table.bytes() - size_of::<AddressTable>());
        assert_eq!(heap, Ok(counted.bytes_current), "{count}: {:?}", table.layouts());
        assert_eq!(
            measure(|| assert!(!table.contains(table.class([0, 0, 0, 0].into()), TestId(9)))).count_total,
            0
        );
        layouts.extend(table.layouts());

        let mut built = None;
        let counted = measure(|| built = sets.first().map(AddressSet::new));
        let heap = built.map(|set| set.heap_bytes());
        assert_eq!(heap.map(i64::try_from), Some(Ok(counted.bytes_current)), "{count} in a set");
    }
    layouts.sort_unstable();
    layouts.dedup();
    assert_eq!(layouts, ["array", "constant", "root and buckets", "tree", "trie"]);
}
