//! All peers give the same answers: nothing is timed that is not equal.

use benches::data::{addresses, networks};
use benches::peers::{Linear, Membership, Table, Trie};

#[test]
fn peers_agree() {
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
