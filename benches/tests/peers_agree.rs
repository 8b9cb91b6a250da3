//! All peers give the same answers: nothing is timed that is not equal.
#![allow(clippy::unwrap_used, reason = "lengths are in range")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "small numbers, and the low bits of an address are meant"
)]
#![allow(clippy::indexing_slicing, reason = "windows of two")]

use std::net::IpAddr;

use benches::conditions;
use benches::data::generated::{self, SMALL_V4, SMALL_V6};
use benches::data::tables::{self, Entry};
use benches::data::{Random, addresses, networks};
use benches::peers::{
    Cel, CelInterpreter, Dir24, Expressions, LcTrie, Linear, Longest, LongestLinear, Membership, Ours,
    Ranges, Table, TreeBitmap, Trie, TrieMap,
};
use benches::requests::{self, Fields};
use ipnetwork::IpNetwork;
use policy_core::cel::EvalLimits;

#[test]
fn members_agree() {
    for (number, seed) in [(1, 1), (2, 2), (16, 3), (300, 4), (3_000, 5)] {
        let list = networks(number, seed);
        let (table, linear, trie) = (Table::build(&list), Linear::build(&list), Trie::build(&list));
        let probes = addresses(&list, 4_000, seed + 100);
        let hits = probes.iter().filter(|probe| linear.contains(**probe)).count();
        assert!(hits > 1_000 && hits < probes.len(), "{hits} of {} hit", probes.len());
        for probe in probes {
            let expected = linear.contains(probe);
            assert_eq!(table.contains(probe), expected, "{}: {probe}", Table::NAME);
            assert_eq!(trie.contains(probe), expected, "{}: {probe}", Trie::NAME);
        }
    }
}

/// Networks of any length in a small part of the addresses, so that many nest, touch and repeat.
fn crowded(number: usize, seed: u64) -> Vec<Entry> {
    let mut random = Random::new(seed);
    let entry = |at: usize| {
        let v4 = random.below(2) == 0;
        let (family, length) = if v4 { (32, random.below(33)) } else { (128, random.below(129)) };
        // Half near the start, half near the end of the addresses, in steps that longer networks share.
        let shift = random.below(family);
        let low = (random.wide() % 4) << shift;
        let bits = if random.below(2) == 0 { low } else { !low };
        let address: IpAddr = if v4 { (bits as u32).to_be_bytes().into() } else { bits.to_be_bytes().into() };
        let network = IpNetwork::new(address, length as u8).unwrap();
        (IpNetwork::new(network.network(), network.prefix()).unwrap(), at as u32 % 7)
    };
    (0..number).map(entry).collect()
}

/// The addresses at, before and after both ends of every network.
fn edges(entries: &[Entry]) -> Vec<IpAddr> {
    let around = |address: IpAddr| match address {
        IpAddr::V4(v4) => {
            let bits = u32::from(v4);
            [bits.wrapping_sub(1), bits, bits.wrapping_add(1)].map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            [bits.wrapping_sub(1), bits, bits.wrapping_add(1)].map(|bits| IpAddr::V6(bits.into()))
        }
    };
    let ends = entries.iter().flat_map(|(network, _)| [network.network(), network.broadcast()]);
    ends.flat_map(around).collect()
}

fn agree<P: Longest>(entries: &[Entry], expected: &[(IpAddr, Option<u32>)]) {
    let peer = P::build(entries);
    for &(address, id) in expected.iter().filter(|(address, _)| P::V6 || address.is_ipv4()) {
        assert_eq!(peer.find(address), id, "{}: {address} of {} entries", P::NAME, entries.len());
    }
}

fn all_agree(entries: &[Entry]) {
    let linear = LongestLinear::build(entries);
    let expected: Vec<_> =
        edges(entries).into_iter().map(|address| (address, linear.find(address))).collect();
    agree::<Ours>(entries, &expected);
    agree::<Ranges>(entries, &expected);
    agree::<TrieMap>(entries, &expected);
    agree::<TreeBitmap>(entries, &expected);
    agree::<LcTrie>(entries, &expected);
    agree::<Dir24>(entries, &expected);
}

#[test]
fn longest_matches_agree_on_crowded_tables() {
    all_agree(&[]);
    for (number, seed) in [(1, 1), (2, 2), (3, 3), (16, 4), (16, 5), (100, 6), (300, 7), (600, 8)] {
        all_agree(&crowded(number, seed));
    }
}

#[test]
fn longest_matches_agree_on_generated_tables() {
    for shape in [&SMALL_V4, &SMALL_V6] {
        let table = generated::table(shape);
        assert!(table.len() > 1_000, "{}", table.len());
        all_agree(&sample(&table));
    }
}

/// Runs of neighbours, so that what nests in the table also nests in the sample.
fn sample(table: &[Entry]) -> Vec<Entry> {
    table.chunks(50).step_by((table.len() / 2_000).max(1)).flatten().copied().collect()
}

#[test]
fn longest_matches_agree_on_a_sample_of_each_table() {
    for table in
        [tables::internet_v4(), tables::internet_v6(), tables::country(), tables::cloud(), tables::ipsum()]
    {
        assert!(table.len() > 100_000, "{}", table.len());
        all_agree(&sample(&table));
    }
}

#[test]
fn generated_tables_are_like_the_real_ones() {
    for (table, number) in [
        (generated::table(&generated::INTERNET_V4), 901_899),
        (generated::table(&generated::INTERNET_V6), 160_147),
    ] {
        let nested = table.windows(2).filter(|pair| pair[0].0.contains(pair[1].0.network())).count();
        assert!(table.len() * 100 > number * 95, "{} of {number}", table.len());
        assert!(nested * 10 > table.len() && nested * 2 < table.len(), "{nested} of {}", table.len());
    }
}

fn answers<P: Expressions>(condition: &conditions::Condition, expected: &[bool]) {
    let peer = P::new(condition.peer(), &requests::requests(expected.len()));
    for (at, expected) in expected.iter().enumerate() {
        assert_eq!(peer.holds(at), *expected, "{}: {} of request {at}", P::NAME, condition.text);
    }
}

#[test]
fn expressions_agree() {
    let (requests, fields) = (requests::requests(requests::NUMBER), Fields::new());
    for condition in conditions::ALL {
        let predicate = condition.predicate();
        let holds = |request| predicate.holds(&mut fields.host(request), EvalLimits::default()).unwrap();
        let expected: Vec<bool> = requests.iter().map(holds).collect();
        answers::<Cel>(&condition, &expected);
        answers::<CelInterpreter>(&condition, &expected);
    }
}
