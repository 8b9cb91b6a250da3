//! Sets of addresses as sorted, disjoint, non-adjacent ranges: the one canonical form of a list.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::cidr::{self, bounds_v4, bounds_v6, unmapped};
use super::key::Key;

/// `::ffff:0:0`, the first of the addresses that are IPv4 (RFC 4291, 2.5.5.2).
const MAPPED_FIRST: u128 = 0xffff_0000_0000;

/// Inclusive ranges of one family; INVARIANT: sorted, disjoint, never adjacent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranges<K>(Vec<(K, K)>);

impl<K: Key> Ranges<K> {
    /// Normalises ranges given in any order. O(n log n).
    #[must_use]
    pub fn new(mut ranges: Vec<(K, K)>) -> Self {
        ranges.sort_unstable();
        let mut out: Vec<(K, K)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match out.last_mut() {
                Some(open) if open.1.next().is_none_or(|next| first <= next) => open.1 = open.1.max(last),
                _ => out.push((first, last)),
            }
        }
        out.shrink_to_fit();
        Self(out)
    }

    /// The ranges, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[(K, K)] {
        &self.0
    }

    /// True if the set holds the key. O(log n).
    #[must_use]
    pub fn contains(&self, key: K) -> bool {
        let behind = self.0.partition_point(|&(first, _)| first <= key);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, last)| key <= last)
    }

    /// True if the set holds every key from the first to the last. O(log n).
    #[must_use]
    pub fn covers(&self, first: K, last: K) -> bool {
        let behind = self.0.partition_point(|&(start, _)| start <= first);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, end)| last <= end)
    }

    /// True if the set holds some key from the first to the last. O(log n).
    #[must_use]
    pub fn meets(&self, first: K, last: K) -> bool {
        let behind = self.0.partition_point(|&(start, _)| start <= last);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|&(_, end)| first <= end)
    }

    /// What is in one of the sets. O(n log n).
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied().collect())
    }

    /// What is in this set and not in the other. O(n + m).
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut out = Vec::with_capacity(self.0.len());
        let mut holes = other.0.iter().copied().peekable();
        for &(first, last) in &self.0 {
            while holes.next_if(|&(_, hole_last)| hole_last < first).is_some() {}
            let mut start = Some(first);
            while let (Some(at), Some(&(hole_first, hole_last))) = (start, holes.peek()) {
                if hole_first > last {
                    break;
                }
                if let Some(before) = hole_first.previous().filter(|&before| before >= at) {
                    out.push((at, before));
                }
                start = hole_last.next().filter(|&next| next <= last);
                if hole_last > last {
                    break;
                }
                holes.next();
            }
            out.extend(start.map(|at| (at, last)));
        }
        Self(out)
    }
}

