//! Longest match: the value of the most specific prefix that holds an address.

mod prefixes;
mod values;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::batch::Batch;
use crate::cidr::unmapped;
use crate::layout::{BATCH, Family, Layout};
use crate::limits::TooLarge;
use prefixes::{Prefix, PrefixV4, PrefixV6, Prefixes};
use values::{List, Values, choose};

/// Prefixes with values, and lookups by the longest match. Immutable; `Send + Sync`.
///
/// Memory: a full Internet table with the AS number of each prefix takes three bytes a prefix for IPv4 and five for
/// IPv6; where neighbours never have the same of 90,000 numbers, five and twelve. Prefixes far from all others take up
/// to 50, single IPv4 hosts up to 120. [`Self::heap_bytes`] tells it exactly. Building takes up to 45 bytes a prefix for
/// a moment, of IPv6 115. A lookup takes no memory; its time hardly grows with the table.
///
/// Values that are small numbers are stored as they are, others once each in a list for each family, whichever takes
/// less; either way in as many bits as are needed to tell them apart. Adjacent ranges with one value are merged.
///
/// ```
/// use policy_lpm::{cidr, LongestMatch};
/// let entry = |text: &str, value: u32| (cidr(text).expect("a CIDR").network, value);
/// let table = LongestMatch::build([entry("10.0.0.0/8", 1), entry("10.1.0.0/16", 2), entry("2001:db8::/32", 3)])?;
/// let lookup = |ip: &str| table.lookup(ip.parse().expect("an address"));
/// assert_eq!(lookup("10.2.3.4"), Some(1));
/// assert_eq!(lookup("::ffff:10.1.3.4"), Some(2), "a mapped address is its IPv4 address");
/// assert_eq!(lookup("2001:db8::1"), Some(3));
/// assert_eq!(lookup("192.0.2.1"), None);
/// # Ok::<(), policy_lpm::TooLarge>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongestMatch {
    v4: Mapping<u32>,
    v6: Mapping<u128>,
}

/// The function of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping<K: Family> {
    layout: Layout<K>,
    values: Values,
}

impl<K: Family> Mapping<K> {
    fn new<P: Prefix<Key = K>>(prefixes: Prefixes<P>) -> Self {
        // One more than a value is its code, except where this does not fit.
        let (steps, given) = if prefixes.max_value() == Some(u32::MAX) {
            let mut list = List::new();
            (prefixes.flatten(|value| list.code_of(value)), list.into_values())
        } else {
            (prefixes.flatten(|value| value.saturating_add(1)), Values::Direct)
        };
        let (steps, values) = choose(steps, given);
        Self { layout: Layout::new(&steps), values }
    }

    #[inline]
    fn get(&self, key: K) -> Option<u32> {
        self.values.get(self.layout.get(key))
    }

    /// The values at as many addresses of a batch as both slices have.
    fn get_each(&self, keys: &[K], values: &mut [Option<u32>]) {
        let mut codes = [0; BATCH];
        self.layout.get_each(keys, &mut codes);
        keys.iter().zip(codes).zip(values).for_each(|((_, code), value)| *value = self.values.get(code));
    }

    /// The ranges that have a value, in order.
    fn ranges(&self) -> impl Iterator<Item = (K, K, u32)> {
        let ranges = self.layout.steps().into_ranges();
        ranges.filter_map(|(first, last, code)| Some((first, last, self.values.get(code)?)))
    }

    fn heap_bytes(&self) -> usize {
        self.layout.bytes() + self.values.heap_bytes()
    }
}

impl LongestMatch {
    /// Builds the table; of a prefix that is given twice the last value counts. Host bits are ignored, mapped
    /// networks of at least 96 bits count as IPv4. Equal functions give equal tables. O(n log n).
    ///
    /// # Errors
    /// [`TooLarge`] for more than 2^26 prefixes of one family.
    pub fn build(entries: impl IntoIterator<Item = (IpNetwork, u32)>) -> Result<Self, TooLarge> {
        let entries = entries.into_iter();
        let mut v4: Prefixes<PrefixV4> = Prefixes::with_room(entries.size_hint().0);
        let mut v6: Prefixes<PrefixV6> = Prefixes::with_room(0);
        for (network, value) in entries {
            match unmapped(network) {
                IpNetwork::V4(network) => v4.push(network, value)?,
                IpNetwork::V6(network) => v6.push(network, value)?,
            }
        }
        Ok(Self { v4: Mapping::new(v4), v6: Mapping::new(v6) })
    }

