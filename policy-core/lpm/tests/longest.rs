//! Large tables with values of every width, against a search that asks for each length.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use allocation_counter::measure;
use ipnetwork::IpNetwork;
use policy_lpm::LongestMatch;

/// Lengths of the prefixes, longest first: they nest, end within levels of every layout, and are hosts.
const LENGTHS_V4: [u8; 5] = [32, 28, 24, 20, 16];
const LENGTHS_V6: [u8; 5] = [128, 64, 48, 44, 32];

/// Scatters numbers; no two become one.
fn scattered(n: u32) -> u32 {
    n.wrapping_mul(0x9e37_79b1)
}

/// A prefix near others: two thirds of the numbers share their first bits with many.
fn prefix(n: u32, v6: bool) -> IpNetwork {
    let bits = scattered(n);
    let at = (n % 5) as usize;
    let (address, length): (IpAddr, u8) = if v6 {
        let near = if n.is_multiple_of(3) { bits } else { 0x0db8_0000 | bits >> 16 };
        let wide = 0x2001_u128 << 112
            | u128::from(near) << 76
            | u128::from(bits.rotate_left(9)) << 31
            | u128::from(n % 7);
        (Ipv6Addr::from(wide).into(), LENGTHS_V6.get(at).copied().unwrap_or(48))
    } else {
        let near = if n.is_multiple_of(3) { bits } else { 0x0a00_0000 | bits >> 9 };
        (Ipv4Addr::from(near).into(), LENGTHS_V4.get(at).copied().unwrap_or(24))
    };
    let network = IpNetwork::new(address, length).expect("a length of its family");
    IpNetwork::new(network.network(), length).expect("the same")
}

/// The value of the longest prefix, by asking for each length.
fn naive(table: &HashMap<IpNetwork, u32>, address: IpAddr) -> Option<u32> {
    let lengths = if address.is_ipv4() { LENGTHS_V4 } else { LENGTHS_V6 };
    lengths.into_iter().find_map(|length| {
        let network = IpNetwork::new(address, length).expect("a length of its family");
        table.get(&IpNetwork::new(network.network(), length).expect("the same")).copied()
    })
}

/// First and last address of a prefix, and those before and after it.
fn around(network: IpNetwork) -> [IpAddr; 4] {
    match network {
        IpNetwork::V4(it) => {
            let (first, last) = (u32::from(it.network()), u32::from(it.broadcast()));
            [first.wrapping_sub(1), first, last, last.wrapping_add(1)].map(|bits| Ipv4Addr::from(bits).into())
        }
        IpNetwork::V6(it) => {
            let (first, last) = (u128::from(it.network()), u128::from(it.broadcast()));
            [first.wrapping_sub(1), first, last, last.wrapping_add(1)].map(|bits| Ipv6Addr::from(bits).into())
        }
    }
}

/// Compares lookups of many addresses at once with single ones: of both families together, and of each.
fn check_each(what: &str, table: &LongestMatch, probes: &[IpAddr]) {
    let mut values = vec![None; probes.len()];
    table.lookup_each(probes, &mut values);
    let single: Vec<_> = probes.iter().map(|probe| table.lookup(*probe)).collect();
    assert!(values == single, "{what}, {}: both families", probes.len());
    let v4: Vec<_> =
        probes.iter().filter_map(|it| if let IpAddr::V4(v4) = it { Some(*v4) } else { None }).collect();
    let v6: Vec<_> =
        probes.iter().filter_map(|it| if let IpAddr::V6(v6) = it { Some(*v6) } else { None }).collect();
    let (mut of_v4, mut of_v6) = (vec![None; v4.len()], vec![None; v6.len()]);
    table.lookup_v4_each(&v4, &mut of_v4);
    table.lookup_v6_each(&v6, &mut of_v6);
    assert!(v4.iter().map(|it| table.lookup_v4(*it)).eq(of_v4), "{what}, {}: IPv4", v4.len());
    assert!(v6.iter().map(|it| table.lookup_v6(*it)).eq(of_v6), "{what}, {}: IPv6", v6.len());
}

/// Builds, compares at every boundary and in the ranges, and counts the memory.
fn check(what: &str, count: u32, value: impl Fn(u32) -> u32) -> LongestMatch {
    let entries: Vec<_> =
        (0..count).flat_map(|n| [(prefix(n, false), value(n)), (prefix(n, true), value(n))]).collect();
    let naive_table: HashMap<_, _> = entries.iter().copied().collect();
    let mut built = None;
    let counted = measure(|| built = LongestMatch::build(entries.iter().copied()).ok());
    let table = built.expect("small");
    let probes: Vec<_> = entries.iter().flat_map(|(network, _)| around(*network)).collect();
    for probe in &probes {
        assert_eq!(table.lookup(*probe), naive(&naive_table, *probe), "{what}, {count}: {probe}");
    }
    check_each(what, &table, &probes);
    let mut last: Option<(IpAddr, u32)> = None;
    for (first, end, value) in table.ranges() {
        assert!(first <= end && last.is_none_or(|(before, _)| before < first), "{what}, {count}: in order");
        assert_eq!(naive(&naive_table, first), Some(value), "{what}, {count}: {first}");
        assert_eq!(naive(&naive_table, end), Some(value), "{what}, {count}: {end}");
        last = Some((end, value));
    }
    assert_eq!(i64::try_from(table.heap_bytes()), Ok(counted.bytes_current), "{what}, {count}: heap");
    assert_eq!(table.bytes(), size_of::<LongestMatch>() + table.heap_bytes());
    table
}

#[test]
fn values_of_every_width_are_found() {
    for count in [0, 1, 10, 300, 1_000, 3_000] {
        check("one value", count, |_| 7);
        check("the largest values", count, |n| u32::MAX - n % 200);
        check("a byte", count, |n| n % 100);
        check("two bytes", count, |n| n % 60_000);
        check("few values far apart", count, |n| scattered(n % 300));
        check("values far apart", count, scattered);
    }
}

#[test]
fn more_values_than_two_bytes_can_name() {
    for count in [66_000, 90_000] {
        check("numbers", count, |n| n);
        check("numbers far apart", count, scattered);
        check("the largest numbers", count, |n| u32::MAX - n);
        check("many of few", count, |n| scattered(n % 65_530));
    }
}

/// What is chosen is never larger than the other way to keep the values would be.
#[test]
fn numbers_take_no_more_than_their_width() {
    let bytes = |value: fn(u32) -> u32| check("widths", 30_000, value).heap_bytes();
    let (one, three) = (bytes(|n| n % 2), bytes(|n| n % 2 * 0xff_0000 + n % 30_000));
    let (far, wide) = (bytes(|n| scattered(n % 2)), bytes(scattered));
    // For each family a list of two values, and the place that stands for nothing.
    assert!(far <= one + 2 * 3 * size_of::<u32>(), "{far} {one}");
    assert!(three < wide, "{three} {wide}");
}

/// Equal functions give equal tables, however their prefixes are written.
#[test]
fn tables_are_canonical() {
    for value in [|n| n % 90, |n| scattered(n % 500), |n| u32::MAX - n % 3] {
        let list: Vec<_> = (0..5_000).map(|n| (prefix(n, n.is_multiple_of(2)), value(n))).collect();
        let known: HashMap<_, _> = list.iter().copied().collect();
        let mut other: Vec<_> = list.iter().map(|(network, _)| (*network, 123_456_789)).collect();
        other.extend(known.iter().map(|(network, value)| (*network, *value)));
        let build = |list: Vec<(IpNetwork, u32)>| LongestMatch::build(list).expect("small");
        assert_eq!(build(list), build(other));
    }
}