/// A set of addresses of both families.
///
/// ```
/// use policy_lpm::{cidr, RangeSet};
/// let set = |text: &str| RangeSet::from_networks([cidr(text).expect("a CIDR").network]);
/// let rest = set("10.0.0.0/8").without(&set("10.1.0.0/16"));
/// assert!(rest.contains("10.2.0.1".parse().expect("an address")));
/// assert!(!rest.contains("10.1.0.1".parse().expect("an address")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeSet {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl RangeSet {
    /// The union of networks; host bits are ignored, mapped networks count as IPv4. O(n log n).
    #[must_use]
    pub fn from_networks(networks: impl IntoIterator<Item = IpNetwork>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match unmapped(network) {
                IpNetwork::V4(network) => v4.push(bounds_v4(network)),
                IpNetwork::V6(network) => v6.push(bounds_v6(network)),
            }
        }
        Self { v4: Ranges::new(v4), v6: Ranges::new(v6) }
    }

    /// The addresses of ranges of both families.
    #[must_use]
    pub const fn from_ranges(v4: Ranges<u32>, v6: Ranges<u128>) -> Self {
        Self { v4, v6 }
    }

    /// What is in this set and not in the other. O(n + m).
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self { v4: self.v4.without(&other.v4), v6: self.v6.without(&other.v6) }
    }

    /// Every address of both families.
    #[must_use]
    pub fn all() -> Self {
        Self { v4: Ranges::new(vec![(0, u32::MAX)]), v6: Ranges::new(vec![(0, u128::MAX)]) }
    }

    /// What is in both sets. O(n + m).
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// What is in one of the sets. O(n log n).
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self { v4: self.v4.with(&other.v4), v6: self.v6.with(&other.v6) }
    }

    /// True if the set holds the address; a mapped address is its IPv4 address. O(log n).
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.contains(address.into()),
            IpAddr::V6(address) => self.v6.contains(address.into()),
        }
    }

    /// True if the set holds every address of the network. O(log n).
    #[must_use]
    pub fn covers(&self, network: IpNetwork) -> bool {
        match unmapped(network) {
            IpNetwork::V4(network) => {
                let (first, last) = bounds_v4(network);
                self.v4.covers(first, last)
            }
            IpNetwork::V6(network) => {
                let (first, last) = bounds_v6(network);
                self.v6.covers(first, last)
            }
        }
    }

    /// True if the set holds some address of the network. O(log n).
    #[must_use]
    pub fn meets(&self, network: IpNetwork) -> bool {
        match unmapped(network) {
            IpNetwork::V4(network) => {
                let (first, last) = bounds_v4(network);
                self.v4.meets(first, last)
            }
            IpNetwork::V6(network) => {
                let (first, last) = bounds_v6(network);
                self.v6.meets(first, last)
            }
        }
    }

    /// True if the set holds no address.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    /// The smallest list of networks that covers the set and nothing else, IPv4 before IPv6, in order. O(ranges · prefix
    /// lengths).
    ///
    /// ```
    /// use policy_lpm::RangeSet;
    /// let all = RangeSet::from_networks(["10.0.0.0/9".parse()?, "10.128.0.0/9".parse()?, "::1/128".parse()?]);
    /// let texts: Vec<String> = all.networks().iter().map(ToString::to_string).collect();
    /// assert_eq!(texts, ["10.0.0.0/8", "::1/128"]);
    /// # Ok::<(), ipnetwork::IpNetworkError>(())
    /// ```
    #[must_use]
    pub fn networks(&self) -> Vec<IpNetwork> {
        let mut out = Vec::new();
        self.v4.as_slice().iter().for_each(|(first, last)| cidr::cover_v4(*first, *last, &mut out));
        self.v6.as_slice().iter().for_each(|(first, last)| cidr::cover_v6(*first, *last, &mut out));
        out
    }

    /// How many IPv4 addresses the set has.
    ///
    /// ```
    /// use policy_lpm::RangeSet;
    /// assert_eq!(RangeSet::all().count_v4(), 1 << 32);
    /// assert_eq!(RangeSet::all().count_v6(), u128::MAX - u128::from(u32::MAX));
    /// ```
    #[must_use]
    pub fn count_v4(&self) -> u64 {
        self.v4.as_slice().iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// How many IPv6 addresses the set has, without `::ffff:0:0/96`, whose addresses are IPv4.
    #[must_use]
    pub fn count_v6(&self) -> u128 {
        let mapped = Ranges::new(vec![(MAPPED_FIRST, MAPPED_FIRST | u128::from(u32::MAX))]);
        // INVARIANT: without the mapped addresses, no range has all 2¹²⁸.
        self.v6.without(&mapped).as_slice().iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The IPv4 ranges.
    #[must_use]
    pub const fn v4(&self) -> &Ranges<u32> {
        &self.v4
    }

    /// The IPv6 ranges.
    #[must_use]
    pub const fn v6(&self) -> &Ranges<u128> {
        &self.v6
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adjacent_and_nested_ranges_merge() {
        let ranges = Ranges::new(vec![(5_u32, 9), (0, 4), (7, 7), (11, u32::MAX), (u32::MAX, u32::MAX)]);
        assert_eq!(ranges.as_slice(), [(0, 9), (11, u32::MAX)]);
    }

    proptest! {
        /// Differences over a small universe against membership, key by key.
        #[test]
        fn without_is_set_difference(a in pairs(), b in pairs()) {
            let (a, b) = (Ranges::new(a), Ranges::new(b));
            let rest = a.without(&b);
            for key in (0..40_u32).chain(u32::MAX - 40..=u32::MAX) {
                prop_assert_eq!(rest.contains(key), a.contains(key) && !b.contains(key), "{}", key);
            }
            for &(first, last) in b.as_slice().iter().filter(|(first, last)| last - first < 100) {
                prop_assert_eq!(a.covers(first, last), (first..=last).all(|key| a.contains(key)));
                prop_assert_eq!(a.meets(first, last), (first..=last).any(|key| a.contains(key)));
            }
            prop_assert_eq!(Ranges::new(rest.as_slice().to_vec()), rest);
        }
    }

    fn pairs() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let key = prop_oneof![0..40_u32, u32::MAX - 39..=u32::MAX];
        prop::collection::vec((key.clone(), key).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..8)
    }
}