    /// The value of the most specific prefix that holds the address; a mapped address is its IPv4 address.
    #[inline]
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Option<u32> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.lookup_v4(address),
            IpAddr::V6(address) => self.lookup_v6(address),
        }
    }

    /// The same for an IPv4 address.
    #[inline]
    #[must_use]
    pub fn lookup_v4(&self, address: Ipv4Addr) -> Option<u32> {
        self.v4.get(address.into())
    }

    /// The same for an IPv6 address, taken as it is: a mapped one is not looked up as IPv4.
    #[inline]
    #[must_use]
    pub fn lookup_v6(&self, address: Ipv6Addr) -> Option<u32> {
        self.v6.get(address.into())
    }

    /// [`Self::lookup`] for many addresses, each value in the place of its address; what one slice has beyond the other
    /// is left as it is. A group of them goes through the table together, so that the waits for memory overlap: of a
    /// table that is larger than the caches it is faster than as many single lookups, of a small one about as fast. No
    /// allocation.
    ///
    /// ```
    /// use policy_lpm::{cidr, LongestMatch};
    /// let table = LongestMatch::build([(cidr("10.0.0.0/8").expect("a CIDR").network, 1)])?;
    /// let addresses = ["10.2.3.4", "2001:db8::1", "::ffff:10.1.3.4"].map(|text| text.parse().expect("an address"));
    /// let mut values = [None; 3];
    /// table.lookup_each(&addresses, &mut values);
    /// assert_eq!(values, [Some(1), None, Some(1)]);
    /// # Ok::<(), policy_lpm::TooLarge>(())
    /// ```
    pub fn lookup_each(&self, addresses: &[IpAddr], values: &mut [Option<u32>]) {
        for (addresses, values) in addresses.chunks(BATCH).zip(values.chunks_mut(BATCH)) {
            let batch = Batch::new(addresses);
            batch.answer(
                values,
                |keys, out| self.v4.get_each(keys, out),
                |keys, out| self.v6.get_each(keys, out),
            );
        }
    }

    /// The same for IPv4 addresses.
    pub fn lookup_v4_each(&self, addresses: &[Ipv4Addr], values: &mut [Option<u32>]) {
        for (addresses, values) in addresses.chunks(BATCH).zip(values.chunks_mut(BATCH)) {
            let mut keys = [0; BATCH];
            addresses.iter().zip(&mut keys).for_each(|(address, key)| *key = u32::from(*address));
            self.v4.get_each(keys.get(..addresses.len()).unwrap_or(&keys), values);
        }
    }

    /// The same for IPv6 addresses, taken as they are: a mapped one is not looked up as IPv4.
    pub fn lookup_v6_each(&self, addresses: &[Ipv6Addr], values: &mut [Option<u32>]) {
        for (addresses, values) in addresses.chunks(BATCH).zip(values.chunks_mut(BATCH)) {
            let mut keys = [0; BATCH];
            addresses.iter().zip(&mut keys).for_each(|(address, key)| *key = u128::from(*address));
            self.v6.get_each(keys.get(..addresses.len()).unwrap_or(&keys), values);
        }
    }

    /// True if a prefix holds the address.
    #[inline]
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.lookup(address).is_some()
    }

    /// The ranges of both families that have a value, IPv4 first, in order; neighbours differ. O(ranges).
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr, u32)> {
        let v4 =
            self.v4.ranges().map(|(a, b, value)| (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into(), value));
        let v6 =
            self.v6.ranges().map(|(a, b, value)| (Ipv6Addr::from(a).into(), Ipv6Addr::from(b).into(), value));
        v4.chain(v6)
    }

    /// Bytes that the table holds on the heap, exactly as they were asked of the allocator.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.v4.heap_bytes() + self.v6.heap_bytes()
    }

    /// Bytes of memory that the table takes, itself included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use ipnetwork::{Ipv4Network, Ipv6Network};

    use super::*;

    #[test]
    fn any_value_is_found_in_a_table_of_any_size() {
        for count in [1, 500, 1_000, 1_001, 1_024, 3_000_u32] {
            let value = |n: u32| u32::MAX - n % 200;
            let v4 =
                (0..count).map(|n| (IpNetwork::V4(Ipv4Network::from(Ipv4Addr::from(7 + n * 8))), value(n)));
            let address = |n: u32| Ipv6Addr::from((u128::from(n) << 70) + 9);
            let v6 = (0..count).map(|n| (IpNetwork::V6(Ipv6Network::from(address(n))), value(n)));
            let table = LongestMatch::build(v4.chain(v6)).expect("small");
            for n in 0..count {
                assert_eq!(table.lookup_v4(Ipv4Addr::from(7 + n * 8)), Some(value(n)), "{n} of {count}");
                assert_eq!(table.lookup_v4(Ipv4Addr::from(8 + n * 8)), None, "{n} of {count}");
                assert_eq!(table.lookup_v6(address(n)), Some(value(n)), "{n} of {count}");
            }
            assert_eq!(table.ranges().count(), 2 * count as usize);
        }
    }
}
