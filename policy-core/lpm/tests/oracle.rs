//! Tables and sets against linear lists, at every boundary.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "support/addresses.rs"]
mod addresses;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use addresses::{address, boundaries, network};
use ipnetwork::IpNetwork;
use policy_lpm::reference::network_contains;
use policy_lpm::{AddressTable, ClassId, LongestMatch, RangeSet, TableLimits, TestId, cidr, range_networks};
use proptest::prelude::*;

fn networks() -> impl Strategy<Value = Vec<IpNetwork>> {
    prop::collection::vec(network(), 0..12)
}

/// Values of every width, most of them few, so that neighbours merge.
fn value() -> impl Strategy<Value = u32> {
    prop_oneof![
        6 => 0..9_u32,
        1 => 0..70_000_u32,
        1 => (0..4_u32).prop_map(|low| u32::MAX - low),
        1 => any::<u32>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_the_linear_list(
        lists in prop::collection::vec((networks(), networks()), 1..5),
        more in prop::collection::vec(address(), 8),
    ) {
        let sets: Vec<_> = lists
            .iter()
            .map(|(allow, deny)| {
                let set = |list: &[IpNetwork]| RangeSet::from_networks(list.iter().copied());
                set(allow).without(&set(deny))
            })
            .collect();
        let table = AddressTable::build(&sets, TableLimits::default()).expect("small");
        let all: Vec<_> = lists.iter().flat_map(|(allow, deny)| [allow.clone(), deny.clone()].concat()).collect();
        let probes: Vec<_> = boundaries(&all).into_iter().chain(more).collect();
        // One place is too few, which leaves the last address out.
        let mut classes = vec![ClassId::new(u32::MAX); probes.len() - 1];
        table.class_each(&probes, &mut classes);
        for (at, probe) in probes.into_iter().enumerate() {
            let class = table.class(probe);
            prop_assert!(classes.get(at).is_none_or(|of_many| *of_many == class), "{} among others", probe);
            for (number, (allow, deny)) in (0..).zip(&lists) {
                let holds = |list: &[IpNetwork]| list.iter().any(|it| network_contains(*it, probe));
                let expected = holds(allow) && !holds(deny);
                prop_assert_eq!(table.contains(class, TestId(number)), expected, "{} in test {}", probe, number);
                prop_assert_eq!(sets[number as usize].contains(probe), expected, "{} in set {}", probe, number);
            }
        }
    }

    /// The longest match against a walk over the list; of equal prefixes the last counts.
    #[test]
    fn the_longest_match_is_the_linear_list(
        list in prop::collection::vec((network(), value()), 0..60),
        more in prop::collection::vec(address(), 8),
    ) {
        let table = LongestMatch::build(list.iter().copied()).expect("small");
        // As the table takes them: a mapped prefix is the IPv4 prefix.
        let length = |network: &IpNetwork| cidr(&network.to_string()).expect("its own text").network.prefix();
        let networks: Vec<_> = list.iter().map(|(network, _)| *network).collect();
        let ranges: Vec<_> = table.ranges().collect();
        let probes: Vec<_> = boundaries(&networks).into_iter().chain(more).collect();
        // One place is too many, which stays as it is.
        let mut values = vec![Some(12_345); probes.len() + 1];
        table.lookup_each(&probes, &mut values);
        prop_assert_eq!(values.pop(), Some(Some(12_345)));
        for (probe, of_many) in probes.into_iter().zip(values) {
            let holding = list.iter().filter(|(network, _)| network_contains(*network, probe));
            let expected = holding.max_by_key(|(network, _)| length(network)).map(|(_, value)| *value);
            prop_assert_eq!(table.lookup(probe), expected, "{}", probe);
            prop_assert_eq!(of_many, expected, "{} among others", probe);
            prop_assert_eq!(table.contains(probe), expected.is_some());
            let canonical = probe.to_canonical();
            let range = ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&canonical));
            prop_assert_eq!(range.map(|(_, _, value)| *value), expected, "{} in the ranges", probe);
        }
    }

    /// The regions cover each family without gap or overlap, and no two neighbours are alike.
    #[test]
    fn regions_partition_the_address_space(lists in prop::collection::vec(networks(), 0..4)) {
        let sets: Vec<_> = lists.iter().map(|list| RangeSet::from_networks(list.iter().copied())).collect();
        let table = AddressTable::build(&sets, TableLimits::default()).expect("small");
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        for (v6, end) in [(false, u128::from(u32::MAX)), (true, u128::MAX)] {
            let regions: Vec<_> = table.regions().filter(|(first, ..)| first.is_ipv6() == v6).collect();
            prop_assert_eq!(bits(regions[0].0), 0);
            prop_assert_eq!(bits(regions[regions.len() - 1].1), end);
            for pair in regions.windows(2) {
                prop_assert_eq!(bits(pair[0].1) + 1, bits(pair[1].0));
                prop_assert_ne!(pair[0].2, pair[1].2);
            }
        }
    }

    /// Equal sets give equal tables, however their lists are written: split, repeated, in any order.
    #[test]
    fn the_table_is_canonical(list in networks(), seed in any::<u64>()) {
        let mut other = Vec::new();
        for network in &list {
            let max = if network.is_ipv4() { 32 } else { 128 };
            match network.prefix() {
                length if length < max && seed % 2 == 0 => {
                    let half = IpNetwork::new(network.network(), length + 1).expect("longer");
                    let upper = IpNetwork::new(half.broadcast(), length).expect("same length").broadcast();
                    other.push(IpNetwork::new(upper, length + 1).expect("longer"));
                    other.push(half);
                }
                _ => other.extend([*network, *network]),
            }
        }
        other.reverse();
        let build = |list: &[IpNetwork]| {
            AddressTable::build(&[RangeSet::from_networks(list.iter().copied())], TableLimits::default())
        };
        // Splitting a /95 that ends in the mapped block makes a mapped /96, which is IPv4 by the rule.
        let plain = |list: &[IpNetwork]| list.iter().all(|it| it.is_ipv4() || it.prefix() != 95);
        prop_assume!(plain(&list));
        prop_assert_eq!(build(&list), build(&other));
    }

    #[test]
    fn networks_of_ranges_cover_them_exactly(list in networks()) {
        let set = RangeSet::from_networks(list.iter().copied());
        // A cover may hold the mapped block as an IPv6 network, which reads back as IPv4: keep to what does not.
        let mapped = |it: &IpNetwork| it.is_ipv6() && it.prefix() < 96;
        prop_assume!(!list.iter().any(mapped));
        let v4 = set.v4().as_slice().iter().map(|&(first, last)| (Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into()));
        let v6 = set.v6().as_slice().iter().map(|&(first, last)| (Ipv6Addr::from(first).into(), Ipv6Addr::from(last).into()));
        let covers = v4.chain(v6).flat_map(|(first, last)| range_networks(first, last));
        prop_assert_eq!(RangeSet::from_networks(covers), set.clone());
    }

    #[test]
    fn cidr_texts_mean_what_the_bits_say(network in network(), probe in address()) {
        let entry = cidr(&network.to_string()).expect("its own text");
        prop_assert_eq!(network_contains(entry.network, probe), network_contains(network, probe));
        prop_assert_eq!(entry.host_bits, network.network() != network.ip());
    }
}
