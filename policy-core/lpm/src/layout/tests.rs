//! Every layout against the function it was built from, at every boundary and its neighbours.

use proptest::prelude::*;

use super::*;
use crate::key::Key;

/// The value at an address, by a search over all ranges.
fn naive<K: Key>(steps: &Steps<K>, key: K) -> u32 {
    let (starts, codes) = steps.parts();
    codes[starts.partition_point(|start| *start <= key) - 1]
}

/// The layouts for many ranges, of every width that does.
trait AllLarge: Family {
    fn all(steps: &Steps<Self>) -> Vec<Self::Large>;
}

impl AllLarge for u32 {
    fn all(steps: &Steps<Self>) -> Vec<Tries> {
        let mut all = vec![Tries::Quad(Trie::new(steps)), Tries::Packed(Trie::new(steps))];
        all.extend((trie::codes(steps.codes()) <= 1 << 16).then(|| Tries::Pair(Trie::new(steps))));
        all.extend((trie::codes(steps.codes()) <= 1 << 8).then(|| Tries::Byte(Trie::new(steps))));
        all
    }
}

impl AllLarge for u128 {
    fn all(steps: &Steps<Self>) -> Vec<Tree> {
        vec![Tree::new(steps)]
    }
}

fn check<K: AllLarge>(steps: &Steps<K>) -> Result<(), TestCaseError> {
    let mut layouts = vec![Layout::new(steps)];
    layouts.extend(K::all(steps).into_iter().map(Layout::Large));
    if steps.len() <= MAX_BUCKETED && steps.len() > 1 {
        layouts.push(Layout::Bucketed(Bucketed::new(steps)));
    }
    if steps.len() <= MAX_COUNTED {
        layouts.push(Layout::Counted32(Box::new(Counted::new(steps))));
    }
    let near = |start: K| [start.previous(), Some(start), start.next()].into_iter().flatten();
    let probes: Vec<_> =
        steps.boundaries().flat_map(|(start, _)| near(start)).chain([K::FIRST, K::LAST]).collect();
    for layout in layouts {
        prop_assert!(&layout.steps() == steps, "{} gives back what it was built from", layout.name());
        for &probe in &probes {
            prop_assert_eq!(layout.get(probe), naive(steps, probe), "{} at {:?}", layout.name(), probe);
        }
        // In groups that are full and ones that are not, whatever stands beside.
        for count in [probes.len(), probes.len() / 2, 1] {
            let mut values = vec![7; count];
            layout.get_each(probes.get(..count).unwrap_or(&probes), &mut values);
            for (probe, value) in probes.iter().zip(values) {
                prop_assert_eq!(value, naive(steps, *probe), "{} at {:?} of {}", layout.name(), probe, count);
            }
        }
    }
    Ok(())
}

fn steps<K: Key>(mut starts: Vec<(K, u32)>, codes: u32) -> Steps<K> {
    starts.sort_unstable();
    let mut steps = Steps::constant(0);
    starts.into_iter().for_each(|(start, code)| steps.push(start, code % codes));
    steps
}

/// Starts in crowds: near one another, at the ends, anywhere.
fn starts_v4() -> impl Strategy<Value = Vec<(u32, u32)>> {
    let start = prop_oneof![
        4 => (0..4_u32, 0..600_u32).prop_map(|(net, low)| 0x0a00_0000 + (net << 16) + low),
        2 => (0..64_u32, 0..4_u32).prop_map(|(net, low)| 0xc0a8_0000 + (net << 8) + low),
        2 => (0..4_096_u32).prop_map(|net| 0x0c00_0000 + (net << 8)),
        1 => 0..3_u32,
        1 => (0..3_u32).prop_map(|low| u32::MAX - low),
        1 => any::<u32>(),
    ];
    prop::collection::vec((start, any::<u32>()), 0..300)
}

fn starts_v6() -> impl Strategy<Value = Vec<(u128, u32)>> {
    let start = prop_oneof![
        3 => (0..9_u128, 0..4_u128).prop_map(|(net, low)| (0x2001_0db8_u128 << 96) + (net << 80) + low),
        3 => (0..64_u128, any::<u8>()).prop_map(|(net, at)| net << (at % 120)),
        2 => (0..2_000_u128).prop_map(|net| (0x2a00_u128 << 112) + (net << 96)),
        1 => (0..3_u128).prop_map(|low| u128::MAX - low),
        1 => any::<u128>(),
    ];
    prop::collection::vec((start, any::<u32>()), 0..200)
}

proptest! {
    #[test]
    fn ipv4_layouts_are_the_function(starts in starts_v4(), codes in prop_oneof![2..5_u32, 100..400_u32]) {
        check(&steps(starts, codes))?;
    }

    #[test]
    fn ipv6_layouts_are_the_function(starts in starts_v6(), codes in prop_oneof![2..5_u32, 100..400_u32]) {
        check(&steps(starts, codes))?;
    }

    /// One crowd alone: all starts share their first bits, and the root begins after them.
    #[test]
    fn shared_bits_are_skipped(low in prop::collection::vec((0..5_000_u32, any::<u32>()), 1..200), at in 0..100_u32) {
        let v4 = low.iter().map(|(low, code)| (0xc612_0000 + low, *code)).collect();
        check(&steps(v4, 7))?;
        let v6 = low.iter().map(|(low, code)| (u128::from(*low) << at, *code)).collect();
        check(&steps(v6, 7))?;
    }
}

#[test]
fn large_functions_have_full_roots() {
    let v4: Vec<_> = (0..400_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) & !0xff, n)).collect();
    let v6 =
        v4.iter().step_by(40).map(|(start, code)| (u128::from(*start) << 90 | 1 << 125, *code)).collect();
    for codes in [13, 1_000, 300_000] {
        check(&steps(v4.iter().step_by(7).copied().collect(), codes)).expect("equal");
    }
    check(&steps(v6, 100)).expect("equal");
}
